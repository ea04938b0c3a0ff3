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

TEST(Waiting, AWaiterGoesOnWhenItIsWoken) {
  Rig rig(config(2));
  const WaitQueueId queue = rig.machine.add_wait_queue();
  std::vector<Outcome> outcomes;
  const TaskHandle waiter = rig.thread();
  const TaskHandle waker = rig.thread();
  rig.start(waiter, {just(Wait{queue}), outcome_to(outcomes), kDoWork});
  rig.start(waker, {kDoWork, just(Wake{queue})});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::TaskWoken, waiter), kWork + kWake);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, waiter), 2 * kWork + kUp);
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Woken});
  EXPECT_EQ(rig.spent[0][Activity::Idle], kWork);
}

TEST(Waiting, WakeOneTakesWhoeverWaitsLongestWakeAllTakesAll) {
  for (const WakeCount count : {WakeCount::One, WakeCount::All}) {
    Rig rig(config(1));
    const WaitQueueId queue = rig.machine.add_wait_queue();
    const ProgramId program = rig.script.add({just(Wait{queue}), kDoWork});
    std::vector<TaskHandle> tasks;
    for (Time i = 0; i < 3; ++i) {
      tasks.push_back(rig.thread());
      rig.start(tasks.back(), program, 1000 * (3 - i));
    }
    rig.at(10'000, [&](HostKernel& kernel, Env&) { kernel.wake(queue, count); });
    rig.run();
    EXPECT_EQ(rig.count(Event::HandlerStep), count == WakeCount::One ? 1u : 3u);
    EXPECT_TRUE(rig.time_of(Event::HandlerStep, tasks[2]).has_value());
  }
}

TEST(Waiting, AWakeUpOfAnEmptyQueueIsLost) {
  Rig rig(config(1));
  const WaitQueueId queue = rig.machine.add_wait_queue();
  const TaskHandle task = rig.thread();
  rig.at(0, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::All); });
  rig.start(task, {just(Wait{queue}), kDoWork}, 10);
  rig.run();
  EXPECT_EQ(rig.machine.state(task), TaskState::Blocked);
}

TEST(Waiting, ATimeoutEndsAWait) {
  Rig rig(config(1));
  const WaitQueueId queue = rig.machine.add_wait_queue();
  std::vector<Outcome> outcomes;
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Wait{queue, 700}), outcome_to(outcomes), kDoWork});
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::TimedOut});
  EXPECT_EQ(rig.time_of(Event::HandlerStep, task), 700 + kUp + kWork);
}

TEST(Waiting, ATimeoutThatIsOnlyRememberedLetsTheWaitGoOn) {
  for (const Time woken : {Time{500}, Time{900}}) {
    Rig rig(config(1));
    const WaitQueueId queue = rig.machine.add_wait_queue();
    std::vector<Outcome> outcomes;
    const TaskHandle task = rig.thread();
    rig.start(task, {just(Wait{queue, 700, OnTimeout::Remember}), outcome_to(outcomes), kDoWork});
    rig.at(woken, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
    rig.run();
    const Outcome expected = woken > 700 ? Outcome::WokenLate : Outcome::Woken;
    EXPECT_EQ(outcomes, std::vector<Outcome>{expected});
    EXPECT_EQ(rig.time_of(Event::HandlerStep, task), woken + kUp + kWork);
  }
}

TEST(Waiting, AnOutcomeIsThatOfTheLatestActionOnly) {
  Rig rig(config(1));
  const WaitQueueId queue = rig.machine.add_wait_queue();
  std::vector<Outcome> outcomes;
  const TaskHandle task = rig.thread();
  const Step wait = just(Wait{queue, 700, OnTimeout::Remember});
  rig.start(task, {wait, outcome_to(outcomes), outcome_to(outcomes), wait, outcome_to(outcomes)});
  rig.at(900, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
  rig.at(1100, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::WokenLate, Outcome::None, Outcome::Woken}));
}

TEST(Waiting, TheTimeoutOfAnEarlierWaitDoesNotEndALaterOne) {
  Rig rig(config(1));
  const WaitQueueId queue = rig.machine.add_wait_queue();
  std::vector<Outcome> outcomes;
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Wait{queue, 700}), outcome_to(outcomes), just(Wait{queue, 5000}),
                   outcome_to(outcomes)});
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.wake(queue, WakeCount::One); });
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::Woken, Outcome::TimedOut}));
  EXPECT_EQ(rig.env.now(), 500 + kUp + 5000 + kUp);
}

TEST(Waiting, ASleepEndsByItselfOrByAWakeUp) {
  Rig rig(config(1));
  std::vector<Outcome> outcomes;
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Sleep{300}), outcome_to(outcomes), just(Sleep{300}), outcome_to(outcomes)});
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.wake(task); });
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::None, Outcome::Woken}));
}

TEST(Waiting, AWakeUpOfTheTaskDoesNotEndItsWaitForALock) {
  Rig rig(config(2));
  const LockId mutex = rig.machine.add_lock(LockKind::Mutex, rig.machine.add_lock_class("mutex"));
  const ProgramId program = rig.script.add({just(Acquire{mutex}), kDoWork, just(Release{mutex})});
  const TaskHandle waiter = rig.thread();
  rig.start(rig.thread(), program);
  rig.start(waiter, program, 1);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.wake(waiter); });
  rig.run();
  EXPECT_GT(*rig.time_of(Event::LockAcquired, waiter), kWork);
}

TEST(Waiting, AHandleOfATaskThatHasEndedWakesNobody) {
  Rig rig(config(1));
  const TaskHandle old = rig.thread();
  TaskHandle young;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    EXPECT_TRUE(kernel.end_thread(old));
    EXPECT_FALSE(kernel.end_thread(old));
    young = kernel.create_thread({CpuMask::first(1), Priority::Normal});
    EXPECT_EQ(young.slot, old.slot);
  });
  rig.run();
  const WaitQueueId queue = rig.machine.add_wait_queue();
  rig.start(young, {just(Wait{queue}), kDoWork}, 10);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.wake(old); });
  rig.run();
  EXPECT_FALSE(rig.machine.alive(old));
  EXPECT_EQ(rig.machine.state(young), TaskState::Blocked);
}

TEST(Waiting, AThreadThatIsBusyIsNotEnded) {
  Rig rig(config(1));
  const TaskHandle thread = rig.thread();
  rig.start(thread, {just(Sleep{500}), kDoWork});
  rig.at(100, [&](HostKernel& kernel, Env&) { EXPECT_FALSE(kernel.end_thread(thread)); });
  rig.run();
  EXPECT_EQ(rig.count(Event::HandlerStep), 1u);
}

TEST(Waiting, AReaderSleepsUntilItsEventfdIsSignalled) {
  Rig rig(config(1));
  const TaskHandle reader = rig.thread();
  EventFdHandle eventfd;
  std::uint64_t value = 0;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    kernel.close_eventfd(kernel.create_eventfd(0, EventFdMode::Counter));
    eventfd = kernel.create_eventfd(0, EventFdMode::Counter);  // in a slot that was used before
  });
  rig.start(reader,
            {[&](Task&, HostKernel&, Env&) -> Action { return ReadEventFd{eventfd}; },
             [&](Task& task, HostKernel&, Env&) -> Action {
               value = task.value;
               return Charge{Event::HandlerStep};
             }},
            10);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.signal(eventfd, 5); });
  rig.run();
  EXPECT_EQ(value, 5u);
  EXPECT_EQ(rig.machine.eventfds().count(eventfd), 0u);
  EXPECT_EQ(rig.time_of(Event::HandlerStep, reader), 500 + kUp + kWork);
}

TEST(Waiting, OfTwoReadersOnlyOneGetsWhatThereIs) {
  Rig rig(config(1));
  EventFdHandle eventfd;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    eventfd = kernel.create_eventfd(0, EventFdMode::Counter);
  });
  const ProgramId program = rig.script.add(
      {[&](Task&, HostKernel&, Env&) -> Action { return ReadEventFd{eventfd}; }, kDoWork});
  const TaskHandle first = rig.thread();
  const TaskHandle second = rig.thread();
  rig.start(first, program, 10);
  rig.start(second, program, 11);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.signal(eventfd, 1); });
  rig.run();
  EXPECT_EQ(rig.machine.state(first), TaskState::Parked);
  EXPECT_EQ(rig.machine.state(second), TaskState::Blocked);
}

TEST(Waiting, AnExclusiveWatcherKeepsReadersAsleep) {
  Rig rig(config(1));
  EventFdHandle eventfd;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    eventfd = kernel.create_eventfd(0, EventFdMode::Counter);
    kernel.watch(eventfd, {1, WatchOrder::Priority, WatchShare::Exclusive});
  });
  const TaskHandle reader = rig.thread();
  rig.start(reader, {[&](Task&, HostKernel&, Env&) -> Action { return ReadEventFd{eventfd}; }}, 10);
  rig.at(500, [&](HostKernel& kernel, Env&) { kernel.signal(eventfd, 1); });
  rig.run();
  EXPECT_EQ(rig.machine.state(reader), TaskState::Blocked);
  EXPECT_EQ(rig.machine.eventfds().count(eventfd), 1u);
}

TEST(Waiting, ClosingAnEventfdRefusesItsReaders) {
  Rig rig(config(1));
  EventFdHandle eventfd;
  std::vector<Outcome> outcomes;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    eventfd = kernel.create_eventfd(0, EventFdMode::Counter);
  });
  const Step read = [&](Task&, HostKernel&, Env&) -> Action { return ReadEventFd{eventfd}; };
  rig.start(rig.thread(), {read, outcome_to(outcomes), read, outcome_to(outcomes)}, 10);
  rig.at(500, [&](HostKernel& kernel, Env&) {
    kernel.close_eventfd(eventfd);
    // Its slot is taken again at once, and is signalled: not the reader's.
    kernel.signal(kernel.create_eventfd(0, EventFdMode::Counter), 1);
  });
  rig.run();
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::Refused, Outcome::Refused}));
}

TEST(Waiting, AReaderWokenForAnEventfdThatIsClosedMeanwhileIsRefused) {
  Rig rig(config(1));
  EventFdHandle eventfd;
  EventFdHandle other;
  std::vector<Outcome> outcomes;
  rig.at(0, [&](HostKernel& kernel, Env&) {
    eventfd = kernel.create_eventfd(0, EventFdMode::Counter);
  });
  rig.start(rig.thread(),
            {[&](Task&, HostKernel&, Env&) -> Action { return ReadEventFd{eventfd}; },
             outcome_to(outcomes)},
            10);
  rig.at(500, [&](HostKernel& kernel, Env&) {
    kernel.signal(eventfd, 1);
    kernel.close_eventfd(eventfd);
    other = kernel.create_eventfd(3, EventFdMode::Counter);
    EXPECT_EQ(other.slot, eventfd.slot);
  });
  rig.run();
  EXPECT_EQ(outcomes, std::vector<Outcome>{Outcome::Refused});
  EXPECT_EQ(rig.machine.eventfds().count(other), 3u);
}

}  // namespace
}  // namespace irqfab::host::test
