// Requests: translation, blocking, and the order in which they leave.
#include "models/x86/vtd_remapper.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <tuple>

namespace irqfab::x86 {

using vtd::FaultReason;

VtdRemapper::VtdRemapper(const Config& config)
    : config_(config),
      slots_(config.walks, config.waiting),
      cache_(config.iec_entries),
      faults_(config.fault_records, config.collapsing) {
  assert(config.fault_records > 0 && config.fault_records <= 64);
}

void VtdRemapper::receive(PortId port, const Message& message, Env& env) {
  const auto* write = std::get_if<BusWrite>(&message);
  const auto* read = std::get_if<BusRead>(&message);
  if (spec_of(port) == spec_of(kInput)) {
    if (write != nullptr) on_request(port, *write, env);
    if (read != nullptr) {  // memory is not behind this port
      env.guest_error(GuestFault::UnclaimedAddress);
      env.send(port, BusData{{}, read->tag, BusStatus::NoDecode});
    }
  } else if (port == kRegisters) {
    if (write != nullptr) on_register_write(*write, env);
    if (read != nullptr) env.send(port, answer_to(*read, env));
  } else if (const auto* answer = std::get_if<BusData>(&message)) {
    if (Slots::is_delivery(answer->tag)) {
      on_post_answer(*answer, env);
    } else if (answer->tag == descriptor_tag()) {
      on_descriptor(*answer, env);
    } else {
      on_irte(answer->tag, *answer, env);
    }
  } else if (const auto* done = std::get_if<MarkerDone>(&message)) {
    on_marker_done(*done, env);
  }
}

void VtdRemapper::on_request(PortId input, const BusWrite& write, Env& env) {
  assert(!busy());
  if (!is_msi_address(write.address) || !vtd::Gsts::IRES::is_set(in_effect_)) {
    return forward(input, Request{write}, env);
  }
  if (write.size != 4) {  // an interrupt request is one DWORD ("Interrupt Address Range")
    env.guest_error(GuestFault::WrongAccessSize);
    return block(write, env);
  }
  if (RemappableAddress::InterruptFormat::is_set(write.address)) {
    return on_remappable(input, write, env);
  }
  // VT-d 5.1.4: the compatibility format passes only if software asked for it (CFI), and never in
  // extended interrupt mode.
  const bool passes = (vtd::Gsts::CFIS::is_set(in_effect_) && mode() == InterruptMode::Xapic) ||
                      config_.quirks.has(Quirk::CompatibilityFormatPasses);
  if (!passes) return block(write, FaultReason::CompatibilityBlocked, 0, env);
  forward(input, Request{write}, env);
}

void VtdRemapper::on_remappable(PortId input, const BusWrite& write, Env& env) {
  // VT-d 5.1.2.2 and 5.1.3: the index is the handle, plus the subhandle where SHV says there is
  // one.
  std::uint32_t index = RemappableAddress::handle(write.address);
  if (RemappableAddress::SHV::is_set(write.address)) {
    if (RemappableData::Reserved::is_set(write.data)) {
      return block(write, FaultReason::RequestReserved, index, env);
    }
    index += static_cast<std::uint32_t>(RemappableData::Subhandle::get(write.data));
  }
  if (config_.quirks.has(Quirk::IndexWraps)) index &= 0xFFFF;
  if (index >= table_entries()) return block(write, FaultReason::IndexOutOfRange, index, env);

  Request request{write, index};
  if (const Irte* irte = cache_.find(index)) {
    env.note(Event::IrteHit, write.span, index);
    if (translate(*irte, request, env)) forward(input, request, env);
    return;
  }
  if (const Slots::Walk* walk = slots_.joinable(index)) {
    return slots_.wait(walk->tag, input, request);
  }
  const Tag tag = slots_.start(index);
  slots_.wait(tag, input, request);
  const std::uint64_t address = (table_ & vtd::Irta::IRTA::kMask) + index * Irte::kBytes;
  env.send(kMemory, BusRead{address, tag, write.span, {}, Irte::kBytes});
}

void VtdRemapper::on_irte(Tag tag, const BusData& answer, Env& env) {
  const Slots::Walk* walk = slots_.find(tag);
  if (walk == nullptr) return;  // an answer to no question
  const std::uint32_t index = walk->key;
  const bool stale = walk->stale;
  Irte irte;
  std::memcpy(&irte.low, answer.data.data(), sizeof irte.low);
  std::memcpy(&irte.high, answer.data.data() + sizeof irte.low, sizeof irte.high);
  const bool read = answer.status == BusStatus::Ok;
  if (read && !stale && irte.present() && !malformed(irte)) {
    cache_.fill(index, irte);
  }

  slots_.land(tag, [&](Request& request) {
    if (!read) {
      block(request.write, FaultReason::TableAccess, index, env);
      return Slots::Next::gone();
    }
    env.note(Event::IrteFetched, request.write.span, index);
    return translate(irte, request, env) ? Slots::Next::ready() : Slots::Next::gone();
  });
  release(env);
  drain(env);
}

/// Applies the entry, or blocks the request and answers false (VT-d 5.1.4.1). Of an entry that is
/// malformed and for another requester the form is reported: 5.1.4 gives no priority, and names the
/// requester first; QEMU looks at the form first.
bool VtdRemapper::translate(const Irte& irte, Request& request, Env& env) {
  request.unrecorded = irte.fault_processing_disabled();
  if (const std::optional<FaultReason> fault = fault_of(irte, request)) {
    block(request, *fault, env);
    return false;
  }
  if (irte.posted() && config_.posting == Posting::Present) {
    request.post = irte.post_target();
    return true;
  }
  const MsiMessage message = message_of(irte);
  request.write.address = message.address;
  request.write.data = message.data;
  return true;
}

std::optional<FaultReason> VtdRemapper::fault_of(const Irte& irte, const Request& request) const {
  if (!irte.present()) return FaultReason::NotPresent;
  if (malformed(irte)) return FaultReason::IrteReserved;
  if (!admits(irte, request.write.requester.rid)) return FaultReason::SourceId;
  return std::nullopt;
}

bool VtdRemapper::malformed(const Irte& irte) const {
  const bool in_part =
      config_.quirks.has(Quirk::IrteReservedIgnored) && config_.posting == Posting::Absent;
  return in_part ? irte.malformed_in_part() : irte.malformed(mode(), config_.posting);
}

bool VtdRemapper::admits(const Irte& irte, RequesterId requester) const {
  const auto& ioapics = config_.ioapics;
  const bool of_ioapic = std::find(ioapics.begin(), ioapics.end(), requester) != ioapics.end();
  if (of_ioapic && config_.quirks.has(Quirk::IoapicUnverified)) return true;
  return irte.admits(requester, config_.quirks.has(Quirk::BusRangeReversed)
                                    ? BusRangeOrder::LastFirst
                                    : BusRangeOrder::FirstLast);
}

/// Of extended interrupt mode that the unit does not have (Quirk::VtdBitsKept) only the lowest 8
/// bits of the destination go on.
MsiMessage VtdRemapper::message_of(const Irte& irte) const {
  MsiMessage message = irte.message(mode());
  if (config_.extended_mode == ExtendedMode::Absent) message.address &= 0xFFFFFFFF;
  return message;
}

void VtdRemapper::forward(PortId input, const Request& request, Env& env) {
  if (request.post) {
    slots_.ready(input, request);
    return release(env);
  }
  if (slots_.holds_any_of(input)) return slots_.hold(input, request);
  emit(request, Slots::Turn::AtOnce, env);
}

void VtdRemapper::release(Env& env) {
  slots_.offer([&](Request& request, Slots::Turn turn, Slots::Ahead ahead) {
    if (request.post) return post(request, turn, env);
    if (ahead == Slots::Ahead::Deliveries) return Slots::Departure::stays();
    emit(request, turn, env);
    return Slots::Departure::gone();
  });
}

void VtdRemapper::emit(const Request& request, Slots::Turn turn, Env& env) {
  const SpanId span = request.write.span;
  if (turn == Slots::Turn::HeldForOrder && span != kNoSpan) env.note(Event::HeldForOrder, span);
  if (request.index) env.note(Event::Remapped, span, *request.index);
  emitted_ = true;
  env.send(kOutput, request.write);
}

/// A message of the unit's own; it is not remapped.
void VtdRemapper::emit(const MsiMessage& message, SpanId span, Env& env) {
  emitted_ = true;
  env.send(kOutput, BusWrite{message.address, message.data, span, {}, 4});
}

void VtdRemapper::block(const BusWrite& write, Env& env) {
  env.drop(write.span, DropReason::RemapFault);
}

/// Because of its entry, which may ask for no record (FPD): these are the "qualified" conditions.
void VtdRemapper::block(const Request& request, FaultReason reason, Env& env) {
  if (request.unrecorded) return block(request.write, env);
  block(request.write, reason, *request.index, env);
}

void VtdRemapper::block(const BusWrite& write, FaultReason reason, std::uint32_t index, Env& env) {
  if (!config_.quirks.has(Quirk::RemapFaultsUnrecorded)) {
    const bool is_condition = !faults_.any_reported();
    const auto outcome = faults_.record(reason, write.requester.rid, index);
    if (outcome == vtd::FaultLog::Outcome::Recorded) {
      env.note(Event::RemapFaulted, write.span, static_cast<std::uint64_t>(reason));
      if (is_condition) raise(fault_event_, Source::FaultEvent, env);
    }
  }
  block(write, env);
}

std::uint32_t VtdRemapper::table_entries() const {
  return std::uint32_t{2} << vtd::Irta::S::get(table_);
}

InterruptMode VtdRemapper::mode() const {
  return vtd::Irta::EIME::is_set(table_) ? InterruptMode::Extended : InterruptMode::Xapic;
}

void VtdRemapper::held_spans(std::vector<SpanId>& out) const {
  slots_.for_each([&](const Request& request) {
    if (request.write.span != kNoSpan) out.push_back(request.write.span);
  });
}

bool operator==(const VtdRemapper& a, const VtdRemapper& b) {
  const auto state = [](const VtdRemapper& unit) {
    return std::tie(unit.table_, unit.IRTA_REG_, unit.IQA_REG_, unit.IQH_REG_, unit.IQT_REG_,
                    unit.GSTS_REG_, unit.in_effect_, unit.ICS_REG_, unit.fault_event_,
                    unit.invalidation_event_, unit.faults_, unit.cache_, unit.slots_,
                    unit.queue_state_, unit.fence_, unit.wait_low_, unit.wait_high_,
                    unit.command_state_, unit.command_fence_, unit.emitted_);
  };
  return state(a) == state(b);
}

}  // namespace irqfab::x86
