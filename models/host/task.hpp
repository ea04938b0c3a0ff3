// Tasks of the modelled host, and the queues they stand in.
//
// A task is a thread, a kworker, or one run of an interrupt handler. It stands in one queue at most
// (a run queue, the waiters of one lock, ...), so the links are the tasks' own and no queue
// allocates. Not modelled: address spaces, signals, groups, nice levels within a class.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "models/base/time.hpp"
#include "models/host/action.hpp"
#include "models/host/cpu_mask.hpp"
#include "models/host/lock_order.hpp"

namespace irqfab::host {

using Locals = std::array<std::uint64_t, 8>;

/// The part of a task that its program reads and writes. A step moves `pc` itself:
/// `switch (task.pc++)`.
struct Task {
  ProgramId program{};
  std::uint16_t pc = 0;
  Outcome outcome = Outcome::None;  // of the latest action
  Locals locals{};
  SpanId span = kNoSpan;    // whose interrupt it works on; events are noted for it
  std::uint64_t value = 0;  // what ReadEventFd answered

  friend bool operator==(const Task& a, const Task& b) {
    return a.program == b.program && a.pc == b.pc && a.outcome == b.outcome &&
           a.locals == b.locals && a.span == b.span && a.value == b.value;
  }
};

/// What a CPU does a task as. A hard interrupt goes over a soft one, and that over a task.
enum class Context : std::uint8_t { HardIrq, SoftIrq, Task };

/// Classes of the run queues; a higher one preempts a lower one at once.
enum class Priority : std::uint8_t { RealTime, Normal, Background };
constexpr unsigned kPriorities = 3;

enum class TaskState : std::uint8_t {
  Parked,     // has no program: a thread in user space, a kworker without work
  Ready,      // in a run queue, or an interrupt that is pending
  Running,    // its CPU is on it, at least once the interrupts above it have ended
  Spinning,   // the same, but burning the CPU for a lock
  Occupying,  // the same, in RunGuest or Poll
  Blocked,    // asleep: see Waiting
};

/// What a blocked or spinning task waits for.
enum class WaitKind : std::uint8_t {
  None,
  Lock,
  Queue,
  Timer,
  GracePeriod,
  Work,
  Workqueue,
  EventFd,
};

/// What is left to do, as a step of its own, once a wait is over: the event that ends it.
enum class Resume : std::uint8_t { None, LockAcquired, GracePeriod, ReadEventFd };

/// What becomes of a task whose program has ended.
enum class AtEnd : std::uint8_t { Park, Vanish, NextWork };

/// First and last of a queue of tasks; the tasks hold the links.
struct TaskQueue {
  TaskId head = kNoTask;
  TaskId tail = kNoTask;
  bool empty() const { return head == kNoTask; }
  friend bool operator==(TaskQueue a, TaskQueue b) { return a.head == b.head && a.tail == b.tail; }
};

/// A reader section: which of the domain's two counters it was entered under.
struct ReadSection {
  DomainId domain{};
  std::uint8_t side = 0;
  friend bool operator==(ReadSection a, ReadSection b) {
    return a.domain == b.domain && a.side == b.side;
  }
};

constexpr std::uint32_t kNoTimer = ~std::uint32_t{0};
constexpr std::uint32_t kNoCall = ~std::uint32_t{0};
constexpr std::uint16_t kNoPool = 0xFFFF;

/// A task with what the machine knows about it.
struct TaskRow {
  Task task;
  std::uint32_t generation = 0;
  TaskState state = TaskState::Parked;
  bool alive = false;
  Context context = Context::Task;
  Priority priority = Priority::Normal;
  AtEnd at_end = AtEnd::Park;
  CpuMask allowed;
  HostCpu cpu{};         // where it runs, waits to run, or ran last
  bool has_run = false;  // anywhere at all
  bool slept = false;    // since it ran last: its CPU has to turn to it, from idle if from nobody

  TaskId next = kNoTask;  // in the queue it stands in
  TaskId previous = kNoTask;

  WaitKind waits_for = WaitKind::None;
  std::uint32_t wait_object = 0;  // index of what it waits for
  std::uint64_t wait_until = 0;   // Work, Workqueue: the last queueing that it waits for
  std::uint32_t timer = kNoTimer;
  OnTimeout on_timeout = OnTimeout::Wake;
  bool late = false;         // the timeout of a wait that goes on has passed
  bool in_guest = false;     // Occupying: RunGuest, not Poll
  bool must_step = false;    // runs one step before it can be preempted, to leave the guest
  bool starts_work = false;  // a kworker whose item is still queued until its first step
  Resume resume = Resume::None;
  Duration compute_left = 0;

  Site site;   // of the step it runs or ran last
  Chain held;  // classes of the locks, reader sections and work it is in
  std::array<ReadSection, Chain::kMax> sections{};
  std::uint8_t section_count = 0;
  std::uint8_t preempt_off = 0;   // spin locks held or waited for
  std::uint8_t soft_irq_off = 0;  // of these, how many keep soft interrupts off
  std::uint8_t hard_irq_off = 0;  // and how many keep hard interrupts off as well

  std::uint16_t pool = kNoPool;        // of a kworker
  WorkId work = kNoWork;               // that it runs
  std::uint32_t first_call = kNoCall;  // calls that wait until the task can take them
  std::uint32_t last_call = kNoCall;

  friend bool operator==(const TaskRow& a, const TaskRow& b);
};

/// All tasks, by slot. References to a row stay valid while others come and go.
class TaskTable {
 public:
  TaskRow& operator[](TaskId id) { return rows_[raw(id)]; }
  const TaskRow& operator[](TaskId id) const { return rows_[raw(id)]; }
  std::size_t slots() const { return rows_.size(); }

  /// A parked task in a free slot. There are at most 65535 at a time, far more than a machine has
  /// threads; kNoTask beyond that.
  TaskId create();
  void destroy(TaskId id);
  TaskHandle handle(TaskId id) const { return {id, rows_[raw(id)].generation}; }
  /// The task of a handle, or kNoTask if it has ended.
  TaskId find(TaskHandle handle) const;

  void push_back(TaskQueue& queue, TaskId id);
  void push_front(TaskQueue& queue, TaskId id);
  TaskId pop_front(TaskQueue& queue);  // kNoTask if there is none
  void remove(TaskQueue& queue, TaskId id);

  friend bool operator==(const TaskTable& a, const TaskTable& b) {
    return a.rows_ == b.rows_ && a.free_ == b.free_;
  }

 private:
  std::deque<TaskRow> rows_;
  std::vector<TaskId> free_;
};

}  // namespace irqfab::host
