// The timer of a local APIC (models/x86/lapic_timer.cpp, lapic_local.cpp). SDM vol. 3, 11.5.4.

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

constexpr std::uint32_t kPeriodic = 1u << 17, kDeadline = 2u << 17, kMasked = 1u << 16;
constexpr std::uint32_t kDivideBy1 = 0xB;

/// A timer of 100 MHz, a time stamp counter of 2 GHz; time stands until a test moves it.
class LapicTimers : public LapicFixture {
 protected:
  void SetUp() override {
    rebuild(config_of(2));
    write(1, Register::kDivideConfiguration, kDivideBy1);
  }
  /// Time passes until the delay that was asked for last is over.
  void elapse() {
    ASSERT_FALSE(env.delays.empty());
    const test::Delayed last = env.delays.back();
    env.time += last.delay;
    bank.receive(LapicBank::kMessages, Elapsed{last.tag, raw(*last.lane)}, env);
  }
  void take() {
    ASSERT_EQ(inta(1).vector, Vector{0xEC});
    eoi(1);
  }
  std::uint64_t deadline() { return bank.rdmsr(CpuId{1}, LapicMsr::kTscDeadline, env).value; }
  void write_deadline(std::uint64_t value) {
    ASSERT_EQ(bank.wrmsr(CpuId{1}, LapicMsr::kTscDeadline, value, env).status, MsrStatus::Done);
  }
};

TEST_F(LapicTimers, OneShotExpiresOnceAfterItsCount) {
  write(1, Register::kLvtTimer, 0xEC);
  write(1, Register::kInitialCount, 1000);
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, 10 * kPsPerUs);
  EXPECT_EQ(env.delays[0].lane, LaneId{2});
  EXPECT_EQ(irr(1), Vectors{});
  elapse();
  EXPECT_EQ(irr(1), Vectors{0xEC});
  EXPECT_EQ(env.notes.at(0).detail, static_cast<std::uint64_t>(Cause::Local));
  EXPECT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(read(1, Register::kCurrentCount), 0u);
}

TEST_F(LapicTimers, PeriodicExpiresAgainWithoutDrift) {
  LapicBank::Config config = config_of(2);
  config.timer_hz = 3;  // a third of a second is no number of picoseconds
  rebuild(config);
  write(1, Register::kDivideConfiguration, kDivideBy1);
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  write(1, Register::kInitialCount, 1);
  for (const Time due : {333'333'333'334u, 666'666'666'667u, 1'000'000'000'000u}) {
    elapse();
    EXPECT_EQ(env.time, due);
    take();
  }
}

TEST_F(LapicTimers, LateExpiryDoesNotDelayTheNext) {
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  write(1, Register::kInitialCount, 1000);
  env.time += 12 * kPsPerUs;
  bank.receive(LapicBank::kMessages, Elapsed{env.delays[0].tag, 2}, env);
  EXPECT_EQ(env.delays.back().delay, 8 * kPsPerUs);
}

TEST_F(LapicTimers, CurrentCountFallsFromTheInitialOne) {
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  env.time = 5 * kPsPerUs;
  write(1, Register::kInitialCount, 1000);
  EXPECT_EQ(read(1, Register::kCurrentCount), 1000u);
  env.time += 10'000 - 1;
  EXPECT_EQ(read(1, Register::kCurrentCount), 1000u);
  env.time += 1;
  EXPECT_EQ(read(1, Register::kCurrentCount), 999u);
  env.time += 6 * kPsPerUs;
  EXPECT_EQ(read(1, Register::kCurrentCount), 399u);
  env.time = 5 * kPsPerUs;
  elapse();
  env.time += 10'000;
  EXPECT_EQ(read(1, Register::kCurrentCount), 999u) << "of the second period";
  EXPECT_EQ(read(1, Register::kInitialCount), 1000u);
}

// Figure "Divide Configuration Register".
TEST_F(LapicTimers, DivideConfigurationDividesTheClock) {
  const struct {
    std::uint32_t code;
    unsigned divisor;
  } rows[] = {{0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xA, 128}, {0xB, 1}};
  for (const auto& row : rows) {
    write(1, Register::kDivideConfiguration, row.code);
    write(1, Register::kInitialCount, 1);
    EXPECT_EQ(env.delays.back().delay, row.divisor * 10'000u) << row.code;
  }
}

TEST_F(LapicTimers, CountOfZeroStopsIt) {
  write(1, Register::kLvtTimer, 0xEC);
  write(1, Register::kInitialCount, 1000);
  write(1, Register::kInitialCount, 0);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicTimers, WritingTheCountAgainStartsAnew) {
  write(1, Register::kLvtTimer, 0xEC);
  write(1, Register::kInitialCount, 1000);
  const test::Delayed stale = env.delays.back();
  write(1, Register::kInitialCount, 2000);
  bank.receive(LapicBank::kMessages, Elapsed{stale.tag, raw(*stale.lane)}, env);
  EXPECT_EQ(irr(1), Vectors{});
  elapse();
  EXPECT_EQ(irr(1), Vectors{0xEC});
}

TEST_F(LapicTimers, MaskedOneCountsAndDeliversNothing) {
  write(1, Register::kLvtTimer, kMasked | kPeriodic | 0xEC);
  write(1, Register::kInitialCount, 1000);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
  EXPECT_EQ(read(1, Register::kCurrentCount), 1000u);
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  elapse();
  EXPECT_EQ(irr(1), Vectors{0xEC});
}

TEST_F(LapicTimers, InitStopsIt) {
  write(1, Register::kLvtTimer, 0xEC);
  write(1, Register::kInitialCount, 1000);
  send(of_mode(1, DeliveryMode::Init));
  write(1, Register::kSvr, 0x1FF);
  write(1, Register::kLvtTimer, 0xEC);
  EXPECT_EQ(read(1, Register::kInitialCount), 0u);
  EXPECT_EQ(read(1, Register::kDivideConfiguration), 0u);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicTimers, LongestCountIsExact) {
  write(1, Register::kDivideConfiguration, 0xA);
  write(1, Register::kInitialCount, 0xFFFFFFFF);
  EXPECT_EQ(env.delays.back().delay, 0xFFFFFFFFull * 128 * 10'000);
}

TEST_F(LapicTimers, ClockOfZeroNeverExpires) {
  LapicBank::Config config = config_of(1);
  config.timer_hz = 0;
  config.tsc_hz = 0;
  rebuild(config);
  write(0, Register::kLvtTimer, 0xEC);
  write(0, Register::kInitialCount, 1000);
  write(0, Register::kLvtTimer, kDeadline | 0xEC);
  bank.wrmsr(CpuId{0}, LapicMsr::kTscDeadline, 5, env);
  EXPECT_TRUE(env.delays.empty());
  EXPECT_EQ(read(0, Register::kInitialCount), 1000u);
}

// 11.5.4.1.
TEST_F(LapicTimers, DeadlineIsATimeStampAndIs0OnceItPassed) {
  write(1, Register::kLvtTimer, kDeadline | 0xEC);
  env.time = 3 * kPsPerUs;
  write_deadline(20'001);
  EXPECT_EQ(env.delays.back().delay, 7 * kPsPerUs + 500);
  EXPECT_EQ(deadline(), 20'001u);
  EXPECT_EQ(read(1, Register::kCurrentCount), 0u);
  elapse();
  EXPECT_EQ(irr(1), Vectors{0xEC});
  EXPECT_EQ(deadline(), 0u);
}

TEST_F(LapicTimers, DeadlineThatPassedExpiresAtOnce) {
  write(1, Register::kLvtTimer, kDeadline | 0xEC);
  env.time = kPsPerMs;
  write_deadline(1);
  EXPECT_EQ(env.delays.back().delay, 0u);
}

TEST_F(LapicTimers, DeadlineOfZeroDisarms) {
  write(1, Register::kLvtTimer, kDeadline | 0xEC);
  write_deadline(20'000);
  write_deadline(0);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicTimers, EachModeIgnoresTheOthersRegister) {
  write(1, Register::kLvtTimer, 0xEC);
  write_deadline(20'000);
  EXPECT_EQ(deadline(), 0u);
  write(1, Register::kLvtTimer, kDeadline | 0xEC);
  write(1, Register::kInitialCount, 1000);
  EXPECT_EQ(read(1, Register::kInitialCount), 0u);
  EXPECT_TRUE(env.delays.empty());
}

TEST_F(LapicTimers, ChangeToOrFromDeadlineModeDisarms) {
  write(1, Register::kLvtTimer, 0xEC);
  write(1, Register::kInitialCount, 1000);
  write(1, Register::kLvtTimer, kDeadline | 0xEC);
  elapse();
  write_deadline(200'000);
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicTimers, ChangeBetweenOneShotAndPeriodicDisarms) {
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  write(1, Register::kInitialCount, 1000);
  write(1, Register::kLvtTimer, 0xEC);
  elapse();
  EXPECT_EQ(irr(1), Vectors{});
}

TEST_F(LapicTimers, WithTheQuirkPeriodicThatBecameOneShotExpiresOnceMore) {
  LapicBank::Config config = config_of(2);
  config.quirks.add(Quirk::TimerRunsOn);
  rebuild(config);
  write(1, Register::kDivideConfiguration, kDivideBy1);
  write(1, Register::kLvtTimer, kPeriodic | 0xEC);
  write(1, Register::kInitialCount, 1000);
  write(1, Register::kLvtTimer, 0xEC);
  elapse();
  take();
  EXPECT_EQ(env.delays.size(), 1u);
}

TEST_F(LapicTimers, ExpiryOfNobodyIsIgnored) {
  bank.receive(LapicBank::kMessages, Elapsed{Tag{0}, 0}, env);
  bank.receive(LapicBank::kMessages, Elapsed{Tag{0}, 3}, env);
  bank.receive(LapicBank::kMessages, Elapsed{Tag{0}, 2}, env);
  EXPECT_TRUE(env.notes.empty());
}

}  // namespace
}  // namespace irqfab::x86
