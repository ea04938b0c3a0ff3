#include "fabric/recording/logical_ids.hpp"

#include <cstddef>

#include "fabric/recording/recorded_event.hpp"

namespace irqfab::recording {
namespace {

constexpr bool is_one_bit(unsigned set) { return set != 0 && (set & (set - 1)) == 0; }
constexpr std::uint8_t lowest_bit(unsigned set) {
  return static_cast<std::uint8_t>(set & (0u - set));
}

}  // namespace

void LogicalIds::took(std::uint32_t dst, ApicId apic) {
  used_ = true;
  // A broadcast says nothing about ids.
  if (dst < kBroadcast8) takers_.emplace(static_cast<std::uint8_t>(dst), apic);
}

std::map<ApicId, std::uint8_t> LogicalIds::ids(const std::vector<ApicId>& apics) const {
  std::map<ApicId, std::uint8_t> sure;
  for (const auto& [dst, apic] : takers_) {
    if (is_one_bit(dst)) sure[apic] = static_cast<std::uint8_t>(sure[apic] | dst);
  }
  std::map<ApicId, std::uint8_t> ids = sure;
  unsigned taken = 0;
  for (const auto& [apic, id] : sure) taken |= id;
  for (std::size_t i = 0; i < apics.size(); ++i) {
    if (sure.count(apics[i])) continue;
    ids[apics[i]] = i < 8 ? static_cast<std::uint8_t>((1u << i) & ~taken) : std::uint8_t{0};
  }
  for (const auto& [dst, apic] : takers_) {
    std::uint8_t& id = ids[apic];
    if ((id & dst) != 0) continue;
    const unsigned free = dst & ~taken;
    id = static_cast<std::uint8_t>(id | lowest_bit(free != 0 ? free : dst));
    taken |= id;
  }
  return ids;
}

}  // namespace irqfab::recording
