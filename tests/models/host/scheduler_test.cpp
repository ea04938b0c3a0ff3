#include <gtest/gtest.h>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

HostMachine::Config config(unsigned cpus, Duration slice = 0) {
  HostMachine::Config made;
  made.cpus = cpus;
  made.slice = slice;
  made.quantum = 100;
  return made;
}
constexpr HostCpu kCpu0{0};
constexpr HostCpu kCpu1{1};

TEST(Scheduler, StepsOfOneTaskTakeTheirPricesOneAfterTheOther) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  rig.start(a, {kDoWork, kDoWork, kDoWork}, 50);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 0), 50 + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 2), 50 + 3 * kWork);
  EXPECT_EQ(rig.count(Event::TaskSwitched), 0u);
  EXPECT_EQ(rig.machine.state(a), TaskState::Parked);
}

TEST(Scheduler, TasksOnTwoCpusRunAtTheSameTime) {
  Rig rig(config(2));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.start(a, {kDoWork});
  rig.start(b, {kDoWork});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a), kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, b), kWork);
}

TEST(Scheduler, AnOvercommittedCpuMakesTheSecondTaskWaitAndSwitch) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.start(a, {kDoWork, kDoWork});
  rig.start(b, {kDoWork}, 1);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 1), 2 * kWork);
  // No event of b's span while it waits; then the switch, then its step.
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, b), 2 * kWork + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, b), 3 * kWork + kSwitch);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, a), std::nullopt);
}

TEST(Scheduler, SlicesShareACpuInTurn) {
  Rig rig(config(1, 250));
  std::vector<TaskHandle> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(rig.thread());
  const ProgramId program = rig.script.add({just(Compute{400}), kDoWork});
  for (const TaskHandle task : tasks) rig.start(task, program);
  rig.run();
  // Parts of 100: a runs 0-300 (its slice of 250 is over in its third part), b from 400 (after the
  // switch) to 700, c from 800 to 1100; then a 1200-1300 and its work, and so on.
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, tasks[1], 0), 300 + kSwitch);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, tasks[2], 0), 700 + kSwitch);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, tasks[0], 0), 1100 + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, tasks[0]), 1300 + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, tasks[1]), 2300 + kSwitch + 100 + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, tasks[2]), 3500 + kSwitch + 100 + kWork);
}

TEST(Scheduler, ATaskAloneIsNotPreempted) {
  Rig rig(config(1, 250));
  const TaskHandle a = rig.thread();
  rig.start(a, {just(Compute{1000}), kDoWork});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a), 1000 + kWork);
  EXPECT_EQ(rig.count(Event::TaskSwitched), 0u);
}

TEST(Scheduler, ASliceOfZeroRunsATaskUntilItSleeps) {
  Rig rig(config(1, 0));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.start(a, {just(Compute{100'000})});
  rig.start(b, {kDoWork});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, b), 100'000 + kSwitch);
}

TEST(Scheduler, AHigherClassPreemptsBetweenSteps) {
  Rig rig(config(1));
  const TaskHandle low = rig.thread();
  const TaskHandle high = rig.thread(CpuMask::first(1), Priority::RealTime);
  rig.start(low, {kDoWork, kDoWork});
  rig.start(high, {kDoWork}, 1);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, high), 2 * kWork + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, low, 1), 3 * kWork + 2 * kSwitch);
}

TEST(Scheduler, ALowerClassWaitsForAllOfTheHigher) {
  Rig rig(config(1, 100));
  const TaskHandle low = rig.thread(CpuMask::first(1), Priority::Background);
  const TaskHandle a = rig.thread();
  rig.start(a, {kDoWork, kDoWork, kDoWork});
  rig.start(low, {kDoWork}, 1);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, low), 4 * kWork + kSwitch);
}

TEST(Scheduler, APreemptedTaskKeepsItsPlaceInFrontOfItsClass) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  const TaskHandle high = rig.thread(CpuMask::first(1), Priority::RealTime);
  rig.start(a, {kDoWork, kDoWork});
  rig.start(b, {kDoWork}, 1);
  rig.start(high, {kDoWork}, 2);
  rig.run();
  EXPECT_LT(*rig.time_of(Event::HandlerStep, a, 1), *rig.time_of(Event::HandlerStep, b));
}

TEST(Scheduler, YieldLetsTheNextOfTheClassRun) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.start(a, {kDoWork, just(Yield{}), kDoWork});
  rig.start(b, {kDoWork}, 1);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, b), 2 * kWork + kSwitch);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 1), 3 * kWork + 2 * kSwitch);
}

TEST(Scheduler, ATaskIsNotPreemptedForTheSliceOfAnother) {
  Rig rig(config(1, 1000));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  const TaskHandle c = rig.thread();
  rig.start(a, {just(Compute{600}), just(Sleep{50'000})});
  rig.start(b, {just(Compute{800}), kDoWork});
  rig.start(c, {kDoWork});
  rig.run();
  // a's slice would be over at 1000; b, there since 700, goes on to its end at 1500.
  EXPECT_EQ(rig.time_of(Event::HandlerStep, b), 600 + kSwitch + 800 + kWork);
}

TEST(Scheduler, AfterALostSliceATaskStillKeepsItsPlaceWhenPreempted) {
  Rig rig(config(1, 200));
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  const TaskHandle high = rig.thread(CpuMask::first(1), Priority::RealTime);
  rig.start(a, {just(Compute{500})});
  rig.start(b, {just(Compute{1000})});
  rig.start(high, {kDoWork}, 650);
  rig.run();
  // a 0-200, b 300-500, a from 600, in its second slice until the higher one preempts it at 700.
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, a, 0), 600u);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, high), 700 + kSwitch + kWork);
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, a, 1), 700 + kSwitch + kWork + kSwitch);
}

TEST(Scheduler, ANewTaskInTheSlotOfAnEndedOneIsAnotherTask) {
  Rig rig(config(1));
  const TaskHandle old = rig.thread();
  TaskHandle young;
  rig.start(old, {kDoWork});
  rig.at(5000, [&](HostKernel& kernel, Env&) {
    ASSERT_TRUE(kernel.end_thread(old));
    young = kernel.create_thread({CpuMask::first(1), Priority::Normal});
    ASSERT_EQ(young.slot, old.slot);
  });
  rig.run();
  rig.start(young, {kDoWork}, 6000);
  rig.run();
  EXPECT_EQ(rig.count(Event::TaskSwitched), 1u);
}

// ---- placement

TEST(Scheduler, ANewTaskGoesToTheLeastLoadedCpu) {
  Rig rig(config(2));
  std::vector<TaskHandle> tasks;
  const ProgramId program = rig.script.add({kDoWork});
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(rig.thread());
    rig.start(tasks.back(), program);
  }
  rig.run();
  EXPECT_EQ(rig.machine.cpu_of(tasks[0]), kCpu0);
  EXPECT_EQ(rig.machine.cpu_of(tasks[1]), kCpu1);
  EXPECT_EQ(rig.machine.cpu_of(tasks[2]), kCpu0);
  EXPECT_EQ(rig.machine.cpu_of(tasks[3]), kCpu1);
}

TEST(Scheduler, ACpuThatItsTasksHaveLeftIsAsGoodAsANewOne) {
  Rig rig(config(2));
  const ProgramId program = rig.script.add({kDoWork});
  for (Time i = 0; i < 3; ++i) rig.start(rig.thread(), program, 5000 * i);
  rig.run();
  EXPECT_EQ(rig.spent[0][Activity::Task], 3 * kWork + 2 * kSwitch);
  EXPECT_EQ(rig.spent[1][Activity::Task], 0u);
}

TEST(Scheduler, AWokenTaskLeavesItsBusyCpuForAnIdleOne) {
  for (const Placement placement : {Placement::IdleThenLast, Placement::LastCpu}) {
    HostMachine::Config made = config(2);
    made.placement = placement;
    Rig rig(made);
    const TaskHandle sleeper = rig.thread();
    const TaskHandle busy = rig.thread(CpuMask::only(kCpu0));
    rig.start(sleeper, {just(Sleep{500}), kDoWork});
    rig.start(busy, {just(Compute{10'000})}, 1);
    rig.run();
    const bool moves = placement == Placement::IdleThenLast;
    EXPECT_EQ(rig.machine.cpu_of(sleeper), moves ? kCpu1 : kCpu0);
  }
}

TEST(Scheduler, APinnedTaskWaitsForItsCpuWhileAnotherIsIdle) {
  Rig rig(config(2));
  const TaskHandle pinned = rig.thread(CpuMask::only(kCpu0));
  const TaskHandle busy = rig.thread(CpuMask::only(kCpu0));
  rig.start(pinned, {just(Sleep{500}), kDoWork});
  rig.start(busy, {just(Compute{10'000})}, 1);
  rig.run();
  EXPECT_EQ(rig.machine.cpu_of(pinned), kCpu0);
  EXPECT_GT(*rig.time_of(Event::HandlerStep, pinned), 10'000u);
  EXPECT_EQ(rig.spent[1][Activity::Idle], rig.env.now());
}

// ---- accounts

TEST(Scheduler, BusyAndIdleTimeMakeUpAllTime) {
  // Free to signal from CPU to CPU: no time in which one has let go and the other does not know
  // yet.
  Prices prices = kPrices;
  prices[Event::LockReleased] = prices[Event::TaskWoken] = 0;
  Rig rig(config(2, 300), prices);
  const LockId lock = rig.machine.add_lock(LockKind::Spin, rig.machine.add_lock_class("lock"));
  const ProgramId program = rig.script.add({just(Compute{450}), just(Acquire{lock}), kDoWork,
                                            just(Release{lock}), just(Sleep{70}), kDoWork});
  std::vector<TaskHandle> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(rig.thread());
    rig.start(tasks.back(), program, 100u * static_cast<unsigned>(i));
  }
  rig.run();
  Duration active = 0;
  Duration spinning = 0;
  for (unsigned cpu = 0; cpu < 2; ++cpu) {
    Duration all = 0;
    for (const auto& [activity, time] : rig.spent[cpu]) all += time;
    EXPECT_EQ(all, rig.env.now());
    active += rig.spent[cpu][Activity::Task];
    spinning += rig.spent[cpu][Activity::Spinning];
  }
  EXPECT_GT(spinning, 0u);
  // What CPUs did for tasks is what was charged, plus what was computed.
  const Duration charged = rig.env.busy(LaneId{0}) + rig.env.busy(LaneId{1});
  EXPECT_EQ(active, charged + 5 * 450);
}

}  // namespace
}  // namespace irqfab::host::test
