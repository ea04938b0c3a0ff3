// Who gets a message, and what accepting it does (SDM vol. 3, 11.6.2 "Determining IPI Destination",
// 11.8.1 "Interrupt Handling", 11.11; in x2APIC mode 11.12.10).

#include <algorithm>

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

bool in_logical_set(std::uint32_t destination, std::uint32_t ldr, std::uint32_t dfr) {
  if (destination > kXapicBroadcast) return false;
  switch (DestinationModel::get(dfr)) {
    case kFlatModel:
      return (destination & LogicalApicId::get(ldr)) != 0;
    case kClusterModel:
      return destination >> 4 == LogicalCluster::get(ldr) &&
             (destination & LogicalMember::get(ldr)) != 0;
    default:
      return false;  // the other models are reserved
  }
}

bool in_x2apic_set(std::uint32_t destination, std::uint32_t ldr) {
  return X2apicCluster::get(destination) == X2apicCluster::get(ldr) &&
         X2apicMembers::is_set(destination & ldr);
}

/// Ids up to here are looked up; the local APICs with a higher one are searched for.
constexpr std::uint32_t kIndexedIds = 4096;

/// In both destination modes.
bool is_broadcast(const ApicMessage& m, bool x2apic) {
  if (m.format == DestinationFormat::X2apic && raw(m.destination) == kX2apicBroadcast) return true;
  return raw(m.destination) == kXapicBroadcast && (m.format == DestinationFormat::Xapic || !x2apic);
}

}  // namespace

/// An id that several LAPICs were given by mistake reaches them all, as on a real bus.
void LapicBank::index_ids() {
  std::uint32_t highest = 0;
  for (const ApicId id : config_.ids) highest = std::max(highest, raw(id));
  with_id_.assign(std::clamp(highest, kXapicBroadcast, kIndexedIds - 1) + 1, Range{});
  for (std::uint32_t cpu = 0; cpu < rows_.size(); ++cpu) {
    index_id(rows_[CpuId{cpu}].id, cpu);
    const std::uint32_t wide = raw(config_.ids[cpu]);
    if (wide > kXapicIds && config_.quirks.has(Quirk::WideIdInXapicMode)) index_id(wide, cpu);
  }
  if (config_.quirks.has(Quirk::DestinationMap)) build_map();
}

void LapicBank::index_id(std::uint32_t id, std::uint32_t cpu) {
  if (id >= with_id_.size()) return;
  Range& range = with_id_[id];
  if (range.end == 0) range.begin = cpu;
  range.end = cpu + 1;
}

LapicBank::Range LapicBank::candidates(const Request& request) const {
  const ApicMessage& m = request.message;
  if (request.shorthand == Shorthand::Self && !config_.quirks.has(Quirk::IdsByReset)) {
    return {raw(request.sender), raw(request.sender) + 1};
  }
  if (request.map == MapForm::Physical) return listed(raw(m.destination));
  if (request.shorthand == Shorthand::None && m.destination_mode == DestinationMode::Physical &&
      raw(m.destination) != kXapicBroadcast && raw(m.destination) < with_id_.size()) {
    return with_id_[raw(m.destination)];
  }
  return {0, static_cast<std::uint32_t>(rows_.size())};
}

bool LapicBank::matches(const Request& request, CpuId cpu) const {
  switch (request.shorthand) {
    case Shorthand::Self:
      return is_sender(request, cpu);
    case Shorthand::AllIncludingSelf:
      return true;
    case Shorthand::AllExcludingSelf:
      return !is_sender(request, cpu);
    case Shorthand::None:
      break;
  }
  if (config_.quirks.has(Quirk::DestinationMap)) {
    return request.map ? is_listed(request, cpu) : answers_to(request, cpu);
  }
  const ApicMessage& m = request.message;
  const std::uint32_t destination = raw(m.destination);
  const bool x2apic = mode(cpu) == LapicMode::X2apic;
  const bool by_bits = m.destination_mode == DestinationMode::Logical &&
                       config_.quirks.has(Quirk::LogicalBroadcastByBits);
  if (!by_bits && is_broadcast(m, x2apic)) return true;
  const Row& row = rows_[cpu];
  if (m.destination_mode == DestinationMode::Logical) {
    return x2apic ? in_x2apic_set(destination, row.ldr)
                  : in_logical_set(destination, row.ldr, row.dfr);
  }
  const bool wide_ids = config_.quirks.has(Quirk::WideIdInXapicMode) && !x2apic;
  if (row.id == destination) return answers_for_id(cpu);
  return wide_ids && destination > kXapicIds && raw(config_.ids[raw(cpu)]) == destination;
}

bool LapicBank::is_sender(const Request& request, CpuId cpu) const {
  if (!config_.quirks.has(Quirk::IdsByReset)) return cpu == request.sender;
  return raw(config_.ids[raw(cpu)]) == rows_[request.sender].id;
}

/// Quirk::IdsByReset: of several with this CPU's id.
bool LapicBank::answers_for_id(CpuId cpu) const {
  if (!config_.quirks.has(Quirk::IdsByReset)) return true;
  const std::uint32_t id = rows_[cpu].id;
  if (raw(config_.ids[raw(cpu)]) == id) return true;
  for (std::uint32_t other = 0; other < rows_.size(); ++other) {
    if (rows_[CpuId{other}].id != id || CpuId{other} == cpu) continue;
    if (other < raw(cpu) || raw(config_.ids[other]) == id) return false;
  }
  return true;
}

/// A LAPIC that software has disabled still takes NMI, INIT, SMI and start-up (SDM 11.4.7.2); one
/// that is disabled by IA32_APIC_BASE takes nothing (11.4.3).
bool LapicBank::accepts(const Request& request, CpuId cpu) const {
  if (mode(cpu) == LapicMode::Disabled) return false;
  return !goes_to_irr(request.message.delivery_mode) || software_enabled(cpu) ||
         config_.quirks.has(Quirk::DisabledLapicAccepts);
}

template <class F>
void LapicBank::for_each_selected(const Request& request, const Selection& selection, F f) const {
  if (selection.count == 1) return f(selection.first);
  const Range range = candidates(request);
  for (std::uint32_t cpu = raw(selection.first); cpu < range.end; ++cpu) {
    if (matches(request, CpuId{cpu}) && accepts(request, CpuId{cpu})) f(CpuId{cpu});
  }
}

LapicBank::Selection LapicBank::select_all(const Request& request) const {
  Selection selection;
  const Range range = candidates(request);
  for (std::uint32_t cpu = range.begin; cpu < range.end; ++cpu) {
    if (!matches(request, CpuId{cpu})) continue;
    selection.matched = true;
    if (!accepts(request, CpuId{cpu})) continue;
    if (selection.count++ == 0) selection.first = CpuId{cpu};
  }
  return selection;
}

/// The accepting LAPIC with the lowest arbitration priority; of equals, the lowest index.
LapicBank::Selection LapicBank::select_lowest(const Request& request) const {
  const Selection all = select_all(request);
  if (all.count <= 1) return all;
  Selection lowest{all.first, 1, true};
  if (config_.quirks.has(Quirk::LowestPriorityFirst)) return lowest;
  for_each_selected(request, all, [&](CpuId cpu) {
    if (arbitration_priority(rows_[cpu]) < arbitration_priority(rows_[lowest.first])) {
      lowest.first = cpu;
    }
  });
  return lowest;
}

/// One target is chosen for lowest priority, and for a message whose redirection hint asks for it.
bool LapicBank::arbitrated(const Request& request) const {
  if (request.map == MapForm::Physical) return false;
  const ApicMessage& m = request.message;
  if (m.delivery_mode == DeliveryMode::LowestPriority) return true;
  return m.redirection_hint == RedirectionHint::On &&
         !config_.quirks.has(Quirk::RedirectionHintIgnored);
}

LapicBank::Selection LapicBank::select(const Request& request) const {
  if (!arbitrated(request)) return select_all(request);
  if (config_.quirks.has(Quirk::LowestPriorityByHash)) return select_by_hash(request);
  return select_lowest(request);
}

unsigned LapicBank::deliver(Request request, SpanId span, Env& env) {
  const ApicMessage& m = request.message;
  if (m.delivery_mode == DeliveryMode::ExtInt && config_.quirks.has(Quirk::ExtIntMessageFixed)) {
    request.message.delivery_mode = DeliveryMode::Fixed;
  }
  look_up(request);
  const auto dropped = [&](DropReason reason) {
    env.drop(span, reason);
    return 0u;
  };
  if (refuses_mode(request)) return refuse_mode(request, span, env);
  if (reports_low_input(m)) {
    env.cancel(span, CancelOp::LineLow);
    return 0;
  }
  const Selection selection = select(request);
  if (selection.count == 0) {
    return dropped(selection.matched ? DropReason::TargetDisabled : DropReason::NoSuchTarget);
  }
  if (goes_to_irr(m.delivery_mode) && !legal(m.vector)) {
    for_each_selected(request, selection, [&](CpuId cpu) {
      record_error(cpu, Esr::ReceivedIllegalVector::kMask, env);
    });
    return dropped(DropReason::IllegalVector);
  }
  // The forks go first: the span itself may end at once, by merging into one that is pending.
  for_each_selected(request, selection, [&](CpuId cpu) {
    if (cpu == selection.first) return;
    const SpanId child = env.open(Cause::Fork, span);
    env.note(Event::Forked, span, raw(child));
    accept(cpu, m, child, env);
  });
  accept(selection.first, m, span, env);
  return selection.count;
}

/// Devices have no start-up message (SDM vol. 3, 11.11.2), CPUs no ExtINT (11.6.1).
bool LapicBank::refuses_mode(const Request& request) const {
  const DeliveryMode mode = request.message.delivery_mode;
  const bool message = request.origin == Origin::Message;
  if (mode == DeliveryMode::Smi) return config_.quirks.has(Quirk::SmiIgnored);
  if (mode == DeliveryMode::ExtInt) {
    return !message || config_.pic == ExternalPic::Absent ||
           config_.quirks.has(Quirk::ExtIntMessageIgnored);
  }
  if (mode == DeliveryMode::StartUp) {
    return message && !config_.quirks.has(Quirk::StartUpMessageAccepted);
  }
  return mode == DeliveryMode::Reserved;
}

unsigned LapicBank::refuse_mode(const Request& request, SpanId span, Env& env) {
  env.drop(span, DropReason::ReservedDeliveryMode);
  const bool counts = request.message.delivery_mode == DeliveryMode::Reserved &&
                      config_.quirks.has(Quirk::ReservedModeAccepted);
  return counts ? select(request).count : 0;
}

/// A level-triggered message carries the level of the input (SDM vol. 3, 11.11.2); one that says
/// low asserts nothing. NMI, SMI and start-up are edges whatever the message says.
bool LapicBank::reports_low_input(const ApicMessage& m) const {
  if (config_.quirks.has(Quirk::MessageLevelIgnored)) return false;
  const bool has_level = goes_to_irr(m.delivery_mode) || m.delivery_mode == DeliveryMode::Init;
  return has_level && m.trigger_mode == TriggerMode::Level && m.level == Level::Low;
}

void LapicBank::accept(CpuId cpu, const ApicMessage& m, SpanId span, Env& env) {
  const auto tell = [&](CpuLine line) {
    env.send(kCpu, CpuLineChange{cpu, line, Level::High, span, m.vector});
  };
  switch (m.delivery_mode) {
    case DeliveryMode::Fixed:
    case DeliveryMode::LowestPriority:
      return pend(cpu, m.vector, m.trigger_mode, span, env);
    case DeliveryMode::Smi:
      return tell(CpuLine::Smi);
    case DeliveryMode::Nmi:
      return tell(CpuLine::Nmi);
    case DeliveryMode::Init:
      if (!config_.quirks.has(Quirk::InitLatched)) init(cpu, env);
      return tell(CpuLine::Init);
    case DeliveryMode::StartUp:
      return accept_start_up(cpu, m.vector, span, env);
    case DeliveryMode::ExtInt:
      return accept_extint(cpu, span, env);
    case DeliveryMode::Reserved:
      return;  // deliver has dropped it
  }
}

/// The bootstrap processor starts anew; any other waits for a SIPI (SDM vol. 3, 9.4.1, 11.4.7.3).
void LapicBank::init(CpuId cpu, Env& env) {
  Row& row = rows_[cpu];
  const bool bootstrap = ApicBase::Bsp::is_set(row.apic_base);
  row.run_state = bootstrap ? RunState::Running : RunState::WaitForSipi;
  reset(cpu, env);
}

void LapicBank::accept_start_up(CpuId cpu, Vector page, SpanId span, Env& env) {
  Row& row = rows_[cpu];
  const bool latched = config_.quirks.has(Quirk::InitLatched);
  if (row.run_state == RunState::Running && !latched) {
    return env.drop(span, DropReason::NotWaiting);
  }
  row.run_state = RunState::Running;
  env.send(kCpu, CpuLineChange{cpu, CpuLine::Sipi, Level::High, span, page});
}

/// The CPU asks the 8259s in the next INTA (SDM vol. 3, 11.5.1, "ExtINT").
void LapicBank::accept_extint(CpuId cpu, SpanId span, Env& env) {
  Local& local = locals_[cpu];
  local.extint_message = true;
  // One that the 8259 was asked about may still be under way.
  if (local.extint_span != kNoSpan) env.coalesce(span, local.extint_span);
  if (local.extint_span == kNoSpan) local.extint_span = span;
  update_extint(cpu, env);
}

}  // namespace irqfab::x86
