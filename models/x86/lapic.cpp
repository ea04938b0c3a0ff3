#include "models/x86/lapic.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "models/x86/register_data.hpp"

namespace irqfab::x86 {
namespace {

std::uint64_t cpu_and_vector(CpuId cpu, Vector vector) {
  return std::uint64_t{raw(cpu)} << 8 | raw(vector);
}

}  // namespace

LapicBank::LapicBank(const Config& config)
    : config_(config),
      rows_(config.ids.size()),
      spans_(config.ids.size()),
      locals_(config.ids.size()) {
  if (config.quirks.has(Quirk::ExtendedDestinationId)) {
    config_.msi_destination = MsiDestination::Bits15;
  }
  for (std::size_t i = 0; i < config.ids.size(); ++i) {
    rows_[CpuId(i)].id = raw(config.ids[i]) & kXapicIds;
  }
  if (rows_.size() == 0) return;
  if (config.bootstrap) {
    rows_[*config.bootstrap].apic_base = ApicBase::Bsp::set(ApicBase::kReset, 1);
    const bool virtual_wire = config.quirks.has(Quirk::Lint0ResetsToExtInt);
    if (virtual_wire) lvt(*config.bootstrap, LocalInterrupt::Lint0) = kExtInt;
  }
  for (Row& row : rows_) {
    row.delivers_illegal = config.quirks.has(Quirk::IllegalVectorDelivered);
    hold_back_if_disabled(row);
  }
  known_ = rows_.size() - 1;
  index_ids();
}

LaneId LapicBank::lane_of(PortId, const Message& message) const {
  const auto lane = [this](CpuId cpu) {
    return rows_.contains(cpu) ? LaneId{1 + raw(cpu)} : LaneId{0};
  };
  if (const auto* m = std::get_if<Inta>(&message)) return lane(m->cpu);
  if (const auto* m = std::get_if<RegisterWrite>(&message)) return lane(m->cpu);
  if (const auto* m = std::get_if<RegisterRead>(&message)) return lane(m->cpu);
  if (const auto* m = std::get_if<PinChange>(&message))
    return lane(CpuId{raw(m->pin) / kPinsPerCpu});
  if (const auto* m = std::get_if<IntaAnswer>(&message)) return lane(m->cpu);
  if (const auto* m = std::get_if<Elapsed>(&message)) return LaneId{m->lane};
  return LaneId{0};
}

void LapicBank::receive(PortId port, const Message& message, Env& env) {
  if (const auto* m = std::get_if<BusWrite>(&message)) return on_bus_write(*m, env);
  if (const auto* m = std::get_if<Inta>(&message)) return answer(port, *m, env);
  if (const auto* m = std::get_if<RegisterWrite>(&message)) {
    if (m->offset >= kMsrSpace) {
      wrmsr(m->cpu, m->offset - kMsrSpace, m->value, env);
      return;
    }
    return write(m->cpu, m->offset, static_cast<std::uint32_t>(m->value), env);
  }
  on_rest(port, message, env);
}

void LapicBank::on_rest(PortId port, const Message& message, Env& env) {
  if (const auto* pin = std::get_if<PinChange>(&message)) return on_pin(*pin, env);
  if (const auto* answer = std::get_if<IntaAnswer>(&message)) {
    if (!rows_.contains(answer->cpu)) return env.guest_error(GuestFault::TableIndexOutOfRange);
    env.send(kCpu, *answer);
    return extint_answered(*answer, env);
  }
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    if (elapsed->lane == 0) return arrive(elapsed->tag, env);
    return on_timer(CpuId{elapsed->lane - 1}, elapsed->tag, env);
  }
  on_question(port, message, env);
}

void LapicBank::on_bus_write(const BusWrite& write, Env& env) {
  const bool claimed = is_msi_address(write.address, config_.msi_destination) && write.size == 4;
  if (!claimed || taken_for_register(write.address)) return refuse_bus_write(write, env);
  // A write that nobody named begins its span here.
  const bool named = write.span != kNoSpan;
  const SpanId span = named ? write.span : env.open(Cause::Device, kNoSpan);
  const MsiMessage message{write.address, static_cast<std::uint32_t>(write.data)};
  on_message(decode(message, config_.msi_destination), span, env);
}

/// Messages are DWORD writes (SDM vol. 3, 11.11.1); nothing else is decoded here.
void LapicBank::refuse_bus_write(const BusWrite& write, Env& env) {
  if (write.span != kNoSpan) env.drop(write.span, DropReason::NoDecode);
  env.guest_error(write.size == 4 ? GuestFault::UnclaimedAddress : GuestFault::WrongAccessSize);
}

/// Quirk::LowMessageLost.
bool LapicBank::taken_for_register(std::uint64_t address) const {
  return config_.quirks.has(Quirk::LowMessageLost) &&
         MsiAddress::DestinationId::get(address) == 0 && MsiAddress::Edid::get(address) != 0;
}

void LapicBank::answer(PortId port, const Inta& inta, Env& env) {
  if (extint_requested(inta.cpu)) {
    extint_asked(inta.cpu);
    return env.send(kPic, inta);
  }
  env.send(port, on_inta(inta.cpu, env));
}

void LapicBank::on_question(PortId port, const Message& message, Env& env) {
  if (const auto* question = std::get_if<RegisterRead>(&message)) {
    env.send(port, data_of(*question, env));
  } else if (const auto* probe = std::get_if<BusRead>(&message)) {
    env.guest_error(GuestFault::UnclaimedAddress);  // the window takes writes only
    env.send(port, BusData{{}, probe->tag, BusStatus::NoDecode, probe->span});
  } else if (const auto* marker = std::get_if<Marker>(&message)) {
    env.send(port, MarkerDone{marker->tag});  // what came before it on this edge has been delivered
  }
}

BusData LapicBank::data_of(const RegisterRead& question, Env& env) {
  if (question.offset < kMsrSpace) {
    return register_data(read(question.cpu, question.offset, env), question.tag, kNoSpan);
  }
  const MsrAnswer answer = rdmsr(question.cpu, question.offset - kMsrSpace, env);
  BusData data = register_data(answer.value, question.tag, kNoSpan);
  if (answer.status == MsrStatus::GeneralProtection) data.status = BusStatus::Error;
  return data;
}

inline void LapicBank::set_irr(CpuId cpu, Vector vector, SpanId span, Env& env) {
  Row& row = rows_[cpu];
  SpanId& pending = spans_[cpu].irr[raw(vector)];
  if (row.irr.has(vector)) return env.coalesce(span, pending);
  row.irr.add(vector);
  pending = span;
  env.note(Event::Pended, span, cpu_and_vector(cpu, vector));
  // A low line means that nothing older could be delivered.
  const bool rises = row.intr == Level::Low &&
                     (deliverable(row, class_of(raw(vector))) || illegal_deliverable(row));
  if (rises) set_intr(cpu, Level::High, span, env);
}

/// Sets the IRR bit. The trigger mode of the latest arrival decides what the EOI will do: TMR is
/// written here, at acceptance (SDM vol. 3, 11.8.4), and not touched by the EOI.
void LapicBank::pend(CpuId cpu, Vector vector, TriggerMode trigger_mode, SpanId span, Env& env) {
  Row& row = rows_[cpu];
  if (trigger_mode == TriggerMode::Level) {
    row.tmr.add(vector);
  } else if (!row.tmr.empty()) {
    row.tmr.remove(vector);
  }
  if (config_.requests == Requests::HandedOver) return hand_over(cpu, vector, span, env);
  set_irr(cpu, vector, span, env);
}

void LapicBank::hand_over(CpuId cpu, Vector vector, SpanId span, Env& env) {
  env.send(kRequests, PostInterrupt{raw(cpu), Tag{}, span, {}, vector, Urgency::Normal});
}

void LapicBank::request(CpuId cpu, Vector vector, SpanId span, Env& env) {
  set_irr(cpu, vector, span, env);
}

IntaAnswer LapicBank::on_inta(CpuId cpu, Env& env) {
  if (!rows_.contains(cpu)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return {cpu, Vector{0xFF}, true, kNoSpan};
  }
  Row& row = rows_[cpu];
  // Nothing that is left can be above what is taken: the line stays low until more arrives. Only
  // an illegal vector leaves others deliverable.
  row.intr = Level::Low;
  if (!deliverable(row) && !illegal_deliverable(row)) {
    // The line fell after the CPU had seen it: the spurious vector, and no ISR bit (SDM 11.9).
    const auto spurious = static_cast<Vector>(Svr::SpuriousVector::get(row.svr));
    env.note(Event::SpuriousAnswered, kNoSpan, cpu_and_vector(cpu, spurious));
    return {cpu, spurious, true, kNoSpan};
  }
  const Vector taken = *row.irr.highest();
  Spans& spans = spans_[cpu];
  const SpanId span = spans.irr[raw(taken)];
  row.irr.remove(taken);
  row.isr.add(taken);
  spans.irr[raw(taken)] = kNoSpan;
  spans.isr[raw(taken)] = span;
  env.note(Event::Accepted, span, cpu_and_vector(cpu, taken));
  if (row.delivers_illegal) update_intr(cpu, env);
  return {cpu, taken, false, span};
}

inline void LapicBank::end_service(CpuId cpu, Vector ended, Env& env) {
  rows_[cpu].isr.remove(ended);
  SpanId& serviced = spans_[cpu].isr[raw(ended)];
  env.note(Event::Handled, serviced, raw(ended));
  serviced = kNoSpan;
}

/// Ends the interrupt in service with the highest vector; a level one is told to the IOAPICs unless
/// software took that over (SDM vol. 3, 11.8.5).
void LapicBank::end_of_interrupt(CpuId cpu, Env& env) {
  Row& row = rows_[cpu];
  const std::optional<Vector> ended = row.isr.highest();
  if (!ended) return env.guest_error(GuestFault::EoiWithoutInterrupt);
  end_service(cpu, *ended, env);
  if (row.tmr.has(*ended)) end_level(cpu, *ended, env);
  update_intr(cpu, env);
}

void LapicBank::retire(CpuId cpu, Env& env) {
  const std::optional<Vector> ended = rows_[cpu].isr.highest();
  if (!ended) return env.guest_error(GuestFault::EoiWithoutInterrupt);
  end_service(cpu, *ended, env);
  update_intr(cpu, env);
}

void LapicBank::finish_eoi(CpuId cpu, Vector ended, Env& env) {
  if (rows_[cpu].tmr.has(ended)) end_level(cpu, ended, env);
}

void LapicBank::end_level(CpuId cpu, Vector ended, Env& env) {
  Row& row = rows_[cpu];
  if (config_.mutants.has(Mutant::TmrClearedByEoi)) row.tmr.remove(ended);
  if (!Svr::SuppressEoiBroadcast::is_set(row.svr)) {
    env.note(Event::EoiBroadcast, kNoSpan, raw(ended));
    for (unsigned edge = 0; edge < config_.ioapics; ++edge) {
      env.send(port_of(spec_of(kEoi), edge), EoiMessage{ended});
    }
  }
  end_lint0(cpu, ended, env);
}

/// All registers as after power-up but the id and what IA32_APIC_BASE says (SDM vol. 3, 11.4.7.3;
/// for x2APIC mode 11.12.5.1); what was pending or in service is gone.
void LapicBank::reset(CpuId cpu, Env& env) {
  Row& row = rows_[cpu];
  for (auto* side : {&spans_[cpu].irr, &spans_[cpu].isr}) {
    for (SpanId& span : *side) {
      if (span != kNoSpan) env.cancel(span, CancelOp::Reset);
      span = kNoSpan;
    }
  }
  Row fresh;
  fresh.id = row.id;
  fresh.intr = row.intr;
  fresh.apic_base = row.apic_base;
  fresh.run_state = row.run_state;
  fresh.delivers_illegal = row.delivers_illegal;
  if (mode(cpu) == LapicMode::X2apic) fresh.ldr = x2apic_logical_id(fresh.id);
  hold_back_if_disabled(fresh);
  row = fresh;
  reset_local(cpu, env);
  update_extint(cpu, env);
  map_newest();
}

void LapicBank::set_intr(CpuId cpu, Level level, SpanId raised_by, Env& env) {
  rows_[cpu].intr = level;
  env.send(kCpu, CpuLineChange{cpu, CpuLine::Intr, level, kNoSpan, {}, raised_by});
}

/// PPR (SDM vol. 3, 11.8.3.1): the TPR, or the class of the highest vector in service if that is
/// higher. With equal classes the subclass may be either; it is the TPR's here.
std::uint8_t LapicBank::processor_priority(const Row& row) {
  const std::uint8_t in_service = row.isr.highest_class();
  return class_of(row.tpr) >= in_service ? static_cast<std::uint8_t>(row.tpr) : in_service;
}

/// APR (SDM vol. 3, 11.6.2.4): what LAPICs compare in lowest-priority arbitration. The manual's
/// formula ANDs the classes of TPR and ISR, which would make a busy CPU look idle; their maximum is
/// taken.
std::uint8_t LapicBank::arbitration_priority(const Row& row) {
  const std::uint8_t requested = row.irr.highest_class();
  const std::uint8_t in_service = row.isr.highest_class();
  const std::uint8_t task = class_of(row.tpr);
  if (task >= requested && task > in_service) return static_cast<std::uint8_t>(row.tpr);
  return std::max({task, requested, in_service});
}

void LapicBank::held_spans(std::vector<SpanId>& out) const {
  for (const Spans& spans : spans_) {
    for (const auto* side : {&spans.irr, &spans.isr}) {
      std::copy_if(side->begin(), side->end(), std::back_inserter(out),
                   [](SpanId span) { return span != kNoSpan; });
    }
  }
  for (const Local& local : locals_) {
    for (const Input& input : local.inputs) {
      if (input.waiting != kNoSpan) out.push_back(input.waiting);
    }
    if (local.extint_span != kNoSpan) out.push_back(local.extint_span);
  }
  for (const Flight& flight : flights_) {
    if (flight.span != kNoSpan) out.push_back(flight.span);
  }
}

bool LapicBank::Row::operator==(const Row& other) const {
  const auto all = [](const Row& r) {
    return std::tie(r.irr, r.isr, r.tmr, r.id, r.ldr, r.dfr, r.svr, r.tpr, r.intr, r.extint,
                    r.run_state, r.held_back, r.delivers_illegal, r.apic_base, r.errors, r.esr,
                    r.icr_low, r.icr_high);
  };
  return all(*this) == all(other);
}

bool operator==(const LapicBank& a, const LapicBank& b) {
  return std::tie(a.rows_, a.spans_, a.locals_, a.flights_, a.known_) ==
         std::tie(b.rows_, b.spans_, b.locals_, b.flights_, b.known_);
}

bool LapicBank::Request::operator==(const Request& other) const {
  const auto all = [](const Request& r) {
    const ApicMessage& m = r.message;
    return std::tie(m.destination, m.format, m.destination_mode, m.redirection_hint,
                    m.delivery_mode, m.vector, m.trigger_mode, m.level, r.shorthand, r.sender,
                    r.origin, r.map);
  };
  return all(*this) == all(other);
}

}  // namespace irqfab::x86
