// Locks: waiting in order of arrival, and the rules of use.
#include <algorithm>
#include <cassert>

#include "models/host/host_machine.hpp"

namespace irqfab::host {
namespace {

/// +1 when a lock of this kind is asked for, -1 when it is released.
void shift_atomic(TaskRow& row, LockKind kind, int by) {
  const auto shift = [by](std::uint8_t& count) { count = static_cast<std::uint8_t>(count + by); };
  if (kind == LockKind::Mutex) return;
  shift(row.preempt_off);
  if (kind == LockKind::Spin) return;
  shift(row.soft_irq_off);
  if (kind == LockKind::SpinIrq) shift(row.hard_irq_off);
}

}  // namespace

void HostMachine::acquire(TaskId task, LockId id, Env& env) {
  assert(raw(id) < locks_.size());
  Lock& lock = locks_[raw(id)];
  TaskRow& row = tasks_[task];
  if (!room_to_hold(task, lock.cls)) return;
  if (lock.owner == task) {
    report(ViolationKind::Recursion, lock.cls, task, Chain{});
  } else {
    learn_order(task, lock.cls);
  }
  shift_atomic(row, lock.kind, +1);
  if (lock.kind == LockKind::Mutex) {
    may_sleep(task);
    row.task.outcome = Outcome::None;
  } else {
    learn_usage(row, lock);
  }
  while (const std::optional<Chain> hazard = order_.new_interrupt_hazard()) {
    report(ViolationKind::IrqUnsafe, lock.cls, task, *hazard);
  }
  if (lock.owner == kNoTask) {
    lock.owner = task;
    row.held.add({lock.cls, row.site});
    env.note(Event::LockAcquired, row.task.span, raw(id));
  } else if (lock.kind == LockKind::Mutex && row.context == Context::Task) {
    block(task, WaitKind::Lock, raw(id), env);
  } else {
    row.state = TaskState::Spinning;
    row.waits_for = WaitKind::Lock;
    row.wait_object = raw(id);
    tasks_.push_back(lock.waiters, task);
  }
}

void HostMachine::release(TaskId task, LockId id, Env& env) {
  assert(raw(id) < locks_.size());
  Lock& lock = locks_[raw(id)];
  TaskRow& row = tasks_[task];
  if (lock.owner != task) {
    report(ViolationKind::Unbalanced, lock.cls, task, Chain{});
    row.task.outcome = Outcome::Refused;
    return;
  }
  row.held.remove(lock.cls);
  shift_atomic(row, lock.kind, -1);
  env.note(Event::LockReleased, row.task.span, raw(id));
  hand_over(id, env);
}

/// To whoever waits longest, so nobody overtakes: a ticket lock, or a mutex with hand-off.
void HostMachine::hand_over(LockId id, Env& env) {
  Lock& lock = locks_[raw(id)];
  lock.owner = lock.waiters.head;
  if (lock.owner == kNoTask) return;
  TaskRow& next = tasks_[lock.owner];
  next.held.add({lock.cls, next.site});
  next.resume = Resume::LockAcquired;
  if (next.state == TaskState::Blocked) return unblock(lock.owner, Outcome::None, env);
  tasks_.remove(lock.waiters, lock.owner);
  next.waits_for = WaitKind::None;
  next.state = TaskState::Running;
  touch(next.cpu);
}

// ---- the rules

bool HostMachine::room_to_hold(TaskId task, LockClassId cls) {
  TaskRow& row = tasks_[task];
  if (!row.held.full()) return true;
  report(ViolationKind::TooDeep, cls, task, Chain{});
  row.task.outcome = Outcome::Refused;
  return false;
}

void HostMachine::learn_order(TaskId task, LockClassId wanted) {
  const TaskRow& row = tasks_[task];
  const bool inside_itself = order_.kind(wanted) != ClassKind::Lock && row.held.has(wanted);
  std::optional<Chain> known = order_.learn(row.held, wanted, row.site);
  if (inside_itself) known = Chain{};
  if (!known) return;
  const auto involves = [this, wanted, &known](ClassKind kind) {
    return order_.kind(wanted) == kind ||
           std::any_of(known->begin(), known->end(), [this, kind](const ChainLink& link) {
             return order_.kind(link.cls) == kind;
           });
  };
  const ViolationKind kind = involves(ClassKind::Domain) ? ViolationKind::GracePeriodDeadlock
                             : involves(ClassKind::Work) ? ViolationKind::FlushDeadlock
                                                         : ViolationKind::LockOrder;
  report(kind, wanted, task, *known);
}

/// Called with the lock's own effect on interrupts in force already.
void HostMachine::learn_usage(const TaskRow& row, const Lock& lock) {
  if (row.context == Context::HardIrq) return order_.learn(lock.cls, Usage::InHardIrq);
  if (row.hard_irq_off == 0) order_.learn(lock.cls, Usage::UnderEnabledHardIrq);
  if (row.context == Context::SoftIrq) return order_.learn(lock.cls, Usage::InSoftIrq);
  if (row.soft_irq_off == 0) order_.learn(lock.cls, Usage::UnderEnabledSoftIrq);
}

void HostMachine::report(ViolationKind kind, std::optional<LockClassId> wanted, TaskId task,
                         const Chain& known) {
  const TaskRow& row = tasks_[task];
  for (Violation& earlier : violations_) {
    if (earlier.kind == kind && earlier.wanted == wanted && earlier.site == row.site) {
      ++earlier.times;
      return;
    }
  }
  if (violations_.size() == kMaxViolations) return;
  violations_.push_back({kind, wanted, task, row.site, row.held, known, 1});
}

}  // namespace irqfab::host
