// Mutants: each historical defect is one small named branch, off by default, switched on by name.
// They show that a test, an invariant or an exhibit can fail.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace irqfab {

enum class Mutant : std::uint8_t {
  InvalidationWaitEarly,    // the wait completes without draining older walks
  RemoteIrrNeverCleared,    // an EOI does not reach the redirection entry
  TmrClearedByEoi,          // TMR is cleared at the EOI instead of written at acceptance
  IecFilledEarly,           // a miss fills the interrupt entry cache before its data exists
  OldIrteLeft,              // a retargeted interrupt gets a new entry and keeps the old one
  IoapicClearRemapped,      // clearing an IOAPIC entry takes its contents for a remapping index
  OldEoiWithRemapping,      // an EOI by way of edge mode, as for IOAPIC 0x11, behind remapping
  AffinityClobbersPosted,   // a change of host affinity overwrites the posted entry of a vCPU
  OnLostAfterPreemption,    // SN is cleared at load without a look at what was posted meanwhile
  WakeupVectorNotSet,       // a vCPU blocks while its descriptor still has the other vector
  AvicRunningStale,         // a vCPU that blocks leaves its table entry saying that it runs
  RoutesLimitedByGsi,       // the VMM counts GSIs, and no entries of the routing table
  GsiLimitOffByOne,         // the VMM takes the number of GSIs for one of them
  FlushWhileNamed,          // a flush gives away GSIs that irqfds name
  HashBeforeCommit,         // a route can be found before the kernel has it
  FlushWithoutCommit,       // a flush does not tell the kernel
  IrqfdNotCleared,          // an irqfd that is taken away keeps its entry
  SequenceNotChecked,       // an irqfd's entry is read while it is being written
  RoutesFreedEarly,         // the old table goes before its readers have left
  GraceUnderResamplerLock,  // a grace period is waited for under the resamplers' lock
  IrqfdReleasedTwice,       // close and deassign both queue the shutdown of an irqfd
  EventfdInTwoVms,          // an eventfd may be bound in two VMs
  LineWithoutOr,            // the level of a line is computed outside the chip's lock
  WorkCancelledUnderLock,   // work is waited for under a lock that it takes
  LazyEoiResamples,         // an assertion ends the interrupt before, which resamples
  SplitNeverResamples,      // a resampling irqfd of a split irqchip never learns of the EOI
  RouteIndexUnchecked,      // an irqfd's GSI is looked up beyond the end of the table
  MulticastPosted,          // a message for several vCPUs is posted to the first of them
};

struct MutantRow {
  Mutant mutant;
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<MutantRow, 28> kMutants = {{
    {Mutant::InvalidationWaitEarly, "invalidation-wait-early",
     "The remapping unit completes an invalidation wait while older walks are still under way."},
    {Mutant::RemoteIrrNeverCleared, "remote-irr-never-cleared",
     "The IOAPIC ignores EOIs, so a level entry stays blocked after its first interrupt."},
    {Mutant::TmrClearedByEoi, "tmr-cleared-by-eoi",
     "A LAPIC's EOI clears the vector's TMR bit, so a level interrupt that was pending behind it "
     "ends "
     "without its broadcast."},
    {Mutant::IecFilledEarly, "iec-filled-early",
     "A miss enters the remapping entry into the interrupt entry cache before memory has "
     "answered."},
    {Mutant::OldIrteLeft, "old-irte-left",
     "Retargeting an interrupt takes a new remapping entry and leaves the old one present "
     "(XSA-36)."},
    {Mutant::IoapicClearRemapped, "ioapic-clear-remapped",
     "Clearing an IOAPIC entry goes through remapping, which takes the entry's contents for an "
     "index."},
    {Mutant::OldEoiWithRemapping, "old-eoi-with-remapping",
     "Behind remapping the driver ends a level interrupt by switching the entry to edge and back, "
     "on an IOAPIC that keeps Remote IRR then."},
    {Mutant::AffinityClobbersPosted, "affinity-clobbers-posted",
     "A change of the host's affinity overwrites the posted remapping entry of a vCPU."},
    {Mutant::OnLostAfterPreemption, "on-lost-after-preemption",
     "A vCPU that comes back clears SN without a look at what was posted while it was set."},
    {Mutant::WakeupVectorNotSet, "wakeup-vector-not-set",
     "A vCPU blocks while its descriptor still has the notification vector of a running one."},
    {Mutant::AvicRunningStale, "avic-running-stale",
     "A vCPU that blocks leaves IsRunning set in the physical APIC ID table."},
    {Mutant::RoutesLimitedByGsi, "routes-limited-by-gsi",
     "The VMM counts the GSIs that are left, not the entries of the routing table (QEMU "
     "bdf026317daa)."},
    {Mutant::GsiLimitOffByOne, "gsi-limit-off-by-one",
     "The VMM gives out a GSI that the kernel refuses (QEMU 00008418aa22)."},
    {Mutant::FlushWhileNamed, "flush-while-named",
     "A flush of the routes made on demand gives away GSIs that irqfds still name."},
    {Mutant::HashBeforeCommit, "hash-before-commit",
     "A route is entered in the hash before the kernel has it, so a call that fails leaves a hit "
     "that delivers nothing."},
    {Mutant::FlushWithoutCommit, "flush-without-commit",
     "A flush of the routes made on demand leaves the kernel's table as it was."},
    {Mutant::IrqfdNotCleared, "irqfd-not-cleared",
     "Taking an irqfd away leaves its entry in place for whoever has found the irqfd already."},
    {Mutant::SequenceNotChecked, "sequence-not-checked",
     "An irqfd's entry is used without a look at its sequence count, half of it old and half new."},
    {Mutant::RoutesFreedEarly, "routes-freed-early",
     "The old routing table is freed before the readers that are inside have left."},
    {Mutant::GraceUnderResamplerLock, "grace-under-resampler-lock",
     "An irqfd's shutdown waits for a grace period under the resamplers' lock."},
    {Mutant::IrqfdReleasedTwice, "irqfd-released-twice",
     "Close of the eventfd and deassign both queue the irqfd's release (Linux b68e7fa879cd)."},
    {Mutant::EventfdInTwoVms, "eventfd-in-two-vms",
     "An eventfd that a VM has bound may be bound in another, which then never hears of it (Linux "
     "2cdd64cbf990)."},
    {Mutant::LineWithoutOr, "line-without-or",
     "The level of a line is taken before the chip's lock and set under it (Linux 1a577b72475d)."},
    {Mutant::WorkCancelledUnderLock, "work-cancelled-under-lock",
     "Deassign waits for an injection under the lock that the injection takes (Linux "
     "fa40a8214bb9)."},
    {Mutant::LazyEoiResamples, "lazy-eoi-resamples",
     "An assertion of an edge pin ends the interrupt before it, which resamples, which asserts "
     "(CVE-2020-27152)."},
    {Mutant::SplitNeverResamples, "split-never-resamples",
     "With the IOAPIC in user space nobody signals the resampling eventfd at the EOI (QEMU "
     "c82d9d43ed5d)."},
    {Mutant::RouteIndexUnchecked, "route-index-unchecked",
     "An update looks an irqfd's GSI up in a table that ends before it (CVE-2017-1000252)."},
    {Mutant::MulticastPosted, "multicast-posted",
     "The host posts a message for several vCPUs, which reaches the first of them alone (Xen "
     "35a1caf8b6b5 keeps it remapped)."},
}};

/// The mutants that are switched on. Empty in normal use: one bit test on the path.
class Mutants {
 public:
  constexpr bool has(Mutant mutant) const { return (bits_ >> static_cast<unsigned>(mutant)) & 1; }
  constexpr void add(Mutant mutant) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(mutant); }
  friend constexpr bool operator==(Mutants a, Mutants b) { return a.bits_ == b.bits_; }

 private:
  std::uint64_t bits_ = 0;
};

constexpr std::optional<Mutant> mutant_named(std::string_view name) {
  for (const MutantRow& row : kMutants) {
    if (row.name == name) return row.mutant;
  }
  return std::nullopt;
}

}  // namespace irqfab
