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

}  // namespace
}  // namespace irqfab::host::test
