#include "models/host/task.hpp"

#include <gtest/gtest.h>

namespace irqfab::host {
namespace {

std::vector<TaskId> content(const TaskTable& tasks, const TaskQueue& queue) {
  std::vector<TaskId> ids;
  for (TaskId id = queue.head; id != kNoTask; id = tasks[id].next) ids.push_back(id);
  return ids;
}

TEST(TaskTable, AHandleDoesNotReachTheNextTaskInItsSlot) {
  TaskTable tasks;
  const TaskHandle old = tasks.handle(tasks.create());
  EXPECT_EQ(tasks.find(old), old.slot);
  tasks.destroy(old.slot);
  EXPECT_EQ(tasks.find(old), kNoTask);
  const TaskId young = tasks.create();
  EXPECT_EQ(young, old.slot);
  EXPECT_EQ(tasks.find(old), kNoTask);
  EXPECT_EQ(tasks.find(tasks.handle(young)), young);
  EXPECT_EQ(tasks.find(TaskHandle{}), kNoTask);
}

TEST(TaskTable, AQueueKeepsItsOrder) {
  TaskTable tasks;
  TaskQueue queue;
  const TaskId a = tasks.create(), b = tasks.create(), c = tasks.create();
  tasks.push_back(queue, a);
  tasks.push_back(queue, b);
  tasks.push_front(queue, c);
  EXPECT_EQ(content(tasks, queue), (std::vector<TaskId>{c, a, b}));
  EXPECT_EQ(tasks.pop_front(queue), c);
  EXPECT_EQ(tasks.pop_front(queue), a);
  EXPECT_EQ(tasks.pop_front(queue), b);
  EXPECT_EQ(tasks.pop_front(queue), kNoTask);
  EXPECT_TRUE(queue.empty());
}

TEST(TaskTable, ATaskLeavesAQueueFromAnyPlace) {
  for (std::size_t leaves = 0; leaves < 3; ++leaves) {
    TaskTable tasks;
    TaskQueue queue;
    std::vector<TaskId> ids = {tasks.create(), tasks.create(), tasks.create()};
    for (const TaskId id : ids) tasks.push_back(queue, id);
    tasks.remove(queue, ids[leaves]);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(leaves));
    EXPECT_EQ(content(tasks, queue), ids);
    EXPECT_EQ(queue.tail, ids.back());
    tasks.push_back(queue, tasks.create());
    EXPECT_EQ(content(tasks, queue).size(), 3u);
  }
}

TEST(CpuMask, GivesItsCpusInOrder) {
  CpuMask mask;
  EXPECT_TRUE(mask.empty());
  for (const unsigned cpu : {200u, 3u, 64u}) mask.add(HostCpu(cpu));
  EXPECT_TRUE(mask.has(HostCpu{64}));
  EXPECT_FALSE(mask.has(HostCpu{65}));
  EXPECT_EQ(mask.pop_lowest(), HostCpu{3});
  EXPECT_EQ(mask.pop_lowest(), HostCpu{64});
  EXPECT_EQ(mask.pop_lowest(), HostCpu{200});
  EXPECT_EQ(mask.pop_lowest(), std::nullopt);
}

TEST(CpuMask, IntersectsAndCompares) {
  EXPECT_TRUE((CpuMask::first(3) & CpuMask::only(HostCpu{2})) == CpuMask::only(HostCpu{2}));
  EXPECT_TRUE((CpuMask::first(2) & CpuMask::only(HostCpu{2})).empty());
  EXPECT_TRUE(CpuMask::first(kMaxHostCpus).has(HostCpu{255}));
}

}  // namespace
}  // namespace irqfab::host
