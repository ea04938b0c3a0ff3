// Mutants: each historical defect is one small named branch, off by default, switched on by name.
// They show that a test, an invariant or an exhibit can fail.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace irqfab {

enum class Mutant : std::uint8_t {
  InvalidationWaitEarly,   // the wait completes without draining older walks
  RemoteIrrNeverCleared,   // an EOI does not reach the redirection entry
  TmrClearedByEoi,         // TMR is cleared at the EOI instead of written at acceptance
  IecFilledEarly,          // a miss fills the interrupt entry cache before its data exists
  OldIrteLeft,             // a retargeted interrupt gets a new entry and keeps the old one
  IoapicClearRemapped,     // clearing an IOAPIC entry takes its contents for a remapping index
  OldEoiWithRemapping,     // an EOI by way of edge mode, as for IOAPIC 0x11, behind remapping
  AffinityClobbersPosted,  // a change of host affinity overwrites the posted entry of a vCPU
  OnLostAfterPreemption,   // SN is cleared at load without a look at what was posted meanwhile
  WakeupVectorNotSet,      // a vCPU blocks while its descriptor still has the other vector
  AvicRunningStale,        // a vCPU that blocks leaves its table entry saying that it runs
};

struct MutantRow {
  Mutant mutant;
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<MutantRow, 11> kMutants = {{
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
