// Deadlocks of tasks: waits for locks, grace periods and work that lead back to where they began.
//
// Models the wait-for graph of a set of tasks. A lock waits for its owner; a grace period for all
// of its readers; work for the kworker that has it, or, while all that may run it have other work,
// for any of them. The tasks that can never go on are the largest set in which everybody waits for
// somebody else in the set. Who waits for anything else (a wait queue, time, an eventfd) may be
// woken by what comes from outside, and so is never in it. Not modelled: a task that is ready and
// never gets a CPU, as when an interrupt spins for the lock of the task below it.
#include <algorithm>

#include "models/host/host_machine.hpp"

namespace irqfab::host {
namespace {

bool contains(const std::vector<TaskId>& tasks, TaskId task) {
  return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

}  // namespace

std::vector<Waiting> HostMachine::waiting() const {
  std::vector<Waiting> all;
  for (std::size_t slot = 0; slot < tasks_.slots(); ++slot) {
    const auto task = TaskId(slot);
    if (tasks_[task].alive && tasks_[task].waits_for != WaitKind::None)
      all.push_back(waiting(task));
  }
  return all;
}

std::vector<Waiting> HostMachine::deadlocked() const {
  std::vector<bool> never(tasks_.slots());
  for (std::size_t slot = 0; slot < never.size(); ++slot) {
    const TaskRow& row = tasks_[TaskId(slot)];
    never[slot] = row.alive && row.waits_for != WaitKind::None;
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t slot = 0; slot < never.size(); ++slot) {
      if (!never[slot] || can_never_go_on(TaskId(slot), never)) continue;
      never[slot] = false;
      changed = true;
    }
  }
  std::vector<Waiting> found;
  for (std::size_t slot = 0; slot < never.size(); ++slot) {
    if (never[slot]) found.push_back(waiting(TaskId(slot)));
  }
  return found;
}

Waiting HostMachine::waiting(TaskId task) const {
  const TaskRow& row = tasks_[task];
  Waiting found{task, row.task.span, row.waits_for, "", {}};
  const auto name = [this](LockClassId cls) { return order_.name(cls); };
  switch (row.waits_for) {
    case WaitKind::Lock:
      found.what = name(locks_[row.wait_object].cls);
      found.on = {locks_[row.wait_object].owner};
      break;
    case WaitKind::GracePeriod:
      found.what = name(domains_[row.wait_object].cls);
      found.on = readers_before(task);
      break;
    case WaitKind::Work:
    case WaitKind::Workqueue:
      for (const WorkId work : awaited_by(row)) {
        if (found.what.empty()) found.what = name(works_[raw(work)].cls);
        for (const TaskId runner : runners_of(work)) {
          if (!contains(found.on, runner)) found.on.push_back(runner);
        }
      }
      break;
    case WaitKind::Queue:
    case WaitKind::Timer:
    case WaitKind::EventFd:
    case WaitKind::None:
      break;
  }
  return found;
}

bool HostMachine::can_never_go_on(TaskId task, const std::vector<bool>& never) const {
  const TaskRow& row = tasks_[task];
  const auto is_stuck = [&never](TaskId other) { return never[raw(other)]; };
  switch (row.waits_for) {
    case WaitKind::Lock:
      return is_stuck(locks_[row.wait_object].owner);
    case WaitKind::GracePeriod: {
      const std::vector<TaskId> readers = readers_before(task);
      return std::any_of(readers.begin(), readers.end(), is_stuck);
    }
    case WaitKind::Work:
    case WaitKind::Workqueue: {
      const std::vector<WorkId> works = awaited_by(row);
      return std::any_of(works.begin(), works.end(),
                         [&](WorkId work) { return can_never_end(work, never); });
    }
    case WaitKind::Queue:
    case WaitKind::Timer:
    case WaitKind::EventFd:
    case WaitKind::None:
      break;
  }
  return false;
}

bool HostMachine::can_never_end(WorkId work, const std::vector<bool>& never) const {
  const std::vector<TaskId> runners = runners_of(work);
  return !runners.empty() && std::all_of(runners.begin(), runners.end(),
                                         [&never](TaskId runner) { return never[raw(runner)]; });
}

/// Readers that a task's grace period waits for. Those who wait for the period under way need not
/// mind the readers who came after it began.
std::vector<TaskId> HostMachine::readers_before(TaskId task) const {
  const Domain& domain = domains_[tasks_[task].wait_object];
  bool under_way = false;
  for (TaskId each = domain.waiting.head; each != kNoTask; each = tasks_[each].next) {
    under_way = under_way || each == task;
  }
  std::vector<TaskId> readers;
  for (std::size_t slot = 0; slot < tasks_.slots(); ++slot) {
    const TaskRow& row = tasks_[TaskId(slot)];
    for (std::size_t i = 0; row.alive && i < row.section_count; ++i) {
      const ReadSection section = row.sections[i];
      const bool counts = !under_way || section.side != domain.side;
      const bool is_of_domain = raw(section.domain) == tasks_[task].wait_object;
      if (is_of_domain && counts && !contains(readers, TaskId(slot))) {
        readers.push_back(TaskId(slot));
      }
    }
  }
  return readers;
}

/// Who runs the item; or, while it waits for a kworker that has other work, who may come to run it.
/// None if one may begin at once.
std::vector<TaskId> HostMachine::runners_of(WorkId id) const {
  const Work& work = works_[raw(id)];
  if (work.runner != kNoTask) return {work.runner};
  std::vector<TaskId> runners;
  for (std::size_t number = 0; number < pools_.size(); ++number) {
    const Pool& pool = pools_[number];
    bool is_here = false;
    for (WorkId each = pool.first; each != kNoWork; each = works_[raw(each)].next) {
      is_here = is_here || each == id;
    }
    if (!is_here || pool.busy < workqueues_[raw(pool.queue)].config.max_workers) continue;
    for (std::size_t slot = 0; slot < tasks_.slots(); ++slot) {
      const TaskRow& row = tasks_[TaskId(slot)];
      if (row.alive && row.pool == number && row.work != kNoWork) runners.push_back(TaskId(slot));
    }
  }
  return runners;
}

/// Items that a flush still waits for.
std::vector<WorkId> HostMachine::awaited_by(const TaskRow& row) const {
  if (row.waits_for == WaitKind::Work) return {WorkId(row.wait_object)};
  std::vector<WorkId> works;
  for (std::size_t id = 0; id < works_.size(); ++id) {
    const bool is_of_queue = raw(works_[id].queue) == row.wait_object;
    if (is_of_queue && outstanding(WorkId(id), row.wait_until)) works.push_back(WorkId(id));
  }
  return works;
}

}  // namespace irqfab::host
