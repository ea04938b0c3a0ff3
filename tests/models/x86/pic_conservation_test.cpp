// Random sequences of everything that can happen to a pair of 8259As: every span has exactly one
// fate, what is held is where the registers say it is, and INT says what an acknowledge finds.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "models/x86/pic.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

struct Mix {
  const char* name;
  PicTrigger trigger;
  unsigned drivers;           // of each pin
  unsigned settings_percent;  // of operations: masks, ELCR, modes, initialization
  std::vector<Quirk> quirks;
};

Pic::Config config_of(const Mix& mix) {
  Pic::Config config;
  config.trigger = mix.trigger;
  for (const Quirk quirk : mix.quirks) config.quirks.add(quirk);
  return config;
}

class PicConservation : public ::testing::TestWithParam<Mix> {
 protected:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }
  std::uint16_t some_chip() { return chance(50) ? Pic::kMasterCommand : Pic::kSlaveCommand; }
  Pin some_pin() { return static_cast<Pin>(below(Pic::kPinCount)); }

  void initialize(std::uint16_t port) {
    const bool slave = port == Pic::kSlaveCommand;
    const auto data = static_cast<std::uint16_t>(port + 1);
    const unsigned icw1 = chance(70) ? 0x11 | (chance(50) ? 0x08u : 0u) : 0x10u | byte();
    pic_.write(port, static_cast<std::uint8_t>(icw1), env_);
    if (chance(20)) return;  // left half-way
    pic_.write(data, byte(), env_);
    pic_.write(data, chance(10) ? byte() : slave ? 2 : 4, env_);
    const unsigned modes = chance(30) ? below(32) : 0;
    pic_.write(data, static_cast<std::uint8_t>(modes | 1), env_);
  }

  void change_settings() {
    const std::uint16_t port = some_chip();
    const unsigned dice = below(100);
    if (dice < 40) {
      pic_.write(static_cast<std::uint16_t>(port + 1), byte() & byte(), env_);
    } else if (dice < 55) {
      pic_.write(chance(50) ? Pic::kMasterElcr : Pic::kSlaveElcr, byte(), env_);
    } else if (dice < 85) {
      pic_.write(port, static_cast<std::uint8_t>(0x08 | (byte() & 0x67)), env_);
    } else {
      initialize(port);
    }
  }

  void step() {
    if (chance(GetParam().settings_percent)) return change_settings();
    const unsigned dice = below(100);
    if (dice < 35) {
      const SpanId span = chance(90) ? book_.begin() : kNoSpan;
      pic_.on_pin({some_pin(), Level::High, below(GetParam().drivers), span}, env_);
    } else if (dice < 60) {
      pic_.on_pin({some_pin(), Level::Low, below(GetParam().drivers), kNoSpan}, env_);
    } else if (dice < 75) {
      acknowledge();
    } else if (dice < 95) {
      pic_.write(some_chip(), static_cast<std::uint8_t>(below(8) << 5 | below(8)), env_);
    } else {
      pic_.read(static_cast<std::uint16_t>(some_chip() + below(2)), env_);
    }
  }

  void acknowledge() {
    const bool wanted = pic_.intr() == Level::High;
    const bool found = pic_.chip(PicRole::Master).request().has_value();
    ASSERT_EQ(wanted, found) << "INT does not say whether there is a request";
    const IntaAnswer answer = pic_.on_inta(CpuId{0}, env_);
    ASSERT_TRUE(found || answer.spurious);
    ASSERT_TRUE(answer.span == kNoSpan || !answer.spurious);
  }

  void check() {
    book_.read(env_);
    env_.sent.clear();
    ASSERT_TRUE(book_.faults().empty()) << book_.faults().front();
    ASSERT_EQ(book_.live(), test::held_by(pic_));
    unsigned bits = 0;
    for (const PicRole role : {PicRole::Master, PicRole::Slave}) {
      const PicChip& chip = pic_.chip(role);
      for (std::uint8_t i = 0; i < kIrCount; ++i) {
        bits += (chip.irr() >> i & 1) + (chip.isr() >> i & 1);
      }
      const auto follows = static_cast<std::uint8_t>(chip.irr() ^ chip.lines());
      const bool latched = config_.quirks.has(Quirk::PicEdgeLatched);
      ASSERT_TRUE(latched || (follows & chip.level_sensitive()) == 0) << "a level is not its line";
    }
    ASSERT_LE(book_.live().size(), bits) << "a span rests where no bit is set";
  }

  std::mt19937 random_{8259};
  test::SpanBook book_;
  test::RecordingEnv env_;
  Pic::Config config_ = config_of(GetParam());
  Pic pic_{config_};
};

TEST_P(PicConservation, EverySpanHasOneFate) {
  initialize(Pic::kMasterCommand);
  initialize(Pic::kSlaveCommand);
  for (unsigned n = 0; n < 100'000; ++n) {
    step();
    check();
    if (HasFatalFailure()) FAIL() << "at step " << n;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Mixes, PicConservation,
    ::testing::Values(Mix{"LinesAndEois", PicTrigger::Elcr, 2, 1, {}},
                      Mix{"ManySettings", PicTrigger::Elcr, 3, 30, {}},
                      Mix{"ChipsOfTheirOwn", PicTrigger::Ltim, 2, 10, {}},
                      Mix{"AsInKvm",
                          PicTrigger::Elcr,
                          2,
                          10,
                          {Quirk::PicEdgeLatched, Quirk::PicCascadePulsed, Quirk::PicReadyAtReset}},
                      Mix{"AsInQemu", PicTrigger::Elcr, 2, 10, {Quirk::PicEdgeLatched}}),
    [](const auto& mix) { return mix.param.name; });

}  // namespace
}  // namespace irqfab::x86
