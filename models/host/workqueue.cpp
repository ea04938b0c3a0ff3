// Workqueues: items, the kworkers that run them, and waiting for items.
#include <cassert>
#include <utility>

#include "models/host/host_machine.hpp"

namespace irqfab::host {

Outcome HostMachine::queue_work(WorkId id, SpanId span, HostCpu cpu, Env& env) {
  assert(raw(id) < works_.size());
  Work& work = works_[raw(id)];
  if (work.queued) return Outcome::AlreadyQueued;
  Workqueue& queue = workqueues_[raw(work.queue)];
  work.queued = true;
  work.span = span;
  work.queued_as = ++queue.queueings;
  std::uint16_t pool = queue.first_pool;
  if (work.runner != kNoTask) {
    // An item never runs twice at once: it goes where it runs, and waits there for its own end.
    pool = tasks_[work.runner].pool;
  } else if (queue.config.binding == WorkqueueConfig::Binding::PerCpu) {
    pool = static_cast<std::uint16_t>(pool + raw(cpu));
  }
  Pool& list = pools_[pool];
  (list.first == kNoWork ? list.first : works_[raw(list.last)].next) = id;
  list.last = id;
  start_workers(pool, env);
  return Outcome::None;
}

void HostMachine::start_workers(std::uint16_t pool, Env& env) {
  for (WorkId work = next_work(pool); work != kNoWork; work = next_work(pool)) {
    const TaskId worker = tasks_.pop_front(pools_[pool].idle);
    give(worker, work);
    tasks_[worker].slept = true;
    env.note(Event::TaskWoken, tasks_[worker].task.span, raw(worker));
    make_ready(worker, env);
  }
}

/// Takes the oldest item that may start now out of the pool's list.
WorkId HostMachine::next_work(std::uint16_t number) {
  Pool& pool = pools_[number];
  const WorkqueueConfig& config = workqueues_[raw(pool.queue)].config;
  if (pool.busy == config.max_workers) return kNoWork;
  if (config.binding == WorkqueueConfig::Binding::PerCpu && pool.awake > 0) return kNoWork;
  WorkId before = kNoWork;
  for (WorkId id = pool.first; id != kNoWork; before = id, id = works_[raw(id)].next) {
    Work& work = works_[raw(id)];
    if (work.runner != kNoTask) continue;
    (before == kNoWork ? pool.first : works_[raw(before)].next) = work.next;
    if (pool.last == id) pool.last = before;
    work.next = kNoWork;
    return id;
  }
  return kNoWork;
}

/// The item stays queued until the worker's first step, so another request until then is one with
/// it.
void HostMachine::give(TaskId worker, WorkId id) {
  TaskRow& row = tasks_[worker];
  Work& work = works_[raw(id)];
  Pool& pool = pools_[row.pool];
  row.task = Task{};
  row.task.program = work.program;
  row.task.locals = work.locals;
  row.task.span = work.span;
  row.work = id;
  row.starts_work = true;
  work.runner = worker;
  ++pool.busy;
  ++pool.awake;
}

void HostMachine::begin_work(TaskId worker) {
  TaskRow& row = tasks_[worker];
  Work& work = works_[raw(row.work)];
  row.starts_work = false;
  row.held.add({work.cls, {work.program, 0}});
  work.queued = false;
  work.running_as = work.queued_as;
}

void HostMachine::end_work(TaskId worker, Env& env) {
  TaskRow& row = tasks_[worker];
  Pool& pool = pools_[row.pool];
  const WorkId ended = std::exchange(row.work, kNoWork);
  row.held.remove(works_[raw(ended)].cls);
  leave_everything(worker, env);
  works_[raw(ended)].runner = kNoTask;
  --pool.busy;
  --pool.awake;
  wake_flushers(ended, env);
  if (const WorkId next = next_work(row.pool); next != kNoWork) return give(worker, next);
  leave_cpu(row);
  row.state = TaskState::Parked;
  tasks_.push_back(pool.idle, worker);
}

void HostMachine::worker_slept(TaskRow& row, Env& env) {
  --pools_[row.pool].awake;
  start_workers(row.pool, env);
}

void HostMachine::worker_woke(TaskRow& row) { ++pools_[row.pool].awake; }

// ---- flushing

bool HostMachine::outstanding(WorkId id, std::uint64_t until) const {
  const Work& work = works_[raw(id)];
  return (work.queued && work.queued_as <= until) || (running(id) && work.running_as <= until);
}

bool HostMachine::outstanding(WorkqueueId queue, std::uint64_t until) const {
  for (std::size_t id = 0; id < works_.size(); ++id) {
    if (works_[id].queue == queue && outstanding(WorkId(id), until)) return true;
  }
  return false;
}

void HostMachine::flush(TaskId task, WorkId id, Env& env) {
  assert(raw(id) < works_.size());
  const Work& work = works_[raw(id)];
  learn_order(task, work.cls);
  if (!may_sleep(task)) return;
  const std::uint64_t until = workqueues_[raw(work.queue)].queueings;
  if (!outstanding(id, until)) return;
  tasks_[task].wait_until = until;
  block(task, WaitKind::Work, raw(id), env);
}

void HostMachine::flush(TaskId task, WorkqueueId queue, Env& env) {
  assert(raw(queue) < workqueues_.size());
  for (const Work& work : works_) {
    if (work.queue == queue) learn_order(task, work.cls);
  }
  if (!may_sleep(task)) return;
  const std::uint64_t until = workqueues_[raw(queue)].queueings;
  if (!outstanding(queue, until)) return;
  tasks_[task].wait_until = until;
  block(task, WaitKind::Workqueue, raw(queue), env);
}

void HostMachine::wake_flushers(WorkId id, Env& env) {
  const WorkqueueId queue = works_[raw(id)].queue;
  for (TaskId task = works_[raw(id)].flushers.head; task != kNoTask;) {
    const TaskId next = tasks_[task].next;
    if (!outstanding(id, tasks_[task].wait_until)) unblock(task, Outcome::None, env);
    task = next;
  }
  for (TaskId task = workqueues_[raw(queue)].flushers.head; task != kNoTask;) {
    const TaskId next = tasks_[task].next;
    if (!outstanding(queue, tasks_[task].wait_until)) unblock(task, Outcome::None, env);
    task = next;
  }
}

}  // namespace irqfab::host
