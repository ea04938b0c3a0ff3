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

TEST(Locking, TwoTasksOneLockTheSecondWaitsAndTheTraceShowsIt) {
  Rig rig(config(2));
  const Locks locks(rig.machine);
  const ProgramId program =
      rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  const TaskHandle first = rig.thread();
  const TaskHandle second = rig.thread();
  rig.start(first, program);
  rig.start(second, program, 1);
  rig.run();
  const Time released = kAcquire + kWork + kRelease;
  EXPECT_EQ(rig.time_of(Event::LockAcquired, first), kAcquire);
  EXPECT_EQ(rig.time_of(Event::LockReleased, first), released);
  // Nothing of the second one's span between its call and the end of its wait.
  EXPECT_EQ(rig.time_of(Event::LockAcquired, second), released + kAcquire);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, second), released + kAcquire + kWork);
  EXPECT_EQ(rig.machine.owner(locks.a), kNoTask);
}

TEST(Locking, WhoeverWaitsForASpinLockBurnsItsCpu) {
  Rig rig(config(2));
  const Locks locks(rig.machine);
  const ProgramId program =
      rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  rig.start(rig.thread(), program);
  rig.start(rig.thread(), program);
  rig.start(rig.thread(CpuMask::only(HostCpu{1})), {kDoWork});
  rig.run();
  EXPECT_EQ(rig.spent[1][Activity::Spinning], kAcquire + kWork);
  EXPECT_EQ(rig.spent[1][Activity::Idle], 0u);
}

TEST(Locking, WhoeverWaitsForAMutexLeavesItsCpuToOthers) {
  Rig rig(config(2));
  const Locks locks(rig.machine, LockKind::Mutex);
  const ProgramId program =
      rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  const TaskHandle holder = rig.thread();
  const TaskHandle waiter = rig.thread(CpuMask::only(HostCpu{1}));
  const TaskHandle other = rig.thread(CpuMask::only(HostCpu{1}));
  rig.start(holder, program);
  rig.start(waiter, program, 1);
  rig.start(other, {kDoWork}, 2);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, other), 2 + kSwitch + kWork);
  // Woken by the release, but the CPU is the other's until that has done: then switch, then lock.
  const Time handed = kAcquire + kWork + kRelease + kWake;
  EXPECT_EQ(rig.time_of(Event::TaskWoken, waiter), handed);
  const Time free = std::max<Time>(handed, 2 + kSwitch + kWork);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, waiter), free + kSwitch);
  EXPECT_EQ(rig.time_of(Event::LockAcquired, waiter), free + kSwitch + kAcquire);
}

TEST(Locking, WaitersAreServedInOrderOfArrival) {
  for (const LockKind kind : {LockKind::Spin, LockKind::Mutex}) {
    Rig rig(config(4));
    const Locks locks(rig.machine, kind);
    const ProgramId program =
        rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
    std::vector<TaskHandle> tasks;
    for (unsigned i = 0; i < 4; ++i) tasks.push_back(rig.thread(CpuMask::only(HostCpu(i))));
    const std::size_t order[] = {2, 0, 3, 1};
    for (Time i = 0; i < 4; ++i) rig.start(tasks[order[i]], program, i);
    rig.run();
    for (std::size_t i = 1; i < 4; ++i) {
      EXPECT_LT(*rig.time_of(Event::LockAcquired, tasks[order[i - 1]]),
                *rig.time_of(Event::LockAcquired, tasks[order[i]]));
    }
  }
}

TEST(Locking, TheHolderOfASpinLockIsNotPreempted) {
  HostMachine::Config made = config(1);
  made.slice = 10;
  Rig rig(made);
  const Locks locks(rig.machine);
  const TaskHandle holder = rig.thread();
  const TaskHandle other = rig.thread();
  rig.start(holder, {just(Acquire{locks.a}), kDoWork, kDoWork, just(Release{locks.a}), kDoWork});
  rig.start(other, {kDoWork}, 1);
  rig.run();
  const Time released = kAcquire + 2 * kWork + kRelease;
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, other), released + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, holder, 2),
            released + kSwitch + kWork + kSwitch + kWork);
}

TEST(Locking, ASpinLockKeepsOffTheInterruptsOfItsKind) {
  struct Case {
    LockKind kind;
    bool hard_waits, soft_waits;
  };
  for (const Case& c : {Case{LockKind::Spin, false, false}, Case{LockKind::SpinBh, false, true},
                        Case{LockKind::SpinIrq, true, true}}) {
    for (const bool hard : {true, false}) {
      Rig rig(config(1));
      const Locks locks(rig.machine, c.kind);
      const TaskHandle a = rig.thread();
      const ProgramId handler = rig.script.add({kDoWork});
      rig.start(a, {just(Acquire{locks.a}), kDoWork, just(Release{locks.a}), kDoWork});
      rig.at(1, [&](HostKernel& kernel, Env&) {
        const Start start{handler, SpanId{7}, {}};
        hard ? kernel.raise_hard(HostCpu{0}, start) : kernel.raise_soft(HostCpu{0}, start);
      });
      rig.run();
      const bool waits = hard ? c.hard_waits : c.soft_waits;
      EXPECT_EQ(rig.env.records[1].span == SpanId{7}, !waits);
      EXPECT_EQ(rig.env.records[waits ? 3 : 1].span, SpanId{7});
    }
  }
}

TEST(Locking, ASoftInterruptCanKeepHardOnesOffAsWell) {
  Rig rig(config(1));
  const Locks locks(rig.machine, LockKind::SpinIrq);
  const ProgramId soft = rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  const ProgramId hard = rig.script.add({kDoWork});
  rig.at(0, [&](HostKernel& kernel, Env&) {
    kernel.raise_soft(HostCpu{0}, {soft, SpanId{1}, {}});
  });
  rig.at(5, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(HostCpu{0}, {hard, SpanId{2}, {}});
  });
  rig.run();
  ASSERT_EQ(rig.env.records.size(), 4u);
  EXPECT_EQ(rig.env.records[2].event, Event::LockReleased);
  EXPECT_EQ(rig.env.records[3].span, SpanId{2});
}

TEST(Locking, AnInterruptIsServedByACpuThatSpins) {
  Rig rig(config(2));
  const Locks locks(rig.machine);
  const ProgramId program =
      rig.script.add({just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  const ProgramId handler = rig.script.add({kDoWork});
  rig.start(rig.thread(), program);
  const TaskHandle waiter = rig.thread();
  rig.start(waiter, program);
  rig.at(500, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(HostCpu{1}, {handler, SpanId{7}, {}});
  });
  rig.run();
  // The lock is handed over while the handler runs; the waiter goes on after it.
  EXPECT_EQ(rig.time_of(Event::LockAcquired, waiter), 500 + kWork + kAcquire);
}

TEST(Locking, AnInterruptSpinsForAMutexItMustNotTake) {
  Rig rig(config(2));
  const Locks locks(rig.machine, LockKind::Mutex);
  const ProgramId handler = rig.script.add({just(Acquire{locks.a}), just(Release{locks.a})});
  rig.start(rig.thread(), {just(Acquire{locks.a}), kDoWork, just(Release{locks.a})});
  rig.at(1, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(HostCpu{1}, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::SleepInAtomic));
  EXPECT_EQ(rig.spent[1][Activity::Spinning], kAcquire + kWork - 1);
}

// ---- the rules

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
