// How KVM finds the local APICs that a message names (Quirk::DestinationMap; api.rst,
// KVM_CAP_X2APIC_API; seen on Linux 6.18). No rule of the manual is about it.
//
// Ids and bits of logical destinations are looked up in a map that holds one LAPIC for each. There
// is none while two LAPICs share an id (with 32-bit destinations the first in xAPIC mode keeps it),
// and none for logical destinations while LAPICs understand them differently, have several bits, or
// share one. Then, and for a broadcast, every LAPIC is asked whether it is meant. The two ways
// differ in what a bit that nobody has does to lowest priority, in LAPICs in xAPIC mode that have
// an x2APIC logical id in the map, and in the answer when nobody is meant. The LAPIC that was
// created last is missing until some LAPIC changes.

#include <algorithm>

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

constexpr std::uint32_t kNoCpu = 0xFFFFFFFF;
constexpr std::uint32_t kClusterSize = 16;
constexpr std::uint32_t kFlatDfr = 0xFFFFFFFF, kClusterDfr = 0x0FFFFFFF;  // all 32 bits count

/// The `index`-th set bit of `mask`, from the lowest; `index` is less than the number of set bits.
std::uint32_t nth_set_bit(std::uint32_t mask, unsigned index) {
  while (index-- > 0) mask &= mask - 1;
  return mask & (~mask + 1);
}

}  // namespace

/// The map is built when a LAPIC is created, which is not yet in it then. A change of any LAPIC
/// that has to do with destinations builds it anew.
void LapicBank::map_newest() {
  if (known_ == rows_.size()) return;
  known_ = rows_.size();
  if (config_.quirks.has(Quirk::DestinationMap)) build_map();
}

/// Ids up to the highest of a LAPIC that IA32_APIC_BASE enables, 8-bit ones in any case.
void LapicBank::build_map() {
  std::uint32_t highest = kXapicIds;
  for (std::uint32_t cpu = 0; cpu < rows_.size(); ++cpu) {
    if (mode(CpuId{cpu}) == LapicMode::Disabled) continue;
    highest = std::max(highest, raw(config_.ids[cpu]));
  }
  map_.assign(highest + 1, kNoCpu);
  has_map_ = true;
  const bool wide_ids = config_.msi_destination == MsiDestination::Bits32;
  const bool reaches_xapic = config_.quirks.has(Quirk::WideIdInXapicMode);
  for (std::uint32_t cpu = 0; cpu < known_; ++cpu) {
    const LapicMode own = mode(CpuId{cpu});
    if (own == LapicMode::Disabled) continue;
    const std::uint32_t id = rows_[CpuId{cpu}].id;
    const std::uint32_t wide = raw(config_.ids[cpu]);
    const bool by_wide_id = own == LapicMode::X2apic || (wide > kXapicIds && reaches_xapic);
    if (wide_ids && by_wide_id) map_[wide] = cpu;
    if (wide_ids && own == LapicMode::X2apic) continue;
    const bool taken = map_[id] != kNoCpu;
    if (taken && !wide_ids) has_map_ = false;
    if (!taken) map_[id] = cpu;
  }
}

LapicBank::Range LapicBank::listed(std::uint32_t id) const {
  if (id >= map_.size() || map_[id] == kNoCpu) return {};
  return {map_[id], map_[id] + 1};
}

LapicBank::MapForm LapicBank::form_of(const Row& row) {
  if (mode_of(row.apic_base) == LapicMode::X2apic) return MapForm::X2apic;
  return row.dfr == kFlatDfr ? MapForm::Flat : MapForm::Cluster;
}

/// Those that are enabled and have a logical id.
bool LapicBank::is_mapped(const Row& row) {
  return mode_of(row.apic_base) != LapicMode::Disabled && Svr::SoftwareEnable::is_set(row.svr) &&
         row.ldr != 0;
}

/// Of all in the map. Nothing, and there is no map, if they differ, if one has several bits, or if
/// two have the same.
std::optional<LapicBank::MapForm> LapicBank::logical_form() const {
  MapForm common = MapForm::Nobody;
  std::uint32_t flat = 0;
  std::array<std::uint32_t, 16> clusters{};
  for (const Row& row : rows_) {
    if (!is_mapped(row)) continue;
    if (common != MapForm::Nobody && common != form_of(row)) return std::nullopt;
    common = form_of(row);
    if (common == MapForm::X2apic) continue;
    const bool is_flat = common == MapForm::Flat;
    std::uint32_t& taken = is_flat ? flat : clusters[LogicalCluster::get(row.ldr)];
    const auto own = static_cast<std::uint32_t>(is_flat ? LogicalApicId::get(row.ldr)
                                                        : LogicalMember::get(row.ldr));
    if ((own & (own - 1)) != 0 || (own & taken) != 0) return std::nullopt;
    taken |= own;
  }
  return common;
}

/// A destination that the map does not answer for.
bool LapicBank::is_broadcast_of_kvm(const Request& request) const {
  const std::uint32_t destination = raw(request.message.destination);
  if (config_.short_broadcast == ShortBroadcast::XapicOnly) {
    if (destination == kX2apicBroadcast) return true;
    return destination == kXapicBroadcast && logical_form() != MapForm::X2apic;
  }
  const bool wide = request.origin == Origin::Ipi && mode(request.sender) == LapicMode::X2apic;
  return destination == (wide ? kX2apicBroadcast : kXapicBroadcast);
}

/// Nothing: every LAPIC is asked.
std::optional<LapicBank::MapForm> LapicBank::map_for(const Request& request) const {
  const bool looks_up =
      config_.quirks.has(Quirk::DestinationMap) && has_map_ && request.shorthand == Shorthand::None;
  if (!looks_up || is_broadcast_of_kvm(request)) return std::nullopt;
  const bool logical = request.message.destination_mode == DestinationMode::Logical;
  return logical ? logical_form() : MapForm::Physical;
}

/// A physical broadcast that is to be arbitrated is a fixed interrupt instead, whatever its mode
/// (Quirk::LowestPriorityByHash).
void LapicBank::look_up(Request& request) const {
  request.map = map_for(request);
  ApicMessage& m = request.message;
  const bool asks_for_one =
      m.delivery_mode == DeliveryMode::LowestPriority || m.redirection_hint == RedirectionHint::On;
  const bool becomes_fixed = config_.quirks.has(Quirk::LowestPriorityByHash) && !request.map &&
                             asks_for_one && m.destination_mode == DestinationMode::Physical &&
                             raw(m.destination) == kXapicBroadcast;
  if (becomes_fixed) m.delivery_mode = DeliveryMode::Fixed;
}

/// The bits of a logical destination that stand for one LAPIC each. In an x2APIC cluster only those
/// up to the highest id of the map do.
std::uint32_t LapicBank::members_of(std::uint32_t destination, MapForm form) const {
  if (form == MapForm::Flat) return destination & 0xFF;
  if (form == MapForm::Cluster) return destination & 0xF;
  const std::uint32_t first = X2apicCluster::get(destination) * kClusterSize;
  if (form != MapForm::X2apic || first >= map_.size()) return 0;
  const auto ids = static_cast<std::uint32_t>(map_.size()) - first;
  return X2apicMembers::get(destination) & ((1u << std::min(ids, kClusterSize)) - 1);
}

bool LapicBank::is_listed(const Request& request, CpuId cpu) const {
  const std::uint32_t destination = raw(request.message.destination);
  const Row& row = rows_[cpu];
  switch (*request.map) {
    case MapForm::Physical:
      return listed(destination).begin == raw(cpu) && listed(destination).end > raw(cpu);
    case MapForm::Nobody:
      return false;
    case MapForm::Flat:
      return is_mapped(row) && (destination & LogicalApicId::get(row.ldr)) != 0;
    case MapForm::Cluster:
      return is_mapped(row) && (destination >> 4 & 0xF) == LogicalCluster::get(row.ldr) &&
             (destination & LogicalMember::get(row.ldr)) != 0;
    case MapForm::X2apic:
      break;
  }
  const std::uint32_t first = X2apicCluster::get(destination) * kClusterSize;
  for (std::uint32_t left = members_of(destination, MapForm::X2apic); left != 0; left &= left - 1) {
    if (map_[first + static_cast<unsigned>(__builtin_ctz(left))] == raw(cpu)) return true;
  }
  return false;
}

/// The LAPIC compares by itself.
bool LapicBank::answers_to(const Request& request, CpuId cpu) const {
  const ApicMessage& m = request.message;
  const Row& row = rows_[cpu];
  const bool x2apic = mode(cpu) == LapicMode::X2apic;
  const bool widened = x2apic && raw(m.destination) == kXapicBroadcast &&
                       request.origin == Origin::Message &&
                       config_.short_broadcast == ShortBroadcast::Everybody;
  const std::uint32_t destination = widened ? kX2apicBroadcast : raw(m.destination);
  if (destination == (x2apic ? kX2apicBroadcast : kXapicBroadcast)) return true;
  if (m.destination_mode == DestinationMode::Physical) {
    const bool reaches_xapic = config_.quirks.has(Quirk::WideIdInXapicMode);
    const bool wide = x2apic || (destination > kXapicIds && reaches_xapic);
    return destination == (wide ? raw(config_.ids[raw(cpu)]) : row.id);
  }
  if (x2apic) {
    return X2apicCluster::get(destination) == X2apicCluster::get(row.ldr) &&
           X2apicMembers::get(destination & row.ldr) != 0;
  }
  if (row.dfr == kFlatDfr) return (destination & LogicalApicId::get(row.ldr)) != 0;
  return row.dfr == kClusterDfr && destination >> 4 == LogicalCluster::get(row.ldr) &&
         (destination & LogicalMember::get(row.ldr)) != 0;
}

/// One of those among whom an arbitrated message is hashed when all are asked.
bool LapicBank::is_candidate(const Request& request, CpuId cpu) const {
  return mode(cpu) != LapicMode::Disabled && matches(request, cpu) &&
         (!arbitrated(request) || software_enabled(cpu));
}

bool LapicBank::asked_nobody(const ApicMessage& message) const {
  Request request{message, Shorthand::None, CpuId{}, Origin::Message};
  look_up(request);
  if (!config_.quirks.has(Quirk::DestinationMap) || request.map) return false;
  for (std::uint32_t cpu = 0; cpu < rows_.size(); ++cpu) {
    if (is_candidate(request, CpuId{cpu})) return false;
  }
  return true;
}

/// Quirk::LowestPriorityByHash. What goes by the map is hashed over the bits of its destination, so
/// a bit that stands for a disabled LAPIC, or for none, loses the interrupt; anything else over
/// those that are enabled.
LapicBank::Selection LapicBank::select_by_hash(const Request& request) const {
  const ApicMessage& m = request.message;
  const Selection all = select_all(request);
  if (!all.matched) return all;
  if (request.map) {
    const std::uint32_t destination = raw(m.destination);
    const std::uint32_t members = members_of(destination, *request.map);
    if (members == 0) return {all.first, 0, true};
    const auto bits = static_cast<unsigned>(__builtin_popcount(members));
    Request one = request;
    one.message.destination =
        ApicId{(destination & ~members) | nth_set_bit(members, raw(m.vector) % bits)};
    Selection hashed = select_all(one);
    hashed.count = hashed.count > 0 ? 1 : 0;
    return hashed;
  }
  const Range range = candidates(request);
  unsigned enabled = 0;
  for (std::uint32_t cpu = range.begin; cpu < range.end; ++cpu) {
    if (is_candidate(request, CpuId{cpu})) ++enabled;
  }
  if (enabled == 0) return {all.first, 0, true};
  unsigned skip = raw(m.vector) % enabled;
  std::uint32_t cpu = range.begin;
  while (!is_candidate(request, CpuId{cpu}) || skip-- > 0) ++cpu;
  return {CpuId{cpu}, 1, true};
}

}  // namespace irqfab::x86
