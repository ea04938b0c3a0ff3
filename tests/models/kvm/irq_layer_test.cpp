// KVM's routing layer: what its calls answer, where interrupts go, and which events tell of it
// (api.rst; a real /dev/kvm where the document leaves it open).
#include "models/kvm/irq_layer.hpp"

#include <gtest/gtest.h>

#include "tests/support/layer_rig.hpp"

namespace irqfab::kvm::test {
namespace {

using host::EventFdMode;

std::vector<Event> moves_of(const LayerRig& rig, SpanId span) {
  std::vector<Event> events;
  for (const auto& noted : rig.env.notes) {
    if (noted.span == span && noted.event != Event::LockReleased) events.push_back(noted.event);
  }
  return events;
}

// ---- the way of an interrupt ------------------------------------------------------------------

TEST(IrqLayer, AMessageIsInjectedWhereTheEventfdIsWritten) {
  LayerRig rig;
  ASSERT_EQ(rig.assign(kFd, kMsiGsi), 0);
  const SpanId span = rig.span();
  EXPECT_EQ(rig.call(LayerCall::EventfdWrite, {kFd, 1}, span), 8);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(moves_of(rig, span),
            (std::vector<Event>{Event::Asserted, Event::SyscallEntered, Event::LockAcquired,
                                Event::EventfdSignalled, Event::RouteLookedUp, Event::IrqfdRouted,
                                Event::Pended}));
  EXPECT_EQ(rig.env.count(Event::WorkQueued), 0u);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayer, APinIsLeftToAKworkerThatDrivesItHighThenLow) {
  LayerRig rig;
  ASSERT_EQ(rig.assign(kFd, kPinGsi), 0);
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(0, kPinVector));
  EXPECT_EQ(rig.env.count(Event::WorkQueued), 1u);
  EXPECT_EQ(rig.env.count(Event::WorkStarted), 1u);
  EXPECT_EQ(rig.env.count(Event::PinDriven), 2u);
  EXPECT_EQ(rig.layer.chip().ioapic().level(Pin{20}), Level::Low);
  EXPECT_EQ(rig.env.count(Event::IrqfdRouted), 0u);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayer, ThePinIsHighBetweenItsTwoHalves) {
  LayerRig rig;
  rig.assign(kFd, kPinGsi);
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(
      rig.until(0, [&] { return rig.layer.chip().ioapic().level(Pin{20}) == Level::High; }));
  EXPECT_TRUE(rig.held(rig.layer.locks().chip));
  EXPECT_TRUE(rig.until(0, [&] { return !rig.held(rig.layer.locks().chip); }));
  EXPECT_EQ(rig.layer.chip().ioapic().level(Pin{20}), Level::High);
}

TEST(IrqLayer, TheFirstFormLeavesEverythingToAKworker) {
  LayerRig rig(LayerRig::plain(IrqfdForm::Workqueue));
  rig.assign(kFd, kMsiGsi);
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.env.count(Event::WorkQueued), 1u);
  EXPECT_EQ(rig.env.count(Event::MsiInjected), 1u);
  EXPECT_EQ(rig.env.count(Event::IrqfdRouted), 0u);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayer, APointerLeadsToTheMessageOfTheTable) {
  LayerRig rig(LayerRig::plain(IrqfdForm::Pointer));
  rig.assign(kFd, kMsiGsi);
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.env.count(Event::IrqfdRouted), 1u);
  EXPECT_EQ(rig.set_routes({message_route(kMsiGsi, kSecond)}), 0);
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(1, 0x52));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayer, AKernelsOwnSignalIsNoCall) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.env.clear();
  rig.call(LayerCall::EventfdSignal, {kFd}, rig.span());
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.env.count(Event::SyscallEntered), 0u);
  EXPECT_EQ(rig.env.count(Event::SyscallReturned), 0u);
}

TEST(IrqLayer, AnInterruptOfTheHostMaySignal) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  host::Start handler{rig.layer.program(LayerCall::EventfdSignal), rig.span(), {}};
  handler.locals[host::kFirstArgument] = kFd;
  rig.at([&](host::HostKernel& kernel, Env&) { kernel.raise_hard(host::HostCpu(1), handler); });
  rig.settle();
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayer, TheEventfdsLockIsHeldAroundTheInjection) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(rig.until(0, [&] { return rig.pending(0, 0x41); }));
  EXPECT_TRUE(rig.held(rig.layer.lock_of(kFd)));
  EXPECT_EQ(rig.machine.readers(rig.layer.domain()), 1u);
  ASSERT_TRUE(rig.until_parked(0));
  EXPECT_FALSE(rig.held(rig.layer.lock_of(kFd)));
  EXPECT_EQ(rig.machine.readers(rig.layer.domain()), 0u);
}

TEST(IrqLayer, ASignalThatMeetsWorkStillQueuedIsOneWithIt) {
  LayerRig rig;
  rig.assign(kFd, kPinGsi);
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    rig.begin(cpu, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
    ASSERT_TRUE(rig.until_parked(cpu));
  }
  EXPECT_EQ(rig.env.count(Event::Coalesced), 1u);
  EXPECT_EQ(rig.resting(), 1u);
  rig.settle();
  EXPECT_EQ(rig.env.count(Event::WorkStarted), 1u);
  EXPECT_EQ(rig.env.count(Event::Pended), 1u);
}

// ---- counters ---------------------------------------------------------------------------------

TEST(IrqLayer, AnIrqfdDrainsTheCounterAndInjectsOnce) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.call(LayerCall::EventfdWrite, {kFd, 5}, rig.span());
  EXPECT_EQ(rig.counter(kFd), 0u);
  EXPECT_EQ(rig.env.count(Event::Pended), 1u);
}

TEST(IrqLayer, OfASemaphoreOnlyOneIsDrained) {
  LayerRig rig;
  rig.open(kFd, 0, EventFdMode::Semaphore);
  rig.assign(kFd, kMsiGsi);
  rig.call(LayerCall::EventfdWrite, {kFd, 5}, rig.span());
  EXPECT_EQ(rig.counter(kFd), 4u);
}

TEST(IrqLayer, WithoutAnIrqfdTheInterruptRestsInTheCounter) {
  LayerRig rig;
  const SpanId first = rig.span();
  rig.call(LayerCall::EventfdWrite, {kFd, 1}, first);
  rig.write(kFd);
  EXPECT_EQ(rig.counter(kFd), 2u);
  EXPECT_EQ(rig.env.count(Event::Coalesced), 1u);
  EXPECT_EQ(rig.resting(), 1u);
  rig.at([&](host::HostKernel& kernel, Env&) {
    const IrqLayer::Taken taken = rig.layer.consume(kFd, kernel);
    EXPECT_EQ(taken.count, 2u);
    EXPECT_EQ(taken.span, first);
  });
  EXPECT_EQ(rig.resting(), 0u);
}

TEST(IrqLayer, AWriteThatComesAfterTheCloseEndsItsInterrupt) {
  LayerRig rig;
  rig.close(kFd);
  EXPECT_EQ(rig.write(kFd), kEBADF);
  EXPECT_EQ(rig.env.count(Event::Cancelled), 1u);
  EXPECT_EQ(rig.resting(), 0u);
}

TEST(IrqLayer, ASignalledEventfdInjectsWhenItIsBoundAndKeepsItsCounter) {
  LayerRig rig;
  rig.write(kFd);
  ASSERT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.counter(kFd), 1u);
  EXPECT_EQ(rig.env.count(Event::Asserted), 1u);
  EXPECT_EQ(rig.resting(), 1u);
}

TEST(IrqLayer, ACounterWithoutAnInterruptBeginsOneWhenItIsBound) {
  LayerRig rig;
  rig.open(kFd, 3);
  ASSERT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.env.count(Event::Asserted), 1u);
  EXPECT_EQ(rig.counter(kFd), 3u);
}

TEST(IrqLayer, AGsiWithoutARouteDrainsTheCounterAndLosesTheInterrupt) {
  LayerRig rig;
  ASSERT_EQ(rig.assign(kFd, Gsi{100}), 0);
  EXPECT_EQ(rig.write(kFd), 8);
  EXPECT_EQ(rig.counter(kFd), 0u);
  EXPECT_EQ(rig.env.count(Event::Dropped), 1u);
  EXPECT_EQ(rig.resting(), 0u);
}

TEST(IrqLayer, WhoPollsAnEventfdIsWokenUnlessAnIrqfdTakesTheSignal) {
  LayerRig rig;
  const host::WaitQueueId queue = rig.machine.add_wait_queue();
  rig.layer.poll(kFd, queue, rig.machine);
  rig.begin_sleep(1, queue);
  rig.write(kFd);
  EXPECT_TRUE(rig.parked(1));
  EXPECT_EQ(rig.counter(kFd), 1u);
  rig.assign(kFd, kMsiGsi);
  rig.begin_sleep(1, queue);
  rig.write(kFd);
  EXPECT_FALSE(rig.parked(1));
}

// ---- calls that inject ------------------------------------------------------------------------

TEST(IrqLayer, SignalMsiAnswersHowManyAccepted) {
  LayerRig rig;
  EXPECT_EQ(rig.call(LayerCall::SignalMsi, {0xFEE00000, 0x41, 0}, rig.span()), 1);
  EXPECT_EQ(rig.call(LayerCall::SignalMsi, {0xFEEFF000, 0x42, 0}, rig.span()), 2);
  EXPECT_EQ(rig.call(LayerCall::SignalMsi, {0xFEE07000, 0x41, 0}, rig.span()), 0);
  EXPECT_EQ(rig.env.count(Event::MsiInjected), 3u);
}

TEST(IrqLayer, ASignalMsiThatIsRefusedEndsItsInterrupt) {
  LayerRig rig;
  EXPECT_EQ(rig.call(LayerCall::SignalMsi, {0xFEE00000, 0x41, 2}, rig.span()), kEINVAL);
  EXPECT_EQ(rig.env.count(Event::Dropped), 1u);
  EXPECT_FALSE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.resting(), 0u);
}

TEST(IrqLayer, IrqLineSendsAMessageForALevelThatIsHigh) {
  LayerRig rig;
  EXPECT_EQ(rig.line(kMsiGsi, 0, Level::High), 1);
  EXPECT_EQ(rig.env.count(Event::RouteLookedUp), 1u);
  EXPECT_EQ(rig.env.count(Event::MsiInjected), 1u);
  EXPECT_EQ(rig.line(kMsiGsi, 0, Level::Low), -1);
  EXPECT_EQ(rig.env.count(Event::MsiInjected), 1u);
  EXPECT_EQ(rig.env.count(Event::PinDriven), 0u);
}

/// One source rises and holds the chip's lock when the other, falling, comes to it.
Level level_after_a_race(const IrqLayer::Config& config) {
  LayerRig rig(config);
  rig.layer.chip().write_entry(Pin{20}, kLevelEntry | kPinVector, rig.env);
  rig.line(kPinGsi, kUserspaceSource, Level::High);
  rig.begin(1, LayerCall::IrqLine, {raw(kPinGsi), kResamplerSource, 1}, rig.span());
  EXPECT_TRUE(rig.until_noted(1, Event::LockAcquired));
  rig.begin(0, LayerCall::IrqLine, {raw(kPinGsi), kUserspaceSource, 0});
  while (rig.runnable(0)) rig.step(0);
  EXPECT_EQ(rig.machine.state(rig.thread(0)), host::TaskState::Spinning);
  rig.settle();
  return rig.layer.chip().ioapic().level(Pin{20});
}

TEST(IrqLayer, ALineIsTheOrOfItsSources) {
  EXPECT_EQ(level_after_a_race(LayerRig::plain()), Level::High);
}

TEST(IrqLayer, MutantLineWithoutOrLosesTheOtherSource) {
  EXPECT_EQ(level_after_a_race(LayerRig::with(Mutant::LineWithoutOr)), Level::Low);
}

}  // namespace
}  // namespace irqfab::kvm::test
