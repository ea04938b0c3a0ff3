// How steps wait for each other: until nothing moves, but for timers of local APICs that are armed.
// A timer that a step armed is for a later step to wait for, to look at or to stop.
#pragma once

#include "fabric/run/machine.hpp"

namespace irqfab::run {

class Settling {
 public:
  /// Simulated time after which a machine counts as one that never comes to rest: a line that
  /// nobody lowers interrupts for ever.
  static constexpr Duration kLongestStep = 100 * 1000 * kPsPerUs;
  static constexpr Duration kLongestEnd = 10 * kLongestStep;

  /// `lapics`: the component of the local APICs.
  Settling(Machine& machine, std::size_t lapics) : machine_(machine), lapics_(lapics) {}

  void settle(Duration longest = kLongestStep);
  /// Did it take too long, since the last question?
  bool gave_up();

 private:
  bool only_timers_are_left();

  Machine& machine_;
  std::size_t lapics_;
  bool gave_up_ = false;
};

}  // namespace irqfab::run
