#include "models/vmm/gsi_allocator.hpp"

namespace irqfab::vmm {

GsiAllocator::GsiAllocator(std::uint32_t gsis, Mutants mutants)
    : mutants_(mutants), states_(gsis + (mutants.has(Mutant::GsiLimitOffByOne) ? 1 : 0)) {}

void GsiAllocator::reserve(Gsi gsi, std::uint32_t entries) {
  if (state(gsi) != GsiState::Free) return;
  states_[gsi] = GsiState::Reserved;
  ++reserved_;
  entries_ += entries;
}

std::optional<Gsi> GsiAllocator::allocate() {
  const bool entry_left = entries_ < gsis() || mutants_.has(Mutant::RoutesLimitedByGsi);
  if (!entry_left || free() == 0) return std::nullopt;
  while (states_[Gsi{lowest_}] != GsiState::Free) ++lowest_;
  const Gsi gsi{lowest_};
  states_[gsi] = GsiState::Bound;
  ++bound_;
  ++entries_;
  return gsi;
}

bool GsiAllocator::release(Gsi gsi) {
  if (state(gsi) != GsiState::Bound) return false;
  states_[gsi] = GsiState::Free;
  --bound_;
  --entries_;
  if (raw(gsi) < lowest_) lowest_ = raw(gsi);
  return true;
}

}  // namespace irqfab::vmm
