#include <gtest/gtest.h>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

using Binding = WorkqueueConfig::Binding;

HostMachine::Config config(unsigned cpus) {
  HostMachine::Config made;
  made.cpus = cpus;
  made.slice = 0;
  return made;
}

class WorkRig : public Rig {
 public:
  WorkRig(unsigned cpus, Binding binding, std::uint16_t workers)
      : Rig(config(cpus)),
        queue(machine.add_workqueue({binding, workers, Priority::Normal})),
        cls(machine.add_work_class("work")) {}

  WorkId work(std::vector<Step> steps) {
    return machine.add_work(queue, cls, script.add(std::move(steps)), {});
  }
  void queue_at(Time time, WorkId work_id, std::uint64_t span, HostCpu cpu = HostCpu{0}) {
    at(time, [=](HostKernel& kernel, Env&) { kernel.queue_work(work_id, SpanId{span}, cpu); });
  }
  std::vector<Time> done(std::uint64_t span) const {
    std::vector<Time> times;
    for (const auto& record : env.records) {
      if (record.event == Event::HandlerStep && record.span == SpanId{span}) {
        times.push_back(record.time);
      }
    }
    return times;
  }

  WorkqueueId queue;
  LockClassId cls;
};

TEST(Workqueues, AKworkerRunsTheItemForTheSpanOfWhoeverQueuedIt) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  const TaskHandle task = rig.thread();
  rig.start(task, {kDoWork, just(QueueWork{work}), kDoWork});
  rig.run();
  // Queued on the same CPU: the kworker is woken, waits for the CPU, is switched to, then works.
  EXPECT_EQ(rig.time_of(Event::TaskWoken, task), kWork + kWake);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, task, 1), 2 * kWork + kWake);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, task), 2 * kWork + kWake + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, task, 2), 3 * kWork + kWake + kSwitch);
}

TEST(Workqueues, ABoundItemRunsOnTheCpuThatQueuedIt) {
  WorkRig rig(2, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  rig.queue_at(0, work, 7, HostCpu{1});
  rig.run();
  EXPECT_EQ(rig.spent[0][Activity::Task], 0u);
  EXPECT_EQ(rig.spent[1][Activity::Task], kWork + kUp);
}

TEST(Workqueues, ItemsOfOneWorkerRunInOrderWithoutASwitchBetween) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId first = rig.work({kDoWork});
  const WorkId second = rig.work({kDoWork});
  rig.queue_at(0, first, 1);
  rig.queue_at(1, second, 2);
  rig.run();
  EXPECT_EQ(rig.done(1), std::vector<Time>{kUp + kWork});
  EXPECT_EQ(rig.done(2), std::vector<Time>{kUp + 2 * kWork});
  EXPECT_EQ(rig.count(Event::TaskSwitched), 1u);
  EXPECT_EQ(rig.count(Event::TaskWoken), 1u);
}

TEST(Workqueues, AKworkerThatHadNothingToDoIsSwitchedToAgainFromIdle) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  rig.queue_at(0, work, 1);
  rig.queue_at(10'000, work, 2);
  rig.run();
  EXPECT_EQ(rig.count(Event::TaskSwitched), 2u);
  EXPECT_EQ(rig.done(2), std::vector<Time>{10'000 + kUp + kWork});
}

TEST(Workqueues, AnItemQueuedTwiceBeforeItStartsRunsOnce) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  std::vector<Outcome> outcomes;
  rig.start(rig.thread(), {just(QueueWork{work}), outcome_to(outcomes), just(QueueWork{work}),
                           outcome_to(outcomes)});
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::None, Outcome::AlreadyQueued}));
  EXPECT_EQ(rig.count(Event::HandlerStep), 1u);
  EXPECT_FALSE(rig.machine.queued(work));
}

TEST(Workqueues, AnItemQueuedWhileItRunsRunsAgainAfterwards) {
  WorkRig rig(2, Binding::Unbound, 2);
  const WorkId work = rig.work({kDoWork, kDoWork});
  rig.queue_at(0, work, 1);
  rig.queue_at(500, work, 2);
  rig.run();
  EXPECT_EQ(rig.done(1).back(), kUp + 2 * kWork);
  EXPECT_EQ(rig.done(2).back(), kUp + 4 * kWork);  // never two at once
}

TEST(Workqueues, UnboundWorkersRunAtOnceUpToTheirNumber) {
  WorkRig rig(4, Binding::Unbound, 2);
  const WorkId works[] = {rig.work({kDoWork}), rig.work({kDoWork}), rig.work({kDoWork})};
  for (std::size_t i = 0; i < 3; ++i) rig.queue_at(0, works[i], i + 1);
  rig.run();
  EXPECT_LT(rig.done(2)[0], kUp + 2 * kWork);
  EXPECT_GT(rig.done(3)[0], 2 * kWork);
}

TEST(Workqueues, AnotherBoundWorkerStartsWhenTheFirstSleeps) {
  for (const std::uint16_t workers : {1, 2}) {
    WorkRig rig(1, Binding::PerCpu, workers);
    const WorkId sleeps = rig.work({just(Sleep{50'000}), kDoWork});
    const WorkId next = rig.work({kDoWork});
    rig.queue_at(0, sleeps, 1);
    rig.queue_at(1, next, 2);
    rig.run();
    EXPECT_EQ(rig.done(2)[0] < 50'000, workers == 2);
  }
}

TEST(Workqueues, ABoundItemWaitsWhileAnotherIsAwakeThoughThereAreWorkers) {
  WorkRig rig(1, Binding::PerCpu, 2);
  rig.queue_at(0, rig.work({kDoWork}), 1);
  rig.queue_at(1, rig.work({kDoWork}), 2);
  rig.run();
  EXPECT_EQ(rig.count(Event::TaskWoken), 1u);
  EXPECT_EQ(rig.done(2).back(), kUp + 2 * kWork);
}

TEST(Workqueues, AnItemThatWaitsForItsOwnEndHoldsUpNoOther) {
  WorkRig rig(2, Binding::Unbound, 2);
  const WorkId again = rig.work({kDoWork, kDoWork, kDoWork});
  rig.queue_at(0, again, 1);
  rig.queue_at(200, again, 2);
  rig.queue_at(300, rig.work({kDoWork}), 3);
  rig.queue_at(400, rig.work({kDoWork}), 4);
  rig.run();
  EXPECT_LT(rig.done(3).back(), rig.done(1).back());
  EXPECT_LT(rig.done(4).back(), rig.done(2).front());
  EXPECT_EQ(rig.done(2).size(), 3u);
}

TEST(Workqueues, AStepQueuesWorkOnItsOwnCpu) {
  for (const bool by_action : {true, false}) {
    WorkRig rig(2, Binding::PerCpu, 1);
    const WorkId work = rig.work({kDoWork});
    const Step by_call = [work](Task& task, HostKernel& kernel, Env&) -> Action {
      kernel.queue_work(work, task.span);
      return Done{};
    };
    rig.start(rig.thread(CpuMask::only(HostCpu{1})), {by_action ? just(QueueWork{work}) : by_call});
    rig.run();
    EXPECT_EQ(rig.spent[0][Activity::Task], 0u);
    EXPECT_EQ(rig.count(Event::HandlerStep), 1u);
  }
}

TEST(Workqueues, FlushWaitsForWhatWasQueuedByThen) {
  WorkRig rig(2, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  const TaskHandle task = rig.thread(CpuMask::only(HostCpu{1}));
  rig.queue_at(0, work, 1);
  rig.start(task, {just(Flush{work}), kDoWork}, 100);
  rig.queue_at(500, work, 2);  // while it runs: not waited for
  rig.run();
  const Time first = kUp + kWork;
  EXPECT_EQ(rig.time_of(Event::TaskWoken, task), first + kWake);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, task), first + kUp + kWork);
  EXPECT_EQ(rig.done(2).size(), 1u);
}

TEST(Workqueues, FlushOfAnIdleItemDoesNotWait) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId work = rig.work({kDoWork});
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Flush{work}), kDoWork});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, task), kWork);
}

TEST(Workqueues, FlushOfAQueueWaitsForAllItsItems) {
  WorkRig rig(2, Binding::PerCpu, 1);
  const WorkId first = rig.work({kDoWork});
  const WorkId second = rig.work({kDoWork, kDoWork});
  const WorkId later = rig.work({kDoWork, kDoWork, kDoWork});
  const TaskHandle task = rig.thread(CpuMask::only(HostCpu{1}));
  rig.queue_at(0, first, 1);
  rig.queue_at(0, second, 2);
  rig.start(task, {just(FlushQueue{rig.queue}), kDoWork}, 100);
  rig.queue_at(200, later, 3);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::TaskWoken, task), rig.done(2).back() + kWake);
  EXPECT_LT(*rig.time_of(Event::HandlerStep, task), rig.done(3).back());
}

TEST(Workqueues, FlushOfAQueueDoesNotWaitForALaterItemThatRuns) {
  WorkRig rig(3, Binding::Unbound, 2);
  const WorkId longer = rig.work({kDoWork, kDoWork});
  const WorkId shorter = rig.work({kDoWork});
  const WorkId later = rig.work(std::vector<Step>(10, kDoWork));
  const TaskHandle task = rig.thread(CpuMask::only(HostCpu{2}));
  rig.queue_at(0, longer, 1);
  rig.queue_at(0, shorter, 2);
  rig.start(task, {just(FlushQueue{rig.queue}), kDoWork}, 100);
  rig.queue_at(200, later, 3);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::TaskWoken, task), rig.done(1).back() + kWake);
}

TEST(WorkqueueRules, FlushingUnderALockThatTheItemTakesIsReported) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const LockId lock =
      rig.machine.add_lock(LockKind::Mutex, rig.machine.add_lock_class("kvm->lock"));
  const WorkId work = rig.work({just(Acquire{lock}), just(Release{lock})});
  rig.queue_at(0, work, 1);
  rig.run();
  EXPECT_TRUE(rig.machine.violations().empty());
  rig.start(rig.thread(), {just(Acquire{lock}), just(Flush{work}), just(Release{lock})}, 5000);
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::FlushDeadlock));
}

TEST(WorkqueueRules, AnItemThatFlushesItselfIsReportedAndStuck) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const WorkId work = WorkId{0};
  ASSERT_EQ(rig.work({just(Flush{work}), kDoWork}), work);
  rig.queue_at(0, work, 1);
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::FlushDeadlock));
  EXPECT_TRUE(rig.done(1).empty());
}

TEST(WorkqueueRules, WhatAnItemLeavesHeldIsLeftForItAndTheWorkerGoesOn) {
  WorkRig rig(1, Binding::PerCpu, 1);
  const LockId lock = rig.machine.add_lock(LockKind::Spin, rig.machine.add_lock_class("lock"));
  const WorkId bad = rig.work({just(Acquire{lock})});
  const WorkId next = rig.work({kDoWork});
  rig.queue_at(0, bad, 1);
  rig.queue_at(1, next, 2);
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::LeftHeld));
  EXPECT_EQ(rig.machine.owner(lock), kNoTask);
  EXPECT_EQ(rig.done(2).size(), 1u);
}

}  // namespace
}  // namespace irqfab::host::test
