// What runs on a HostMachine: programs, as steps, and what they may ask the host for on the spot.
#pragma once

#include <cstdint>
#include <optional>

#include "models/base/env.hpp"
#include "models/host/action.hpp"
#include "models/host/eventfd.hpp"
#include "models/host/task.hpp"

namespace irqfab::host {

class HostKernel;
class HostMachine;

/// May a message be taken now?
enum class Reception : std::uint8_t {
  Taken,
  Later,  // a HostCall to a thread that is busy: offered again, in order, when the thread parks,
          // when it enters the guest, or when it is called again. For other messages the same as
          // Taken
};

/// The modelled software: programs, and what the world outside can ask of it. Passed to every call,
/// so that the machine and the software stay values.
class Software {
 public:
  /// Runs the step `task.pc` of `task.program`, whole and at once, and moves `task.pc` on.
  virtual Action run(Task& task, HostKernel& kernel, Env& env) = 0;

  /// A message for the software arrived at the machine's port: most often, it starts or wakes a
  /// task or raises an interrupt on a host CPU.
  virtual Reception receive(PortId port, const Message& message, HostKernel& kernel, Env& env) = 0;

  /// Whose interrupt a CPU turns to the task for. Where that rests is the software's affair: a task
  /// that has not taken it up yet has no span of its own.
  virtual SpanId works_for(TaskHandle /*handle*/, const Task& task) const { return task.span; }

  /// A CPU turns from `task`, which goes on later, perhaps elsewhere: its next step finds out
  /// where. Not for a task that sleeps or yields, which knows.
  virtual void preempted(Task& /*task*/, HostKernel& /*kernel*/, Env& /*env*/) {}

 protected:
  ~Software() = default;
};

/// A thread to create. A thread is parked between programs.
struct ThreadConfig {
  CpuMask allowed;  // where it may run; not empty
  Priority priority = Priority::Normal;
};

/// What a parked thread was doing until it begins a program.
enum class Before : std::uint8_t {
  UserSpace,  // it was running there: to begin is no wake-up
  Sleep,      // it waited for this, so it is woken
};

/// A program to run, from its first step.
struct Start {
  ProgramId program{};
  SpanId span = kNoSpan;
  Locals locals{};
  Before before = Before::UserSpace;  // of threads
};

/// What software does within one step, or on a message: nothing here waits. Valid during the call
/// that was given it.
class HostKernel {
 public:
  /// `cpu`: the CPU that runs the step; none for a message from outside. `task`: whose step it is.
  HostKernel(HostMachine& machine, std::optional<HostCpu> cpu, TaskId task, Env& env)
      : machine_(machine), env_(env), cpu_(cpu), task_(task) {}

  const HostMachine& machine() const { return machine_; }
  std::optional<HostCpu> cpu() const { return cpu_; }
  /// A handle of no task outside of steps.
  TaskHandle self() const;

  /// A handle of no task if there are too many already.
  TaskHandle create_thread(const ThreadConfig& config);
  /// Ends a parked thread; false if it is not parked.
  bool end_thread(TaskHandle thread);
  /// A parked thread begins a program and becomes ready. False if it is not parked.
  bool start(TaskHandle thread, const Start& start);
  /// A hard or soft interrupt becomes pending on a CPU, behind those that are. False if there are
  /// too many tasks already.
  bool raise_hard(HostCpu cpu, const Start& handler);
  bool raise_soft(HostCpu cpu, const Start& handler);

  /// As the actions of the same names.
  void wake(WaitQueueId queue, WakeCount count);
  void wake(TaskHandle task);
  /// The same for the interrupt `span`, which the task works on from here if it had none.
  void wake(TaskHandle task, SpanId span);
  /// As QueueWork; on the CPU of the step, or CPU 0.
  Outcome queue_work(WorkId work, SpanId span);
  Outcome queue_work(WorkId work, SpanId span, HostCpu cpu);

  EventFdHandle create_eventfd(std::uint64_t count, EventFdMode mode);
  /// Watchers are forgotten without being called; readers that sleep are refused.
  void close_eventfd(EventFdHandle eventfd);
  /// Adds to the counter and wakes the readers, unless an exclusive watcher stands before them. The
  /// watchers are the software's to call: see EventFds::called.
  void signal(EventFdHandle eventfd, std::uint64_t count);
  std::uint64_t consume(EventFdHandle eventfd);
  void watch(EventFdHandle eventfd, const Watcher& watcher);
  bool unwatch(EventFdHandle eventfd, std::uint64_t cookie);

 private:
  HostMachine& machine_;
  Env& env_;
  std::optional<HostCpu> cpu_;
  TaskId task_;
};

}  // namespace irqfab::host
