// Ten thousand random programs on random machines, watched by a checker that knows nothing of how
// the machine works: only what programs asked for, when their steps ran and where, and what was
// noted.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::size_t below(std::size_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((state_ >> 33) % n);
  }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

/// What is true of every run. A span stands for one task or one interrupt.
class Checker {
 public:
  explicit Checker(std::vector<LockKind> kinds) : locks_(kinds.size()), kinds_(std::move(kinds)) {}

  void step(SpanId span, HostCpu cpu, bool interrupt, Time now) {
    std::map<SpanId, Time>& busy = busy_until_;
    // Its last step has ended, wherever that was: no task is in two places.
    EXPECT_LE(busy[span], now);
    EXPECT_LE(cpu_busy_until_[cpu], now);
    for (std::size_t i = 0; i < locks_.size(); ++i) {
      const auto keeps_cpu = [&](SpanId other) {
        if (other == span || where_[other] != cpu || kinds_[i] == LockKind::Mutex) return;
        // Who holds or awaits a spin lock gives its CPU to interrupts at most, and not always to
        // them.
        EXPECT_TRUE(interrupt && kinds_[i] != LockKind::SpinIrq);
      };
      if (locks_[i].holder) keeps_cpu(*locks_[i].holder);
      for (const SpanId waiter : locks_[i].queue) keeps_cpu(waiter);
      EXPECT_EQ(std::count(locks_[i].queue.begin(), locks_[i].queue.end(), span), 0)
          << "a task ran on while it waited for a lock";
    }
    where_[span] = cpu;
  }
  void asks(SpanId span, LockId lock) { locks_[raw(lock)].queue.push_back(span); }
  void computes(SpanId span, HostCpu cpu, Time until) {
    busy_until_[span] = cpu_busy_until_[cpu] = until;
  }

  /// The records made since the last call, oldest first.
  void follow(const std::vector<irqfab::test::TimedRecord>& records, unsigned cpus) {
    for (; seen_ < records.size(); ++seen_) {
      const auto& record = records[seen_];
      Locked* lock = nullptr;
      if (record.event == Event::LockAcquired) {
        lock = &locks_[record.detail];
        EXPECT_FALSE(lock->holder.has_value()) << "two holders";
        ASSERT_FALSE(lock->queue.empty());
        EXPECT_EQ(lock->queue.front(), record.span) << "overtaken";
        lock->queue.pop_front();
        lock->holder = record.span;
      } else if (record.event == Event::LockReleased) {
        lock = &locks_[record.detail];
        EXPECT_EQ(lock->holder, record.span);
        lock->holder.reset();
      }
      if (record.event != Event::TaskWoken && raw(record.lane) < cpus) {
        busy_until_[record.span] = std::max(busy_until_[record.span], record.time);
      }
    }
  }
  bool quiet() const {
    for (const Locked& lock : locks_) {
      if (lock.holder || !lock.queue.empty()) return false;
    }
    return true;
  }

 private:
  struct Locked {
    std::optional<SpanId> holder;
    std::deque<SpanId> queue;  // in the order in which they asked
  };
  std::vector<Locked> locks_;
  std::vector<LockKind> kinds_;
  std::map<SpanId, Time> busy_until_;
  std::map<HostCpu, Time> cpu_busy_until_;
  std::map<SpanId, HostCpu> where_;
  std::size_t seen_ = 0;
};

class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed)
      : random_(seed), rig_(machine_config(), prices()), checker_(make_locks()) {
    HostMachine& machine = rig_.machine;
    queue_ = machine.add_wait_queue();
    domain_ = machine.add_domain("domain", {{}, random_.below(3) * 100, 50, 200});
    const bool bound = random_.one_in(2);
    const WorkqueueId works = machine.add_workqueue(
        {bound ? WorkqueueConfig::Binding::PerCpu : WorkqueueConfig::Binding::Unbound,
         static_cast<std::uint16_t>(1 + random_.below(2)), Priority::Normal});
    // A kworker's span is that of whoever queued the item: the checker would see one span in two
    // places, so items have steps that it need not tell apart.
    for (int i = 0; i < 2; ++i) {
      works_.push_back(machine.add_work(works, machine.add_work_class("work"),
                                        rig_.script.add({just(Compute{100}), just(Sleep{30})}),
                                        {}));
    }
    rig_.script.observe = [this](const Task& task, HostKernel& kernel) { observe(task, kernel); };
    add_threads();
    add_interrupts();
  }

  void run() {
    rig_.run();
    checker_.follow(rig_.env.records, cpus_);
    EXPECT_TRUE(checker_.quiet());
    for (const TaskHandle thread : threads_) {
      EXPECT_EQ(rig_.machine.state(thread), TaskState::Parked);
    }
    EXPECT_EQ(steps_run_, steps_written_);
    for (const Violation& violation : rig_.machine.violations()) {
      ADD_FAILURE() << "violation " << static_cast<int>(violation.kind);
    }
    // Conservation: all time of all CPUs is accounted for, and what they were active for is what
    // was charged on them and what was computed.
    Duration active = 0;
    Duration charged = 0;
    for (unsigned cpu = 0; cpu < cpus_; ++cpu) {
      Duration all = 0;
      for (const auto& [activity, time] : rig_.spent[cpu]) {
        all += time;
        const bool waits = activity == Activity::Idle || activity == Activity::Spinning;
        if (!waits) active += time;
      }
      EXPECT_EQ(all, rig_.env.now());
      charged += rig_.env.busy(LaneId{cpu});
    }
    EXPECT_EQ(active, charged + computed_);
  }

 private:
  HostMachine::Config machine_config() {
    cpus_ = static_cast<unsigned>(1 + random_.below(4));
    HostMachine::Config made;
    made.cpus = cpus_;
    made.slice = random_.below(3) * 150;
    made.quantum = random_.below(3) * 70;
    made.placement = random_.one_in(2) ? Placement::LastCpu : Placement::IdleThenLast;
    return made;
  }
  /// Free to signal from CPU to CPU: no time in which one has let go and the other does not know
  /// yet.
  static Prices prices() {
    Prices made = kPrices;
    made[Event::LockReleased] = made[Event::TaskWoken] = 0;
    made[Event::HandlerStep] = 130;
    return made;
  }
  /// Locks are taken in rising order: first those that sleep, last those that interrupts take.
  std::vector<LockKind> make_locks() {
    kinds_.assign(random_.below(3), LockKind::Mutex);
    kinds_.insert(kinds_.end(), random_.below(3), LockKind::Spin);
    kinds_.insert(kinds_.end(), 1 + random_.below(2), LockKind::SpinIrq);
    for (const LockKind kind : kinds_) {
      const std::string name = "lock " + std::to_string(locks_.size());
      locks_.push_back(rig_.machine.add_lock(kind, rig_.machine.add_lock_class(name)));
    }
    return kinds_;
  }

  void observe(const Task& task, HostKernel& kernel) {
    checker_.follow(rig_.env.records, cpus_);
    if (raw(task.span) < kFirstSpan) return;  // work: see the constructor
    const bool interrupt = raw(task.span) >= kFirstInterrupt;
    checker_.step(task.span, *kernel.cpu(), interrupt, rig_.env.now());
  }

  Step counted(const Step& step) {
    ++steps_written_;
    return [this, step](Task& task, HostKernel& kernel, Env& env) -> Action {
      ++steps_run_;
      return step(task, kernel, env);
    };
  }
  Step acquire(LockId lock) {
    return counted([this, lock](Task& task, HostKernel&, Env&) -> Action {
      checker_.asks(task.span, lock);
      return Acquire{lock};
    });
  }
  Step queue_work(WorkId work) {
    return counted([this, work](Task&, HostKernel& kernel, Env&) -> Action {
      // Not for the task's span, which would then be in two places.
      if (kernel.queue_work(work, SpanId{1}) == Outcome::None) computed_ += 100;
      return Compute{0};
    });
  }

  /// A step that may be done anywhere; one that may sleep only if `sleeps`.
  Step any_step(bool sleeps) {
    switch (random_.below(sleeps ? 7 : 2)) {
      case 0:
        return counted(kDoWork);
      case 1: {
        const Duration length = random_.below(200);
        computed_ += length;
        return counted(just(Compute{length}));
      }
      case 2:
        return counted(just(Sleep{random_.below(300)}));
      case 3:
        return counted(just(Yield{}));
      case 4:
        return counted(just(Wait{queue_, 1 + random_.below(300)}));
      case 5:
        return queue_work(works_[random_.below(works_.size())]);
      default:
        return counted(just(Synchronize{domain_, Speed::Expedited}));
    }
  }

  std::vector<Step> random_program() {
    std::vector<Step> steps;
    std::vector<std::size_t> held;
    const std::size_t length = 4 + random_.below(10);
    while (steps.size() < length) {
      const bool spins = !held.empty() && kinds_[held.back()] != LockKind::Mutex;
      const std::size_t next =
          held.empty() ? random_.below(locks_.size()) : held.back() + 1 + random_.below(2);
      if (random_.one_in(2) && next < locks_.size()) {
        steps.push_back(acquire(locks_[next]));
        held.push_back(next);
      } else if (random_.one_in(3) && !held.empty()) {
        steps.push_back(counted(just(Release{locks_[held.back()]})));
        held.pop_back();
      } else if (random_.one_in(8)) {
        steps.push_back(counted(just(Wake{queue_, WakeCount::All})));
      } else if (random_.one_in(6)) {
        steps.push_back(counted(just(ReadLock{domain_})));
        steps.push_back(any_step(false));
        steps.push_back(counted(just(ReadUnlock{domain_})));
      } else {
        steps.push_back(any_step(!spins));
      }
    }
    for (; !held.empty(); held.pop_back()) {
      steps.push_back(counted(just(Release{locks_[held.back()]})));
    }
    return steps;
  }

  void add_threads() {
    const std::size_t count = 2 + random_.below(5);
    for (std::size_t i = 0; i < count; ++i) {
      CpuMask allowed = CpuMask::first(cpus_);
      if (random_.one_in(3)) allowed = CpuMask::only(HostCpu(random_.below(cpus_)));
      const auto priority = static_cast<Priority>(random_.below(kPriorities));
      threads_.push_back(rig_.thread(allowed, priority));
      const ProgramId program = rig_.script.add(random_program());
      rig_.call(threads_.back(), raw(program), kFirstSpan + i, random_.below(500));
    }
  }
  /// Hard interrupts that may take a lock, if that is one that keeps them off.
  void add_interrupts() {
    for (std::size_t i = random_.below(4); i > 0; --i) {
      std::vector<Step> steps = {counted(kDoWork)};
      const std::size_t lock = random_.below(locks_.size());
      if (kinds_[lock] == LockKind::SpinIrq) {
        steps.push_back(acquire(locks_[lock]));
        steps.push_back(counted(kDoWork));
        steps.push_back(counted(just(Release{locks_[lock]})));
      }
      const Start start{rig_.script.add(steps), SpanId{kFirstInterrupt + i}, {}};
      const auto cpu = HostCpu(random_.below(cpus_));
      rig_.at(random_.below(2000),
              [cpu, start](HostKernel& kernel, Env&) { kernel.raise_hard(cpu, start); });
    }
  }

  static constexpr std::uint64_t kFirstSpan = 100;
  static constexpr std::uint64_t kFirstInterrupt = 200;

  Random random_;
  unsigned cpus_ = 1;
  Rig rig_;
  std::vector<LockKind> kinds_;
  std::vector<LockId> locks_;
  Checker checker_;
  WaitQueueId queue_{};
  DomainId domain_{};
  std::vector<WorkId> works_;
  std::vector<TaskHandle> threads_;
  std::size_t steps_written_ = 0;
  std::size_t steps_run_ = 0;
  Duration computed_ = 0;
};

TEST(RandomPrograms, KeepTheRulesAndAccountForAllTime) {
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    RandomRun run(seed);
    run.run();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace irqfab::host::test
