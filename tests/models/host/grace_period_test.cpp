#include <gtest/gtest.h>

#include <set>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

HostMachine::Config config(unsigned cpus) {
  HostMachine::Config made;
  made.cpus = cpus;
  made.slice = 0;
  return made;
}

/// A reader that is inside for 10 us, and somebody who waits for it from 1 us on.
struct ReaderAndUpdater {
  ReaderAndUpdater(const GracePeriodConfig& grace, Speed speed, Duration inside = 10'000)
      : rig(config(2)), domain(rig.machine.add_domain("domain", grace)) {
    reader = rig.thread();
    updater = rig.thread();
    rig.start(reader, {just(ReadLock{domain}), just(Compute{inside}), just(ReadUnlock{domain})});
    rig.start(updater, {just(Synchronize{domain, speed}), kDoWork}, 1000);
    rig.run();
  }
  Time over() const { return *rig.time_of(Event::GracePeriod, updater); }
  Rig rig;
  DomainId domain;
  TaskHandle reader, updater;
};

TEST(GracePeriods, AreOverWhenTheLastReaderLeaves) {
  const ReaderAndUpdater run({}, Speed::Expedited);
  // Nothing of the updater's span while it waits; it is woken, then notes the end of its wait.
  EXPECT_EQ(run.over(), 10'000 + kUp + kGrace);
  EXPECT_EQ(run.rig.time_of(Event::HandlerStep, run.updater), 10'000 + kUp + kGrace + kWork);
}

TEST(GracePeriods, WithoutReadersAnExpeditedOneDoesNotSleep) {
  Rig rig(config(1));
  const DomainId domain = rig.machine.add_domain("domain", {{}, 5000, 0, 0});
  const TaskHandle updater = rig.thread();
  rig.start(updater, {just(Synchronize{domain, Speed::Expedited}), kDoWork});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, updater), kGrace);
  EXPECT_EQ(rig.count(Event::TaskWoken), 0u);
}

TEST(GracePeriods, ANormalOneTakesItsDelayEvenWithoutReaders) {
  Rig rig(config(1));
  const DomainId domain = rig.machine.add_domain("domain", {{}, 5000, 0, 0});
  const TaskHandle updater = rig.thread();
  rig.start(updater, {just(Synchronize{domain, Speed::Normal})});
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, updater), 5000 + kUp + kGrace);
}

TEST(GracePeriods, AnExpeditedCallerHurriesTheOneUnderWay) {
  Rig rig(config(2));
  const DomainId domain = rig.machine.add_domain("domain", {{}, 5000, 0, 0});
  const TaskHandle normal = rig.thread();
  const TaskHandle hurried = rig.thread();
  rig.start(normal, {just(Synchronize{domain, Speed::Normal})});
  rig.start(hurried, {just(Synchronize{domain, Speed::Expedited})}, 1000);
  rig.run();
  EXPECT_LT(*rig.time_of(Event::GracePeriod, normal), 5000u);
  EXPECT_LT(*rig.time_of(Event::GracePeriod, hurried), 5000u);
}

TEST(GracePeriods, TheOneAfterAHurriedOneTakesItsWholeDelay) {
  Rig rig(config(2));
  const DomainId domain = rig.machine.add_domain("domain", {{}, 5000, 0, 0});
  const TaskHandle first = rig.thread();
  const TaskHandle hurried = rig.thread();
  rig.start(first, {just(Synchronize{domain, Speed::Normal})});
  rig.start(hurried, {just(Synchronize{domain, Speed::Expedited})}, 1000);
  rig.start(first, {just(Synchronize{domain, Speed::Normal})}, 2000);
  rig.run();
  // Neither hurried along by the earlier caller nor ended by the delay that was cut short.
  EXPECT_EQ(rig.time_of(Event::GracePeriod, first, 1), 7000 + kUp + kGrace);
}

TEST(GracePeriods, ADelayThatWasCutShortDoesNotCutTheAttentionShort) {
  Rig rig(config(3));
  const DomainId domain = rig.machine.add_domain("domain", {{}, 5000, 10'000, 4000});
  const TaskHandle normal = rig.thread();
  rig.start(rig.thread(), {just(ReadLock{domain}), just(Compute{6000}), just(ReadUnlock{domain})});
  rig.start(normal, {just(Synchronize{domain, Speed::Normal})});
  rig.start(rig.thread(), {just(Synchronize{domain, Speed::Expedited})}, 1000);
  rig.run();
  EXPECT_LT(*rig.time_of(Event::GracePeriod, normal), 6000 + 2 * (kUp + kGrace));
}

TEST(GracePeriods, AReaderThatStaysIsNoticedAtTheNextLook) {
  // Looked at from 1000 on: attentively until 3000, then every 4000: 7000, 11000.
  const GracePeriodConfig grace{{}, 0, 2000, 4000};
  EXPECT_EQ(ReaderAndUpdater(grace, Speed::Expedited, 2500).over(), 2500 + kUp + kGrace);
  EXPECT_EQ(ReaderAndUpdater(grace, Speed::Expedited, 3500).over(), 7000 + kUp + kGrace);
  EXPECT_EQ(ReaderAndUpdater(grace, Speed::Expedited, 8000).over(), 11'000 + kUp + kGrace);
}

TEST(GracePeriods, DoNotWaitForReadersThatEnterLater) {
  Rig rig(config(3));
  const DomainId domain = rig.machine.add_domain("domain", {});
  const TaskHandle updater = rig.thread();
  rig.start(rig.thread(), {just(ReadLock{domain}), just(Compute{2000}), just(ReadUnlock{domain})});
  rig.start(updater, {just(Synchronize{domain, Speed::Expedited})}, 1000);
  rig.start(rig.thread(), {just(ReadLock{domain}), just(Compute{50'000}), just(ReadUnlock{domain})},
            1500);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, updater), 2000 + kUp + kGrace);
}

TEST(GracePeriods, ACallDuringOneWaitsForTheReadersOfTheNext) {
  Rig rig(config(4));
  const DomainId domain = rig.machine.add_domain("domain", {});
  const auto pinned = [&rig](unsigned cpu) { return rig.thread(CpuMask::only(HostCpu(cpu))); };
  const TaskHandle first = pinned(0);
  const TaskHandle second = pinned(1);
  const auto reader = [&](Duration inside) {
    return std::vector<Step>{just(ReadLock{domain}), just(Compute{inside}),
                             just(ReadUnlock{domain})};
  };
  rig.start(pinned(2), reader(10'000), 0);
  rig.start(first, {just(Synchronize{domain, Speed::Expedited})}, 1000);
  rig.start(pinned(3), reader(20'000), 2000);  // after the first grace period began
  rig.start(second, {just(Synchronize{domain, Speed::Expedited})}, 3000);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, first), 10'000 + kUp + kGrace);
  EXPECT_EQ(rig.time_of(Event::GracePeriod, second), 22'000 + kUp + kGrace);
}

TEST(GracePeriods, DomainsAreIndependent) {
  Rig rig(config(2));
  const DomainId mine = rig.machine.add_domain("mine", {});
  const DomainId other = rig.machine.add_domain("other", {});
  const TaskHandle updater = rig.thread();
  rig.start(rig.thread(), {just(ReadLock{other}), just(Compute{50'000}), just(ReadUnlock{other})});
  rig.start(updater, {just(Synchronize{mine, Speed::Expedited})}, 10);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, updater), 10 + kGrace);
}

TEST(GracePeriods, ReaderSectionsNest) {
  Rig rig(config(2));
  const DomainId domain = rig.machine.add_domain("domain", {});
  const TaskHandle updater = rig.thread();
  rig.start(rig.thread(), {just(ReadLock{domain}), kDoWork, just(ReadLock{domain}), kDoWork,
                           just(ReadUnlock{domain}), kDoWork, just(ReadUnlock{domain}), kDoWork});
  rig.start(updater, {just(Synchronize{domain, Speed::Expedited})}, 500);
  rig.run();
  EXPECT_EQ(rig.time_of(Event::GracePeriod, updater), 3 * kWork + kUp + kGrace);
}

// ---- the rules

TEST(GracePeriodRules, WaitingInsideAReaderIsADeadlock) {
  Rig rig(config(1));
  const DomainId domain = rig.machine.add_domain("domain", {});
  const TaskHandle task = rig.thread();
  rig.start(task, {just(ReadLock{domain}), just(Synchronize{domain})});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::GracePeriodDeadlock));
  EXPECT_EQ(rig.machine.state(task), TaskState::Blocked);
}

TEST(GracePeriodRules, WaitingUnderALockThatAReaderTakesIsReportedFromEitherSide) {
  for (const bool reader_first : {true, false}) {
    Rig rig(config(1));
    const DomainId domain = rig.machine.add_domain("srcu", {});
    const LockId lock =
        rig.machine.add_lock(LockKind::Mutex, rig.machine.add_lock_class("resampler_lock"));
    const TaskHandle task = rig.thread();
    const ProgramId reads = rig.script.add({just(ReadLock{domain}), just(Acquire{lock}),
                                            just(Release{lock}), just(ReadUnlock{domain})});
    const ProgramId waits =
        rig.script.add({just(Acquire{lock}), just(Synchronize{domain}), just(Release{lock})});
    rig.start(task, reader_first ? reads : waits, 0);
    rig.run();
    EXPECT_TRUE(rig.machine.violations().empty());
    rig.start(task, reader_first ? waits : reads, 5000);
    rig.run();
    const Violation* found = rig.violation(ViolationKind::GracePeriodDeadlock);
    ASSERT_NE(found, nullptr);
    const LockOrder& order = rig.machine.lock_order();
    EXPECT_EQ(order.name(found->held[0].cls), reader_first ? "resampler_lock" : "srcu");
    EXPECT_EQ(order.name(*found->wanted), reader_first ? "srcu" : "resampler_lock");
    EXPECT_EQ(found->known.size(), 2u);
  }
}

TEST(GracePeriodRules, EnteringAReaderUnderALockIsFine) {
  Rig rig(config(1));
  const DomainId domain = rig.machine.add_domain("srcu", {});
  const LockId lock = rig.machine.add_lock(LockKind::Spin, rig.machine.add_lock_class("lock"));
  rig.start(rig.thread(), {just(Acquire{lock}), just(ReadLock{domain}), just(ReadUnlock{domain}),
                           just(Release{lock}), just(ReadLock{domain}), just(Acquire{lock}),
                           just(Release{lock}), just(ReadUnlock{domain})});
  rig.run();
  EXPECT_TRUE(rig.machine.violations().empty());
}

TEST(GracePeriodRules, SleepingInAReaderDependsOnTheDomain) {
  for (const auto readers :
       {GracePeriodConfig::Readers::MaySleep, GracePeriodConfig::Readers::MustNotSleep}) {
    Rig rig(config(1));
    const DomainId domain = rig.machine.add_domain("domain", {readers, 0, 0, 0});
    rig.start(rig.thread(), {just(ReadLock{domain}), just(Sleep{10}), just(ReadUnlock{domain})});
    rig.run();
    EXPECT_EQ(rig.violated(ViolationKind::SleepInAtomic),
              readers == GracePeriodConfig::Readers::MustNotSleep);
  }
}

TEST(GracePeriodRules, AReaderThatMustNotSleepIsNotExcusedByOneInside) {
  Rig rig(config(1));
  const DomainId rcu =
      rig.machine.add_domain("rcu", {GracePeriodConfig::Readers::MustNotSleep, 0, 0, 0});
  const DomainId srcu = rig.machine.add_domain("srcu", {});
  rig.start(rig.thread(), {just(ReadLock{rcu}), just(ReadLock{srcu}), just(Sleep{10}),
                           just(ReadUnlock{srcu}), just(ReadUnlock{rcu})});
  rig.run();
  EXPECT_TRUE(rig.violated(ViolationKind::SleepInAtomic));
}

// ---- random interleavings

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state_ >> 33) % n);
  }

 private:
  std::uint64_t state_;
};

/// An Env for stepping without time: timers are kept, to be let pass at will.
class Untimed final : public Env {
 public:
  using Env::note;
  void note(Event event, SpanId span, std::uint64_t) override {
    if (event == Event::GracePeriod) ended.push_back(span);
  }
  void send(PortId, const Message&) override {}
  void after(Duration, Tag tag) override { after(0, tag, LaneId{0}); }
  void after(Duration, Tag tag, LaneId) override {
    if (HostMachine::is_timer(tag)) timers.push_back(tag);
  }
  using Env::open;
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }

  std::vector<Tag> timers;
  std::vector<SpanId> ended;
};

TEST(GracePeriods, EndOnlyAfterEveryOlderReaderHasLeftInAnyInterleaving) {
  std::size_t waits = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    Random random(seed);
    HostMachine machine(config(4));
    const DomainId domain = machine.add_domain(
        "domain", {{}, random.below(2) * 10, random.below(2) * 10, random.below(2) * 10});
    Script script;
    Untimed env;

    // The oracle: which reader sections are open, by a number of their own, and which of them each
    // updater saw open when it asked.
    std::set<std::uint64_t> open;
    std::map<std::uint64_t, std::set<std::uint64_t>> waits_for;
    std::uint64_t sections = 0;
    const Step enter = [&](Task& task, HostKernel&, Env&) -> Action {
      task.locals[0] = ++sections;
      open.insert(sections);
      return ReadLock{domain};
    };
    const Step leave = [&](Task& task, HostKernel&, Env&) -> Action {
      open.erase(task.locals[0]);
      return ReadUnlock{domain};
    };
    const Step ask = [&](Task& task, HostKernel&, Env&) -> Action {
      waits_for[raw(task.span)] = open;
      return Synchronize{domain, random.below(2) == 0 ? Speed::Normal : Speed::Expedited};
    };
    const Step nothing = just(Compute{0});
    const ProgramId reader = script.add({enter, nothing, nothing, leave, nothing, enter, nothing,
                                         leave, enter, nothing, nothing, nothing, leave});
    const ProgramId updater = script.add({nothing, ask, nothing, ask, ask});
    std::vector<TaskHandle> tasks;
    script.on_call = [&](const HostCall&, HostKernel& kernel, Env&) {
      for (std::uint64_t i = 0; i < tasks.size(); ++i) {
        kernel.start(tasks[i], {i % 2 == 0 ? reader : updater, SpanId{i + 1}, {}});
      }
      return Reception::Taken;
    };
    for (unsigned i = 0; i < 6; ++i) {
      tasks.push_back(machine.add_thread({CpuMask::first(4), Priority::Normal}));
    }
    machine.receive(PortId{0}, HostCall{0, kNoTask, 0, 0}, script, env);

    for (;;) {
      std::vector<HostCpu> runnable;
      CpuMask mask = machine.runnable();
      while (const auto cpu = mask.pop_lowest()) runnable.push_back(*cpu);
      const std::size_t choices = runnable.size() + env.timers.size();
      if (choices == 0) break;
      const std::size_t choice = random.below(choices);
      if (choice < runnable.size()) {
        machine.step(runnable[choice], script, env);
      } else {
        const auto timer =
            env.timers.begin() + static_cast<std::ptrdiff_t>(choice - runnable.size());
        const Tag tag = *timer;
        env.timers.erase(timer);
        machine.receive(PortId{0xFFFF}, Elapsed{tag, 0}, script, env);
      }
      for (const SpanId span : env.ended) {
        ++waits;
        for (const std::uint64_t section : waits_for[raw(span)]) {
          EXPECT_EQ(open.count(section), 0u) << "seed " << seed;
        }
      }
      env.ended.clear();
    }
    for (const TaskHandle task : tasks) EXPECT_EQ(machine.state(task), TaskState::Parked) << seed;
    EXPECT_TRUE(machine.violations().empty());
  }
  EXPECT_EQ(waits, 2000u * 3 * 3);
}

}  // namespace
}  // namespace irqfab::host::test
