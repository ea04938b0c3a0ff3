// Routing tables and irqfds come and go while interrupts are under way: what waits for what, which
// locks are held, and that every known defect (a mutant) is seen.
#include <gtest/gtest.h>

#include "models/kvm/irq_layer.hpp"
#include "tests/support/layer_rig.hpp"

namespace irqfab::kvm::test {
namespace {

using host::ViolationKind;

// ---- updates of the routes --------------------------------------------------------------------

TEST(IrqLayerRoutes, TheWholeTableIsReplacedAndAFailingCallLeavesIt) {
  LayerRig rig;
  EXPECT_EQ(rig.set_routes({message_route(Gsi{30}, kSecond)}), 0);
  EXPECT_TRUE(rig.layer.chip().routing().of(kMsiGsi).empty());
  EXPECT_EQ(rig.set_routes({message_route(Gsi{4096}, kFirst)}), kEINVAL);
  EXPECT_FALSE(rig.layer.chip().routing().of(Gsi{30}).empty());
  EXPECT_EQ(rig.layer.retired_tables(), 0u);
}

TEST(IrqLayerRoutes, CopyingCostsAsManyTimesAsThereAreEntries) {
  LayerRig rig;
  rig.env.clear();
  std::vector<Route> routes;
  for (std::uint32_t gsi = 0; gsi < 300; ++gsi) routes.push_back(message_route(Gsi{gsi}, kFirst));
  rig.set_routes(routes);
  const auto copied = std::find_if(rig.env.notes.begin(), rig.env.notes.end(),
                                   [](const auto& n) { return n.event == Event::RoutesCopied; });
  ASSERT_NE(copied, rig.env.notes.end());
  EXPECT_EQ(copied->detail, 300u);
  EXPECT_EQ(rig.env.count(Event::RoutesUpdated), 1u);
  rig.env.clear();
  EXPECT_EQ(rig.set_routes({}), 0);
  EXPECT_EQ(rig.env.count(Event::RoutesCopied), 0u);
}

TEST(IrqLayerRoutes, MoreRoutesThanThereMayBeAreNotEvenCopied) {
  LayerRig rig;
  rig.env.clear();
  EXPECT_EQ(rig.set_routes(std::vector<Route>(4097, message_route(kMsiGsi, kFirst))), kEINVAL);
  EXPECT_EQ(rig.env.count(Event::RoutesCopied), 0u);
}

TEST(IrqLayerRoutes, CallsOfSeveralThreadsHaveTablesOfTheirOwn) {
  LayerRig rig;
  const std::uint32_t first = rig.layer.stage({message_route(Gsi{1}, kFirst)});
  const std::uint32_t second = rig.layer.stage({message_route(Gsi{2}, kFirst)});
  EXPECT_NE(first, second);
  EXPECT_EQ(rig.call(LayerCall::SetGsiRouting, {first}), 0);
  EXPECT_FALSE(rig.layer.chip().routing().of(Gsi{1}).empty());
  EXPECT_EQ(rig.layer.stage({}), first);
  EXPECT_EQ(rig.call(LayerCall::SetGsiRouting, {second}), 0);
  EXPECT_TRUE(rig.layer.chip().routing().of(Gsi{1}).empty());
  EXPECT_FALSE(rig.layer.chip().routing().of(Gsi{2}).empty());
}

TEST(IrqLayerRoutes, AnEntryThatStaysAsItIsIsNotWritten) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.assign(kOtherFd, Gsi{100});
  const auto steps = [&rig](const x86::MsiMessage& message) {
    rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, message)})});
    EXPECT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.locks().irqfds); }));
    unsigned count = 0;
    for (; rig.held(rig.layer.locks().irqfds); ++count) rig.step(1);
    rig.settle();
    return count;
  };
  EXPECT_EQ(steps(kFirst), 1u);   // to find that there is nothing to do
  EXPECT_EQ(steps(kSecond), 5u);  // begin, address, data, end
}

TEST(IrqLayerRoutes, AnUpdateRefreshesIrqfdsUnderBothLocks) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
  ASSERT_TRUE(rig.until(1, [&] { return rig.layer.retired_tables() == 1; }));
  EXPECT_TRUE(rig.held(rig.layer.locks().irq));
  ASSERT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.locks().irqfds); }));
  EXPECT_TRUE(rig.held(rig.layer.locks().irq));
  rig.settle();
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(1, 0x52));
  EXPECT_FALSE(rig.pending(0, 0x41));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerRoutes, AnUpdateReturnsOnlyWhenOlderReadersHaveLeft) {
  for (const IrqfdForm form : {IrqfdForm::Copy, IrqfdForm::Pointer}) {
    LayerRig rig(LayerRig::plain(form));
    rig.assign(kFd, kMsiGsi);
    rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
    ASSERT_TRUE(rig.until_noted(0, Event::IrqfdRouted));
    rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
    while (rig.runnable(1) || rig.elapse()) {
      if (rig.runnable(1)) rig.step(1);
    }
    EXPECT_FALSE(rig.parked(1));
    EXPECT_EQ(rig.layer.retired_tables(), 1u);
    rig.settle();
    EXPECT_TRUE(rig.parked(1));
    EXPECT_TRUE(rig.pending(0, 0x41));
    EXPECT_EQ(rig.layer.retired_tables(), 0u);
    EXPECT_TRUE(rig.clean());
  }
}

TEST(IrqLayerRoutes, ANormalGracePeriodTakesItsTimeAndAHurriedOneNone) {
  LayerRig hurried;
  hurried.begin(1, LayerCall::SetGsiRouting, {hurried.layer.stage({})});
  EXPECT_TRUE(hurried.until_parked(1));
  LayerRig normal(LayerRig::plain(IrqfdForm::Pointer));
  normal.begin(1, LayerCall::SetGsiRouting, {normal.layer.stage({})});
  EXPECT_FALSE(normal.until_parked(1));
  EXPECT_EQ(normal.env.delays.back().delay, 10 * kPsPerMs);
  normal.settle();
  EXPECT_TRUE(normal.parked(1));
}

TEST(IrqLayerRoutes, MutantRoutesFreedEarlyInjectsFromATableThatIsGone) {
  for (const IrqfdForm form : {IrqfdForm::Copy, IrqfdForm::Pointer}) {
    LayerRig rig(LayerRig::with(Mutant::RoutesFreedEarly, form));
    rig.assign(kFd, kMsiGsi);
    rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
    ASSERT_TRUE(rig.until_noted(0, Event::RouteLookedUp));
    rig.step(0);  // it has read the address, or the pointer
    rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
    while (rig.runnable(1)) rig.step(1);
    if (form == IrqfdForm::Copy) continue;
    rig.settle();
    EXPECT_TRUE(rig.has_fault(LayerFault::RouteUsedAfterFree));
  }
}

// ---- an entry that is written while it is read ------------------------------------------------

/// A reader that has the address when an update writes both parts.
void tear(LayerRig& rig) {
  rig.assign(kFd, kMsiGsi);
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(rig.until_noted(0, Event::RouteLookedUp));
  rig.step(0);
  rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
  while (rig.runnable(1)) rig.step(1);
  rig.settle();
}

TEST(IrqLayerEntry, AReaderBeginsAnewWhenTheEntryHasChanged) {
  LayerRig rig;
  tear(rig);
  EXPECT_TRUE(rig.pending(1, 0x52));
  EXPECT_FALSE(rig.pending(0, 0x52));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerEntry, MutantSequenceNotCheckedMixesTwoMessages) {
  LayerRig rig(LayerRig::with(Mutant::SequenceNotChecked));
  tear(rig);
  EXPECT_TRUE(rig.pending(0, 0x52));
  EXPECT_TRUE(rig.has_fault(LayerFault::TornEntry));
}

TEST(IrqLayerEntry, AReaderWaitsWhileTheEntryIsWritten) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.begin(1, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
  ASSERT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.locks().irqfds); }));
  rig.step(1);  // the count is odd
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(rig.until_noted(0, Event::RouteLookedUp));
  for (unsigned n = 0; n < 10; ++n) rig.step(0);
  EXPECT_EQ(rig.env.count(Event::IrqfdRouted), 0u);
  rig.settle();
  EXPECT_TRUE(rig.pending(1, 0x52));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerEntry, AnUpdateWithoutTheGsiLeavesTheInjectionToAKworkerWhichFindsNothing) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.set_routes({message_route(Gsi{30}, kSecond)});
  rig.env.clear();
  rig.write(kFd);
  EXPECT_EQ(rig.env.count(Event::WorkQueued), 1u);
  EXPECT_EQ(rig.env.count(Event::Dropped), 1u);
  rig.set_routes({message_route(kMsiGsi, kSecond)});
  rig.write(kFd);
  EXPECT_TRUE(rig.pending(1, 0x52));
}

TEST(IrqLayerEntry, MutantRouteIndexUncheckedLooksBehindTheTable) {
  const auto shrink = [](LayerRig& rig) {
    rig.assign(kFd, kMsiGsi);
    rig.set_routes({message_route(Gsi{3}, kSecond)});
  };
  LayerRig good;
  shrink(good);
  EXPECT_TRUE(good.clean());
  LayerRig bad(LayerRig::with(Mutant::RouteIndexUnchecked));
  shrink(bad);
  EXPECT_TRUE(bad.has_fault(LayerFault::RouteIndexOutOfTable));
}

// ---- assign and deassign ----------------------------------------------------------------------

TEST(IrqLayerIrqfd, DeassignReturnsWhenAnInjectionUnderWayIsOver) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(rig.until_noted(0, Event::IrqfdRouted));
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kMsiGsi), LayerRig::kDeassign, 0});
  while (rig.runnable(1)) rig.step(1);
  EXPECT_FALSE(rig.parked(1));
  EXPECT_FALSE(rig.pending(0, 0x41));
  rig.settle();
  EXPECT_TRUE(rig.parked(1));
  EXPECT_TRUE(rig.pending(0, 0x41));
  EXPECT_FALSE(rig.layer.bound(kFd));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerIrqfd, DeassignWaitsForWorkThatIsQueued) {
  LayerRig rig;
  rig.assign(kFd, kPinGsi);
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  ASSERT_TRUE(rig.until_parked(0));
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kPinGsi), LayerRig::kDeassign, 0});
  while (rig.runnable(1)) rig.step(1);
  EXPECT_FALSE(rig.parked(1));
  rig.settle();
  EXPECT_TRUE(rig.pending(0, kPinVector));
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerIrqfd, AfterDeassignTheCounterAddsUpAgain) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.deassign(kFd, kMsiGsi);
  rig.write(kFd);
  rig.write(kFd);
  EXPECT_EQ(rig.counter(kFd), 2u);
  EXPECT_FALSE(rig.pending(0, 0x41));
  EXPECT_EQ(rig.env.count(Event::IrqfdDeassigned), 1u);
}

TEST(IrqLayerIrqfd, TheEndOfAnIrqfdDrainsItsCounter) {
  LayerRig rig;
  rig.open(kFd, 3);
  rig.assign(kFd, kMsiGsi);
  ASSERT_EQ(rig.counter(kFd), 3u);
  rig.deassign(kFd, kMsiGsi);
  EXPECT_EQ(rig.counter(kFd), 0u);
}

TEST(IrqLayerIrqfd, DeassignOfWhatIsNotBoundAnswersZeroAndTakesNothingAway) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  EXPECT_EQ(rig.deassign(kFd, kPinGsi), 0);
  EXPECT_EQ(rig.deassign(kOtherFd, kMsiGsi), 0);
  EXPECT_TRUE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.env.count(Event::IrqfdDeassigned), 0u);
  EXPECT_EQ(rig.deassign(kFd, kMsiGsi), 0);
  EXPECT_FALSE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.assign(kFd, kPinGsi), 0);
}

/// An irqfd is off the list and its shutdown has not run when the routes change; then it is
/// signalled.
void signal_late(LayerRig& rig) {
  rig.assign(kFd, kMsiGsi);
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kMsiGsi), LayerRig::kDeassign, 0});
  ASSERT_TRUE(rig.until(1, [&] { return !rig.layer.bound(kFd); }));
  ASSERT_TRUE(rig.until(1, [&] { return !rig.held(rig.layer.locks().irqfds); }));
  rig.begin(2, LayerCall::SetGsiRouting, {rig.layer.stage({message_route(kMsiGsi, kSecond)})});
  while (!rig.parked(2)) {
    if (rig.runnable(2)) {
      rig.step(2);
    } else {
      ASSERT_TRUE(rig.elapse());
    }
  }
  rig.begin(0, LayerCall::EventfdWrite, {kFd, 1}, rig.span());
  rig.settle();
}

TEST(IrqLayerIrqfd, WhoIsTakenAwayIsNotUsedWithOldRoutes) {
  for (const IrqfdForm form : {IrqfdForm::Copy, IrqfdForm::Pointer}) {
    LayerRig rig(LayerRig::plain(form));
    signal_late(rig);
    EXPECT_FALSE(rig.pending(0, 0x41));
    EXPECT_TRUE(rig.clean());
  }
}

TEST(IrqLayerIrqfd, MutantIrqfdNotClearedInjectsAnOldRoute) {
  for (const IrqfdForm form : {IrqfdForm::Copy, IrqfdForm::Pointer}) {
    LayerRig rig(LayerRig::with(Mutant::IrqfdNotCleared, form));
    signal_late(rig);
    EXPECT_TRUE(rig.has_fault(LayerFault::RouteUsedAfterFree));
  }
}

TEST(IrqLayerIrqfd, ClosingTheEventfdEndsTheIrqfdAndWhatRestsInTheCounter) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  EXPECT_EQ(rig.close(kFd), 0);
  EXPECT_FALSE(rig.layer.bound(kFd));
  EXPECT_EQ(rig.close(kFd), kEBADF);
  EXPECT_EQ(rig.call(LayerCall::EventfdWrite, {kFd, 1}), kEBADF);
  rig.write(kOtherFd);
  rig.close(kOtherFd);
  EXPECT_EQ(rig.env.count(Event::Cancelled), 1u);
  EXPECT_EQ(rig.resting(), 0u);
  rig.open(kFd, 0);
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerIrqfd, AnEventfdThatIsClosedWhileItIsBoundIsBadAndLeavesNothing) {
  LayerRig rig;
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kMsiGsi), 0, 0});
  ASSERT_TRUE(rig.until(1, [&] { return rig.machine.readers(rig.layer.domain()) == 1; }));
  rig.begin(0, LayerCall::EventfdClose, {kFd});
  ASSERT_TRUE(rig.until_parked(0));
  rig.settle();
  EXPECT_EQ(rig.answer(1), kEBADF);
  EXPECT_FALSE(rig.layer.bound(kFd));
  rig.open(kFd, 0);
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), 0);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerIrqfd, WhileItsEndIsUnderWayAnEventfdCannotBeBoundAgain) {
  LayerRig rig;
  rig.assign(kFd, kMsiGsi);
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kMsiGsi), LayerRig::kDeassign, 0});
  ASSERT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.lock_of(kFd)); }));
  rig.begin(0, LayerCall::Irqfd, {kFd, raw(kMsiGsi), 0, 0});
  ASSERT_TRUE(rig.until_parked(0));
  EXPECT_EQ(rig.answer(0), kEBUSY);
  rig.settle();
  EXPECT_EQ(rig.assign(kFd, kMsiGsi), 0);
}

/// Deassign has begun the irqfd's end, and close comes while that is under way.
void close_late(LayerRig& rig) {
  rig.assign(kFd, kMsiGsi);
  rig.begin(1, LayerCall::Irqfd, {kFd, raw(kMsiGsi), LayerRig::kDeassign, 0});
  ASSERT_TRUE(rig.until(1, [&] { return rig.held(rig.layer.lock_of(kFd)); }));  // in the shutdown
  rig.begin(0, LayerCall::EventfdClose, {kFd});
  rig.settle();
}

TEST(IrqLayerIrqfd, CloseAndDeassignEndAnIrqfdOnce) {
  LayerRig rig;
  close_late(rig);
  EXPECT_TRUE(rig.clean());
}

TEST(IrqLayerIrqfd, MutantIrqfdReleasedTwiceFreesItAgain) {
  LayerRig rig(LayerRig::with(Mutant::IrqfdReleasedTwice));
  close_late(rig);
  EXPECT_TRUE(rig.has_fault(LayerFault::IrqfdFreedTwice));
}

TEST(IrqLayerIrqfd, MutantWorkCancelledUnderLockIsADeadlockThatIsReported) {
  const auto deassign_under_load = [](LayerRig& rig) {
    rig.assign(kFd, kPinGsi);
    rig.write(kFd);
    rig.deassign(kFd, kPinGsi);
  };
  LayerRig good;
  deassign_under_load(good);
  EXPECT_TRUE(good.clean());
  LayerRig bad(LayerRig::with(Mutant::WorkCancelledUnderLock));
  deassign_under_load(bad);
  EXPECT_TRUE(bad.violated(ViolationKind::FlushDeadlock));
}

}  // namespace
}  // namespace irqfab::kvm::test
