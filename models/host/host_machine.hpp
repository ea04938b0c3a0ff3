// The machine on which modelled software runs (KVM, a VMM, vhost, kworkers): CPUs, tasks, and what
// tasks wait for.
//
// Models, after the behaviour of a Linux host as its documentation describes it (locking/, RCU/,
// core-api/workqueue.rst, scheduler/, eventfd(2)):
//   CPUs         a hard interrupt goes over a soft one, that over a task; interrupts do not nest
//   run queues   one a CPU, classes of priority, first come first served in a class, a time slice;
//                a woken task goes to its last CPU, or to an idle one that it may use; it goes
//                before a task of its class that is in a guest
//   locks        waiters spin or sleep, by the kind of lock; handed over in order of arrival
//   waiting      wait queues, sleeps, timeouts, grace periods, eventfds
//   workqueues   items and a bounded number of kworkers
// and checks the software's use of them: see violations().
//
// A program is a table of atomic steps. step() runs one of them, on a CPU that runnable() names,
// and is the only way in which CPUs advance; in a run the timeline chooses by receive(), an
// explorer may choose otherwise. A machine is a value and can be copied and compared between any
// two steps.
//
// Time: a step's prices pass before the CPU's next step, and are those of the interrupt that the
// task works on. While a task waits its span gets no event; the event that ends the wait
// (LockAcquired, GracePeriod) is noted when it goes on, and TaskSwitched when a CPU turns to it,
// from another task or, if it slept, from idle. Whatever is waited for, the trace shows.
//
// Not modelled: the fairness of CFS and EEVDF (vruntime, weights, deadlines), load balancing of
// tasks that already wait, NUMA, idle states and frequencies, tickless operation and the cost of
// ticks, hyperthreads, preempt_rt, ksoftirqd, threaded interrupts, optimistic spinning and
// priority inheritance of mutexes, reader-writer locks, memory ordering between CPUs (steps are
// sequentially consistent), hotplug. A slice is counted by one timer a CPU: a task dispatched while
// an older slice is still being counted gets what is left of that on top of its own. Who waits for
// a grace period sleeps at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "models/base/env.hpp"
#include "models/host/eventfd.hpp"
#include "models/host/host_parts.hpp"
#include "models/host/lock_order.hpp"
#include "models/host/software.hpp"
#include "models/host/standstill.hpp"

namespace irqfab::host {

/// Where a woken task goes.
enum class Placement : std::uint8_t {
  LastCpu,       // where it ran last, if it still may
  IdleThenLast,  // the same, unless that CPU is busy and another that it may use is idle
};

/// What a CPU is at.
enum class Activity : std::uint8_t { Idle, Task, Spinning, SoftIrq, HardIrq };

class HostMachine final {
 public:
  struct Config {
    unsigned cpus = 1;                 // 1 to kMaxHostCpus
    Duration slice = 3 * kPsPerMs;     // 0: a task runs until it sleeps or yields
    Duration quantum = 10 * kPsPerUs;  // of Compute; 0: not interrupted
    Placement placement = Placement::IdleThenLast;
  };
  explicit HostMachine(const Config& config);

  // ---- What the software consists of. Objects made here live as long as the machine.
  LockClassId add_lock_class(std::string name);
  LockId add_lock(LockKind kind, LockClassId cls);
  WaitQueueId add_wait_queue();
  DomainId add_domain(std::string name, const GracePeriodConfig& config);
  /// Its kworkers are made with it.
  WorkqueueId add_workqueue(const WorkqueueConfig& config);
  /// `cls` groups items that take the same locks: of add_work_class.
  LockClassId add_work_class(std::string name);
  WorkId add_work(WorkqueueId queue, LockClassId cls, ProgramId program, const Locals& locals);
  TaskHandle add_thread(const ThreadConfig& config);
  /// These may be closed, and be watched by others, once the software runs.
  EventFdHandle add_eventfd(std::uint64_t count, EventFdMode mode) {
    return eventfds_.create(count, mode);
  }
  void add_watcher(EventFdHandle eventfd, const Watcher& watcher) {
    eventfds_.watch(eventfd, watcher);
  }

  // ---- How it advances
  /// CPU c is lane c; messages from outside are served on one lane more.
  unsigned lanes() const { return config_.cpus + 1; }
  LaneId lane_of(const Message& message) const;
  void receive(PortId port, const Message& message, Software& software, Env& env);
  /// Tags of Elapsed that belong to the machine: those with the top bit set.
  static bool owns(Tag tag) { return (raw(tag) >> 31) != 0; }
  /// Of these, delays that an explorer has to let pass through receive(); the others only continue
  /// a CPU.
  static bool is_timer(Tag tag) { return (raw(tag) >> 30) == 3; }

  /// True if step() has something to do there.
  bool runnable(HostCpu cpu) const;
  CpuMask runnable() const;
  /// Runs one step on a runnable CPU. Answers how long the CPU computes on top of the prices noted.
  Duration step(HostCpu cpu, Software& software, Env& env);

  // ---- What there is to see
  const Config& config() const { return config_; }
  Activity activity(HostCpu cpu) const;
  /// The task that the CPU is on at its task level, idle or interrupted; kNoTask if none.
  TaskId current(HostCpu cpu) const { return cpus_[raw(cpu)].task; }
  bool alive(TaskHandle task) const { return tasks_.find(task) != kNoTask; }
  /// Of a task that is alive.
  const Task& task(TaskHandle handle) const { return tasks_[handle.slot].task; }
  TaskState state(TaskHandle handle) const { return tasks_[handle.slot].state; }
  HostCpu cpu_of(TaskHandle handle) const { return tasks_[handle.slot].cpu; }
  /// True while the CPU is the guest's, for the task in RunGuest.
  bool in_guest(TaskHandle handle) const;
  /// The thread in a slot, as HostCall names it; a handle of no task if there is none.
  TaskHandle thread(TaskId slot) const;
  TaskId owner(LockId lock) const { return locks_[raw(lock)].owner; }
  std::uint32_t readers(DomainId domain) const;
  bool queued(WorkId work) const { return works_[raw(work)].queued; }
  bool running(WorkId work) const;
  SpanId span(WorkId work) const { return works_[raw(work)].span; }
  const EventFds& eventfds() const { return eventfds_; }
  /// A thread of a workqueue.
  bool is_worker(TaskId task) const { return tasks_[task].pool != kNoPool; }
  /// Tasks that sleep or spin, ascending.
  std::vector<Waiting> waiting() const;
  /// Of these, the tasks that can never go on, whatever comes from outside.
  std::vector<Waiting> deadlocked() const;

  /// Rules the software broke: the first kMaxViolations that differ. Nothing else changes by it, so
  /// a program that deadlocks does so here as well.
  static constexpr std::size_t kMaxViolations = 64;
  const std::vector<Violation>& violations() const { return violations_; }
  const LockOrder& lock_order() const { return order_; }

  /// Interrupts whose work rests here: of tasks under way, and of work that is queued.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const HostMachine& a, const HostMachine& b);

 private:
  friend class HostKernel;

  // host_machine.cpp: messages, programs
  struct Applier;
  void add_worker(std::uint16_t pool, Priority priority);
  bool is_thread(TaskId slot) const;
  Duration advance(HostCpu cpu, Software& software, Env& env);
  void run_program(TaskId task, HostCpu cpu, Software& software, Env& env);
  Duration compute(TaskRow& row);
  void end_program(TaskId task, Software& software, Env& env);
  void leave_everything(TaskId task, Env& env);
  void offer_calls(TaskId task, std::optional<HostCpu> cpu, Software& software, Env& env);
  void elapsed(Tag tag, Software& software, Env& env);
  static Tag timer_tag(std::uint32_t timer);
  void continue_touched(Env& env);

  // scheduler.cpp: CPUs and run queues
  TaskId select(HostCpu cpu, Software& software, Env& env);
  TaskId select_interrupt(Cpu& cpu);
  void put_back(Cpu& cpu);
  TaskId dispatch(HostCpu cpu, const Software& software, Env& env);
  bool preemptible(const Cpu& cpu) const;
  bool hard_masked(const Cpu& cpu) const;
  bool soft_masked(const Cpu& cpu) const;
  bool anyone_ready(const Cpu& cpu) const;
  bool sleeper_waits(const Cpu& cpu) const;
  bool idle(HostCpu cpu) const;
  HostCpu place(const TaskRow& row) const;
  HostCpu least_loaded(CpuMask allowed) const;
  void make_ready(TaskId task, Env& env);
  void leave_cpu(TaskRow& row);
  void count_slice(HostCpu cpu, Env& env);
  void slice_elapsed(HostCpu cpu, Env& env);
  bool raise(HostCpu cpu, Context context, const Start& handler);
  void yield(TaskId task);
  void enter_guest(TaskId task);
  void poll(TaskId task, Duration timeout, Env& env);
  void end_occupation(TaskRow& row, Outcome outcome);
  void touch(HostCpu cpu) { touched_.add(cpu); }

  // waiting.cpp: sleeping and waking
  bool may_sleep(TaskId task);
  void block(TaskId task, WaitKind kind, std::uint32_t object, Env& env);
  void unblock(TaskId task, Outcome outcome, Env& env);
  TaskQueue* queue_of(const TaskRow& row);
  void start_timer(TaskId task, Duration delay, Env& env);
  void cancel_timer(std::uint32_t& timer);
  void task_timer_elapsed(TaskId task, Env& env);
  void wait(TaskId task, const Wait& wait, Env& env);
  void sleep(TaskId task, Duration length, Env& env);
  void wake(WaitQueueId queue, WakeCount count, Env& env);
  void wake(TaskId task, Env& env);
  void read_eventfd(TaskId task, EventFdHandle eventfd, Env& env);
  void wake_readers(TaskQueue& readers, Outcome outcome, Resume resume, Env& env);

  // locking.cpp: locks and the rules about them
  void acquire(TaskId task, LockId lock, Env& env);
  void release(TaskId task, LockId lock, Env& env);
  void hand_over(LockId lock, Env& env);
  void learn_usage(const TaskRow& row, const Lock& lock);
  void learn_order(TaskId task, LockClassId wanted);
  bool room_to_hold(TaskId task, LockClassId cls);
  void report(ViolationKind kind, std::optional<LockClassId> wanted, TaskId task,
              const Chain& known);

  // standstill.cpp
  Waiting waiting(TaskId task) const;
  bool can_never_go_on(TaskId task, const std::vector<bool>& never) const;
  bool can_never_end(WorkId work, const std::vector<bool>& never) const;
  std::vector<TaskId> readers_before(TaskId task) const;
  std::vector<TaskId> runners_of(WorkId work) const;
  std::vector<WorkId> awaited_by(const TaskRow& row) const;

  // grace_period.cpp
  void read_lock(TaskId task, DomainId domain);
  void read_unlock(TaskId task, DomainId domain, Env& env);
  void synchronize(TaskId task, const Synchronize& how, Env& env);
  void begin_grace_period(DomainId domain, Env& env);
  void look_for_readers(DomainId domain, Env& env);
  void end_grace_period(DomainId domain, Env& env);
  void set_grace_timer(DomainId domain, GracePhase phase, Duration delay, Env& env);
  void grace_timer_elapsed(DomainId domain, Env& env);

  // workqueue.cpp
  Outcome queue_work(WorkId work, SpanId span, HostCpu cpu, Env& env);
  void start_workers(std::uint16_t pool, Env& env);
  WorkId next_work(std::uint16_t pool);
  void give(TaskId worker, WorkId work);
  void begin_work(TaskId worker);
  void end_work(TaskId worker, Env& env);
  void worker_slept(TaskRow& row, Env& env);
  void worker_woke(TaskRow& row);
  void flush(TaskId task, WorkId work, Env& env);
  void flush(TaskId task, WorkqueueId queue, Env& env);
  void wake_flushers(WorkId work, Env& env);
  bool outstanding(WorkId work, std::uint64_t until) const;
  bool outstanding(WorkqueueId queue, std::uint64_t until) const;

  Config config_;
  std::vector<Cpu> cpus_;
  TaskTable tasks_;
  std::vector<Lock> locks_;
  std::vector<TaskQueue> wait_queues_;
  std::vector<Domain> domains_;
  std::vector<Workqueue> workqueues_;
  std::vector<Pool> pools_;
  std::vector<Work> works_;
  EventFds eventfds_;
  Timers timers_;
  Calls calls_;
  LockOrder order_;
  std::vector<Violation> violations_;
  CpuMask touched_;  // CPUs that may have become runnable in this call; empty between calls
};

/// A machine together with the software that runs on it, itself a value: a core for a station.
template <class S>
struct Hosted {
  HostMachine machine;
  S software;

  LaneId lane_of(PortId, const Message& message) const { return machine.lane_of(message); }
  void receive(PortId port, const Message& message, Env& env) {
    machine.receive(port, message, software, env);
  }
  void held_spans(std::vector<SpanId>& out) const { machine.held_spans(out); }
  friend bool operator==(const Hosted& a, const Hosted& b) {
    return a.machine == b.machine && a.software == b.software;
  }
};

}  // namespace irqfab::host
