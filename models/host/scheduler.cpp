// CPUs and run queues: what a CPU does next, and where a task goes.
#include <cassert>
#include <utility>

#include "models/host/host_machine.hpp"

namespace irqfab::host {
namespace {

constexpr std::size_t index(Priority priority) { return static_cast<std::size_t>(priority); }

}  // namespace

bool HostMachine::hard_masked(const Cpu& cpu) const {
  return (cpu.soft != kNoTask && tasks_[cpu.soft].hard_irq_off > 0) ||
         (cpu.task != kNoTask && tasks_[cpu.task].hard_irq_off > 0);
}

bool HostMachine::soft_masked(const Cpu& cpu) const {
  return cpu.task != kNoTask && tasks_[cpu.task].soft_irq_off > 0;
}

bool HostMachine::anyone_ready(const Cpu& cpu) const {
  for (const TaskQueue& queue : cpu.ready) {
    if (!queue.empty()) return true;
  }
  return false;
}

/// One that slept has had less than its share of the CPU, and one that is in a guest more.
bool HostMachine::sleeper_waits(const Cpu& cpu) const {
  const TaskQueue& queue = cpu.ready[index(tasks_[cpu.task].priority)];
  for (TaskId task = queue.head; task != kNoTask; task = tasks_[task].next) {
    if (tasks_[task].slept) return true;
  }
  return false;
}

bool HostMachine::preemptible(const Cpu& cpu) const {
  const TaskRow& row = tasks_[cpu.task];
  return row.preempt_off == 0 && !row.must_step;
}

bool HostMachine::runnable(HostCpu id) const {
  const Cpu& cpu = cpus_[raw(id)];
  const auto running = [this](TaskId task) { return tasks_[task].state == TaskState::Running; };
  if (cpu.hard != kNoTask) return running(cpu.hard);
  if (!cpu.pending_hard.empty() && !hard_masked(cpu)) return true;
  if (cpu.soft != kNoTask) return running(cpu.soft);
  if (!cpu.pending_soft.empty() && !soft_masked(cpu)) return true;
  if (cpu.task == kNoTask) return anyone_ready(cpu);
  return running(cpu.task);
}

CpuMask HostMachine::runnable() const {
  CpuMask mask;
  for (unsigned cpu = 0; cpu < config_.cpus; ++cpu) {
    if (runnable(HostCpu(cpu))) mask.add(HostCpu(cpu));
  }
  return mask;
}

Activity HostMachine::activity(HostCpu id) const {
  const Cpu& cpu = cpus_[raw(id)];
  const bool hard = cpu.hard != kNoTask;
  const bool soft = cpu.soft != kNoTask;
  const TaskId top = hard ? cpu.hard : soft ? cpu.soft : cpu.task;
  if (top == kNoTask) return runnable(id) ? Activity::Task : Activity::Idle;
  if (tasks_[top].state == TaskState::Spinning) return Activity::Spinning;
  return hard ? Activity::HardIrq : soft ? Activity::SoftIrq : Activity::Task;
}

/// What the CPU goes on with; kNoTask if this step went into turning to another task.
TaskId HostMachine::select(HostCpu id, Software& software, Env& env) {
  Cpu& cpu = cpus_[raw(id)];
  if (const TaskId interrupt = select_interrupt(cpu); interrupt != kNoTask) return interrupt;
  if (cpu.task != kNoTask && cpu.reschedule && preemptible(cpu)) {
    const TaskId left = cpu.task;
    put_back(cpu);
    HostKernel kernel(*this, id, left, env);
    software.preempted(tasks_[left].task, kernel, env);
  }
  return cpu.task != kNoTask ? cpu.task : dispatch(id, software, env);
}

TaskId HostMachine::select_interrupt(Cpu& cpu) {
  if (cpu.hard != kNoTask) return cpu.hard;
  TaskId* level = nullptr;
  if (!cpu.pending_hard.empty() && !hard_masked(cpu)) {
    cpu.hard = tasks_.pop_front(cpu.pending_hard);
    level = &cpu.hard;
  } else if (cpu.soft != kNoTask) {
    return cpu.soft;
  } else if (!cpu.pending_soft.empty() && !soft_masked(cpu)) {
    cpu.soft = tasks_.pop_front(cpu.pending_soft);
    level = &cpu.soft;
  } else {
    return kNoTask;
  }
  tasks_[*level].state = TaskState::Running;
  if (cpu.task != kNoTask) {
    // An interrupt of the host makes the CPU leave the guest, whoever the interrupt is for.
    TaskRow& below = tasks_[cpu.task];
    if (below.state == TaskState::Occupying && below.in_guest) {
      end_occupation(below, Outcome::Interrupted);
    }
  }
  return *level;
}

/// Preempted by a higher class a task keeps its place at the front; after its slice, and for one
/// that slept, it goes to the back.
void HostMachine::put_back(Cpu& cpu) {
  TaskRow& row = tasks_[cpu.task];
  row.state = TaskState::Ready;
  TaskQueue& queue = cpu.ready[index(row.priority)];
  if (cpu.slice_over) {
    tasks_.push_back(queue, cpu.task);
  } else {
    tasks_.push_front(queue, cpu.task);
  }
  cpu.task = kNoTask;
}

TaskId HostMachine::dispatch(HostCpu id, const Software& software, Env& env) {
  Cpu& cpu = cpus_[raw(id)];
  cpu.reschedule = cpu.slice_over = false;
  for (TaskQueue& queue : cpu.ready) {
    const TaskId task = tasks_.pop_front(queue);
    if (task == kNoTask) continue;
    TaskRow& row = tasks_[task];
    row.state = TaskState::Running;
    row.has_run = true;
    cpu.task = task;
    ++cpu.dispatches;
    const TaskHandle now = tasks_.handle(task);
    const TaskHandle before = std::exchange(cpu.last, now);
    const bool other = !(before == now) && before.slot != kNoTask;
    const bool switched = std::exchange(row.slept, false) || other;
    if (switched) env.note(Event::TaskSwitched, software.works_for(now, row.task), raw(task));
    count_slice(id, env);
    return switched ? kNoTask : task;
  }
  return kNoTask;
}

// ---- placement

bool HostMachine::idle(HostCpu id) const {
  const Cpu& cpu = cpus_[raw(id)];
  return cpu.load == 0 && cpu.hard == kNoTask && cpu.soft == kNoTask && cpu.pending_hard.empty() &&
         cpu.pending_soft.empty();
}

HostCpu HostMachine::least_loaded(CpuMask allowed) const {
  HostCpu best = *allowed.lowest();
  while (const std::optional<HostCpu> cpu = allowed.pop_lowest()) {
    if (cpus_[raw(*cpu)].load < cpus_[raw(best)].load) best = *cpu;
  }
  return best;
}

HostCpu HostMachine::place(const TaskRow& row) const {
  if (!row.has_run) return least_loaded(row.allowed);
  if (config_.placement == Placement::LastCpu || idle(row.cpu)) return row.cpu;
  CpuMask others = row.allowed;
  while (const std::optional<HostCpu> cpu = others.pop_lowest()) {
    if (idle(*cpu)) return *cpu;
  }
  return row.cpu;
}

void HostMachine::make_ready(TaskId task, Env& env) {
  TaskRow& row = tasks_[task];
  row.cpu = place(row);
  row.state = TaskState::Ready;
  Cpu& cpu = cpus_[raw(row.cpu)];
  tasks_.push_back(cpu.ready[index(row.priority)], task);
  ++cpu.load;
  touch(row.cpu);
  if (cpu.task == kNoTask) return;
  TaskRow& running = tasks_[cpu.task];
  if (index(row.priority) < index(running.priority)) cpu.reschedule = true;
  const bool guest = running.state == TaskState::Occupying && running.in_guest;
  if (guest && sleeper_waits(cpu)) cpu.reschedule = cpu.slice_over = true;
  const bool polling = !running.in_guest;
  if (running.state == TaskState::Occupying && (cpu.reschedule || polling)) {
    end_occupation(running, Outcome::Interrupted);
  }
  count_slice(row.cpu, env);
}

/// The task or interrupt that runs leaves its CPU to others.
void HostMachine::leave_cpu(TaskRow& row) {
  Cpu& cpu = cpus_[raw(row.cpu)];
  touch(row.cpu);
  switch (row.context) {
    case Context::HardIrq:
      cpu.hard = kNoTask;
      return;
    case Context::SoftIrq:
      cpu.soft = kNoTask;
      return;
    case Context::Task:
      cpu.task = kNoTask;
      --cpu.load;
      return;
  }
}

// ---- time slices

/// A slice is counted only while somebody waits for it to end.
void HostMachine::count_slice(HostCpu id, Env& env) {
  Cpu& cpu = cpus_[raw(id)];
  if (config_.slice == 0 || cpu.counting_slice || cpu.task == kNoTask) return;
  if (cpu.ready[index(tasks_[cpu.task].priority)].empty()) return;
  cpu.counting_slice = true;
  cpu.slice_of = cpu.dispatches;
  const std::uint32_t timer = timers_.start(Timer::Kind::Slice, raw(id));
  env.after(config_.slice, timer_tag(timer), LaneId{raw(id)});
}

void HostMachine::slice_elapsed(HostCpu id, Env& env) {
  Cpu& cpu = cpus_[raw(id)];
  cpu.counting_slice = false;
  if (cpu.task == kNoTask || cpu.slice_of != cpu.dispatches) return count_slice(id, env);
  TaskRow& row = tasks_[cpu.task];
  if (cpu.ready[index(row.priority)].empty()) return;
  cpu.reschedule = cpu.slice_over = true;
  if (row.state == TaskState::Occupying) end_occupation(row, Outcome::Interrupted);
  touch(id);
}

void HostMachine::yield(TaskId task) {
  if (!may_sleep(task)) return;
  Cpu& cpu = cpus_[raw(tasks_[task].cpu)];
  if (!anyone_ready(cpu)) return;
  cpu.slice_over = true;
  put_back(cpu);
}

// ---- interrupts and guests

bool HostMachine::raise(HostCpu id, Context context, const Start& handler) {
  assert(raw(id) < config_.cpus);
  const TaskId task = tasks_.create();
  if (task == kNoTask) return false;
  TaskRow& row = tasks_[task];
  row.task.program = handler.program;
  row.task.span = handler.span;
  row.task.locals = handler.locals;
  row.context = context;
  row.at_end = AtEnd::Vanish;
  row.state = TaskState::Ready;
  row.cpu = id;
  Cpu& cpu = cpus_[raw(id)];
  tasks_.push_back(context == Context::HardIrq ? cpu.pending_hard : cpu.pending_soft, task);
  touch(id);
  return true;
}

void HostMachine::enter_guest(TaskId task) {
  TaskRow& row = tasks_[task];
  if (row.context != Context::Task) {
    row.task.outcome = Outcome::Refused;
    return;
  }
  row.state = TaskState::Occupying;
  row.in_guest = true;
  Cpu& cpu = cpus_[raw(row.cpu)];
  if (sleeper_waits(cpu)) cpu.reschedule = cpu.slice_over = true;
  if (cpu.reschedule) end_occupation(row, Outcome::Interrupted);
}

void HostMachine::poll(TaskId task, Duration timeout, Env& env) {
  TaskRow& row = tasks_[task];
  if (row.context != Context::Task) {
    row.task.outcome = Outcome::Refused;
    return;
  }
  row.state = TaskState::Occupying;
  row.in_guest = false;
  const Cpu& cpu = cpus_[raw(row.cpu)];
  if (cpu.reschedule || anyone_ready(cpu)) return end_occupation(row, Outcome::Interrupted);
  start_timer(task, timeout, env);
}

/// The program goes on with one step at least before it can be preempted: the guest has to be left
/// first.
void HostMachine::end_occupation(TaskRow& row, Outcome outcome) {
  row.state = TaskState::Running;
  row.task.outcome = outcome;
  row.must_step = true;
  cancel_timer(row.timer);
  touch(row.cpu);
}

}  // namespace irqfab::host
