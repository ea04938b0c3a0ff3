#include "models/tlm/ports.hpp"

#include <algorithm>
#include <cstring>

namespace irqfab {
namespace {

/// Zero-price hops within this time before something from outside that arrives at `time`.
std::uint16_t round_from_outside(const Engine& engine, Time time) {
  return time == engine.now() ? static_cast<std::uint16_t>(engine.round() + 1) : std::uint16_t{0};
}

/// The same for a payload. A foreign module may have kept one of ours and pass it on later: what
/// the extension says holds only within the call that it was made for.
std::uint16_t round_of(const InterruptExtension* extension, Kernel& kernel, Time time) {
  if (extension != nullptr && kernel.pumping()) return extension->round;
  return round_from_outside(kernel.engine(), time);
}

/// Whole, contiguous and no longer than a message of the fabric: else it is refused.
bool is_plain(const tlm::tlm_generic_payload& payload) {
  const unsigned length = payload.get_data_length();
  const unsigned longest = payload.is_read() ? sizeof(Bytes16) : sizeof(std::uint64_t);
  const unsigned width = payload.get_streaming_width();  // 0: its initiator set none
  return length > 0 && length <= longest && (width == 0 || width >= length) &&
         payload.get_byte_enable_ptr() == nullptr;
}
/// A message's data is 4 bytes: that size is worth an instruction of its own.
void copy_data(void* to, const void* from, std::size_t size) {
  if (size == 4) {
    std::memcpy(to, from, 4);
  } else {
    std::memcpy(to, from, size);
  }
}

using Kind = InterruptExtension::Question;
Kind question_of(const tlm::tlm_generic_payload& payload) {
  const auto* extension = payload.get_extension<InterruptExtension>();
  return extension != nullptr ? extension->question : Kind::None;
}

BusStatus status_of(tlm::tlm_response_status response) {
  switch (response) {
    case tlm::TLM_OK_RESPONSE:
      return BusStatus::Ok;
    case tlm::TLM_ADDRESS_ERROR_RESPONSE:
      return BusStatus::NoDecode;
    default:
      return BusStatus::Error;
  }
}

tlm::tlm_response_status response_of(BusStatus status) {
  switch (status) {
    case BusStatus::Ok:
      return tlm::TLM_OK_RESPONSE;
    case BusStatus::NoDecode:
      return tlm::TLM_ADDRESS_ERROR_RESPONSE;
    case BusStatus::Error:
      break;
  }
  return tlm::TLM_GENERIC_ERROR_RESPONSE;
}

void fill(Transaction& transaction, tlm::tlm_command command, std::uint64_t address,
          unsigned size) {
  tlm::tlm_generic_payload& payload = transaction.payload;
  payload.set_command(command);
  payload.set_address(address);
  payload.set_data_ptr(transaction.data.data());
  payload.set_data_length(size);
  payload.set_streaming_width(size);
  payload.set_byte_enable_ptr(nullptr);
  payload.set_dmi_allowed(false);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
}

}  // namespace

// ---- initiator --------------------------------------------------------------------------------

BusInitiatorEnd::BusInitiatorEnd(Kernel& kernel, StationBase& station, PortId port,
                                 const std::string& name)
    : PortEnd(kernel, station, port), socket(name.c_str()) {
  socket.bind(static_cast<tlm::tlm_bw_transport_if<>&>(*this));
}

void BusInitiatorEnd::carry(const Message& message, Time departure, std::uint16_t round) {
  if (const auto* write = std::get_if<BusWrite>(&message)) return post(*write, departure, round);
  Pooled& transaction = take_transaction();
  if (const auto* read = std::get_if<BusRead>(&message)) {
    fill(transaction, tlm::TLM_READ_COMMAND, read->address, read->size);
    transaction.extension.requester = read->requester;
    transaction.extension.span = read->span;
    transaction.extension.tag = read->tag;
    transaction.extension.question = Kind::None;
  } else if (const auto* marker = std::get_if<Marker>(&message)) {
    fill(transaction, tlm::TLM_IGNORE_COMMAND, 0, 0);
    transaction.extension.span = kNoSpan;
    transaction.extension.tag = marker->tag;
    transaction.extension.question = Kind::Marker;
  } else if (const auto* posting = std::get_if<PostInterrupt>(&message)) {
    fill(transaction, tlm::TLM_IGNORE_COMMAND, posting->address, sizeof(Bytes16));
    transaction.extension.requester = posting->requester;
    transaction.extension.span = posting->span;
    transaction.extension.tag = posting->tag;
    transaction.extension.question = Kind::Post;
    transaction.extension.vector = posting->vector;
    transaction.extension.urgency = posting->urgency;
  }
  request(transaction, departure, round);
}

void BusInitiatorEnd::post(const BusWrite& write, Time departure, std::uint16_t round) {
  fill(post_, tlm::TLM_WRITE_COMMAND, write.address, write.size);
  std::memcpy(post_.data.data(), &write.data, sizeof write.data);
  post_.extension.requester = write.requester;
  post_.extension.span = write.span;
  post_.extension.round = round;
  sc_core::sc_time delay = kernel_.from_now(departure);
  socket->b_transport(post_.payload, delay);
}

void BusInitiatorEnd::request(Transaction& transaction, Time departure, std::uint16_t round) {
  transaction.extension.round = round;
  transaction.payload.acquire();
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_core::sc_time delay = kernel_.from_now(departure);
  const tlm::tlm_sync_enum status = socket->nb_transport_fw(transaction.payload, phase, delay);
  const bool done =
      status == tlm::TLM_COMPLETED || (status == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP);
  if (done) answered(transaction.payload, kernel_.after(delay));
}

tlm::tlm_sync_enum BusInitiatorEnd::nb_transport_bw(tlm::tlm_generic_payload& payload,
                                                    tlm::tlm_phase& phase,
                                                    sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_RESP) return tlm::TLM_ACCEPTED;  // END_REQ
  answered(payload, kernel_.after(delay));
  return tlm::TLM_COMPLETED;
}

void BusInitiatorEnd::answered(tlm::tlm_generic_payload& payload, Time time) {
  const auto* extension = payload.get_extension<InterruptExtension>();
  if (extension->question == Kind::Marker) {
    station_.accept(port_, MarkerDone{extension->tag}, time, extension->round);
  } else {
    BusData data{{}, extension->tag, status_of(payload.get_response_status()), extension->span};
    // An interrupt that was posted stays behind.
    const bool stays = extension->question == Kind::Post && data.status == BusStatus::Ok;
    if (stays) data.span = kNoSpan;
    std::memcpy(data.data.data(), payload.get_data_ptr(),
                std::min<std::size_t>(payload.get_data_length(), data.data.size()));
    station_.accept(port_, data, time, extension->round);
  }
  payload.release();
}

BusInitiatorEnd::Pooled& BusInitiatorEnd::take_transaction() {
  if (free_.empty()) {
    pool_.push_back(std::make_unique<Pooled>(*this));
    free_.reserve(pool_.size());
    return *pool_.back();
  }
  Pooled& transaction = *free_.back();
  free_.pop_back();
  return transaction;
}

BusInitiatorEnd::Saved BusInitiatorEnd::save() const {
  Saved saved;
  for (const auto& transaction : pool_) {
    const tlm::tlm_generic_payload& payload = transaction->payload;
    const InterruptExtension& extension = transaction->extension;
    saved.push_back({payload.get_ref_count() > 0, payload.get_command(), payload.get_address(),
                     payload.get_data_length(), extension.requester, extension.span, extension.tag,
                     extension.round, extension.question, extension.vector, extension.urgency});
  }
  return saved;
}

void BusInitiatorEnd::restore(const Saved& saved) {
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    Pooled& transaction = *pool_[i];
    const Question question = i < saved.size() ? saved[i] : Question{};
    while (transaction.payload.get_ref_count() > 0) transaction.payload.release();
    if (!question.under_way) continue;
    fill(transaction, question.command, question.address, question.size);
    transaction.extension.requester = question.requester;
    transaction.extension.span = question.span;
    transaction.extension.tag = question.tag;
    transaction.extension.round = question.round;
    transaction.extension.question = question.kind;
    transaction.extension.vector = question.vector;
    transaction.extension.urgency = question.urgency;
    transaction.payload.acquire();
  }
  free_.clear();
  for (const auto& transaction : pool_) {
    if (transaction->payload.get_ref_count() == 0) free_.push_back(transaction.get());
  }
}

// ---- target -----------------------------------------------------------------------------------

BusTargetEnd::BusTargetEnd(Kernel& kernel, StationBase& station, PortId port,
                           const std::string& name)
    : PortEnd(kernel, station, port), socket(name.c_str()) {
  socket.bind(static_cast<tlm::tlm_fw_transport_if<>&>(*this));
}

void BusTargetEnd::b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  const Time time = kernel_.after(delay);
  if (refuse(payload)) return;
  if (payload.is_write()) {
    put_write(payload, time);
    if (!kernel_.pumping()) kernel_.disturb();
    return;
  }
  const auto caller = sc_core::sc_get_current_process_handle().proc_kind();
  if (caller != sc_core::SC_THREAD_PROC_ && caller != sc_core::SC_CTHREAD_PROC_) {
    payload.set_response_status(tlm::TLM_GENERIC_ERROR_RESPONSE);
    SC_REPORT_ERROR("irqfab/blocking-read",
                    "b_transport of a read waits for the fabric: call it from an SC_THREAD");
    return;
  }
  wait_for_answer(payload, time);
  delay = sc_core::SC_ZERO_TIME;
}

tlm::tlm_sync_enum BusTargetEnd::nb_transport_fw(tlm::tlm_generic_payload& payload,
                                                 tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_REQ) return tlm::TLM_COMPLETED;  // END_RESP: nothing left to do
  const Time time = kernel_.after(delay);
  if (question_of(payload) == Kind::None && refuse(payload)) return tlm::TLM_COMPLETED;
  if (payload.is_write()) {
    put_write(payload, time);
    kernel_.disturb();
    return tlm::TLM_COMPLETED;
  }
  put_question(payload, time, nullptr);
  kernel_.disturb();
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

/// Answers what never becomes a message: nothing to do, or not to be done.
bool BusTargetEnd::refuse(tlm::tlm_generic_payload& payload) {
  if (payload.get_command() == tlm::TLM_IGNORE_COMMAND) {
    payload.set_response_status(tlm::TLM_OK_RESPONSE);
    return true;
  }
  if (is_plain(payload)) return false;
  payload.set_response_status(payload.get_byte_enable_ptr() != nullptr
                                  ? tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE
                                  : tlm::TLM_BURST_ERROR_RESPONSE);
  return true;
}

void BusTargetEnd::put_write(tlm::tlm_generic_payload& payload, Time time) {
  const auto* extension = payload.get_extension<InterruptExtension>();
  BusWrite write{payload.get_address(), 0, kNoSpan, default_requester_,
                 static_cast<std::uint8_t>(payload.get_data_length())};
  copy_data(&write.data, payload.get_data_ptr(), write.size);
  if (extension != nullptr) {
    write.span = extension->span;
    write.requester = extension->requester;
  }
  station_.accept(port_, write, time, round_of(extension, kernel_, time));
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

void BusTargetEnd::put_question(tlm::tlm_generic_payload& payload, Time time,
                                sc_core::sc_event* done) {
  const auto* extension = payload.get_extension<InterruptExtension>();
  const Tag tag = remember({&payload, done});
  const std::uint16_t round = round_of(extension, kernel_, time);
  if (question_of(payload) == Kind::Marker) {
    return station_.accept(port_, Marker{tag}, time, round);
  }
  if (question_of(payload) == Kind::Post) {
    const PostInterrupt posting{payload.get_address(), tag,
                                extension->span,       extension->requester,
                                extension->vector,     extension->urgency};
    return station_.accept(port_, posting, time, round);
  }
  const SpanId span = extension != nullptr ? extension->span : kNoSpan;
  const auto size = static_cast<std::uint8_t>(payload.get_data_length());
  station_.accept(port_, BusRead{payload.get_address(), tag, span, requester_of(payload), size},
                  time, round);
}

void BusTargetEnd::wait_for_answer(tlm::tlm_generic_payload& payload, Time time) {
  sc_core::sc_event done;
  put_question(payload, time, &done);
  kernel_.disturb();
  sc_core::wait(done);
}

/// The core answers: BusData or MarkerDone, with the tag it was asked with.
void BusTargetEnd::carry(const Message& message, Time departure, std::uint16_t round) {
  const auto* data = std::get_if<BusData>(&message);
  const auto* marked = std::get_if<MarkerDone>(&message);
  if (data == nullptr && marked == nullptr) return;
  const std::size_t at = raw(data != nullptr ? data->tag : marked->tag);
  if (at >= asked_.size() || asked_[at].payload == nullptr) return;
  const Asked asked = asked_[at];
  asked_[at].payload = nullptr;
  tlm::tlm_generic_payload& payload = *asked.payload;
  payload.set_response_status(data != nullptr ? response_of(data->status) : tlm::TLM_OK_RESPONSE);
  if (data != nullptr && payload.get_data_ptr() != nullptr) {
    std::memcpy(payload.get_data_ptr(), data->data.data(),
                std::min<std::size_t>(payload.get_data_length(), data->data.size()));
  }
  if (asked.done != nullptr) {
    asked.done->notify(kernel_.from_now(departure));
    return kernel_.disturb();
  }
  if (auto* extension = payload.get_extension<InterruptExtension>()) extension->round = round;
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_core::sc_time delay = kernel_.from_now(departure);
  socket->nb_transport_bw(payload, phase, delay);
}

BusTargetEnd::Saved BusTargetEnd::save() const {
  Saved saved;
  for (const Asked& asked : asked_) saved.push_back(asked.payload);
  return saved;
}

void BusTargetEnd::restore(const Saved& saved) {
  asked_.clear();
  for (tlm::tlm_generic_payload* payload : saved) asked_.push_back({payload, nullptr});
}

Requester BusTargetEnd::requester_of(const tlm::tlm_generic_payload& payload) const {
  const auto* extension = payload.get_extension<InterruptExtension>();
  return extension != nullptr ? extension->requester : default_requester_;
}

Tag BusTargetEnd::remember(const Asked& asked) {
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    if (asked_[i].payload != nullptr) continue;
    asked_[i] = asked;
    return Tag(i);
  }
  asked_.push_back(asked);
  return Tag(asked_.size() - 1);
}

// ---- a target that knows nothing of irqfab ----------------------------------------------------

ForeignTargetEnd::ForeignTargetEnd(sc_core::sc_module_name name, Kernel& kernel,
                                   StationBase& station, PortId port)
    : sc_core::sc_module(name), socket("socket"), kernel_(kernel), station_(station), port_(port) {
  socket.bind(static_cast<tlm::tlm_bw_transport_if<>&>(bw_));
  SC_HAS_PROCESS(ForeignTargetEnd);
  SC_THREAD(make_calls);
}

/// Lanes of one station are at different times: calls are kept by departure, equal ones in order.
void ForeignTargetEnd::carry(const Message& message, Time departure, std::uint16_t) {
  const auto at =
      std::upper_bound(calls_.begin(), calls_.end(), departure,
                       [](Time time, const Call& call) { return time < call.departure; });
  calls_.insert(at, {message, departure});
  called_.notify(kernel_.from_now(departure));
  kernel_.disturb();
}

void ForeignTargetEnd::make_calls() {
  for (;;) {
    while (calls_.empty()) sc_core::wait(called_);
    const Call call = calls_.front();
    if (call.departure > kernel_.now()) {
      sc_core::wait(kernel_.from_now(call.departure), called_);
      continue;  // an earlier one may have come
    }
    calls_.erase(calls_.begin());
    make(call);
  }
}

void ForeignTargetEnd::make(const Call& call) {
  const auto* write = std::get_if<BusWrite>(&call.message);
  const auto* read = std::get_if<BusRead>(&call.message);
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  if (write != nullptr) {
    fill(transaction_, tlm::TLM_WRITE_COMMAND, write->address, write->size);
    std::memcpy(transaction_.data.data(), &write->data, sizeof write->data);
    transaction_.extension.requester = write->requester;
    transaction_.extension.span = write->span;
  } else if (read != nullptr) {
    fill(transaction_, tlm::TLM_READ_COMMAND, read->address, read->size);
    transaction_.data.fill(0);
    transaction_.extension.requester = read->requester;
    transaction_.extension.span = read->span;
  } else if (const auto* marker = std::get_if<Marker>(&call.message)) {
    // Calls are made in order, so whatever came before has landed.
    const std::uint16_t round = round_from_outside(kernel_.engine(), kernel_.now());
    station_.accept(port_, MarkerDone{marker->tag}, kernel_.now(), round);
    return kernel_.disturb();
  } else if (const auto* posting = std::get_if<PostInterrupt>(&call.message)) {
    // No TLM-2.0 command means it.
    const BusData refused{{}, posting->tag, BusStatus::Error, posting->span};
    station_.accept(port_, refused, kernel_.now(),
                    round_from_outside(kernel_.engine(), kernel_.now()));
    return kernel_.disturb();
  }
  socket->b_transport(transaction_.payload, delay);
  if (delay != sc_core::SC_ZERO_TIME) sc_core::wait(delay);
  if (read == nullptr) return;
  BusData data{{}, read->tag, status_of(transaction_.payload.get_response_status()), read->span};
  std::memcpy(data.data.data(), transaction_.data.data(), data.data.size());
  const std::uint16_t round = round_from_outside(kernel_.engine(), kernel_.now());
  station_.accept(port_, data, kernel_.now(), round);
  kernel_.disturb();
}

}  // namespace irqfab
