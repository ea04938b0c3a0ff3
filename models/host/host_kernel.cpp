// What software asks the host for on the spot.
#include "models/host/host_machine.hpp"

namespace irqfab::host {

TaskHandle HostKernel::self() const {
  return task_ == kNoTask ? TaskHandle{} : machine_.tasks_.handle(task_);
}

TaskHandle HostKernel::create_thread(const ThreadConfig& config) {
  return machine_.add_thread(config);
}

bool HostKernel::end_thread(TaskHandle thread) {
  const TaskId task = machine_.tasks_.find(thread);
  if (task == kNoTask || !machine_.is_thread(task)) return false;
  TaskRow& row = machine_.tasks_[task];
  if (row.state != TaskState::Parked) return false;
  while (row.first_call != kNoCall) machine_.calls_.pop(row);
  machine_.tasks_.destroy(task);
  return true;
}

bool HostKernel::start(TaskHandle thread, const Start& start) {
  const TaskId task = machine_.tasks_.find(thread);
  if (task == kNoTask || !machine_.is_thread(task)) return false;
  TaskRow& row = machine_.tasks_[task];
  if (row.state != TaskState::Parked) return false;
  row.task = Task{};
  row.task.program = start.program;
  row.task.span = start.span;
  row.task.locals = start.locals;
  if (start.before == Before::Sleep) {
    row.slept = true;
    env_.note(Event::TaskWoken, start.span, raw(task));
  }
  machine_.make_ready(task, env_);
  return true;
}

bool HostKernel::raise_hard(HostCpu cpu, const Start& handler) {
  return machine_.raise(cpu, Context::HardIrq, handler);
}

bool HostKernel::raise_soft(HostCpu cpu, const Start& handler) {
  return machine_.raise(cpu, Context::SoftIrq, handler);
}

void HostKernel::wake(WaitQueueId queue, WakeCount count) { machine_.wake(queue, count, env_); }

void HostKernel::wake(TaskHandle task) { machine_.wake(machine_.tasks_.find(task), env_); }

void HostKernel::wake(TaskHandle task, SpanId span) {
  const TaskId id = machine_.tasks_.find(task);
  if (id == kNoTask) return;
  TaskRow& row = machine_.tasks_[id];
  const bool waits = row.state == TaskState::Blocked || row.state == TaskState::Occupying;
  if (waits && row.task.span == kNoSpan) row.task.span = span;
  machine_.wake(id, env_);
}

Outcome HostKernel::queue_work(WorkId work, SpanId span) {
  return queue_work(work, span, cpu_.value_or(HostCpu{0}));
}

Outcome HostKernel::queue_work(WorkId work, SpanId span, HostCpu cpu) {
  return machine_.queue_work(work, span, cpu, env_);
}

EventFdHandle HostKernel::create_eventfd(std::uint64_t count, EventFdMode mode) {
  return machine_.eventfds_.create(count, mode);
}

void HostKernel::close_eventfd(EventFdHandle eventfd) {
  EventFds& eventfds = machine_.eventfds_;
  if (!eventfds.open(eventfd)) return;
  machine_.wake_readers(eventfds.readers(eventfd.slot), Outcome::Refused, Resume::None, env_);
  eventfds.close(eventfd);
}

void HostKernel::signal(EventFdHandle eventfd, std::uint64_t count) {
  EventFds& eventfds = machine_.eventfds_;
  eventfds.signal(eventfd, count);
  if (!eventfds.open(eventfd) || eventfds.called(eventfd).ends_exclusively()) return;
  machine_.wake_readers(eventfds.readers(eventfd.slot), Outcome::None, Resume::ReadEventFd, env_);
}

std::uint64_t HostKernel::consume(EventFdHandle eventfd) {
  return machine_.eventfds_.consume(eventfd);
}

void HostKernel::watch(EventFdHandle eventfd, const Watcher& watcher) {
  machine_.eventfds_.watch(eventfd, watcher);
}

bool HostKernel::unwatch(EventFdHandle eventfd, std::uint64_t cookie) {
  return machine_.eventfds_.unwatch(eventfd, cookie);
}

}  // namespace irqfab::host
