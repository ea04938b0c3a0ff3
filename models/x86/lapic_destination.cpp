// Who gets a message, and what accepting it does (SDM vol. 3, 11.6.2 "Determining IPI Destination",
// 11.8.2 "Interrupt Handling", 11.11).

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

bool in_logical_set(std::uint32_t destination, std::uint32_t ldr, std::uint32_t dfr) {
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

/// The `index`-th set bit of `mask`, from the lowest; `index` is less than the number of set bits.
std::uint32_t nth_set_bit(std::uint32_t mask, unsigned index) {
  while (index-- > 0) mask &= mask - 1;
  return mask & (~mask + 1);
}

}  // namespace

/// An id that several LAPICs were given by mistake reaches them all, as on a real bus.
void LapicBank::index_ids() {
  with_id_.fill(Range{});
  for (std::uint32_t cpu = 0; cpu < rows_.size(); ++cpu) {
    const std::uint32_t id = rows_[CpuId{cpu}].id;
    if (id >= with_id_.size()) continue;
    Range& range = with_id_[id];
    if (range.end == 0) range.begin = cpu;
    range.end = cpu + 1;
  }
}

LapicBank::Range LapicBank::candidates(const Request& request) const {
  const ApicMessage& m = request.message;
  if (request.shorthand == Shorthand::Self) {
    return {raw(request.sender), raw(request.sender) + 1};
  }
  if (request.shorthand == Shorthand::None && m.destination_mode == DestinationMode::Physical &&
      raw(m.destination) < kBroadcast) {
    return with_id_[raw(m.destination)];
  }
  return {0, static_cast<std::uint32_t>(rows_.size())};
}

bool LapicBank::matches(const Request& request, CpuId cpu) const {
  switch (request.shorthand) {
    case Shorthand::Self:
      return cpu == request.sender;
    case Shorthand::AllIncludingSelf:
      return true;
    case Shorthand::AllExcludingSelf:
      return cpu != request.sender;
    case Shorthand::None:
      break;
  }
  const std::uint32_t destination = raw(request.message.destination);
  if (destination == kBroadcast) return true;  // in both destination modes
  const Row& row = rows_[cpu];
  return request.message.destination_mode == DestinationMode::Physical
             ? row.id == destination
             : in_logical_set(destination, row.ldr, row.dfr);
}

/// A LAPIC that software has disabled still takes NMI, INIT, SMI and start-up (SDM 11.4.7.2).
bool LapicBank::accepts(const Request& request, CpuId cpu) const {
  return !goes_to_irr(request.message.delivery_mode) || software_enabled(cpu);
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
  for_each_selected(request, all, [&](CpuId cpu) {
    if (arbitration_priority(rows_[cpu]) < arbitration_priority(rows_[lowest.first])) {
      lowest.first = cpu;
    }
  });
  return lowest;
}

/// Quirk::LowestPriorityByHash. A logical destination is hashed over its bits, so a bit that stands
/// for a disabled LAPIC, or for none, loses the interrupt; anything else over those that accept.
LapicBank::Selection LapicBank::select_by_hash(const Request& request) const {
  const ApicMessage& m = request.message;
  const Selection all = select_all(request);
  if (!all.matched) return all;
  const std::uint32_t destination = raw(m.destination);
  const bool by_bits = request.shorthand == Shorthand::None && destination != kBroadcast &&
                       m.destination_mode == DestinationMode::Logical;
  if (by_bits) {
    // What the bits mean is the first matching LAPIC's to say: software sets all alike.
    std::uint32_t named = 0;
    while (!matches(request, CpuId{named})) ++named;
    const bool flat = DestinationModel::get(rows_[CpuId{named}].dfr) == kFlatModel;
    const std::uint32_t members = flat ? destination : destination & 0xF;
    const auto bits = static_cast<unsigned>(__builtin_popcount(members));
    Request one = request;
    one.message.destination =
        ApicId{(destination & ~members) | nth_set_bit(members, raw(m.vector) % bits)};
    Selection hashed = select_all(one);
    hashed.count = hashed.count > 0 ? 1 : 0;
    return hashed;
  }
  if (all.count <= 1) return all;
  Selection hashed{all.first, 1, true};
  unsigned skip = raw(m.vector) % all.count;
  for_each_selected(request, all, [&](CpuId cpu) {
    if (skip-- == 0) hashed.first = cpu;
  });
  return hashed;
}

/// One target is chosen for lowest priority, and for a message whose redirection hint asks for it.
bool LapicBank::arbitrated(const Request& request) const {
  const ApicMessage& m = request.message;
  if (m.delivery_mode == DeliveryMode::LowestPriority) {
    const bool physical_broadcast = m.destination_mode == DestinationMode::Physical &&
                                    raw(m.destination) == kBroadcast &&
                                    request.shorthand == Shorthand::None;
    return !(physical_broadcast && config_.quirks.has(Quirk::LowestPriorityByHash));
  }
  return m.redirection_hint == RedirectionHint::On;
}

LapicBank::Selection LapicBank::select(const Request& request) const {
  if (!arbitrated(request)) return select_all(request);
  if (config_.quirks.has(Quirk::LowestPriorityByHash)) return select_by_hash(request);
  return select_lowest(request);
}

unsigned LapicBank::deliver(const Request& request, SpanId span, Env& env) {
  const ApicMessage& m = request.message;
  const auto dropped = [&](DropReason reason) {
    env.drop(span, reason);
    return 0u;
  };
  if (m.delivery_mode == DeliveryMode::Reserved || m.delivery_mode == DeliveryMode::ExtInt) {
    return dropped(DropReason::ReservedDeliveryMode);
  }
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
      rows_[cpu].errors = Esr::ReceivedIllegalVector::set(rows_[cpu].errors, 1);
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
      initialize(cpu, env);
      return tell(CpuLine::Init);
    case DeliveryMode::StartUp:
      return tell(CpuLine::Sipi);
    case DeliveryMode::Reserved:
    case DeliveryMode::ExtInt:
      return;  // deliver has dropped them
  }
}

}  // namespace irqfab::x86
