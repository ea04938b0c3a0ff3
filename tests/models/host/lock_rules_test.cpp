#include <gtest/gtest.h>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

HostMachine::Config config(unsigned cpus) {
  HostMachine::Config made;
  made.cpus = cpus;
  made.slice = 0;
  return made;
}

struct Locks {
  explicit Locks(HostMachine& machine, LockKind kind = LockKind::Spin)
      : a(machine.add_lock(kind, machine.add_lock_class("a"))),
        b(machine.add_lock(kind, machine.add_lock_class("b"))) {}
  LockId a, b;
};

TEST(LockRules, TakingTwoLocksInBothOrdersIsReportedEvenIfItWentWell) {
  Rig rig(config(1));
  const Locks locks(rig.machine);
  const ProgramId ab = rig.script.add({just(Acquire{locks.a}), just(Acquire{locks.b}),
                                       just(Release{locks.b}), just(Release{locks.a})});
  const ProgramId ba = rig.script.add({just(Acquire{locks.b}), just(Acquire{locks.a}),
                                       just(Release{locks.a}), just(Release{locks.b})});
  const TaskHandle task = rig.thread();
  rig.start(task, ab);
  rig.run();
  EXPECT_TRUE(rig.machine.violations().empty());
  rig.start(task, ba, 5000);
  rig.run();
  const Violation* found = rig.violation(ViolationKind::LockOrder);
  ASSERT_NE(found, nullptr);
  const LockOrder& order = rig.machine.lock_order();
  ASSERT_EQ(found->held.size(), 1u);
  EXPECT_EQ(order.name(found->held[0].cls), "b");
  EXPECT_EQ(found->held[0].site, (Site{ba, 0}));
  EXPECT_EQ(order.name(*found->wanted), "a");
  EXPECT_EQ(found->site, (Site{ba, 1}));
  ASSERT_EQ(found->known.size(), 2u);  // from a to b, as the other program did
  EXPECT_EQ(order.name(found->known[0].cls), "a");
  EXPECT_EQ(order.name(found->known[1].cls), "b");
  EXPECT_EQ(found->known[1].site, (Site{ab, 1}));
  EXPECT_EQ(found->task, task.slot);
}

TEST(LockRules, ALockThatWasHandedOverIsHeldLikeAnyOther) {
  Rig rig(config(2));
  const Locks locks(rig.machine);
  rig.start(rig.thread(), {just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  const TaskHandle waiter = rig.thread();
  rig.start(waiter, {just(Acquire{locks.a}), just(Acquire{locks.b}), just(Release{locks.b}),
                     just(Release{locks.a})});
  rig.start(waiter, {just(Acquire{locks.b}), just(Acquire{locks.a}), just(Release{locks.a}),
                     just(Release{locks.b})});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::LockOrder));
}

TEST(LockRules, ADeadlockThatHappensStaysADeadlock) {
  Rig rig(config(2));
  const Locks locks(rig.machine);
  const TaskHandle x = rig.thread();
  const TaskHandle y = rig.thread();
  rig.start(x, {just(Acquire{locks.a}), kDoWork, just(Acquire{locks.b})});
  rig.start(y, {just(Acquire{locks.b}), kDoWork, just(Acquire{locks.a})});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::LockOrder));
  EXPECT_EQ(rig.machine.state(x), TaskState::Spinning);
  EXPECT_EQ(rig.machine.state(y), TaskState::Spinning);
  EXPECT_TRUE(rig.machine.runnable().empty());
}

TEST(LockRules, AskingForALockOneHoldsIsRecursion) {
  Rig rig(config(1));
  const Locks locks(rig.machine, LockKind::Mutex);
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Acquire{locks.a}), just(Acquire{locks.a}), kDoWork});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::Recursion));
  EXPECT_EQ(rig.machine.state(task), TaskState::Blocked);
  EXPECT_EQ(rig.count(Event::HandlerStep), 0u);
}

TEST(LockRules, SleepingUnderASpinLockIsReported) {
  const auto sleeps = [](Rig& rig) {
    const LockId mutex = rig.machine.add_lock(LockKind::Mutex, rig.machine.add_lock_class("mutex"));
    const DomainId domain = rig.machine.add_domain("domain", {});
    const WaitQueueId queue = rig.machine.add_wait_queue();
    return std::vector<Step>{just(Wait{queue, 10}), just(Sleep{10}), just(Acquire{mutex}),
                             just(Synchronize{domain})};
  };
  for (std::size_t i = 0; i < 4; ++i) {
    Rig rig(config(1));
    const Locks locks(rig.machine);
    const Step step = sleeps(rig)[i];
    rig.start(rig.thread(), {just(Acquire{locks.a}), step, just(Release{locks.a})});
    rig.run();
    EXPECT_TRUE(rig.violated(ViolationKind::SleepInAtomic)) << i;

    Rig good(config(1));
    const Locks mutexes(good.machine, LockKind::Mutex);
    const Step same = sleeps(good)[i];
    good.start(good.thread(), {just(Acquire{mutexes.a}), same});
    good.run();
    EXPECT_FALSE(good.violated(ViolationKind::SleepInAtomic)) << i;
  }
}

TEST(LockRules, AnInterruptHasNothingToSleepAs) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const ProgramId handler = rig.script.add({just(Sleep{10}), outcome_to(outcomes), kDoWork});
  rig.at(0, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(HostCpu{0}, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::SleepInAtomic));
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Refused});
  EXPECT_EQ(rig.env.records[0].time, kWork);
}

TEST(LockRules, ALockOfInterruptsMustNotBeTakenWithThemEnabled) {
  for (const LockKind kind : {LockKind::Spin, LockKind::SpinIrq}) {
    Rig rig(config(1));
    const Locks locks(rig.machine, kind);
    const std::vector<Step> steps = {just(Acquire{locks.a}), just(Release{locks.a})};
    const ProgramId handler = rig.script.add(steps);
    rig.start(rig.thread(), steps);
    rig.at(5000, [&](HostKernel& kernel, Env&) {
      kernel.raise_hard(HostCpu{0}, {handler, SpanId{7}, {}});
    });
    rig.run();
    EXPECT_EQ(rig.violated(ViolationKind::IrqUnsafe), kind == LockKind::Spin);
  }
}

TEST(LockRules, AnOrdinaryLockUnderOneOfInterruptsMayDeadlockAndDoes) {
  Rig rig(config(2));
  const LockId irq_safe =
      rig.machine.add_lock(LockKind::SpinIrq, rig.machine.add_lock_class("irq safe"));
  const LockId ordinary =
      rig.machine.add_lock(LockKind::Spin, rig.machine.add_lock_class("ordinary"));
  const ProgramId handler = rig.script.add({just(Acquire{irq_safe}), just(Release{irq_safe})});
  const TaskHandle outer = rig.thread(CpuMask::only(HostCpu{0}));
  const TaskHandle inner = rig.thread(CpuMask::only(HostCpu{1}));
  rig.start(outer, {just(Acquire{irq_safe}), kDoWork, just(Acquire{ordinary})});
  rig.start(inner, {just(Acquire{ordinary}), kDoWork, just(Release{ordinary})});
  rig.at(1, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(HostCpu{1}, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::IrqUnsafe));
  EXPECT_TRUE(rig.machine.runnable().empty());
  EXPECT_EQ(rig.machine.activity(HostCpu{0}), Activity::Spinning);
  EXPECT_EQ(rig.machine.activity(HostCpu{1}), Activity::Spinning);
}

TEST(LockRules, EveryWayIntoAnInterruptHazardIsFoundAtOnce) {
  Rig rig(config(1));
  const auto add = [&](LockKind kind, const char* name) {
    return rig.machine.add_lock(kind, rig.machine.add_lock_class(name));
  };
  const LockId ordinary = add(LockKind::Spin, "ordinary");
  const TaskHandle task = rig.thread();
  for (const char* name : {"first", "second"}) {
    const LockId lock = add(LockKind::SpinIrq, name);
    const ProgramId handler = rig.script.add({just(Acquire{lock}), just(Release{lock})});
    rig.at(0, [handler](HostKernel& kernel, Env&) {
      kernel.raise_hard(HostCpu{0}, {handler, SpanId{7}, {}});
    });
    rig.start(task, {just(Acquire{lock}), just(Acquire{ordinary}), just(Release{ordinary}),
                     just(Release{lock})});
  }
  rig.run();
  EXPECT_TRUE(rig.machine.violations().empty());
  rig.start(task, {just(Acquire{ordinary}), just(Release{ordinary})}, 5000);
  rig.run();
  ASSERT_NE(rig.violation(ViolationKind::IrqUnsafe), nullptr);
  EXPECT_EQ(rig.violation(ViolationKind::IrqUnsafe)->times, 2u);
}

TEST(LockRules, ALockOfSoftInterruptsNeedsThemOffInTasksOnly) {
  for (const LockKind kind : {LockKind::Spin, LockKind::SpinBh}) {
    Rig rig(config(1));
    const Locks locks(rig.machine, kind);
    const std::vector<Step> steps = {just(Acquire{locks.a}), just(Release{locks.a})};
    const ProgramId handler = rig.script.add(steps);
    rig.start(rig.thread(), steps);
    rig.at(5000, [&](HostKernel& kernel, Env&) {
      kernel.raise_soft(HostCpu{0}, {handler, SpanId{7}, {}});
    });
    rig.run();
    EXPECT_EQ(rig.violated(ViolationKind::IrqUnsafe), kind == LockKind::Spin);
  }
}

TEST(LockRules, ReleasingWhatOneDoesNotHoldIsRefused) {
  Rig rig(config(1));
  const Locks locks(rig.machine);
  const DomainId domain = rig.machine.add_domain("domain", {});
  std::vector<Outcome> outcomes;
  rig.start(rig.thread(), {just(Release{locks.a}), outcome_to(outcomes), just(ReadUnlock{domain}),
                           outcome_to(outcomes)});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::Unbalanced));
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::Refused, Outcome::Refused}));
  EXPECT_EQ(rig.count(Event::LockReleased), 0u);
  EXPECT_EQ(rig.machine.readers(domain), 0u);
}

TEST(LockRules, WhatAProgramLeavesHeldIsLeftForIt) {
  Rig rig(config(1));
  const Locks locks(rig.machine);
  const DomainId domain = rig.machine.add_domain("domain", {});
  rig.start(rig.thread(), {just(Acquire{locks.a}), just(ReadLock{domain}), just(Acquire{locks.b})});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::LeftHeld));
  EXPECT_EQ(rig.machine.owner(locks.a), kNoTask);
  EXPECT_EQ(rig.machine.owner(locks.b), kNoTask);
  EXPECT_EQ(rig.machine.readers(domain), 0u);
}

TEST(LockRules, ThingsHeldAtOnceAreBounded) {
  Rig rig(config(1));
  const LockClassId cls = rig.machine.add_lock_class("many");
  std::vector<Step> steps;
  std::vector<LockId> locks;
  for (std::size_t i = 0; i <= Chain::kMax; ++i) {
    locks.push_back(rig.machine.add_lock(LockKind::Spin, cls));
    steps.push_back(just(Acquire{locks.back()}));
  }
  std::vector<Outcome> outcomes;
  steps.push_back(outcome_to(outcomes));
  rig.start(rig.thread(), steps);
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::TooDeep));
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Refused});
  EXPECT_EQ(rig.machine.owner(locks.front()), kNoTask);
}

TEST(LockRules, TheSameViolationIsCountedNotRepeated) {
  Rig rig(config(1));
  const Locks locks(rig.machine);
  const ProgramId program = rig.script.add({just(Release{locks.a})});
  const TaskHandle task = rig.thread();
  for (Time i = 0; i < 5; ++i) rig.start(task, program, 100 * i);
  rig.run();
  ASSERT_EQ(rig.machine.violations().size(), 1u);
  EXPECT_EQ(rig.machine.violations()[0].times, 5u);
}

TEST(LockRules, ViolationsAreBounded) {
  Rig rig(config(1));
  const Locks locks(rig.machine);
  const std::vector<Step> steps(HostMachine::kMaxViolations + 10, just(Release{locks.a}));
  rig.start(rig.thread(), steps);
  rig.run();
  EXPECT_EQ(rig.machine.violations().size(), HostMachine::kMaxViolations);
}

}  // namespace
}  // namespace irqfab::host::test
