// Random sequences of everything that can happen to an IOAPIC: every span has exactly one fate, and
// a line that should be in service is.

#include <gtest/gtest.h>

#include <random>

#include "models/x86/ioapic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

struct Mix {
  const char* name;
  unsigned masked_percent;  // of table writes
  unsigned level_percent;   // of table writes
  unsigned drivers;         // of each pin
  unsigned vectors;         // few: entries share them
};

constexpr unsigned kPinsUsed = 4;

class IoApicConservation : public ::testing::TestWithParam<Mix> {
 protected:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  Vector some_vector() { return static_cast<Vector>(0x40 + below(GetParam().vectors)); }
  Pin some_pin() { return static_cast<Pin>(below(kPinsUsed)); }

  void write_entry() {
    const auto index = static_cast<std::uint8_t>(0x10 + 2 * raw(some_pin()));
    std::uint32_t low = raw(some_vector()) | below(8) << 8;
    if (chance(70)) low &= ~0x700u;  // mostly fixed
    if (chance(GetParam().masked_percent)) low |= 0x10000;
    if (chance(GetParam().level_percent)) low |= 0x8000;
    ioapic_.write(IoApic::kIoRegSel, index, env_);
    ioapic_.write(IoApic::kIoWin, low, env_);
  }

  void step() {
    const unsigned dice = below(100);
    if (dice < 40) {
      ioapic_.on_pin({some_pin(), Level::High, below(GetParam().drivers), book_.begin()}, env_);
    } else if (dice < 70) {
      ioapic_.on_pin({some_pin(), Level::Low, below(GetParam().drivers), kNoSpan}, env_);
    } else if (dice < 88) {
      ioapic_.on_eoi(some_vector(), env_);
    } else {
      write_entry();
    }
  }

  void check() {
    book_.read(env_);
    for (const BusWrite& message : env_.messages<BusWrite>()) book_.handed_over(message.span);
    env_.sent.clear();
    ASSERT_TRUE(book_.faults().empty()) << book_.faults().front();
    ASSERT_EQ(book_.live(), test::held_by(ioapic_));
    for (unsigned i = 0; i < kPinsUsed; ++i) {
      const Rte& rte = ioapic_.rte(static_cast<Pin>(i));
      const bool due = rte.level_sensitive() && !rte.masked() &&
                       ioapic_.level(static_cast<Pin>(i)) == Level::High;
      ASSERT_TRUE(!due || rte.remote_irr()) << "a line is high and nobody serves it";
      ASSERT_TRUE(rte.level_sensitive() || !rte.remote_irr()) << "an edge entry awaits an EOI";
    }
  }

  std::mt19937 random_{20250};
  test::SpanBook book_;
  test::RecordingEnv env_;
  IoApic ioapic_{IoApic::Config{}};
};

TEST_P(IoApicConservation, EverySpanHasOneFate) {
  for (unsigned n = 0; n < 20'000; ++n) {
    step();
    check();
    if (HasFatalFailure()) FAIL() << "at step " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Mixes, IoApicConservation,
                         ::testing::Values(Mix{"LevelsThatShareAVector", 10, 100, 2, 1},
                                           Mix{"EdgesOftenMasked", 60, 0, 1, 4},
                                           Mix{"ManyDriversAndRewrites", 30, 50, 6, 3},
                                           Mix{"MaskedLevels", 80, 90, 3, 2}),
                         [](const auto& mix) { return mix.param.name; });

}  // namespace
}  // namespace irqfab::x86
