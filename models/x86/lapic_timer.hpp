// The timer of a local APIC: its registers, and what they mean in time.
//
// Models: SDM vol. 3, 11.5.4 and 11.5.4.1: one-shot, periodic and TSC-deadline mode, the divide
// configuration, initial and current count. The timer has no clock of its own: whoever calls says
// when it is, and is told in how long the timer expires. A timer that was armed anew makes earlier
// expiries stale; `generation` tells them apart.
// Choice the manual leaves open: a divisor that changes while the timer counts takes effect when
// the count is next written.
#pragma once

#include <cstdint>

#include "models/base/time.hpp"

namespace irqfab::x86 {

class LapicTimer {
 public:
  /// The rate of a counter is in Hz, up to 10^12; 0 is a counter that stands still, and nothing
  /// expires then.

  /// Counts down from `count` at `hz` over the divisor. A count of 0 stops the timer.
  void start(std::uint32_t count, std::uint64_t hz, Time now);
  /// Expires when a time stamp counter of `hz` that was 0 at time 0 has reached `deadline`; a
  /// deadline of 0 stops the timer.
  void start_deadline(std::uint64_t deadline, std::uint64_t hz);
  /// Begins the next period of a periodic timer, at the end of the last one. Periods are counted,
  /// so rounding does not add up.
  void reload();
  /// What was going to expire is stale.
  void stop();
  /// All registers 0, and stopped.
  void reset();

  bool armed() const { return armed_; }
  /// At which it expires; only if armed.
  Time due() const { return due_; }
  std::uint32_t generation() const { return generation_; }

  std::uint32_t initial_count() const { return initial_; }
  std::uint32_t current_count(Time now) const;
  /// IA32_TSC_DEADLINE: 0 unless armed.
  std::uint64_t deadline() const { return armed_ ? deadline_ : 0; }
  std::uint32_t divide_configuration() const { return divide_; }
  void set_divide_configuration(std::uint32_t value) { divide_ = value; }
  /// 1, 2, 4, ... 128 (SDM vol. 3, figure "Divide Configuration Register").
  unsigned divisor() const;

  friend bool operator==(const LapicTimer& a, const LapicTimer& b);

 private:
  void arm(Time due);
  Time end_of_period() const;

  std::uint32_t initial_ = 0;
  std::uint32_t divide_ = 0;
  std::uint32_t generation_ = 0;
  bool armed_ = false;
  std::uint64_t deadline_ = 0;
  // Of the count under way:
  std::uint64_t hz_ = 0;
  std::uint64_t ticks_ = 1;    // of that rate, for one count
  Time begin_ = 0;             // of the first period
  std::uint64_t periods_ = 0;  // from there to the end of this one
  Time due_ = 0;
};

}  // namespace irqfab::x86
