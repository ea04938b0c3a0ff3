// What becomes of a vCPU and of what is posted for it, by where its thread is.
#include "models/kvm/vcpu_threads.hpp"

#include <gtest/gtest.h>

#include "tests/models/kvm/vm_rig.hpp"

namespace irqfab::kvm {
namespace {

using test::kHandler;
using test::VmRig;

constexpr Duration kLong = 100'000;
constexpr Vector kNotification{0xF2};
constexpr Vector kWakeup{0xF1};

VmRig::Options halting() {
  VmRig::Options options;
  options.idle = cpu::Idle::Halt;
  return options;
}

/// Two vCPUs on one host CPU; the first runs, the second waits for it.
VmRig::Options sharing(Duration slice) {
  VmRig::Options options;
  options.vcpus = 2;
  options.slice = slice;
  return options;
}

// ---- in the guest -----------------------------------------------------------------------------

TEST(VcpuThreads, ALoadedVcpuNamesItsCpuAndCanBeTold) {
  VmRig::Options options;
  options.host_cpus = 2;
  options.vcpus = 2;
  VmRig rig(options);
  EXPECT_TRUE(rig.descriptor(1).sn());
  rig.start_all();
  rig.run_for(kLong);
  EXPECT_EQ(rig.place(1), VcpuPlace::Guest);
  EXPECT_FALSE(rig.outside(1));
  EXPECT_FALSE(rig.descriptor(1).sn());
  EXPECT_EQ(rig.descriptor(1).nv(), kNotification);
  EXPECT_EQ(rig.descriptor(0).ndst(), 0u << 8);
  EXPECT_EQ(rig.descriptor(1).ndst(), 1u << 8);
}

TEST(VcpuThreads, ANotificationInTheGuestMakesNoExit) {
  VmRig rig({});
  rig.start_all();
  rig.run_for(kLong);
  const SpanId span = rig.post(0, 0x41);
  EXPECT_TRUE(rig.descriptor(0).on());
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::NotificationTaken), std::vector<std::uint64_t>{0});
  EXPECT_TRUE(rig.noted(Event::PirSynced, span));
  EXPECT_TRUE(rig.noted(Event::EoiVirtualized, span));
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_FALSE(rig.descriptor(0).on());
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
  EXPECT_EQ(rig.count(Event::HostInterrupted), 0u);
  EXPECT_TRUE(rig.held().empty());
}

TEST(VcpuThreads, WhatIsPostedWhileOneIsOutstandingTellsNobodyAndIsTakenWithIt) {
  VmRig rig({});
  rig.start_all();
  rig.run_for(kLong);
  rig.post(0, 0x41);
  rig.post(0, 0x51);
  EXPECT_EQ(rig.notifications, 1u);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(0), 2u);
}

TEST(VcpuThreads, AnythingElseThatInterruptsTheCpuMakesAnExit) {
  VmRig rig({});
  rig.start_all();
  rig.run_for(kLong);
  const SpanId span = rig.message(0, Vector{0x31});
  EXPECT_TRUE(rig.outside(0));
  EXPECT_EQ(rig.details(Event::VmExited),
            std::vector<std::uint64_t>{static_cast<std::uint64_t>(ExitReason::ExternalInterrupt)});
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::HostInterrupted, span));
  EXPECT_TRUE(rig.noted(Event::Dropped, span));  // the host has no way to the guest
  EXPECT_EQ(rig.count(Event::VcpuEntered), 2u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
  EXPECT_FALSE(rig.outside(0));
}

TEST(VcpuThreads, ANotificationDuringTheEntryWaitsForTheGuest) {
  VmRig rig({});
  rig.start(0);
  rig.run_for(1);  // the entry takes 500
  ASSERT_EQ(rig.place(0), VcpuPlace::Entering);
  const SpanId posted = rig.post(0, 0x41);
  rig.run_for(test::kFlight);
  ASSERT_EQ(rig.place(0), VcpuPlace::Entering);
  EXPECT_EQ(rig.held().size(), 2u);  // the notification, and what was posted
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::NotificationTaken), 1u);
  EXPECT_EQ(rig.count(Event::HostInterrupted), 0u);
  EXPECT_TRUE(rig.noted(Event::Handled, posted));
  EXPECT_TRUE(rig.held().empty());
}

TEST(VcpuThreads, AMessageForACpuThatDoesNotExistIsDropped) {
  VmRig rig({});
  rig.start_all();
  const SpanId span = rig.message(1, kNotification);
  EXPECT_TRUE(rig.noted(Event::Dropped, span));
}

TEST(VcpuThreads, APostToNoDescriptorIsAnError) {
  VmRig rig({});
  rig.start_all();
  rig.post(1, 0x41);
  ASSERT_TRUE(rig.last_answer);
  EXPECT_EQ(rig.last_answer->status, BusStatus::Error);
}

// ---- halted -----------------------------------------------------------------------------------

TEST(VcpuThreads, AHaltedVcpuBlocksWithTheWakeUpVector) {
  VmRig rig(halting());
  rig.start_all();
  rig.run_for(kLong);
  EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(rig.descriptor(0).nv(), kWakeup);
  EXPECT_FALSE(rig.descriptor(0).sn());
  EXPECT_EQ(rig.details(Event::VmExited),
            std::vector<std::uint64_t>{static_cast<std::uint64_t>(ExitReason::Hlt)});
}

TEST(VcpuThreads, TheWakeUpVectorWakesTheVcpuThatHasSomething) {
  VmRig::Options options = halting();
  options.vcpus = 3;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  const SpanId span = rig.post(1, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::VcpuWoken), std::vector<std::uint64_t>{1});
  EXPECT_EQ(rig.details(Event::HostInterrupted), std::vector<std::uint64_t>{raw(kWakeup)});
  EXPECT_TRUE(rig.noted(Event::VcpuWoken, span));
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, span));
  EXPECT_EQ(rig.handled(1), 1u);
  EXPECT_EQ(rig.handled(0) + rig.handled(2), 0u);
  EXPECT_EQ(rig.place(1), VcpuPlace::Blocked);  // it has halted again
  EXPECT_EQ(rig.descriptor(1).nv(), kWakeup);
  EXPECT_TRUE(rig.held().empty());
}

TEST(VcpuThreads, OneWakeUpWakesAllThatHaveSomething) {
  VmRig::Options options = halting();
  options.vcpus = 3;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  rig.post(0, 0x41);
  rig.post(2, 0x42);
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::VcpuWoken), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.handled(2), 1u);
}

TEST(VcpuThreads, WhatIsPostedBeforeItSleepsKeepsItAwake) {
  VmRig rig(halting());
  rig.start(0);
  rig.run_for(1);
  ASSERT_EQ(rig.place(0), VcpuPlace::Entering);
  rig.post(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.count(Event::VcpuWoken), 0u);
}

TEST(VcpuThreads, WithoutTheWakeUpVectorNobodyWakesIt) {
  VmRig::Options options = halting();
  options.mutants.add(Mutant::WakeupVectorNotSet);
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  const SpanId span = rig.post(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(rig.handled(0), 0u);
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
}

// ---- polling ----------------------------------------------------------------------------------

TEST(VcpuThreads, APollingThreadSeesWhatIsPosted) {
  VmRig::Options options = halting();
  options.polling = {50'000, 10'000, 2, 2};
  VmRig rig(options);
  rig.start_all();
  rig.run_for(20'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Blocked);  // the window begins closed
  rig.post(0, 0x41);                            // and opens: the gap was shorter than the longest
  rig.run_for(3'000);
  EXPECT_EQ(rig.place(0), VcpuPlace::Polling);
  EXPECT_EQ(rig.descriptor(0).nv(), kNotification);
  rig.post(0, 0x41);
  rig.run_for(5'000);
  EXPECT_EQ(rig.handled(0), 2u);
  EXPECT_EQ(rig.count(Event::VcpuWoken), 1u);  // the first time
  EXPECT_EQ(rig.count(Event::VcpuBlocked), 1u);
}

TEST(VcpuThreads, APollThatFindsNothingEndsInASleep) {
  VmRig::Options options = halting();
  options.polling = {50'000, 10'000, 2, 2};
  VmRig rig(options);
  rig.start_all();
  rig.run_for(20'000);
  rig.post(0, 0x41);
  rig.run_for(3'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Polling);
  rig.run_for(10'000);
  EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(rig.descriptor(0).nv(), kWakeup);
}

TEST(HaltPollWindow, GrowsFromItsStartByItsFactorUpToTheMost) {
  const HaltPolling config{50, 10, 2, 2};
  HaltPollWindow window;
  std::vector<Duration> lengths;
  for (int i = 0; i < 4; ++i) {
    window.learn(49, config);
    lengths.push_back(window.length());
  }
  EXPECT_EQ(lengths, (std::vector<Duration>{10, 20, 40, 50}));
}

TEST(HaltPollWindow, StaysWhereItSavedTheSleepAndShrinksWhereNoneWould) {
  const HaltPolling config{50, 10, 2, 2};
  HaltPollWindow window;
  for (int i = 0; i < 3; ++i) window.learn(49, config);
  ASSERT_EQ(window.length(), 40u);
  window.learn(40, config);
  EXPECT_EQ(window.length(), 40u);
  window.learn(50, config);
  EXPECT_EQ(window.length(), 20u);
  window.learn(1000, config);
  EXPECT_EQ(window.length(), 10u);
  window.learn(1000, config);
  EXPECT_EQ(window.length(), 0u);  // 5 is below the start
}

TEST(HaltPollWindow, AFactorOfNoneKeepsItClosedAndADivisorOfNoneClosesIt) {
  HaltPollWindow window;
  window.learn(40, {50, 10, 0, 2});
  EXPECT_EQ(window.length(), 0u);
  window.learn(40, {50, 10, 2, 0});
  window.learn(40, {50, 10, 2, 0});
  ASSERT_EQ(window.length(), 20u);
  window.learn(50, {50, 10, 2, 0});
  EXPECT_EQ(window.length(), 0u);
  window.learn(40, {0, 10, 2, 2});  // no polling at all
  EXPECT_EQ(window.length(), 0u);
}

// ---- preempted --------------------------------------------------------------------------------

TEST(VcpuThreads, APreemptedVcpuIsNotTold) {
  VmRig rig(sharing(10'000));
  rig.start_all();
  rig.run_for(15'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Preempted);
  ASSERT_EQ(rig.place(1), VcpuPlace::Guest);
  EXPECT_TRUE(rig.outside(0));
  EXPECT_TRUE(rig.descriptor(0).sn());
  EXPECT_EQ(rig.details(Event::VcpuPreempted), std::vector<std::uint64_t>{0});
  const SpanId span = rig.post(0, 0x41);
  rig.run_for(3'000);
  EXPECT_EQ(rig.notifications, 0u);
  EXPECT_FALSE(rig.descriptor(0).on());
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
  rig.run_for(10'000);  // its turn
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, span));
  EXPECT_EQ(rig.notifications, 0u);
}

TEST(VcpuThreads, AnUrgentPostTellsAllTheSame) {
  VmRig rig(sharing(10'000));
  rig.start_all();
  rig.run_for(15'000);
  rig.post(0, 0x41, Urgency::Urgent);
  EXPECT_EQ(rig.notifications, 1u);
  rig.run_for(1'000);
  // The CPU runs the other vCPU, whose descriptor has nothing.
  EXPECT_EQ(rig.count(Event::NotificationTaken), 1u);
  EXPECT_EQ(rig.handled(1), 0u);
  rig.run_for(10'000);
  EXPECT_EQ(rig.handled(0), 1u);
}

TEST(VcpuThreads, OnThatIsNotRecomputedLosesWhatWasPostedMeanwhile) {
  VmRig::Options options = sharing(10'000);
  options.mutants.add(Mutant::OnLostAfterPreemption);
  VmRig rig(options);
  rig.start_all();
  rig.run_for(15'000);
  const SpanId span = rig.post(0, 0x41);
  rig.run_for(60'000);  // several turns
  EXPECT_EQ(rig.handled(0), 0u);
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
}

TEST(VcpuThreads, AHandlerGoesOnAfterThePreemptionWithWhatWasLeft) {
  VmRig rig(sharing(10'000));
  rig.start_all();
  rig.run_for(9'500);
  ASSERT_EQ(rig.place(0), VcpuPlace::Guest);
  const SpanId span = rig.post(0, 0x41);
  rig.run_for(5'000);
  EXPECT_EQ(rig.place(0), VcpuPlace::Preempted);
  EXPECT_TRUE(rig.noted(Event::HandlerPreempted, span));
  EXPECT_EQ(rig.handled(0), 0u);
  rig.run_for(15'000);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_TRUE(rig.noted(Event::HandlerResumed, span));
}

// ---- one vCPU and another ---------------------------------------------------------------------

constexpr std::uint32_t kIcrLow = 0x300;
constexpr std::uint32_t kIcrHigh = 0x310;

TEST(VcpuThreads, AnIpiThatTheProcessorCarriesOutMakesNoExit) {
  VmRig::Options options;
  options.vcpus = options.host_cpus = 2;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  rig.guest_writes(0, kIcrHigh, 1u << 24);
  rig.guest_writes(0, kIcrLow, 0x61);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
  EXPECT_EQ(rig.details(Event::NotificationTaken), std::vector<std::uint64_t>{1});
  EXPECT_EQ(rig.handled(1), 1u);
}

TEST(VcpuThreads, AnIpiThatExitsIsPostedByTheHostAndTakenByTheOtherInItsGuest) {
  VmRig::Options options;
  options.vcpus = options.host_cpus = 2;
  options.controls = options.controls.without(x86::ApicvControl::IpiVirtualization);
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  rig.guest_writes(0, kIcrHigh, 1u << 24);
  rig.guest_writes(0, kIcrLow, 0x61);
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::VmExited),
            std::vector<std::uint64_t>{static_cast<std::uint64_t>(ExitReason::ApicWrite)});
  EXPECT_EQ(rig.details(Event::VcpuKicked), std::vector<std::uint64_t>{1});
  EXPECT_EQ(rig.details(Event::NotificationTaken), std::vector<std::uint64_t>{1});
  EXPECT_EQ(rig.host.software().exits(CpuId{0}, ExitReason::ApicWrite), 1u);
  EXPECT_EQ(rig.host.software().exits(CpuId{1}, ExitReason::ApicWrite), 0u);
  EXPECT_EQ(rig.handled(1), 1u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
  EXPECT_EQ(rig.place(1), VcpuPlace::Guest);
}

TEST(VcpuThreads, AKickWakesABlockedVcpu) {
  VmRig::Options options = halting();
  options.vcpus = options.host_cpus = 2;
  options.controls = options.controls.without(x86::ApicvControl::IpiVirtualization);
  VmRig rig(options);
  rig.start_all();
  rig.run_for(kLong);
  ASSERT_EQ(rig.place(1), VcpuPlace::Blocked);
  rig.post(0, 0x41);
  rig.run_for(test::kFlight + 1200);  // the first is in its handler
  ASSERT_EQ(rig.place(0), VcpuPlace::Guest);
  rig.guest_writes(0, kIcrHigh, 1u << 24);
  rig.guest_writes(0, kIcrLow, 0x61);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(1), 1u);
  EXPECT_EQ(rig.handled(0), 1u);
}

// ---- inhibited, and AVIC ----------------------------------------------------------------------

TEST(VcpuThreads, AnInhibitThatComesDuringTheEntryMakesTheHostEnterAnew) {
  VmRig rig({});
  rig.start(0);
  rig.run_for(1);
  ASSERT_EQ(rig.place(0), VcpuPlace::Entering);
  rig.calls(VmCall::Inhibit, x86::Inhibit::BlockIrq);
  rig.run_for(kLong);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
  EXPECT_EQ(rig.count(Event::VcpuEntered), 2u);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
}

TEST(VcpuThreads, ANotificationThatComesWhileInhibitedInterruptsTheHostAndIsNotLost) {
  VmRig rig({});
  rig.start_all();
  rig.run_for(kLong);
  rig.calls(VmCall::Inhibit, x86::Inhibit::BlockIrq);
  rig.run_for(kLong);
  rig.post(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::NotificationTaken), 0u);
  EXPECT_EQ(rig.count(Event::HostInterrupted), 1u);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.count(Event::EoiVirtualized), 0u);
  rig.calls(VmCall::Allow, x86::Inhibit::BlockIrq);
  rig.run_for(kLong);
  rig.post(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::NotificationTaken), 1u);
  EXPECT_EQ(rig.handled(0), 2u);
}

TEST(VcpuThreads, TheTableOfAvicSaysWhichCpuRunsWhomAndThatASleeperDoesNotRun) {
  VmRig::Options options = halting();
  options.vcpus = options.host_cpus = 2;
  options.virtualization = x86::Virtualization::Avic;
  VmRig rig(options);
  const auto entry = [&](std::uint32_t id) {
    return *rig.host.software().apics().avic_tables().at(ApicId{id});
  };
  EXPECT_FALSE(entry(1).is_running);
  rig.start_all();
  rig.run_for(300);
  ASSERT_EQ(rig.place(1), VcpuPlace::Entering);
  EXPECT_TRUE(entry(1).is_running);
  EXPECT_EQ(entry(1).host, ApicId{1});
  rig.run_for(kLong);
  ASSERT_EQ(rig.place(1), VcpuPlace::Blocked);
  EXPECT_FALSE(entry(1).is_running);
}

TEST(VcpuThreads, APreemptedVcpuDoesNotRunForAvicEither) {
  VmRig::Options options = sharing(10'000);
  options.virtualization = x86::Virtualization::Avic;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(15'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Preempted);
  const x86::AvicTables& tables = rig.host.software().apics().avic_tables();
  EXPECT_FALSE(tables.at(ApicId{0})->is_running);
  EXPECT_TRUE(tables.at(ApicId{1})->is_running);
}

TEST(VcpuThreads, ADoorbellDuringTheEntryIsSeenByTheEntry) {
  VmRig::Options options;
  options.vcpus = options.host_cpus = 2;
  options.virtualization = x86::Virtualization::Avic;
  VmRig rig(options);
  rig.start(0);
  rig.run_for(kLong);
  rig.start(1);
  rig.run_for(1);
  ASSERT_EQ(rig.place(1), VcpuPlace::Entering);
  rig.guest_writes(0, kIcrHigh, 1u << 24);
  rig.guest_writes(0, kIcrLow, 0x61);
  EXPECT_EQ(rig.details(Event::DoorbellRung), std::vector<std::uint64_t>{1});
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(1), 1u);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
}

TEST(VcpuThreads, AReadThatExitsIsAnsweredByTheHost) {
  VmRig rig({});
  rig.start_all();
  rig.run_for(kLong);
  rig.guest_reads(0, x86::LapicRegister::kSvr);
  EXPECT_EQ(rig.host.software().last_read(CpuId{0}), 0x1FFu);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
  rig.calls(VmCall::Inhibit, x86::Inhibit::BlockIrq);
  rig.run_for(kLong);
  rig.guest_reads(0, x86::LapicRegister::kSvr);
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.software().last_read(CpuId{0}), 0x1FFu);
  EXPECT_EQ(rig.host.software().exits(CpuId{0}, ExitReason::ApicAccess), 1u);
}

TEST(VcpuThreads, AHostAtAnyMomentIsAValue) {
  VmRig rig(halting());
  rig.start_all();
  rig.run_for(kLong);
  const test::VcpuHost copy = rig.host;
  EXPECT_TRUE(copy == rig.host);
  rig.post(0, 0x41);
  EXPECT_FALSE(copy == rig.host);
}

}  // namespace
}  // namespace irqfab::kvm
