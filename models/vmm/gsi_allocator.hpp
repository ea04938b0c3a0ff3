// Which GSIs of its VM a VMM has given away, and how many entries of the kernel's routing table.
//
// Models: Linux Documentation/virt/kvm/api.rst, KVM_CAP_IRQ_ROUTING and KVM_SET_GSI_ROUTING: what
// the capability answers bounds the numbers of GSIs and the entries of the table alike. A GSI of an
// irqchip pin may have several entries, so entries can run out while there are GSIs left. The GSI
// with the lowest number is given first.
// Not modelled: reserved GSIs that are given back.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/ids.hpp"
#include "models/base/mutant.hpp"

namespace irqfab::vmm {

enum class GsiState : std::uint8_t {
  Free,
  Reserved,  // for pins of the IOAPIC, for good
  Bound,     // given to somebody: one entry of the table
};

class GsiAllocator {
 public:
  /// `gsis` is what KVM_CAP_IRQ_ROUTING answers: GSIs 0..gsis - 1, and as many entries.
  GsiAllocator(std::uint32_t gsis, Mutants mutants);

  /// From now on no other's, with so many entries of the table, which may be none. One of a GSI
  /// that does not exist changes nothing.
  void reserve(Gsi gsi, std::uint32_t entries);
  /// The free GSI with the lowest number, with one entry; none if GSIs or entries have run out.
  std::optional<Gsi> allocate();
  /// A bound GSI is free again, and so is its entry. False for any other.
  bool release(Gsi gsi);

  /// A GSI that does not exist is as if reserved.
  GsiState state(Gsi gsi) const {
    return states_.contains(gsi) ? states_[gsi] : GsiState::Reserved;
  }
  /// free() + reserved() + bound() == gsis()
  std::uint32_t gsis() const { return static_cast<std::uint32_t>(states_.size()); }
  std::uint32_t free() const { return gsis() - reserved_ - bound_; }
  std::uint32_t reserved() const { return reserved_; }
  std::uint32_t bound() const { return bound_; }
  /// Of the table; at most as many as there are GSIs.
  std::uint32_t entries() const { return entries_; }

  friend bool operator==(const GsiAllocator& a, const GsiAllocator& b) {
    return a.states_ == b.states_ && a.entries_ == b.entries_;
  }

 private:
  Mutants mutants_;
  Indexed<Gsi, GsiState> states_;
  std::uint32_t reserved_ = 0;
  std::uint32_t bound_ = 0;
  std::uint32_t entries_ = 0;
  std::uint32_t lowest_ = 0;  // no GSI below it is free
};

}  // namespace irqfab::vmm
