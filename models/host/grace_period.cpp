// Grace periods (RCU, SRCU): waiting until every reader that was inside has left.
#include <cassert>

#include "models/host/host_machine.hpp"

namespace irqfab::host {

void HostMachine::read_lock(TaskId task, DomainId id) {
  assert(raw(id) < domains_.size());
  Domain& domain = domains_[raw(id)];
  TaskRow& row = tasks_[task];
  if (!room_to_hold(task, domain.cls)) return;
  row.sections[row.section_count++] = {id, domain.side};
  row.held.add({domain.cls, row.site});
  ++domain.readers[domain.side];
}

void HostMachine::read_unlock(TaskId task, DomainId id, Env& env) {
  assert(raw(id) < domains_.size());
  Domain& domain = domains_[raw(id)];
  TaskRow& row = tasks_[task];
  std::size_t at = row.section_count;
  while (at > 0 && !(row.sections[at - 1].domain == id)) --at;
  if (at == 0) {
    report(ViolationKind::Unbalanced, domain.cls, task, Chain{});
    row.task.outcome = Outcome::Refused;
    return;
  }
  const std::uint8_t side = row.sections[at - 1].side;
  for (; at < row.section_count; ++at) row.sections[at - 1] = row.sections[at];
  row.sections[--row.section_count] = ReadSection{};
  row.held.remove(domain.cls);
  --domain.readers[side];
  const bool last = side != domain.side && domain.readers[side] == 0;
  if (last && domain.phase == GracePhase::Attentive) end_grace_period(id, env);
}

void HostMachine::synchronize(TaskId task, const Synchronize& how, Env& env) {
  assert(raw(how.domain) < domains_.size());
  Domain& domain = domains_[raw(how.domain)];
  TaskRow& row = tasks_[task];
  learn_order(task, domain.cls);
  if (!may_sleep(task)) return;
  const bool at_once = how.speed == Speed::Expedited || domain.config.normal_delay == 0;
  if (domain.phase == GracePhase::Idle && at_once && domain.readers[domain.side] == 0) {
    env.note(Event::GracePeriod, row.task.span, raw(how.domain));
    return;
  }
  row.resume = Resume::GracePeriod;
  block(task, WaitKind::GracePeriod, raw(how.domain), env);
  if (how.speed == Speed::Expedited) domain.next_is_expedited = true;
  if (domain.phase == GracePhase::Idle) {
    domain.home = row.cpu;
    begin_grace_period(how.domain, env);
  } else if (domain.phase == GracePhase::Delayed && how.speed == Speed::Expedited) {
    // Whoever is in a hurry needs the next one, so this one must not dawdle either.
    cancel_timer(domain.timer);
    look_for_readers(how.domain, env);
  }
}

void HostMachine::begin_grace_period(DomainId id, Env& env) {
  Domain& domain = domains_[raw(id)];
  domain.side ^= 1;
  domain.waiting = domain.waiting_next;
  domain.waiting_next = TaskQueue{};
  const bool expedited = domain.next_is_expedited;
  domain.next_is_expedited = false;
  if (!expedited && domain.config.normal_delay > 0) {
    return set_grace_timer(id, GracePhase::Delayed, domain.config.normal_delay, env);
  }
  look_for_readers(id, env);
}

void HostMachine::look_for_readers(DomainId id, Env& env) {
  Domain& domain = domains_[raw(id)];
  if (domain.readers[domain.side ^ 1] == 0) return end_grace_period(id, env);
  const bool first_look = domain.phase != GracePhase::Rechecked;
  if (domain.config.recheck == 0) {
    domain.phase = GracePhase::Attentive;
  } else if (first_look && domain.config.attentive > 0) {
    set_grace_timer(id, GracePhase::Attentive, domain.config.attentive, env);
  } else {
    set_grace_timer(id, GracePhase::Rechecked, domain.config.recheck, env);
  }
}

/// Those who wait go on; each notes the event when it does. The next grace period begins if anybody
/// asked for one meanwhile.
void HostMachine::end_grace_period(DomainId id, Env& env) {
  Domain& domain = domains_[raw(id)];
  cancel_timer(domain.timer);
  domain.phase = GracePhase::Idle;
  while (!domain.waiting.empty()) {
    const TaskId task = tasks_.pop_front(domain.waiting);
    tasks_[task].waits_for = WaitKind::None;
    unblock(task, Outcome::None, env);
  }
  if (!domain.waiting_next.empty()) begin_grace_period(id, env);
}

void HostMachine::set_grace_timer(DomainId id, GracePhase phase, Duration delay, Env& env) {
  Domain& domain = domains_[raw(id)];
  domain.phase = phase;
  domain.timer = timers_.start(Timer::Kind::GracePeriod, raw(id));
  env.after(delay, timer_tag(domain.timer), LaneId{raw(domain.home)});
}

void HostMachine::grace_timer_elapsed(DomainId id, Env& env) {
  Domain& domain = domains_[raw(id)];
  domain.timer = kNoTimer;
  if (domain.phase == GracePhase::Attentive) {
    return set_grace_timer(id, GracePhase::Rechecked, domain.config.recheck, env);
  }
  look_for_readers(id, env);
}

}  // namespace irqfab::host
