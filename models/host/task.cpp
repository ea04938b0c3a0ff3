#include "models/host/task.hpp"

#include <tuple>

namespace irqfab::host {
namespace {

auto scheduling_of(const TaskRow& r) {
  return std::tie(r.generation, r.state, r.alive, r.context, r.priority, r.at_end, r.allowed, r.cpu,
                  r.has_run, r.slept, r.next, r.previous, r.in_guest, r.must_step, r.resume,
                  r.compute_left);
}

auto waiting_of(const TaskRow& r) {
  return std::tie(r.waits_for, r.wait_object, r.wait_until, r.timer, r.on_timeout, r.late);
}

auto holdings_of(const TaskRow& r) {
  return std::tie(r.site, r.held, r.sections, r.section_count, r.preempt_off, r.soft_irq_off,
                  r.hard_irq_off);
}

auto work_of(const TaskRow& r) {
  return std::tie(r.pool, r.work, r.starts_work, r.first_call, r.last_call);
}

}  // namespace

bool operator==(const TaskRow& a, const TaskRow& b) {
  return a.task == b.task && scheduling_of(a) == scheduling_of(b) &&
         waiting_of(a) == waiting_of(b) && holdings_of(a) == holdings_of(b) &&
         work_of(a) == work_of(b);
}

TaskId TaskTable::create() {
  TaskId id = kNoTask;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else if (rows_.size() < raw(kNoTask)) {
    id = TaskId(rows_.size());
    rows_.emplace_back();
  } else {
    return kNoTask;
  }
  rows_[raw(id)].alive = true;
  return id;
}

void TaskTable::destroy(TaskId id) {
  TaskRow& row = rows_[raw(id)];
  const std::uint32_t generation = row.generation + 1;
  row = TaskRow{};
  row.generation = generation;
  free_.push_back(id);
}

TaskId TaskTable::find(TaskHandle handle) const {
  if (raw(handle.slot) >= rows_.size()) return kNoTask;
  const TaskRow& row = rows_[raw(handle.slot)];
  return row.alive && row.generation == handle.generation ? handle.slot : kNoTask;
}

void TaskTable::push_back(TaskQueue& queue, TaskId id) {
  TaskRow& row = rows_[raw(id)];
  row.previous = queue.tail;
  row.next = kNoTask;
  (queue.empty() ? queue.head : rows_[raw(queue.tail)].next) = id;
  queue.tail = id;
}

void TaskTable::push_front(TaskQueue& queue, TaskId id) {
  TaskRow& row = rows_[raw(id)];
  row.previous = kNoTask;
  row.next = queue.head;
  (queue.empty() ? queue.tail : rows_[raw(queue.head)].previous) = id;
  queue.head = id;
}

TaskId TaskTable::pop_front(TaskQueue& queue) {
  const TaskId id = queue.head;
  if (id != kNoTask) remove(queue, id);
  return id;
}

void TaskTable::remove(TaskQueue& queue, TaskId id) {
  TaskRow& row = rows_[raw(id)];
  (row.previous == kNoTask ? queue.head : rows_[raw(row.previous)].next) = row.next;
  (row.next == kNoTask ? queue.tail : rows_[raw(row.next)].previous) = row.previous;
  row.next = row.previous = kNoTask;
}

}  // namespace irqfab::host
