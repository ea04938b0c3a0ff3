#include "models/x86/lapic_timer.hpp"

#include <tuple>

#include "models/base/wide.hpp"

namespace irqfab::x86 {
namespace {

/// The first picosecond at which a counter of `hz` has counted `ticks`; kNever if that is too far.
Time time_of(Uint128 ticks, std::uint64_t hz) {
  const Uint128 ps = (ticks * kPsPerSecond + hz - 1) / hz;
  return ps < kNever ? static_cast<Time>(ps) : kNever;
}

}  // namespace

unsigned LapicTimer::divisor() const {
  const unsigned code = (divide_ >> 1 & 4) | (divide_ & 3);
  return code == 7 ? 1 : 2u << code;
}

Time LapicTimer::end_of_period() const {
  const Time length = time_of(Uint128{initial_} * ticks_ * periods_, hz_);
  return length < kNever - begin_ ? begin_ + length : kNever;
}

void LapicTimer::arm(Time due) {
  due_ = due;
  armed_ = due != kNever;
}

void LapicTimer::stop() {
  armed_ = false;
  ++generation_;
}

void LapicTimer::reset() {
  const std::uint32_t next = generation_ + 1;
  *this = LapicTimer{};
  generation_ = next;
}

void LapicTimer::start(std::uint32_t count, std::uint64_t hz, Time now) {
  stop();
  initial_ = count;
  if (count == 0 || hz == 0) return;
  hz_ = hz;
  ticks_ = divisor();
  begin_ = now;
  periods_ = 1;
  arm(end_of_period());
}

void LapicTimer::reload() {
  ++periods_;
  arm(end_of_period());
}

void LapicTimer::start_deadline(std::uint64_t deadline, std::uint64_t hz) {
  stop();
  deadline_ = deadline;
  if (deadline != 0 && hz != 0) arm(time_of(deadline, hz));
}

std::uint32_t LapicTimer::current_count(Time now) const {
  if (!armed_ || now >= due_) return 0;
  const Uint128 counted = Uint128{now - begin_} * hz_ / (Uint128{kPsPerSecond} * ticks_);
  return static_cast<std::uint32_t>(Uint128{initial_} * periods_ - counted);
}

bool operator==(const LapicTimer& a, const LapicTimer& b) {
  const auto all = [](const LapicTimer& t) {
    return std::tie(t.initial_, t.divide_, t.generation_, t.armed_, t.deadline_, t.hz_, t.ticks_,
                    t.begin_, t.periods_, t.due_);
  };
  return all(a) == all(b);
}

}  // namespace irqfab::x86
