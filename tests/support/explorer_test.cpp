// The explorers, on small programs of a modelled host whose schedules can be counted by hand, and
// against each other.
#include "tests/support/explorer.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "models/base/random.hpp"
#include "tests/support/build_speed.hpp"
#include "tests/support/hosted_world.hpp"

namespace irqfab::test {
namespace {

using namespace host;  // the actions of programs, by the dozen

constexpr std::size_t kCells = 3;

/// Programs as lists of steps, and a little memory that they share.
class Toy final : public Software {
 public:
  using Step = Action (*)(Task&, Toy&);
  using Programs = std::vector<std::vector<Step>>;

  explicit Toy(const Programs& programs) : programs_(&programs) {}

  Action run(Task& task, HostKernel&, Env&) override {
    const std::vector<Step>& steps = (*programs_)[raw(task.program)];
    const std::uint16_t at = task.pc++;
    return at < steps.size() ? steps[at](task, *this) : Action{Done{}};
  }
  Reception receive(PortId, const Message& message, HostKernel& kernel, Env&) override {
    const auto& call = std::get<HostCall>(message);
    kernel.start(kernel.machine().thread(call.task), {ProgramId(call.a), kNoSpan, {}});
    return Reception::Taken;
  }
  friend bool operator==(const Toy& a, const Toy& b) { return a.cells == b.cells; }

  std::array<unsigned, kCells> cells{};

 private:
  const Programs* programs_;  // outlive the toy
};

using Outcome = std::pair<std::array<unsigned, kCells>, bool>;  // the cells; is anybody stuck?

struct ToyWorld : HostedWorld<Toy> {
  static constexpr Spins kSpins = Spins::Never;
  unsigned threads = 0;

  Outcome outcome() const {
    bool stuck = false;
    for (unsigned slot = 0; slot < threads; ++slot) {
      stuck = stuck || machine.state(machine.thread(TaskId(slot))) != TaskState::Parked;
    }
    return {software.cells, stuck};
  }
  std::string broken() const {
    if (!machine.violations().empty()) return "lock rule";
    return software.cells[2] == kUsedAfterFree ? "used after free" : "";
  }

  static constexpr unsigned kUsedAfterFree = 99;
};

constexpr LockId kA{0};
constexpr LockId kB{1};
constexpr DomainId kReaders{0};
constexpr WaitQueueId kQueue{0};
constexpr WorkId kWork{0};

/// Thread n runs program n on CPU n; work runs the last program, on the CPU behind those.
ToyWorld world_of(const Toy::Programs& programs, unsigned threads, LockKind kind = LockKind::Mutex,
                  Duration grace = 0) {
  HostMachine::Config config;
  config.cpus = threads + 1;
  config.slice = 0;
  HostMachine machine(config);
  for (unsigned n = 0; n < threads; ++n) {
    machine.add_thread({CpuMask::only(HostCpu(n)), Priority::Normal});
  }
  machine.add_lock(kind, machine.add_lock_class("a"));
  machine.add_lock(kind, machine.add_lock_class("b"));
  GracePeriodConfig readers;
  readers.normal_delay = grace;
  machine.add_domain("readers", readers);
  machine.add_wait_queue();
  const auto queue = machine.add_workqueue({WorkqueueConfig::Binding::Unbound, 1, {}});
  machine.add_work(queue, machine.add_work_class("work"), ProgramId(programs.size() - 1), {});
  ToyWorld world{{std::move(machine), Toy(programs), WorldEnv()}, threads};
  for (unsigned n = 0; n < threads; ++n) {
    world.machine.receive(PortId{0}, HostCall{0, TaskId(n), n, 0}, world.software, world.env);
  }
  return world;
}

// ---- steps

constexpr Toy::Step kNothing = [](Task&, Toy&) -> Action { return Compute{0}; };
constexpr Toy::Step kRead = [](Task& task, Toy& toy) -> Action {
  task.locals[0] = toy.cells[0];
  return Compute{0};
};
constexpr Toy::Step kWriteOneMore = [](Task& task, Toy& toy) -> Action {
  toy.cells[0] = static_cast<unsigned>(task.locals[0] + 1);
  return Compute{0};
};
constexpr Toy::Step kAcquireA = [](Task&, Toy&) -> Action { return Acquire{kA}; };
constexpr Toy::Step kAcquireB = [](Task&, Toy&) -> Action { return Acquire{kB}; };
constexpr Toy::Step kReleaseA = [](Task&, Toy&) -> Action { return Release{kA}; };
constexpr Toy::Step kReleaseB = [](Task&, Toy&) -> Action { return Release{kB}; };
constexpr Toy::Step kEnter = [](Task&, Toy&) -> Action { return ReadLock{kReaders}; };
constexpr Toy::Step kLeave = [](Task&, Toy&) -> Action { return ReadUnlock{kReaders}; };
/// What the pointer in cell 0 points at: 0 is there for ever, what 1 points at is freed in cell 1.
constexpr Toy::Step kTakePointer = kRead;
constexpr Toy::Step kUsePointer = [](Task& task, Toy& toy) -> Action {
  if (task.locals[0] == 0 && toy.cells[1] == 1) toy.cells[2] = ToyWorld::kUsedAfterFree;
  return Compute{0};
};
constexpr Toy::Step kReplacePointer = [](Task&, Toy& toy) -> Action {
  toy.cells[0] = 1;
  return Compute{0};
};
constexpr Toy::Step kAwaitReaders = [](Task&, Toy&) -> Action { return Synchronize{kReaders}; };
constexpr Toy::Step kFreeOld = [](Task&, Toy& toy) -> Action {
  toy.cells[1] = 1;
  return Compute{0};
};
constexpr Toy::Step kSleep = [](Task&, Toy&) -> Action { return Sleep{5}; };
constexpr Toy::Step kWait = [](Task&, Toy&) -> Action { return Wait{kQueue, 7}; };
constexpr Toy::Step kWakeAll = [](Task&, Toy&) -> Action { return Wake{kQueue, WakeCount::All}; };
constexpr Toy::Step kDefer = [](Task&, Toy&) -> Action { return QueueWork{kWork}; };
constexpr Toy::Step kAwaitWork = [](Task&, Toy&) -> Action { return Flush{kWork}; };

/// So many steps, of which the last ends the program.
std::vector<Toy::Step> nothing(unsigned steps) {
  return std::vector<Toy::Step>(steps - 1, kNothing);
}

// ---- numbers of schedules

TEST(Explorer, TwoActorsOfTwelveStepsMakeTheirBinomialOfSchedules) {
  constexpr unsigned kSteps = kSlowBuild ? 7 : 12;
  const Toy::Programs programs = {nothing(kSteps), nothing(kSteps), {}};
  const auto found = explore_each(world_of(programs, 2));
  EXPECT_EQ(found.schedules, kSlowBuild ? 3432u : 2704156u);
  EXPECT_EQ(found.outcomes.size(), 1u);
  EXPECT_EQ(found.longest, 2 * kSteps);
  EXPECT_EQ(found.broken, 0u) << found.first_broken;
}

TEST(Explorer, ThreeActorsOfFourStepsMakeTheirMultinomialOfSchedules) {
  const Toy::Programs programs = {nothing(4), nothing(4), nothing(4), {}};
  EXPECT_EQ(explore_each(world_of(programs, 3)).schedules, 34650u);
}

TEST(Explorer, MergedSchedulesAreCountedAllTheSame) {
  const Toy::Programs two = {nothing(12), nothing(12), {}};
  EXPECT_EQ(explore_merged(world_of(two, 2)).schedules, 2704156u);
  const Toy::Programs three = {nothing(4), nothing(4), nothing(4), {}};
  EXPECT_EQ(explore_merged(world_of(three, 3)).schedules, 34650u);
  // 36!/(12!)^3, which nobody walks one by one.
  const Toy::Programs long_ones = {nothing(12), nothing(12), nothing(12), {}};
  EXPECT_EQ(explore_merged(world_of(long_ones, 3)).schedules, 3384731762521200u);
}

TEST(Explorer, NumbersTooLargeStayAtTheLargest) {
  const Toy::Programs programs = {nothing(24), nothing(24), nothing(24), {}};
  EXPECT_EQ(explore_merged(world_of(programs, 3)).schedules, ~std::uint64_t{0});
}

// ---- what is found

TEST(Explorer, FindsTheUpdateThatIsLost) {
  const Toy::Programs programs = {{kRead, kWriteOneMore}, {kRead, kWriteOneMore}, {}};
  const auto found = explore_each(world_of(programs, 2));
  EXPECT_EQ(found.schedules, 20u);
  const std::map<Outcome, std::uint64_t> expected = {{{{1, 0, 0}, false}, 12},
                                                     {{{2, 0, 0}, false}, 8}};
  EXPECT_EQ(found.outcomes, expected);
}

TEST(Explorer, ALockSavesIt) {
  const std::vector<Toy::Step> locked = {kAcquireA, kRead, kWriteOneMore, kReleaseA};
  const Toy::Programs programs = {locked, locked, {}};
  for (const LockKind kind : {LockKind::Mutex, LockKind::Spin}) {
    const auto found = explore_each(world_of(programs, 2, kind));
    ASSERT_EQ(found.outcomes.size(), 1u);
    EXPECT_EQ(found.outcomes.begin()->first, Outcome({2, 0, 0}, false));
    EXPECT_EQ(found.broken, 0u) << found.first_broken;
  }
}

TEST(Explorer, FindsTheDeadlockAndTellsHowItCameTo) {
  const Toy::Programs programs = {{kAcquireA, kAcquireB, kReleaseB, kReleaseA},
                                  {kAcquireB, kAcquireA, kReleaseA, kReleaseB},
                                  {}};
  const auto found = explore_each(world_of(programs, 2));
  EXPECT_EQ(found.outcomes.count({{0, 0, 0}, true}), 1u);
  EXPECT_EQ(found.outcomes.count({{0, 0, 0}, false}), 1u);
  // Even the schedule that comes through breaks the rule of order, which is learnt on the way.
  EXPECT_EQ(found.first_broken, "lock rule: AAAAABBBBB");
}

TEST(Explorer, FindsTheUseAfterFreeOfWhoDoesNotWaitForReaders) {
  const std::vector<Toy::Step> reader = {kEnter, kTakePointer, kUsePointer, kLeave};
  const Toy::Programs early = {reader, {kReplacePointer, kFreeOld}, {}};
  const auto found = explore_each(world_of(early, 2), Until::FirstBroken);
  EXPECT_EQ(found.first_broken, "used after free: AABBAAAB");
  const Toy::Programs after_grace = {reader, {kReplacePointer, kAwaitReaders, kFreeOld}, {}};
  for (const Duration delay : {Duration{0}, Duration{50}}) {
    const auto right = explore_each(world_of(after_grace, 2, LockKind::Mutex, delay));
    EXPECT_EQ(right.broken, 0u) << right.first_broken;
    EXPECT_EQ(right.outcomes.size(), 1u);
  }
}

TEST(Explorer, WorkAndDelaysAreActorsOfTheirOwn) {
  // The thread writes after it has queued work that does the same: one may be lost.
  const std::vector<Toy::Step> both = {kRead, kWriteOneMore};
  const Toy::Programs work = {{kDefer, kRead, kWriteOneMore}, both};
  EXPECT_EQ(explore_each(world_of(work, 1)).outcomes.size(), 2u);
  const Toy::Programs flushed = {{kDefer, kAwaitWork, kRead, kWriteOneMore}, both};
  EXPECT_EQ(explore_each(world_of(flushed, 1)).outcomes.size(), 1u);
  // So may one of two of which one sleeps first: no delay is long enough.
  const Toy::Programs sleeper = {{kSleep, kRead, kWriteOneMore}, both, {}};
  EXPECT_EQ(explore_each(world_of(sleeper, 2)).outcomes.size(), 2u);
}

TEST(Explorer, WhoNeverEndsIsCutOff) {
  const Toy::Step again = [](Task& task, Toy&) -> Action {
    task.pc = 0;
    return Compute{0};
  };
  const Toy::Programs programs = {{again}, {}};
  EXPECT_EQ(explore_each(world_of(programs, 1)).first_broken.substr(0, 13), "it never ends");
  EXPECT_EQ(explore_merged(world_of(programs, 1)).broken, 1u);
}

// ---- one explorer against the other

/// Programs of all that a host knows. Whoever holds two locks may deadlock; nobody minds. Work does
/// not queue itself, which would go on for ever.
Toy::Programs random_programs(Random& random, unsigned threads) {
  constexpr std::array kSteps = {kRead,         kRead,    kRead,     kWriteOneMore, kWriteOneMore,
                                 kWriteOneMore, kNothing, kAcquireA, kAcquireB,     kReleaseA,
                                 kReleaseB,     kEnter,   kLeave,    kUsePointer,   kFreeOld,
                                 kSleep,        kWait,    kWakeAll,  kAwaitReaders, kReplacePointer,
                                 kAwaitWork,    kDefer};
  Toy::Programs programs;
  for (unsigned n = 0; n < threads; ++n) {
    std::vector<Toy::Step> steps(1 + random.below(threads == 2 ? 4 : 2));
    for (Toy::Step& step : steps) step = kSteps[random.below(kSteps.size())];
    programs.push_back(steps);
  }
  programs.push_back({kSteps[random.below(kSteps.size() - 1)]});
  return programs;
}

TEST(Explorer, BothFindTheSameInRandomPrograms) {
  constexpr unsigned kRuns = kSlowBuild ? 100 : 1000;
  constexpr std::uint64_t kMostToWalk = 10'000;
  std::size_t walked = 0;
  std::size_t several = 0;  // of these, with more than one outcome
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    Random random(seed, hash_of("explorer"));
    const unsigned threads = seed % 2 == 0 ? 2 : 3;
    const Toy::Programs programs = random_programs(random, threads);
    const ToyWorld world = world_of(programs, threads, LockKind::Mutex, random.below(2) * 9);
    const auto merged = explore_merged(world);
    if (merged.schedules > kMostToWalk) continue;
    const auto each = explore_each(world);
    EXPECT_EQ(each.schedules, merged.schedules) << "seed " << seed;
    EXPECT_EQ(each.outcomes, merged.outcomes) << "seed " << seed;
    EXPECT_EQ(each.broken, merged.broken) << "seed " << seed;
    EXPECT_EQ(each.longest, merged.longest) << "seed " << seed;
    ++walked;
    several += each.outcomes.size() > 1;
  }
  std::printf("%zu of %u walked, %zu with several outcomes\n", walked, kRuns, several);
  EXPECT_GT(walked, kRuns / 2);
  EXPECT_GT(several, kRuns / 40);
}

}  // namespace
}  // namespace irqfab::test
