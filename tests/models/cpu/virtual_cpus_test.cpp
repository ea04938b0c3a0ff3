// Virtual CPUs: they execute only while the host lets them, and lose nothing by being kept out.
#include <gtest/gtest.h>

#include "models/cpu/cpus.hpp"
#include "tests/support/cpu_rig.hpp"

namespace irqfab::cpu {
namespace {

using test::CpuRig;

class VirtualCpus : public testing::Test {
 protected:
  static Cpus::Config as_virtual(Cpus::Config config, Idle idle = Idle::Poll) {
    config.kind = Kind::Virtual;
    config.idle = idle;
    return config;
  }
  static void run(CpuRig& rig, Level level) {
    rig.receive(CpuLineChange{rig.cpu, CpuLine::Run, level, kNoSpan});
  }
  static std::size_t halts(const CpuRig& rig) { return rig.env.messages<CpuHalted>().size(); }
};

TEST_F(VirtualCpus, BeginOutsideAndAskNothingBeforeTheyAreLetIn) {
  CpuRig rig(as_virtual(CpuRig::busy()));
  EXPECT_TRUE(rig.cpus.outside(rig.cpu));
  rig.line();
  EXPECT_EQ(rig.intas(), 0u);
  run(rig, Level::High);
  EXPECT_FALSE(rig.cpus.outside(rig.cpu));
  EXPECT_EQ(rig.intas(), 1u);
}

TEST_F(VirtualCpus, TheRunLineOfAPhysicalCpuMeansNothing) {
  CpuRig rig(CpuRig::busy());
  run(rig, Level::Low);
  EXPECT_FALSE(rig.cpus.outside(rig.cpu));
  rig.line();
  EXPECT_EQ(rig.intas(), 1u);
}

TEST_F(VirtualCpus, AStepKeepsWhatIsLeftOfIt) {
  CpuRig rig(as_virtual(CpuRig::busy()));
  run(rig, Level::High);
  rig.take(0x41, 1);
  ASSERT_EQ(rig.env.delays.back().delay, CpuRig::kLong);
  rig.env.time += 300;
  run(rig, Level::Low);
  EXPECT_TRUE(rig.noted(Event::HandlerPreempted, 1));
  // The delay that was under way comes back, and ends nothing.
  rig.elapse();
  EXPECT_FALSE(rig.noted(Event::HandlerStep, 1));
  run(rig, Level::High);
  EXPECT_TRUE(rig.noted(Event::HandlerResumed, 1));
  ASSERT_FALSE(rig.env.delays.empty());
  EXPECT_EQ(rig.env.delays.back().delay, CpuRig::kLong - 300);
  rig.elapse();
  EXPECT_TRUE(rig.noted(Event::EoiWritten, 1));
}

TEST_F(VirtualCpus, AnAnswerThatComesOutsideIsKept) {
  CpuRig rig(as_virtual(CpuRig::busy()));
  run(rig, Level::High);
  rig.line();
  run(rig, Level::Low);
  rig.answer(0x41, 1);
  EXPECT_FALSE(rig.noted(Event::HandlerEntered, 1));
  rig.line();  // more comes meanwhile
  EXPECT_EQ(rig.intas(), 1u);
  run(rig, Level::High);
  EXPECT_TRUE(rig.noted(Event::HandlerEntered, 1));
}

TEST_F(VirtualCpus, AReadUnderWayEndsOutsideAndTheRestOfItsStepDoesNot) {
  auto config = CpuRig::with({{StepKind::ReadDevice, 40}});
  config.served.resize(2 * 256);
  config.served[0x41] = {0, 1};
  config.sources = {{0xC000, 0, 0}};
  CpuRig rig(as_virtual(config));
  run(rig, Level::High);
  rig.take(0x41, 1);
  const BusRead read = rig.env.messages<BusRead>().back();
  run(rig, Level::Low);
  rig.cpus.receive(Cpus::kBus, BusData{{}, read.tag, BusStatus::Ok, read.span}, rig.env);
  EXPECT_TRUE(rig.env.delays.empty());
  run(rig, Level::High);
  ASSERT_EQ(rig.env.delays.size(), 1u);
  EXPECT_EQ(rig.env.delays.back().delay, 40u);
}

TEST_F(VirtualCpus, HltLeavesTheGuestAndIsTold) {
  CpuRig rig(as_virtual(CpuRig::busy(), Idle::Halt));
  EXPECT_EQ(halts(rig), 0u);
  run(rig, Level::High);
  EXPECT_EQ(halts(rig), 1u);
  EXPECT_TRUE(rig.cpus.outside(rig.cpu));
  rig.line();
  EXPECT_EQ(rig.intas(), 0u);  // it is not the CPU that wakes
  run(rig, Level::High);
  EXPECT_EQ(rig.intas(), 1u);
  EXPECT_FALSE(rig.env.noted(Event::CpuWoken));
  rig.answer(0x41, 1);
  rig.elapse();
  EXPECT_EQ(halts(rig), 2u);
}

TEST_F(VirtualCpus, ComingBackTwiceIsComingBackOnce) {
  CpuRig rig(as_virtual(CpuRig::busy()));
  run(rig, Level::High);
  rig.take(0x41, 1);
  const std::size_t delays = rig.env.delays.size();
  run(rig, Level::High);
  EXPECT_EQ(rig.env.delays.size(), delays);
  run(rig, Level::Low);
  run(rig, Level::Low);
  std::size_t left = 0;
  for (const auto& note : rig.env.notes) left += note.event == Event::HandlerPreempted;
  EXPECT_EQ(left, 1u);
}

}  // namespace
}  // namespace irqfab::cpu
