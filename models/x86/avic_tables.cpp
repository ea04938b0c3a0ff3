#include "models/x86/avic_tables.hpp"

#include "models/x86/lapic_registers.hpp"

namespace irqfab::x86 {

bool AvicTables::enter_logical(ApicId id, std::uint32_t ldr, std::uint32_t dfr) {
  const bool flat = DestinationModel::get(dfr) == kFlatModel;
  const std::uint32_t members = flat ? LogicalApicId::get(ldr) : LogicalMember::get(ldr);
  const std::uint32_t cluster = flat ? 0 : LogicalCluster::get(ldr);
  if (members == 0) return true;
  const std::uint32_t index = cluster * 4 + static_cast<std::uint32_t>(__builtin_ctz(members));
  const bool one = (members & (members - 1)) == 0;
  if (!one || index >= kClusterEntries || logical_[index]) return false;
  logical_[index] = id;
  return true;
}

}  // namespace irqfab::x86
