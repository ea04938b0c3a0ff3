// Sleeping and waking: wait queues, timers, eventfds.
#include <utility>

#include "models/host/host_machine.hpp"

namespace irqfab::host {

/// Reports a sleep where there must be none. False in an interrupt, which has nothing to sleep as;
/// a task sleeps all the same, and whoever waits for its spin lock finds out.
bool HostMachine::may_sleep(TaskId task) {
  TaskRow& row = tasks_[task];
  bool atomic = row.context != Context::Task || row.preempt_off > 0;
  for (std::size_t i = 0; i < row.section_count; ++i) {
    const Domain& domain = domains_[raw(row.sections[i].domain)];
    atomic = atomic || domain.config.readers == GracePeriodConfig::Readers::MustNotSleep;
  }
  if (atomic) report(ViolationKind::SleepInAtomic, std::nullopt, task, Chain{});
  if (row.context == Context::Task) return true;
  row.task.outcome = Outcome::Refused;
  return false;
}

void HostMachine::block(TaskId task, WaitKind kind, std::uint32_t object, Env& env) {
  TaskRow& row = tasks_[task];
  row.state = TaskState::Blocked;
  row.waits_for = kind;
  row.wait_object = object;
  row.late = false;
  leave_cpu(row);
  if (TaskQueue* queue = queue_of(row)) tasks_.push_back(*queue, task);
  if (row.pool != kNoPool) worker_slept(row, env);
}

void HostMachine::unblock(TaskId task, Outcome outcome, Env& env) {
  TaskRow& row = tasks_[task];
  if (TaskQueue* queue = queue_of(row)) tasks_.remove(*queue, task);
  row.waits_for = WaitKind::None;
  cancel_timer(row.timer);
  row.task.outcome = outcome == Outcome::Woken && row.late ? Outcome::WokenLate : outcome;
  if (row.pool != kNoPool) worker_woke(row);
  row.slept = true;
  env.note(Event::TaskWoken, row.task.span, raw(task));
  make_ready(task, env);
}

/// Where a task that waits for this stands; none for a plain sleep. Those who wait for the grace
/// period under way are not told apart here: see end_grace_period.
TaskQueue* HostMachine::queue_of(const TaskRow& row) {
  switch (row.waits_for) {
    case WaitKind::Lock:
      return &locks_[row.wait_object].waiters;
    case WaitKind::Queue:
      return &wait_queues_[row.wait_object];
    case WaitKind::GracePeriod:
      return &domains_[row.wait_object].waiting_next;
    case WaitKind::Work:
      return &works_[row.wait_object].flushers;
    case WaitKind::Workqueue:
      return &workqueues_[row.wait_object].flushers;
    case WaitKind::EventFd:
      return &eventfds_.readers(static_cast<std::uint16_t>(row.wait_object));
    case WaitKind::Timer:
    case WaitKind::None:
      break;
  }
  return nullptr;
}

// ---- timers

void HostMachine::start_timer(TaskId task, Duration delay, Env& env) {
  TaskRow& row = tasks_[task];
  row.timer = timers_.start(Timer::Kind::Task, raw(task));
  env.after(delay, timer_tag(row.timer), LaneId{raw(row.cpu)});
}

void HostMachine::cancel_timer(std::uint32_t& timer) {
  if (timer != kNoTimer) timers_.cancel(std::exchange(timer, kNoTimer));
}

void HostMachine::task_timer_elapsed(TaskId task, Env& env) {
  TaskRow& row = tasks_[task];
  row.timer = kNoTimer;
  if (row.state == TaskState::Occupying) return end_occupation(row, Outcome::TimedOut);
  if (row.waits_for == WaitKind::Timer) return unblock(task, Outcome::None, env);
  if (row.on_timeout == OnTimeout::Wake) return unblock(task, Outcome::TimedOut, env);
  row.late = true;
}

// ---- waiting

void HostMachine::wait(TaskId task, const Wait& wait, Env& env) {
  if (!may_sleep(task)) return;
  if (wait.timeout > 0) start_timer(task, wait.timeout, env);
  tasks_[task].on_timeout = wait.on_timeout;
  block(task, WaitKind::Queue, raw(wait.queue), env);
}

void HostMachine::sleep(TaskId task, Duration length, Env& env) {
  if (!may_sleep(task)) return;
  start_timer(task, length, env);
  block(task, WaitKind::Timer, 0, env);
}

void HostMachine::wake(WaitQueueId queue, WakeCount count, Env& env) {
  TaskQueue& waiters = wait_queues_[raw(queue)];
  while (!waiters.empty()) {
    unblock(waiters.head, Outcome::Woken, env);
    if (count == WakeCount::One) return;
  }
}

void HostMachine::wake(TaskId task, Env& env) {
  if (task == kNoTask) return;
  TaskRow& row = tasks_[task];
  if (row.state == TaskState::Occupying) return end_occupation(row, Outcome::Woken);
  if (row.waits_for == WaitKind::Queue || row.waits_for == WaitKind::Timer ||
      row.waits_for == WaitKind::EventFd) {
    unblock(task, Outcome::Woken, env);
  }
}

// ---- eventfds

void HostMachine::read_eventfd(TaskId task, EventFdHandle eventfd, Env& env) {
  TaskRow& row = tasks_[task];
  row.task.value = eventfds_.consume(eventfd);
  if (row.task.value > 0) return;
  if (!eventfds_.open(eventfd)) {
    row.task.outcome = Outcome::Refused;
    return;
  }
  if (!may_sleep(task)) return;
  row.wait_until = eventfd.generation;
  block(task, WaitKind::EventFd, eventfd.slot, env);
}

/// All of them: the first to run takes what there is, the others sleep again.
void HostMachine::wake_readers(TaskQueue& readers, Outcome outcome, Resume resume, Env& env) {
  while (!readers.empty()) {
    const TaskId reader = readers.head;
    tasks_[reader].resume = resume;
    unblock(reader, outcome, env);
  }
}

}  // namespace irqfab::host
