// The machine's own part: what it is made of, messages, and the running of programs.
#include "models/host/host_machine.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>
#include <utility>

namespace irqfab::host {
namespace {

constexpr std::uint32_t kOwn = std::uint32_t{1} << 31;
constexpr std::uint32_t kTimer = std::uint32_t{1} << 30;

}  // namespace

HostMachine::HostMachine(const Config& config) : config_(config) {
  assert(config.cpus >= 1 && config.cpus <= kMaxHostCpus);
  cpus_.resize(config.cpus);
}

// ---- what the software consists of

LockClassId HostMachine::add_lock_class(std::string name) {
  return order_.add(ClassKind::Lock, std::move(name));
}

LockId HostMachine::add_lock(LockKind kind, LockClassId cls) {
  locks_.push_back({cls, kind, kNoTask, {}});
  return LockId(locks_.size() - 1);
}

WaitQueueId HostMachine::add_wait_queue() {
  wait_queues_.emplace_back();
  return WaitQueueId(wait_queues_.size() - 1);
}

DomainId HostMachine::add_domain(std::string name, const GracePeriodConfig& config) {
  Domain domain;
  domain.config = config;
  domain.cls = order_.add(ClassKind::Domain, std::move(name));
  domains_.push_back(domain);
  return DomainId(domains_.size() - 1);
}

WorkqueueId HostMachine::add_workqueue(const WorkqueueConfig& config) {
  assert(config.max_workers >= 1);
  const auto queue = WorkqueueId(workqueues_.size());
  workqueues_.push_back({config, static_cast<std::uint16_t>(pools_.size()), 0, {}});
  const bool per_cpu = config.binding == WorkqueueConfig::Binding::PerCpu;
  for (unsigned i = 0; i < (per_cpu ? config_.cpus : 1); ++i) {
    Pool pool;
    pool.queue = queue;
    pool.cpus = per_cpu ? CpuMask::only(HostCpu(i)) : CpuMask::first(config_.cpus);
    pools_.push_back(pool);
    for (unsigned worker = 0; worker < config.max_workers; ++worker) {
      add_worker(static_cast<std::uint16_t>(pools_.size() - 1), config.priority);
    }
  }
  return queue;
}

void HostMachine::add_worker(std::uint16_t pool, Priority priority) {
  const TaskId task = tasks_.create();
  assert(task != kNoTask);
  TaskRow& row = tasks_[task];
  row.allowed = pools_[pool].cpus;
  row.cpu = *row.allowed.lowest();
  row.priority = priority;
  row.at_end = AtEnd::NextWork;
  row.pool = pool;
  tasks_.push_back(pools_[pool].idle, task);
}

LockClassId HostMachine::add_work_class(std::string name) {
  return order_.add(ClassKind::Work, std::move(name));
}

WorkId HostMachine::add_work(WorkqueueId queue, LockClassId cls, ProgramId program,
                             const Locals& locals) {
  Work work;
  work.queue = queue;
  work.cls = cls;
  work.program = program;
  work.locals = locals;
  works_.push_back(work);
  return WorkId(works_.size() - 1);
}

TaskHandle HostMachine::add_thread(const ThreadConfig& config) {
  const CpuMask allowed = config.allowed & CpuMask::first(config_.cpus);
  assert(!allowed.empty());
  const TaskId task = tasks_.create();
  if (task == kNoTask) return {};
  TaskRow& row = tasks_[task];
  row.allowed = allowed;
  row.cpu = *allowed.lowest();
  row.priority = config.priority;
  return tasks_.handle(task);
}

// ---- messages

LaneId HostMachine::lane_of(const Message& message) const {
  if (const Elapsed* elapsed = std::get_if<Elapsed>(&message)) return LaneId{elapsed->lane};
  return LaneId{config_.cpus};
}

void HostMachine::receive(PortId port, const Message& message, Software& software, Env& env) {
  const Elapsed* came = std::get_if<Elapsed>(&message);
  const HostCall* call = std::get_if<HostCall>(&message);
  if (came != nullptr && owns(came->tag)) {
    elapsed(came->tag, software, env);
  } else if (call != nullptr && is_thread(call->task)) {
    calls_.push_back(tasks_[call->task], {port, *call});
    offer_calls(call->task, std::nullopt, software, env);
  } else {
    HostKernel kernel(*this, std::nullopt, kNoTask, env);
    software.receive(port, message, kernel, env);
  }
  continue_touched(env);
}

/// Offers the task's oldest calls until one has to wait.
void HostMachine::offer_calls(TaskId task, std::optional<HostCpu> cpu, Software& software,
                              Env& env) {
  while (tasks_[task].first_call != kNoCall) {
    const Calls::Call first = calls_.pop(tasks_[task]);
    HostKernel kernel(*this, cpu, kNoTask, env);
    if (software.receive(first.port, first.call, kernel, env) == Reception::Taken) continue;
    if (is_thread(task)) calls_.push_front(tasks_[task], first);
    return;
  }
}

void HostMachine::elapsed(Tag tag, Software& software, Env& env) {
  if (!is_timer(tag)) {
    const auto cpu = HostCpu(raw(tag) & ~kOwn);
    if (raw(cpu) >= config_.cpus) return;
    cpus_[raw(cpu)].asked = false;
    if (!runnable(cpu)) return;
    const Duration computes = advance(cpu, software, env);
    if (runnable(cpu)) {
      cpus_[raw(cpu)].asked = true;
      env.after(computes, tag, LaneId{raw(cpu)});
    }
    return;
  }
  const Timer timer = timers_.finish(raw(tag) & ~(kOwn | kTimer));
  if (timer.state != Timer::State::Running) return;
  switch (timer.kind) {
    case Timer::Kind::Slice:
      return slice_elapsed(HostCpu(timer.object), env);
    case Timer::Kind::Task:
      return task_timer_elapsed(TaskId(timer.object), env);
    case Timer::Kind::GracePeriod:
      return grace_timer_elapsed(DomainId(timer.object), env);
  }
}

Tag HostMachine::timer_tag(std::uint32_t timer) { return Tag{kOwn | kTimer | timer}; }

void HostMachine::continue_touched(Env& env) {
  while (const std::optional<HostCpu> cpu = touched_.pop_lowest()) {
    if (cpus_[raw(*cpu)].asked || !runnable(*cpu)) continue;
    cpus_[raw(*cpu)].asked = true;
    env.after(0, Tag{kOwn | raw(*cpu)}, LaneId{raw(*cpu)});
  }
}

// ---- steps

Duration HostMachine::step(HostCpu cpu, Software& software, Env& env) {
  const Duration computes = advance(cpu, software, env);
  touched_ = CpuMask{};
  return computes;
}

Duration HostMachine::advance(HostCpu cpu, Software& software, Env& env) {
  const TaskId task = select(cpu, software, env);
  if (task == kNoTask) return 0;
  TaskRow& row = tasks_[task];
  if (row.state != TaskState::Running) return 0;
  switch (std::exchange(row.resume, Resume::None)) {
    case Resume::LockAcquired:
      env.note(Event::LockAcquired, row.task.span, row.wait_object);
      return 0;
    case Resume::GracePeriod:
      env.note(Event::GracePeriod, row.task.span, row.wait_object);
      return 0;
    case Resume::ReadEventFd:
      read_eventfd(
          task,
          {static_cast<std::uint16_t>(row.wait_object), static_cast<std::uint32_t>(row.wait_until)},
          env);
      return 0;
    case Resume::None:
      break;
  }
  if (row.compute_left == 0) run_program(task, cpu, software, env);
  return compute(row);
}

Duration HostMachine::compute(TaskRow& row) {
  const Duration part =
      config_.quantum == 0 ? row.compute_left : std::min(row.compute_left, config_.quantum);
  row.compute_left -= part;
  return part;
}

/// One overload for each action, so that none can be forgotten.
struct HostMachine::Applier {
  HostMachine& machine;
  TaskId id;
  TaskRow& row;
  HostCpu cpu;
  Software& software;
  Env& env;

  void operator()(const Charge& a) { env.note_many(a.event, row.task.span, a.detail, a.times); }
  void operator()(const Compute& a) { row.compute_left = a.length; }
  void operator()(const Acquire& a) { machine.acquire(id, a.lock, env); }
  void operator()(const Release& a) { machine.release(id, a.lock, env); }
  void operator()(const Wait& a) { machine.wait(id, a, env); }
  void operator()(const Wake& a) { machine.wake(a.queue, a.count, env); }
  void operator()(const WakeTask& a) { machine.wake(machine.tasks_.find(a.task), env); }
  void operator()(const Sleep& a) { machine.sleep(id, a.length, env); }
  void operator()(const QueueWork& a) {
    row.task.outcome = machine.queue_work(a.work, row.task.span, cpu, env);
  }
  void operator()(const Flush& a) { machine.flush(id, a.work, env); }
  void operator()(const FlushQueue& a) { machine.flush(id, a.queue, env); }
  void operator()(const ReadLock& a) { machine.read_lock(id, a.domain); }
  void operator()(const ReadUnlock& a) { machine.read_unlock(id, a.domain, env); }
  void operator()(const Synchronize& a) { machine.synchronize(id, a, env); }
  void operator()(const ReadEventFd& a) { machine.read_eventfd(id, a.eventfd, env); }
  void operator()(const RunGuest&) {
    machine.enter_guest(id);
    if (row.state == TaskState::Occupying) machine.offer_calls(id, cpu, software, env);
  }
  void operator()(const Poll& a) { machine.poll(id, a.timeout, env); }
  void operator()(const Yield&) { machine.yield(id); }
  void operator()(const Done&) { machine.end_program(id, software, env); }
};

void HostMachine::run_program(TaskId task, HostCpu cpu, Software& software, Env& env) {
  TaskRow& row = tasks_[task];
  if (row.starts_work) begin_work(task);
  row.must_step = false;
  row.site = {row.task.program, row.task.pc};
  HostKernel kernel(*this, cpu, task, env);
  const Action action = software.run(row.task, kernel, env);
  row.task.outcome = Outcome::None;
  std::visit(Applier{*this, task, row, cpu, software, env}, action);
}

void HostMachine::end_program(TaskId task, Software& software, Env& env) {
  TaskRow& row = tasks_[task];
  if (row.at_end == AtEnd::NextWork) return end_work(task, env);
  leave_everything(task, env);
  const HostCpu cpu = row.cpu;
  leave_cpu(row);
  if (row.at_end == AtEnd::Vanish) return tasks_.destroy(task);
  row.state = TaskState::Parked;
  offer_calls(task, cpu, software, env);
}

/// A program that ends inside locks or reader sections would keep everybody else waiting under the
/// name of a task that may not exist any more.
void HostMachine::leave_everything(TaskId task, Env& env) {
  TaskRow& row = tasks_[task];
  if (row.held.empty()) return;
  report(ViolationKind::LeftHeld, row.held[0].cls, task, Chain{});
  for (std::size_t lock = 0; lock < locks_.size(); ++lock) {
    if (locks_[lock].owner == task) release(task, LockId(lock), env);
  }
  while (row.section_count > 0) read_unlock(task, row.sections[row.section_count - 1u].domain, env);
}

// ---- what there is to see

bool HostMachine::in_guest(TaskHandle handle) const {
  const TaskRow& row = tasks_[handle.slot];
  return row.state == TaskState::Occupying && row.in_guest;
}

bool HostMachine::is_thread(TaskId slot) const {
  return raw(slot) < tasks_.slots() && tasks_[slot].alive && tasks_[slot].at_end == AtEnd::Park;
}

TaskHandle HostMachine::thread(TaskId slot) const {
  return is_thread(slot) ? tasks_.handle(slot) : TaskHandle{};
}

std::uint32_t HostMachine::readers(DomainId domain) const {
  return domains_[raw(domain)].readers[0] + domains_[raw(domain)].readers[1];
}

bool HostMachine::running(WorkId work) const {
  const TaskId runner = works_[raw(work)].runner;
  return runner != kNoTask && !tasks_[runner].starts_work;
}

void HostMachine::held_spans(std::vector<SpanId>& out) const {
  for (std::size_t slot = 0; slot < tasks_.slots(); ++slot) {
    const TaskRow& row = tasks_[TaskId(slot)];
    if (row.alive && row.state != TaskState::Parked && row.task.span != kNoSpan) {
      out.push_back(row.task.span);
    }
  }
  // Queued again while it runs, an item has the second interrupt and its kworker the first.
  for (std::size_t id = 0; id < works_.size(); ++id) {
    const Work& work = works_[id];
    const bool with_worker = work.runner != kNoTask && !running(WorkId(id));
    if (work.queued && !with_worker && work.span != kNoSpan) out.push_back(work.span);
  }
}

bool operator==(const HostMachine& a, const HostMachine& b) {
  const auto same_config = [](const HostMachine::Config& x, const HostMachine::Config& y) {
    return x.cpus == y.cpus && x.slice == y.slice && x.quantum == y.quantum &&
           x.placement == y.placement;
  };
  const auto all = [](const HostMachine& m) {
    return std::tie(m.cpus_, m.tasks_, m.locks_, m.wait_queues_, m.domains_, m.workqueues_,
                    m.pools_, m.works_, m.eventfds_, m.timers_, m.calls_, m.order_, m.violations_);
  };
  return same_config(a.config_, b.config_) && all(a) == all(b);
}

}  // namespace irqfab::host
