#include "models/host/host_machine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/models/host/rig.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::host::test {
namespace {

using irqfab::test::RecordingEnv;

HostMachine::Config config(unsigned cpus) {
  HostMachine::Config made;
  made.cpus = cpus;
  made.slice = 0;
  return made;
}

// ---- calls

TEST(HostCalls, WaitInOrderUntilTheirThreadIsFree) {
  Rig rig(config(1));
  const ProgramId program = rig.script.add({kDoWork});
  const TaskHandle thread = rig.thread();
  for (std::uint64_t i = 1; i <= 3; ++i) rig.call(thread, raw(program), i, i);
  rig.run();
  ASSERT_EQ(rig.env.records.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rig.env.records[i].span, SpanId{i + 1});
    EXPECT_EQ(rig.env.records[i].time, 1 + (i + 1) * kWork);
  }
}

TEST(HostCalls, OfDifferentThreadsDoNotWaitForEachOther) {
  Rig rig(config(2));
  const ProgramId program = rig.script.add({kDoWork, kDoWork});
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.call(a, raw(program), 1, 0);
  rig.call(a, raw(program), 2, 0);
  rig.call(b, raw(program), 3, 0);
  rig.run();
  for (const auto& record : rig.env.records) {
    if (record.span == SpanId{3}) {
      EXPECT_LE(record.time, 2 * kWork);
    }
  }
}

TEST(HostCalls, AreOfferedAgainWhenTheirThreadEntersTheGuest) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  const ProgramId program = rig.script.add({kDoWork, just(RunGuest{}), outcome_to(outcomes)});
  rig.script.on_call = [&](const HostCall& call, HostKernel& kernel, Env&) {
    if (call.a == 0) {
      kernel.start(vcpu, {program, kNoSpan, {}});
      return Reception::Taken;
    }
    if (!kernel.machine().in_guest(vcpu)) return Reception::Later;
    kernel.wake(vcpu);
    return Reception::Taken;
  };
  rig.call(vcpu, 0, 0, 0);
  rig.call(vcpu, 1, 0, 10);  // before the guest runs
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Woken});
  EXPECT_EQ(rig.machine.state(vcpu), TaskState::Parked);
}

TEST(HostCalls, ToAThreadThatDoesNotExistAreTheSoftwaresAffair) {
  Rig rig(config(1));
  unsigned calls = 0;
  rig.script.on_call = [&](const HostCall& call, HostKernel& kernel, Env&) {
    ++calls;
    EXPECT_FALSE(kernel.machine().alive(kernel.machine().thread(call.task)));
    return Reception::Later;
  };
  rig.call(TaskHandle{TaskId{9999}, 0}, 0, 0, 0);
  rig.run();
  EXPECT_EQ(calls, 1u);
}

TEST(HostCalls, OfAThreadThatEndsAreForgotten) {
  Rig rig(config(1));
  const TaskHandle thread = rig.thread();
  unsigned calls = 0;
  rig.script.on_call = [&](const HostCall&, HostKernel&, Env&) {
    ++calls;
    return Reception::Later;
  };
  rig.call(thread, 0, 0, 0);
  rig.call(thread, 0, 0, 1);
  rig.run();
  EXPECT_EQ(calls, 2u);  // each arrival offers the oldest
  rig.at(5, [&](HostKernel& kernel, Env&) { EXPECT_TRUE(kernel.end_thread(thread)); });
  rig.run();
  EXPECT_FALSE(rig.machine.alive(thread));
  EXPECT_EQ(rig.machine.thread(thread.slot), TaskHandle{});
}

TEST(HostCalls, LeaveNothingBehindWhetherTakenOrForgotten) {
  std::vector<HostMachine> machines;
  for (const Reception reception : {Reception::Taken, Reception::Later}) {
    Rig rig(config(1));
    const TaskHandle thread = rig.thread();
    rig.script.on_call = [&](const HostCall&, HostKernel&, Env&) { return reception; };
    rig.call(thread, 0, 0, 0);
    rig.at(5, [&](HostKernel& kernel, Env&) { EXPECT_TRUE(kernel.end_thread(thread)); });
    rig.run();
    machines.push_back(rig.machine);
  }
  EXPECT_TRUE(machines[0] == machines[1]);
}

// ---- as a core

TEST(HostMachine, CpusAreLanesAndTheOutsideIsOneMore) {
  const HostMachine machine(config(3));
  EXPECT_EQ(machine.lanes(), 4u);
  EXPECT_EQ(machine.lane_of(HostCall{0, kNoTask, 0, 0}), LaneId{3});
  EXPECT_EQ(machine.lane_of(Elapsed{Tag{0}, 2}), LaneId{2});
}

TEST(HostMachine, AnIdleCpuAsksForNothingAndIsSetGoingOnItsOwnLane) {
  Rig rig(config(2));
  const ProgramId program = rig.script.add({kDoWork, kDoWork});
  const TaskHandle thread = rig.thread(CpuMask::only(HostCpu{1}));
  RecordingEnv env;
  rig.machine.receive(PortId{0}, HostCall{0, kNoTask, 0, 0}, rig.script, env);
  EXPECT_TRUE(env.delays.empty());

  rig.machine.receive(PortId{0}, HostCall{0, thread.slot, raw(program), 7}, rig.script, env);
  ASSERT_EQ(env.delays.size(), 1u);
  EXPECT_EQ(env.delays[0].delay, 0u);
  EXPECT_EQ(env.delays[0].lane, LaneId{1});
  EXPECT_TRUE(HostMachine::owns(env.delays[0].tag));
  EXPECT_FALSE(HostMachine::is_timer(env.delays[0].tag));

  // One step a call, and one request to go on as long as there is something to do.
  const Tag tag = env.delays[0].tag;
  for (std::size_t steps = 1; steps <= 3; ++steps) {
    env.clear();
    rig.machine.receive(PortId{0xFFFF}, Elapsed{tag, 1}, rig.script, env);
    EXPECT_EQ(env.notes.size(), steps <= 2 ? 1u : 0u);
    EXPECT_EQ(env.delays.size(), steps <= 2 ? 1u : 0u);
  }
}

TEST(HostMachine, ACpuIsNotAskedForTwice) {
  Rig rig(config(1));
  const ProgramId program = rig.script.add({kDoWork});
  RecordingEnv env;
  const TaskHandle a = rig.thread();
  const TaskHandle b = rig.thread();
  rig.machine.receive(PortId{0}, HostCall{0, a.slot, raw(program), 1}, rig.script, env);
  rig.machine.receive(PortId{0}, HostCall{0, b.slot, raw(program), 2}, rig.script, env);
  EXPECT_EQ(env.delays.size(), 1u);
}

TEST(HostMachine, ADelayThatNobodyAskedForIsIgnored) {
  HostMachine machine(config(1));
  const HostMachine before = machine;
  Script script;
  RecordingEnv env;
  for (const std::uint32_t tag : {0x8000'0000u, 0x8000'1234u, 0xC000'0000u, 0xFFFF'FFFFu}) {
    machine.receive(PortId{0xFFFF}, Elapsed{Tag{tag}, 0}, script, env);
  }
  EXPECT_TRUE(machine == before);
  EXPECT_TRUE(env.notes.empty());
}

TEST(HostMachine, DelaysOfOthersGoToTheSoftware) {
  class Counting final : public Software {
   public:
    Action run(Task&, HostKernel&, Env&) override { return Done{}; }
    Reception receive(PortId, const Message& message, HostKernel&, Env&) override {
      elapsed += std::holds_alternative<Elapsed>(message);
      return Reception::Taken;
    }
    unsigned elapsed = 0;
  } software;
  HostMachine machine(config(1));
  RecordingEnv env;
  machine.receive(PortId{0xFFFF}, Elapsed{Tag{5}, 0}, software, env);
  EXPECT_EQ(software.elapsed, 1u);
}

TEST(HostMachine, HoldsTheSpansOfTasksUnderWayAndOfQueuedWork) {
  Rig rig(config(1));
  const WorkqueueId queue = rig.machine.add_workqueue({});
  const LockClassId cls = rig.machine.add_work_class("work");
  const ProgramId program = rig.script.add({kDoWork});
  const WorkId first = rig.machine.add_work(queue, cls, program, {});
  const WorkId second = rig.machine.add_work(queue, cls, program, {});
  const TaskHandle thread = rig.thread();
  rig.start(thread, program);
  rig.at(1, [&](HostKernel& kernel, Env&) {
    kernel.queue_work(first, SpanId{1});
    kernel.queue_work(second, SpanId{2});
  });
  rig.run(2);
  std::vector<SpanId> spans;
  rig.machine.held_spans(spans);
  std::sort(spans.begin(), spans.end());
  EXPECT_EQ(spans, (std::vector<SpanId>{SpanId{1}, SpanId{2}, Rig::span_of(thread)}));
  rig.run();
  spans.clear();
  rig.machine.held_spans(spans);
  EXPECT_TRUE(spans.empty());
}

// ---- as a value

/// Locks, sleeps, work, readers and an overcommitted machine: something of everything.
struct Everything {
  Everything() : rig(made()) {
    HostMachine& machine = rig.machine;
    const LockId spin = machine.add_lock(LockKind::Spin, machine.add_lock_class("spin"));
    const LockId mutex = machine.add_lock(LockKind::Mutex, machine.add_lock_class("mutex"));
    const DomainId domain = machine.add_domain("domain", {{}, 50, 30, 100});
    const WaitQueueId queue = machine.add_wait_queue();
    const WorkqueueId work_queue = machine.add_workqueue({});
    const WorkId work =
        machine.add_work(work_queue, machine.add_work_class("work"),
                         rig.script.add({kDoWork, just(Acquire{mutex}), just(Release{mutex}),
                                         just(Wake{queue, WakeCount::All})}),
                         {});
    program = rig.script.add(
        {just(Acquire{mutex}), just(QueueWork{work}), just(Acquire{spin}), kDoWork,
         just(Release{spin}), just(Compute{700}), just(Release{mutex}), just(ReadLock{domain}),
         kDoWork, just(ReadUnlock{domain}), just(Synchronize{domain}), just(Wait{queue, 900}),
         just(Flush{work}), just(Poll{300}), just(Sleep{40}), just(Yield{}), kDoWork});
    for (int i = 0; i < 4; ++i) {
      threads.push_back(rig.thread());
      rig.start(threads.back(), program, 10u * static_cast<unsigned>(i));
    }
  }
  static HostMachine::Config made() {
    HostMachine::Config made = config(2);
    made.slice = 350;
    made.quantum = 100;
    return made;
  }
  Rig rig;
  ProgramId program{};
  std::vector<TaskHandle> threads;
};

std::string text(const std::vector<irqfab::test::TimedRecord>& records, std::size_t from) {
  std::string out;
  for (std::size_t i = from; i < records.size(); ++i) {
    out += std::to_string(records[i].time) + " " + std::string(name_of(records[i].event)) + " " +
           std::to_string(raw(records[i].span)) + " " + std::to_string(records[i].detail) + "\n";
  }
  return out;
}

TEST(HostMachine, ACopyTakenInTheMiddleGoesOnAlike) {
  Everything reference;
  reference.rig.run();
  for (const TaskHandle thread : reference.threads) {
    ASSERT_EQ(reference.rig.machine.state(thread), TaskState::Parked);
  }
  ASSERT_TRUE(reference.rig.machine.violations().empty());
  const std::string expected = text(reference.rig.env.records, 0);
  const Time end = reference.rig.env.now();
  for (Time cut = 0; cut < end; cut += 97) {
    Everything run;
    run.rig.run(cut);
    const HostMachine copy = run.rig.machine;
    EXPECT_TRUE(copy == run.rig.machine);
    irqfab::test::TimedEnv rest = run.rig.env;
    run.rig.run();
    EXPECT_EQ(text(run.rig.env.records, 0), expected);
    EXPECT_TRUE(run.rig.machine == reference.rig.machine);
    EXPECT_FALSE(copy == run.rig.machine);

    HostMachine again = copy;
    rest.run([&](PortId port, const Message& message, Env& env) {
      again.receive(port, message, run.rig.script, env);
    });
    EXPECT_EQ(text(rest.records, 0), expected);
    EXPECT_TRUE(again == run.rig.machine);
  }
}

class Empty final : public Software {
 public:
  Action run(Task&, HostKernel&, Env&) override { return Done{}; }
  Reception receive(PortId, const Message&, HostKernel&, Env&) override {
    ++messages;
    return Reception::Taken;
  }
  friend bool operator==(const Empty& a, const Empty& b) { return a.messages == b.messages; }
  unsigned messages = 0;
};

TEST(HostMachine, HostedIsMachineAndSoftwareAsOneCore) {
  Hosted<Empty> core{HostMachine(config(2)), Empty{}};
  const Hosted<Empty> before = core;
  RecordingEnv env;
  core.receive(PortId{3}, Marker{Tag{1}}, env);
  EXPECT_EQ(core.lane_of(PortId{3}, Marker{Tag{1}}), LaneId{2});
  EXPECT_EQ(core.software.messages, 1u);
  EXPECT_FALSE(core == before);
}

// ---- stepped by hand, as an explorer does

/// All schedules of two programs of `steps` steps on two CPUs, counted.
std::size_t schedules(const HostMachine& machine, Script& script) {
  RecordingEnv env;
  std::size_t count = 0;
  CpuMask choices = machine.runnable();
  if (choices.empty()) return 1;
  while (const auto cpu = choices.pop_lowest()) {
    HostMachine next = machine;
    next.step(*cpu, script, env);
    count += schedules(next, script);
  }
  return count;
}

TEST(HostMachine, AStepIsOneActionSoSchedulesAreBinomial) {
  Rig rig(config(2));
  const LockId lock = rig.machine.add_lock(LockKind::Spin, rig.machine.add_lock_class("lock"));
  const DomainId domain = rig.machine.add_domain("domain", {});
  // Five steps that never wait for each other, and the end.
  const ProgramId a = rig.script.add(
      {just(Acquire{lock}), kDoWork, just(Release{lock}), just(Compute{50}), kDoWork});
  const ProgramId b = rig.script.add(
      {just(ReadLock{domain}), kDoWork, just(ReadUnlock{domain}), just(Yield{}), kDoWork});
  RecordingEnv env;
  for (const ProgramId program : {a, b}) {
    rig.machine.receive(PortId{0}, HostCall{0, rig.thread().slot, raw(program), 1}, rig.script,
                        env);
  }
  EXPECT_EQ(schedules(rig.machine, rig.script), 924u);  // 12 over 6
}

}  // namespace
}  // namespace irqfab::host::test
