// An HPET with time: it is given the delays that it asks for, in order.
#pragma once

#include <algorithm>
#include <vector>

#include "models/x86/hpet.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::test {

struct HpetBoard {
  using Reg = x86::HpetRegister;
  static constexpr Duration kTick = 100 * kPsPerNs;

  explicit HpetBoard(const x86::Hpet::Config& config = {}) : hpet(config) {}

  static std::uint32_t timer(unsigned n, std::uint32_t place) {
    return Reg::kTimers + Reg::kTimerBytes * n + place;
  }
  void configure(unsigned n, std::uint64_t value) {
    write(timer(n, Reg::kTimerConfiguration), value);
  }
  void compare(unsigned n, std::uint64_t value) { write(timer(n, Reg::kTimerComparator), value); }
  void start() { write(Reg::kConfiguration, 1); }
  void stop() { write(Reg::kConfiguration, 0); }

  void write(std::uint32_t offset, std::uint64_t value, unsigned size = 8) {
    hpet.write(offset, value, size, env);
    collect();
  }
  std::uint64_t read(std::uint32_t offset, unsigned size = 8) {
    return hpet.read(offset, size, env);
  }

  /// Up to and with the moment when `ticks` have passed.
  void pass(std::uint64_t ticks) {
    const Time end = env.time + ticks * kTick;
    for (;;) {
      const auto next = std::min_element(
          due.begin(), due.end(), [](const Due& a, const Due& b) { return a.time < b.time; });
      if (next == due.end() || next->time > end) break;
      const Due elapsed = *next;
      due.erase(next);
      env.time = elapsed.time;
      hpet.receive(PortId{0xFFFF}, Elapsed{elapsed.tag, 0}, env);
      collect();
    }
    env.time = end;
  }

  std::vector<PinChange> changes() const { return env.messages<PinChange>(); }
  std::vector<BusWrite> messages() const { return env.messages<BusWrite>(); }
  /// Interrupts that it has asked for.
  std::size_t asserted() const { return env.count(Event::Asserted); }

  x86::Hpet hpet;
  RecordingEnv env;

 private:
  struct Due {
    Time time;
    Tag tag;
  };
  void collect() {
    for (const Delayed& delay : env.delays) due.push_back({env.time + delay.delay, delay.tag});
    env.delays.clear();
  }
  std::vector<Due> due;
};

}  // namespace irqfab::test
