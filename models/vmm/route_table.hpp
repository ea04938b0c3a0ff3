// The GSI routing table of a VM as its VMM keeps it: what the kernel has been told, and what it is
// to be told with the next KVM_SET_GSI_ROUTING.
//
// Models: that the call replaces the table as a whole and leaves the old one when it fails (Linux
// Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING), the routes of a PC's irqchip, and, for a
// split irqchip (KVM_CAP_SPLIT_IRQCHIP), routes that mirror the IOAPIC in user space.
// Whoever adds a route names its GSI, and so does whoever is about to inject on it. No GSI that is
// named is given to another message; that is what makes a flush safe (Flush).
// Not modelled: device ids, routes other than of irqchip pins and messages.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/kvm/gsi_routing.hpp"
#include "models/vmm/gsi_allocator.hpp"

namespace irqfab::vmm {

/// GSIs of the IOAPIC's pins, which no message gets.
constexpr std::uint32_t kPinGsis = 24;

/// The entries of a PC: its 8259s at GSIs 0..15 without 2, where the second 8259 is connected; the
/// IOAPIC's pins, pin 2 at GSI 0. 38 entries at 23 GSIs.
std::vector<kvm::Route> pc_routes();
/// The entries that stand for the 24 pins of an IOAPIC in user space, all masked.
std::vector<kvm::Route> mirror_routes();

class RouteTable {
 public:
  struct Config {
    std::uint32_t gsis = kvm::kMaxRoutes;  // what KVM_CAP_IRQ_ROUTING answers
    std::vector<kvm::Route> fixed;         // of GSIs below kPinGsis; the kernel has them
    Mutants mutants;
  };
  struct Counters {
    std::uint64_t commits = 0;  // KVM_SET_GSI_ROUTING
    std::uint64_t refused = 0;  // of them
    std::uint32_t peak = 0;     // entries that the table had at most
    friend bool operator==(const Counters& a, const Counters& b) {
      return a.commits == b.commits && a.refused == b.refused && a.peak == b.peak;
    }
  };
  explicit RouteTable(const Config& config);

  /// A route of its own for a message, named once; none if GSIs or entries have run out.
  std::optional<Gsi> add(const x86::MsiMessage& message);
  /// Another message for a GSI that has one; nothing for any other.
  void set(Gsi gsi, const x86::MsiMessage& message);
  /// The route is gone, by whomever it was named. The kernel need not know at once.
  void remove(Gsi gsi);
  void name(Gsi gsi) { ++names_[gsi]; }
  void unname(Gsi gsi) {
    if (names_[gsi] > 0) --names_[gsi];
  }
  /// Removes what was added and nobody names. How many routes those were.
  std::uint32_t flush();

  /// The message of a GSI; null for one without, and for irqchip pins.
  const x86::MsiMessage* message(Gsi gsi) const { return routed(routes_, gsi); }
  /// Does the kernel have what message() says?
  bool in_kernel(Gsi gsi) const;
  /// Is there a message that the kernel does not have?
  bool uncommitted(Gsi gsi) const { return message(gsi) != nullptr && !in_kernel(gsi); }
  /// Was anything added, set or removed that the kernel has not been told?
  bool changed() const { return changed_; }

  /// What KVM_SET_GSI_ROUTING is to get.
  std::vector<kvm::Route> commit();
  /// It answered: with 0 the kernel has what commit() gave; otherwise what was added since is gone,
  /// and what was changed is as the kernel has it. Nothing that was removed comes back.
  void answered(kvm::Answer answer);

  const GsiAllocator& gsis() const { return gsis_; }
  std::uint32_t names(Gsi gsi) const { return names_[gsi]; }
  const Counters& counters() const { return counters_; }
  /// Counters are no state.
  friend bool operator==(const RouteTable& a, const RouteTable& b) {
    return a.gsis_ == b.gsis_ && a.pins_ == b.pins_ && a.routes_ == b.routes_ &&
           a.kernels_ == b.kernels_ && a.stale_ == b.stale_ && a.names_ == b.names_ &&
           a.changed_ == b.changed_;
  }

 private:
  using Messages = Indexed<Gsi, std::optional<x86::MsiMessage>>;
  static const x86::MsiMessage* routed(const Messages& of, Gsi gsi) {
    return of.contains(gsi) && of[gsi] ? &*of[gsi] : nullptr;
  }

  Mutants mutants_;
  GsiAllocator gsis_;
  std::vector<kvm::Route> pins_;
  Messages routes_;
  Messages kernels_;    // what it was told of the routes that are still here
  bool stale_ = false;  // and of others
  Indexed<Gsi, std::uint32_t> names_;
  bool changed_ = false;
  Counters counters_;
};

}  // namespace irqfab::vmm
