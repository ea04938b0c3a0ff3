// What the specification leaves open, and what a simulator needs beyond it; its rules are in
// tests/rules/hpet_rules_test.cpp.
#include "models/x86/hpet.hpp"

#include <gtest/gtest.h>

#include "tests/support/hpet_board.hpp"

namespace irqfab::x86 {
namespace {

using test::HpetBoard;
using Reg = HpetRegister;

constexpr std::uint64_t kEnabled = 1 << 2, kPeriodic = 1 << 3, kValueSet = 1 << 6, kMode32 = 1 << 8;

TEST(Hpet, AComparatorAtTheCountersValueWaitsForItToComeRound) {
  HpetBoard b;
  b.configure(1, kEnabled | kMode32);
  b.start();
  b.pass(7);
  b.compare(1, 7);
  b.pass(0xFFFFFFFF);
  EXPECT_EQ(b.asserted(), 0u);
  b.pass(1);
  EXPECT_EQ(b.asserted(), 1u);
}

TEST(Hpet, AMatchThatIsYearsAwayDoesNotHappen) {
  HpetBoard b;
  b.configure(1, kEnabled);
  b.compare(1, std::uint64_t{1} << 60);
  b.start();
  EXPECT_TRUE(b.env.delays.empty());
  b.pass(1000);
  EXPECT_EQ(b.asserted(), 0u);
}

TEST(Hpet, APeriodOfNothingDoesNotRepeat) {
  HpetBoard b;
  b.configure(0, kEnabled | kPeriodic | kValueSet);
  b.compare(0, 4);
  b.compare(0, 0);
  b.start();
  b.pass(1000);
  EXPECT_EQ(b.asserted(), 1u);
}

TEST(Hpet, PeriodsDoNotDriftWhenTheHpetIsLate) {
  Hpet hpet(Hpet::Config{});
  test::RecordingEnv env;
  hpet.write(0x100, kEnabled | kPeriodic | kValueSet, 8, env);
  hpet.write(0x108, 10, 8, env);
  hpet.write(Reg::kConfiguration, 1, 8, env);
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, 1'000'000u);
  env.time = 1'030'000;  // busy with something else
  hpet.receive(PortId{0xFFFF}, Elapsed{env.delays[0].tag, 0}, env);
  ASSERT_EQ(env.delays.size(), 2u);
  EXPECT_EQ(env.delays[1].delay, 970'000u);
  env.time = 3'500'000;  // more than a period late
  hpet.receive(PortId{0xFFFF}, Elapsed{env.delays[1].tag, 0}, env);
  EXPECT_EQ(env.delays[2].delay, 0u);
}

TEST(Hpet, AMatchThatWasReprogrammedIsStale) {
  HpetBoard b;
  b.configure(1, kEnabled);
  b.compare(1, 10);
  b.start();
  b.compare(1, 20);
  b.pass(19);
  EXPECT_EQ(b.asserted(), 0u);
  b.pass(1);
  EXPECT_EQ(b.asserted(), 1u);
  b.compare(1, 40);
  b.write(Reg::kCounter, 35);
  b.pass(5);
  EXPECT_EQ(b.asserted(), 2u) << "a counter that is written matches from there";
}

TEST(Hpet, AComparatorIsCutWhenItsTimerGetsNarrow) {
  HpetBoard b;
  b.configure(1, kEnabled);
  b.compare(1, 0x1'0000'0005);
  b.start();
  b.configure(1, kEnabled | kMode32);
  EXPECT_EQ(b.read(HpetBoard::timer(1, Reg::kTimerComparator)), 5u);
  b.pass(5);
  EXPECT_EQ(b.asserted(), 1u);
}

TEST(Hpet, ADwordOfAComparatorLeavesTheOther) {
  HpetBoard b;
  const std::uint32_t one_shot = HpetBoard::timer(1, Reg::kTimerComparator);
  b.compare(1, 0x7'0000'0009);
  b.write(one_shot, 0x20, 4);
  EXPECT_EQ(b.read(one_shot), 0x7'0000'0020u);
  b.write(one_shot + 4, 0, 4);
  EXPECT_EQ(b.read(one_shot), 0x20u);
  // In periodic mode what is written is the period, not the value that a read shows.
  const std::uint32_t periodic = HpetBoard::timer(0, Reg::kTimerComparator);
  b.configure(0, kEnabled | kPeriodic | kValueSet);
  b.compare(0, 100);
  b.compare(0, 10);
  b.write(periodic + 4, 0, 4);
  b.start();
  b.pass(100);
  EXPECT_EQ(b.read(periodic), 110u);
  b.pass(10);
  EXPECT_EQ(b.read(periodic), 120u);
}

TEST(Hpet, AMessageThatIsAimedAtItEndsThere) {
  HpetBoard b;
  const SpanId span = make_span(SourceId{1}, 0);
  b.hpet.receive(Hpet::kRegisters, BusWrite{0xFED000F0, 0x55, span, {}, 4}, b.env);
  EXPECT_EQ(b.env.count(Event::Dropped), 1u);
  EXPECT_EQ(b.read(Reg::kCounter), 0x55u) << "it is a write all the same";
}

TEST(Hpet, AReadIsAnsweredWhereItCameFrom) {
  HpetBoard b;
  b.hpet.receive(Hpet::kRegisters, BusRead{0xFED00004, Tag{9}, kNoSpan, {}, 4}, b.env);
  const auto answers = b.env.messages<BusData>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].tag, Tag{9});
  EXPECT_EQ(answers[0].data[0], 0x00u);
  EXPECT_EQ(answers[0].data[1], 0xE1u);
  EXPECT_EQ(b.env.sent[0].port, Hpet::kRegisters);
}

TEST(Hpet, IsAValue) {
  HpetBoard a, b;
  EXPECT_TRUE(a.hpet == b.hpet);
  for (const std::uint32_t offset : {0x010u, 0x0F0u, 0x120u, 0x128u, 0x130u}) {
    HpetBoard changed;
    changed.write(offset, 0x4001);
    EXPECT_FALSE(a.hpet == changed.hpet) << offset;
  }
}

}  // namespace
}  // namespace irqfab::x86
