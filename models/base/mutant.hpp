// Mutants: each historical defect is one small named branch, off by default, switched on by name. They
// show that a test, an invariant or an exhibit can fail.
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
};

struct MutantRow {
  Mutant mutant;
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<MutantRow, 3> kMutants = {{
    {Mutant::InvalidationWaitEarly, "invalidation-wait-early",
     "The remapping unit completes an invalidation wait while older walks are still under way."},
    {Mutant::RemoteIrrNeverCleared, "remote-irr-never-cleared",
     "The IOAPIC ignores EOIs, so a level entry stays blocked after its first interrupt."},
    {Mutant::TmrClearedByEoi, "tmr-cleared-by-eoi",
     "A LAPIC's EOI clears the vector's TMR bit, so a level interrupt that was pending behind it ends "
     "without its broadcast."},
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
