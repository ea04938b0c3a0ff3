// How steps wait for each other: until nothing moves, but for timers of local APICs and of the HPET
// that are armed.
// A timer that a step armed is for a later step to wait for, to look at or to stop.
#pragma once

#include <optional>

#include "fabric/run/machine.hpp"

namespace irqfab::run {

class Settling {
 public:
  /// Simulated time after which a machine counts as one that never comes to rest: a line that
  /// nobody lowers interrupts for ever.
  static constexpr Duration kLongestStep = 100 * 1000 * kPsPerUs;
  static constexpr Duration kLongestEnd = 10 * kLongestStep;

  /// `lapics`, `hpet`: the components of the local APICs, and of the HPET if there is one.
  Settling(Machine& machine, std::size_t lapics, std::optional<std::size_t> hpet)
      : machine_(machine), lapics_(lapics), hpet_(hpet) {}

  void settle(Duration longest = kLongestStep);
  /// Did it take too long, since the last question?
  bool gave_up();

 private:
  bool only_timers_are_left();

  Machine& machine_;
  std::size_t lapics_;
  std::optional<std::size_t> hpet_;
  bool gave_up_ = false;
};

}  // namespace irqfab::run
