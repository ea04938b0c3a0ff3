// Irqfds that resample: the line stays high until the EOI, which lowers it and signals an eventfd
// (api.rst, KVM_IRQFD_FLAG_RESAMPLE).
#include <gtest/gtest.h>

#include "models/kvm/irq_layer.hpp"
#include "tests/support/layer_rig.hpp"

namespace irqfab::kvm::test {
namespace {

constexpr Pin kPin{20};

class IrqLayerResample : public testing::Test {
 protected:
  explicit IrqLayerResample(const IrqLayer::Config& config = LayerRig::plain()) : rig(config) {
    rig.layer.chip().write_entry(kPin, kLevelEntry | kPinVector, rig.env);
  }
  Level level() const { return rig.layer.chip().ioapic().level(kPin); }
  LayerRig rig;
};

TEST_F(IrqLayerResample, TheLineIsHighFromTheSignalToTheEoi) {
  ASSERT_EQ(rig.assign(kFd, kPinGsi, kResampleFd), 0);
  rig.write(kFd);
  EXPECT_EQ(level(), Level::High);
  EXPECT_TRUE(rig.pending(0, kPinVector));
  EXPECT_EQ(rig.counter(kResampleFd), 0u);
  rig.handle(0);
  EXPECT_EQ(level(), Level::Low);
  EXPECT_EQ(rig.counter(kResampleFd), 1u);
  EXPECT_EQ(rig.env.count(Event::ResampleSignalled), 1u);
  EXPECT_TRUE(rig.clean());
}

TEST_F(IrqLayerResample, AllOfTheGsiAreSignalledAlsoThoseThatDidNotRaiseIt) {
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.assign(kOtherFd, kPinGsi, kOtherResampleFd);
  rig.write(kFd);
  rig.handle(0);
  EXPECT_EQ(rig.counter(kResampleFd), 1u);
  EXPECT_EQ(rig.counter(kOtherResampleFd), 1u);
}

TEST_F(IrqLayerResample, AnotherGsisAreNot) {
  rig.set_routes({pin_route(kPinGsi, 20), pin_route(Gsi{21}, 21)});
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.assign(kOtherFd, Gsi{21}, kOtherResampleFd);
  rig.write(kFd);
  rig.handle(0);
  EXPECT_EQ(rig.counter(kOtherResampleFd), 0u);
}

TEST_F(IrqLayerResample, DeassignLowersTheLineUnlessAnotherSourceIsHigh) {
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.write(kFd);
  rig.deassign(kFd, kPinGsi);
  EXPECT_EQ(level(), Level::Low);
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.write(kFd);
  rig.line(kPinGsi, kUserspaceSource, Level::High);
  rig.deassign(kFd, kPinGsi);
  EXPECT_EQ(level(), Level::High);
}

TEST_F(IrqLayerResample, TheFirstOfTwoToGoLeavesTheLineHigh) {
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.assign(kOtherFd, kPinGsi, kOtherResampleFd);
  rig.write(kFd);
  rig.deassign(kFd, kPinGsi);
  EXPECT_EQ(level(), Level::High);
  rig.handle(0);
  EXPECT_EQ(rig.counter(kResampleFd), 0u);
  EXPECT_EQ(rig.counter(kOtherResampleFd), 1u);
}

TEST_F(IrqLayerResample, WhoPollsTheEventfdIsWokenByTheEoi) {
  const host::WaitQueueId queue = rig.machine.add_wait_queue();
  rig.layer.poll(kResampleFd, queue, rig.machine);
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.begin_sleep(1, queue);
  rig.write(kFd);
  EXPECT_FALSE(rig.parked(1));
  rig.handle(0);
  rig.settle();
  EXPECT_TRUE(rig.parked(1));
}

TEST_F(IrqLayerResample, OnAMessageItNeverSignals) {
  ASSERT_EQ(rig.assign(kFd, kMsiGsi, kResampleFd), 0);
  rig.write(kFd);
  rig.handle(0);
  EXPECT_EQ(rig.counter(kResampleFd), 0u);
}

TEST_F(IrqLayerResample, SetUpBeforeTheRunItIsTheSame) {
  ASSERT_EQ(rig.layer.assign_now(kFd, kPinGsi, kResampleFd, rig.machine), 0);
  EXPECT_EQ(rig.layer.assign_now(kFd, kPinGsi, kResampleFd, rig.machine), kEBUSY);
  EXPECT_EQ(rig.layer.assign_now(kOtherFd, kPinGsi, 99, rig.machine), kEINVAL);
  rig.write(kFd);
  rig.handle(0);
  EXPECT_EQ(rig.counter(kResampleFd), 1u);
  EXPECT_EQ(rig.deassign(kFd, kPinGsi), 0);
  EXPECT_FALSE(rig.layer.bound(kFd));
}

// ---- lazily ended edges -----------------------------------------------------------------------

std::uint64_t signals_before_the_eoi(const IrqLayer::Config& config, std::uint64_t entry) {
  LayerRig rig(config);
  rig.layer.chip().write_entry(kPin, entry | kPinVector, rig.env);
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.write(kFd);
  return rig.counter(kResampleFd);
}

TEST(IrqLayerLazyEoi, AnEdgeResamplesNothingBeforeItsEoi) {
  EXPECT_EQ(signals_before_the_eoi(LayerRig::plain(), 0), 0u);
}

TEST(IrqLayerLazyEoi, MutantLazyEoiResamplesOnAssertion) {
  EXPECT_EQ(signals_before_the_eoi(LayerRig::with(Mutant::LazyEoiResamples), 0), 1u);
  EXPECT_EQ(signals_before_the_eoi(LayerRig::with(Mutant::LazyEoiResamples), kLevelEntry), 0u);
}

// ---- grace periods and the resamplers' lock ---------------------------------------------------

/// A reader of the routes that stays inside, on CPU 0.
void enter_as_reader(LayerRig& rig) {
  rig.begin(0, LayerCall::EventfdWrite, {kOtherFd, 1}, rig.span());
  ASSERT_TRUE(rig.until_noted(0, Event::IrqfdRouted));
}

bool lock_is_held_while_assign_waits(const IrqLayer::Config& config) {
  LayerRig rig(config);
  rig.assign(kOtherFd, kMsiGsi);
  enter_as_reader(rig);
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kPinGsi), LayerRig::kResample, kResampleFd});
  while (rig.runnable(1)) rig.step(1);
  EXPECT_FALSE(rig.parked(1));
  const bool held = rig.held(rig.layer.locks().resampler);
  rig.settle();
  EXPECT_TRUE(rig.parked(1));
  EXPECT_TRUE(rig.layer.bound(kFd));
  return held;
}

bool lock_is_held_while_shutdown_waits(const IrqLayer::Config& config) {
  LayerRig rig(config);
  rig.assign(kOtherFd, kMsiGsi);
  rig.assign(kFd, kPinGsi, kResampleFd);
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kPinGsi), LayerRig::kDeassign, 0});
  EXPECT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.locks().resampler); }));
  enter_as_reader(rig);
  while (rig.runnable(1)) rig.step(1);
  EXPECT_FALSE(rig.parked(1));
  const bool held = rig.held(rig.layer.locks().resampler);
  rig.settle();
  EXPECT_TRUE(rig.parked(1));
  return held;
}

TEST(IrqLayerResamplerLock, NobodyWaitsForAGracePeriodUnderIt) {
  EXPECT_FALSE(lock_is_held_while_assign_waits(LayerRig::plain()));
  EXPECT_FALSE(lock_is_held_while_shutdown_waits(LayerRig::plain()));
}

TEST(IrqLayerResamplerLock, MutantGraceUnderResamplerLockHoldsItMeanwhile) {
  const IrqLayer::Config bad = LayerRig::with(Mutant::GraceUnderResamplerLock);
  EXPECT_TRUE(lock_is_held_while_assign_waits(bad));
  EXPECT_TRUE(lock_is_held_while_shutdown_waits(bad));
}

}  // namespace
}  // namespace irqfab::kvm::test
