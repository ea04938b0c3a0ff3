// Who waits for whom, and which tasks can never go on.
#include <gtest/gtest.h>

#include "tests/models/host/rig.hpp"

namespace irqfab::host::test {
namespace {

using Binding = WorkqueueConfig::Binding;

HostMachine::Config four_cpus() {
  HostMachine::Config config;
  config.cpus = 4;
  config.slice = 0;
  return config;
}

class StandstillRig : public Rig {
 public:
  StandstillRig() : Rig(four_cpus()) {}

  LockId mutex(const char* name) {
    return machine.add_lock(LockKind::Mutex, machine.add_lock_class(name));
  }
  /// A task of its own that takes the first lock, works, and takes the second.
  TaskHandle takes(LockId first, LockId second) {
    const TaskHandle task = thread();
    start(task, {just(Acquire{first}), kDoWork, just(Acquire{second}), just(Release{second}),
                 just(Release{first})});
    return task;
  }
  /// "0:a>1 1:b>0": who waits for what, and for whom.
  static std::string told(const std::vector<Waiting>& waiting) {
    std::string text;
    for (const Waiting& each : waiting) {
      text += (text.empty() ? "" : " ") + std::to_string(raw(each.task)) + ':' + each.what + '>';
      for (const TaskId other : each.on) {
        text += (text.back() == '>' ? "" : ",") + std::to_string(raw(other));
      }
    }
    return text;
  }
};

TEST(Standstill, TwoLocksInBothOrders) {
  StandstillRig rig;
  const LockId a = rig.mutex("a"), b = rig.mutex("b");
  const TaskHandle first = rig.takes(a, b);
  rig.takes(b, a);
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.deadlocked()), "0:b>1 1:a>0");
  EXPECT_EQ(rig.machine.deadlocked().front().span, Rig::span_of(first));
  EXPECT_EQ(rig.machine.deadlocked().front().kind, WaitKind::Lock);
}

TEST(Standstill, WhoWaitsForThemIsPartOfItAndWhoHasALockAloneIsNot) {
  StandstillRig rig;
  const LockId a = rig.mutex("a"), b = rig.mutex("b"), c = rig.mutex("c");
  rig.takes(a, b);
  rig.takes(b, a);
  const TaskHandle third = rig.thread();
  rig.start(third, {just(Acquire{c}), kDoWork, just(Acquire{a})});
  const TaskHandle fourth = rig.thread();
  rig.start(fourth, {kDoWork, just(Acquire{c}), just(Release{c})});
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.deadlocked()), "0:b>1 1:a>0 2:a>0 3:c>2");
}

TEST(Standstill, ALockWhoseOwnerSleepsForOtherReasonsIsNoDeadlock) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  const WaitQueueId queue = rig.machine.add_wait_queue();
  const TaskHandle owner = rig.thread();
  rig.start(owner, {just(Acquire{a}), just(Wait{queue})});
  const TaskHandle other = rig.thread();
  rig.start(other, {kDoWork, just(Acquire{a})});
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.waiting()), "0:> 1:a>0");
  EXPECT_TRUE(rig.machine.deadlocked().empty());
}

TEST(Standstill, ALockThatIsAskedForTwice) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  rig.takes(a, a);
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.deadlocked()), "0:a>0");
}

TEST(Standstill, AGracePeriodUnderALockThatItsReaderTakes) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  const DomainId domain = rig.machine.add_domain("readers", {});
  const TaskHandle writer = rig.thread();
  rig.start(writer, {just(Acquire{a}), kDoWork, just(Synchronize{domain}), just(Release{a})});
  const TaskHandle reader = rig.thread();
  rig.start(reader, {just(ReadLock{domain}), kDoWork, kDoWork, just(Acquire{a}), just(Release{a}),
                     just(ReadUnlock{domain})});
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.deadlocked()), "0:readers>1 1:a>0");
  EXPECT_EQ(rig.machine.deadlocked().front().kind, WaitKind::GracePeriod);
}

TEST(Standstill, AGracePeriodWaitsForEachReaderButForNoneThatCameLater) {
  StandstillRig rig;
  const DomainId domain = rig.machine.add_domain("readers", {});
  const WaitQueueId queue = rig.machine.add_wait_queue();
  const auto reads_from = [&](Time time) {
    const TaskHandle reader = rig.thread();
    rig.start(reader, {just(ReadLock{domain}), just(Wait{queue}), just(ReadUnlock{domain})}, time);
  };
  reads_from(0);
  reads_from(10);
  const TaskHandle writer = rig.thread();
  rig.start(writer, {just(Synchronize{domain})}, 1000);
  reads_from(2000);
  rig.run();
  EXPECT_EQ(rig.told(rig.machine.waiting()), "0:> 1:> 2:readers>0,1 3:>");
  EXPECT_TRUE(rig.machine.deadlocked().empty()) << "somebody may wake them";
}

TEST(Standstill, WorkThatIsFlushedUnderALockThatItTakes) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  const WorkqueueId queue = rig.machine.add_workqueue({});
  const WorkId work =
      rig.machine.add_work(queue, rig.machine.add_work_class("item"),
                           rig.script.add({kDoWork, just(Acquire{a}), just(Release{a})}), {});
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Acquire{a}), just(QueueWork{work}), just(Flush{work}), just(Release{a})});
  rig.run();
  const std::vector<Waiting> found = rig.machine.deadlocked();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(rig.machine.is_worker(found[0].task));
  EXPECT_FALSE(rig.machine.is_worker(found[1].task));
  EXPECT_EQ(found[0].what, "a");
  EXPECT_EQ(found[1].what, "item");
  EXPECT_EQ(found[1].on, std::vector<TaskId>{found[0].task});
}

/// Two items for one kworker; the first waits for a lock under which the second is waited for.
class OneKworker : public testing::TestWithParam<std::uint16_t> {};

TEST_P(OneKworker, WorkThatWaitsForAKworkerWhichCannotEnd) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  const WorkqueueId queue =
      rig.machine.add_workqueue({Binding::Unbound, GetParam(), Priority::Normal});
  const LockClassId cls = rig.machine.add_work_class("item");
  const WorkId first =
      rig.machine.add_work(queue, cls, rig.script.add({just(Acquire{a}), just(Release{a})}), {});
  const WorkId second = rig.machine.add_work(queue, cls, rig.script.add({kDoWork}), {});
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Acquire{a}), just(QueueWork{first}), kDoWork, just(QueueWork{second}),
                   just(Flush{second}), just(Release{a})});
  rig.run();
  EXPECT_EQ(rig.machine.deadlocked().size(), GetParam() == 1 ? 2u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Kworkers, OneKworker, testing::Values(1, 2));

TEST(Standstill, AFlushOfAWholeQueueWaitsForWhatWasQueuedBefore) {
  StandstillRig rig;
  const LockId a = rig.mutex("a");
  const WorkqueueId queue = rig.machine.add_workqueue({});
  const WorkId work =
      rig.machine.add_work(queue, rig.machine.add_work_class("item"),
                           rig.script.add({just(Acquire{a}), just(Release{a})}), {});
  const TaskHandle task = rig.thread();
  rig.start(task, {just(Acquire{a}), just(QueueWork{work}), kDoWork, just(FlushQueue{queue})});
  rig.run();
  const std::vector<Waiting> found = rig.machine.deadlocked();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].kind, WaitKind::Workqueue);
  EXPECT_EQ(found[1].on, std::vector<TaskId>{found[0].task});
}

TEST(Standstill, AMachineThatHasComeToRestHasNone) {
  StandstillRig rig;
  const LockId a = rig.mutex("a"), b = rig.mutex("b");
  rig.takes(a, b);
  rig.takes(a, b);
  rig.run();
  EXPECT_TRUE(rig.machine.waiting().empty());
  EXPECT_TRUE(rig.machine.deadlocked().empty());
}

}  // namespace
}  // namespace irqfab::host::test
