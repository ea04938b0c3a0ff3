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

// ---- interrupts

TEST(Interrupts, AHardInterruptRunsBeforeTheNextStepOfATask) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const ProgramId handler = rig.script.add({kDoWork});
  rig.start(a, {kDoWork, kDoWork});
  rig.at(1, [&](HostKernel& kernel, Env&) { kernel.raise_hard(kCpu0, {handler, SpanId{7}, {}}); });
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 0), kWork);
  EXPECT_EQ(rig.env.records[1].span, SpanId{7});
  EXPECT_EQ(rig.env.records[1].time, 2 * kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a, 1), 3 * kWork);
  EXPECT_EQ(rig.count(Event::TaskSwitched), 0u);
}

TEST(Interrupts, SoftInterruptsGoUnderHardOnesAndOverTasks) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const ProgramId handler = rig.script.add({kDoWork, kDoWork});
  rig.start(a, {kDoWork, kDoWork});
  rig.at(1, [&](HostKernel& kernel, Env&) { kernel.raise_soft(kCpu0, {handler, SpanId{1}, {}}); });
  rig.at(kWork + 1, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(kCpu0, {handler, SpanId{2}, {}});
  });
  rig.run();
  std::vector<SpanId> order;
  for (const auto& record : rig.env.records) order.push_back(record.span);
  const SpanId task = Rig::span_of(a);
  EXPECT_EQ(order, (std::vector<SpanId>{task, SpanId{1}, SpanId{2}, SpanId{2}, SpanId{1}, task}));
}

TEST(Interrupts, HardInterruptsDoNotNest) {
  Rig rig(config(1));
  const ProgramId handler = rig.script.add({kDoWork, kDoWork});
  for (std::uint64_t i = 1; i <= 2; ++i) {
    rig.at(i, [handler, i](HostKernel& kernel, Env&) {
      kernel.raise_hard(kCpu0, {handler, SpanId{i}, {}});
    });
  }
  rig.run();
  std::vector<SpanId> order;
  for (const auto& record : rig.env.records) order.push_back(record.span);
  EXPECT_EQ(order, (std::vector<SpanId>{SpanId{1}, SpanId{1}, SpanId{2}, SpanId{2}}));
}

TEST(Interrupts, AComputationIsInterruptedAtMultiplesOfTheQuantum) {
  Rig rig(config(1));
  const TaskHandle a = rig.thread();
  const ProgramId handler = rig.script.add({kDoWork});
  rig.start(a, {just(Compute{250}), kDoWork});
  rig.at(110, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(kCpu0, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_EQ(rig.env.records[0].time, 200 + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, a), 250 + 2 * kWork);
}

// ---- guests and polling

TEST(Guests, AGuestKeepsTheCpuUntilItIsWoken) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  rig.start(vcpu, {just(RunGuest{}), outcome_to(outcomes), kDoWork});
  rig.at(5000, [&](HostKernel& kernel, Env&) {
    EXPECT_TRUE(kernel.machine().in_guest(vcpu));
    kernel.wake(vcpu);
  });
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Woken});
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu), 5000 + kWork);
  EXPECT_EQ(rig.spent[0][Activity::Task], 5000 + kWork);
}

TEST(Guests, AnInterruptOfTheHostMakesTheGuestExit) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  const ProgramId handler = rig.script.add({kDoWork});
  rig.start(vcpu, {just(RunGuest{}), outcome_to(outcomes), kDoWork});
  rig.at(500, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(kCpu0, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Interrupted});
  EXPECT_EQ(rig.env.records[0].time, 500 + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu), 500 + 2 * kWork);
}

TEST(Guests, AGuestLeavesBeforeItsTaskIsPreempted) {
  Rig rig(config(1, 300));
  const TaskHandle vcpu = rig.thread();
  const TaskHandle other = rig.thread();
  rig.start(vcpu, {just(RunGuest{}), kDoWork});
  rig.start(other, {kDoWork}, 10);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu), 310 + kWork);  // the exit
  EXPECT_EQ(rig.time_of(Event::TaskSwitched, other), 310 + kWork + kSwitch);
}

TEST(Guests, WhoSleptGoesBeforeAGuestOnItsCpu) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const WaitQueueId queue = rig.machine.add_wait_queue();
  const TaskHandle sleeper = rig.thread();
  const TaskHandle vcpu = rig.thread();
  rig.start(sleeper, {just(Wait{queue}), kDoWork});
  rig.start(vcpu, {just(RunGuest{}), outcome_to(outcomes), just(RunGuest{}), kDoWork}, 10);
  rig.at(5000, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
  rig.at(20'000, [&](HostKernel& kernel, Env&) { kernel.wake(vcpu); });
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Interrupted});
  EXPECT_EQ(rig.time_of(Event::HandlerStep, sleeper), 5000 + kUp + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu), 20'000 + kWork);
}

TEST(Guests, AGuestIsNotBegunBeforeOneThatSleptAndWaits) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const WaitQueueId queue = rig.machine.add_wait_queue();
  const TaskHandle sleeper = rig.thread();
  const TaskHandle vcpu = rig.thread();
  rig.start(sleeper, {just(Wait{queue}), kDoWork});
  rig.start(vcpu, {kDoWork, just(RunGuest{}), outcome_to(outcomes), just(RunGuest{})}, 10);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
  rig.run();
  EXPECT_EQ(rig.count(Event::HandlerStep), 2u);
  EXPECT_LT(*rig.time_of(Event::HandlerStep, sleeper), 3 * kWork);
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Interrupted});
  EXPECT_TRUE(rig.machine.in_guest(vcpu));  // and has the CPU again
}

TEST(Guests, AHigherClassMakesTheGuestExitAtOnce) {
  Rig rig(config(1));
  const TaskHandle vcpu = rig.thread();
  const TaskHandle high = rig.thread(CpuMask::first(1), Priority::RealTime);
  rig.start(vcpu, {just(RunGuest{}), kDoWork, kDoWork});
  rig.start(high, {kDoWork}, 500);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu, 0), 500 + kWork);  // one step, to leave
  EXPECT_EQ(rig.time_of(Event::HandlerStep, high), 500 + kWork + kSwitch + kWork);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu, 1), 500 + 2 * kSwitch + 3 * kWork);
}

TEST(Guests, AGuestIsNotEnteredWhileTheHostWantsTheCpu) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  const TaskHandle high = rig.thread(CpuMask::first(1), Priority::RealTime);
  rig.start(vcpu, {just(RunGuest{}), just(RunGuest{}), outcome_to(outcomes)});
  rig.start(high, {kDoWork}, 500);
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Interrupted});
  EXPECT_EQ(rig.time_of(Event::HandlerStep, high), 500 + kSwitch + kWork);
}

TEST(Guests, WhoeverHasCompetitorsDoesNotPoll) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  rig.start(vcpu, {kDoWork, just(Poll{9000}), outcome_to(outcomes)});
  rig.start(rig.thread(), {kDoWork}, 10);
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Interrupted});
  EXPECT_EQ(rig.env.now(), 2 * kWork + kSwitch);
}

TEST(Guests, TheTimeoutOfAnEarlierPollDoesNotEndALaterOne) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  rig.start(vcpu, {just(Poll{900}), outcome_to(outcomes), just(Poll{5000}), outcome_to(outcomes)});
  rig.at(200, [&](HostKernel& kernel, Env&) { kernel.wake(vcpu); });
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::Woken, Outcome::TimedOut}));
  EXPECT_EQ(rig.env.now(), 5200u);
}

TEST(Guests, PollingEndsWithAWakeUpATimeoutOrACompetitor) {
  struct Case {
    Time wake, competitor;
    Outcome outcome;
    Time over;
  };
  for (const Case& c : {Case{200, 0, Outcome::Woken, 200}, Case{0, 0, Outcome::TimedOut, 900},
                        Case{0, 400, Outcome::Interrupted, 400}}) {
    Rig rig(config(1));
    std::vector<Outcome> outcomes;
    const TaskHandle vcpu = rig.thread();
    const TaskHandle other = rig.thread();
    rig.start(vcpu, {just(Poll{900}), outcome_to(outcomes), kDoWork});
    if (c.wake > 0) rig.at(c.wake, [&](HostKernel& kernel, Env&) { kernel.wake(vcpu); });
    if (c.competitor > 0) rig.start(other, {kDoWork}, c.competitor);
    rig.run();
    EXPECT_EQ(outcomes, std::vector<Outcome>{c.outcome});
    EXPECT_EQ(rig.time_of(Event::HandlerStep, vcpu), c.over + kWork);
  }
}

TEST(Guests, AnInterruptDoesNotEndPolling) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle vcpu = rig.thread();
  const ProgramId handler = rig.script.add({kDoWork});
  rig.start(vcpu, {just(Poll{5000}), outcome_to(outcomes)});
  rig.at(500, [&](HostKernel& kernel, Env&) {
    kernel.raise_hard(kCpu0, {handler, SpanId{7}, {}});
  });
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::TimedOut});
  EXPECT_EQ(rig.env.now(), 5000u);
}

}  // namespace
}  // namespace irqfab::host::test
