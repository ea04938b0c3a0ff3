// What a HostMachine consists of besides its tasks: plain records, acted on by the machine alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "models/base/message.hpp"
#include "models/base/time.hpp"
#include "models/host/task.hpp"

namespace irqfab::host {

enum class LockKind : std::uint8_t {
  Mutex,    // whoever waits sleeps
  Spin,     // whoever waits burns its CPU; the holder is not preempted
  SpinBh,   // and soft interrupts stay off its CPU
  SpinIrq,  // and hard interrupts as well
};

struct Lock {
  LockClassId cls{};
  LockKind kind = LockKind::Mutex;
  TaskId owner = kNoTask;
  TaskQueue waiters;
  friend bool operator==(const Lock& a, const Lock& b) {
    return a.cls == b.cls && a.kind == b.kind && a.owner == b.owner && a.waiters == b.waiters;
  }
};

/// One host CPU.
struct Cpu {
  TaskId hard = kNoTask;  // the interrupt handlers under way, and the task below them
  TaskId soft = kNoTask;
  TaskId task = kNoTask;
  TaskHandle last;  // the task that ran here last
  TaskQueue pending_hard;
  TaskQueue pending_soft;
  std::array<TaskQueue, kPriorities> ready;  // by Priority
  bool reschedule = false;                   // the task is to be preempted as soon as it may
  bool slice_over = false;  // because its time slice is over, so it goes to the back
  bool counting_slice = false;
  std::uint16_t load = 0;  // tasks that run or are ready here
  bool asked = false;      // to be continued: an Elapsed is under way
  std::uint64_t dispatches = 0;
  std::uint64_t slice_of = 0;  // the dispatch whose slice is being counted

  friend bool operator==(const Cpu& a, const Cpu& b) {
    const auto all = [](const Cpu& c) {
      return std::tie(c.hard, c.soft, c.task, c.last, c.pending_hard, c.pending_soft, c.ready,
                      c.reschedule, c.slice_over, c.counting_slice, c.load, c.asked, c.dispatches,
                      c.slice_of);
    };
    return all(a) == all(b);
  }
};

/// How long grace periods of a domain take beyond their readers. All zero: over the moment the last
/// reader leaves.
struct GracePeriodConfig {
  enum class Readers : std::uint8_t { MaySleep, MustNotSleep };
  Readers readers = Readers::MaySleep;  // SRCU; classic RCU for the other
  Duration normal_delay = 0;  // a normal grace period looks for readers only after this long
  Duration attentive =
      0;  // readers that leave within this long of the first look are noticed at once
  Duration recheck = 0;  // later ones only every so often; 0: at once
  bool operator==(const GracePeriodConfig& o) const {
    return readers == o.readers && normal_delay == o.normal_delay && attentive == o.attentive &&
           recheck == o.recheck;
  }
};

enum class GracePhase : std::uint8_t {
  Idle,
  Delayed,    // a normal grace period has begun and does not look yet
  Attentive,  // readers are inside; the last to leave ends it at once
  Rechecked,  // the same, but noticed at the next look
};

/// Readers and those who wait for them. Readers count on side `side`; a grace period begins by
/// turning to the other side, which is empty then, and waits until the old side is. Whoever asks
/// for a grace period while one is under way needs the next: readers may have entered since this
/// one began.
struct Domain {
  GracePeriodConfig config;
  LockClassId cls{};
  std::uint8_t side = 0;
  std::array<std::uint32_t, 2> readers{};
  GracePhase phase = GracePhase::Idle;
  TaskQueue waiting;       // for the grace period under way
  TaskQueue waiting_next;  // for the next
  bool next_is_expedited = false;
  HostCpu home{};                  // where its timers run
  std::uint32_t timer = kNoTimer;  // of the phase

  friend bool operator==(const Domain& a, const Domain& b) {
    const auto all = [](const Domain& d) {
      return std::tie(d.config, d.cls, d.side, d.readers, d.phase, d.waiting, d.waiting_next,
                      d.next_is_expedited, d.home, d.timer);
    };
    return all(a) == all(b);
  }
};

/// A work item. `queued` from queueing to its first step, `runner` while a kworker has it.
struct Work {
  WorkqueueId queue{};
  ProgramId program{};
  Locals locals{};
  LockClassId cls{};
  bool queued = false;
  SpanId span = kNoSpan;
  std::uint64_t queued_as = 0;   // number of the latest queueing
  std::uint64_t running_as = 0;  // number of the queueing that runs
  TaskId runner = kNoTask;
  WorkId next = kNoWork;  // in the pool's list
  TaskQueue flushers;

  friend bool operator==(const Work& a, const Work& b) {
    const auto all = [](const Work& w) {
      return std::tie(w.queue, w.program, w.locals, w.cls, w.queued, w.span, w.queued_as,
                      w.running_as, w.runner, w.next, w.flushers);
    };
    return all(a) == all(b);
  }
};

/// Kworkers that serve one list of items.
struct Pool {
  WorkqueueId queue{};
  CpuMask cpus;
  WorkId first = kNoWork;
  WorkId last = kNoWork;
  TaskQueue idle;
  std::uint16_t busy = 0;   // that have an item
  std::uint16_t awake = 0;  // of these, not asleep in the middle of it
  friend bool operator==(const Pool& a, const Pool& b) {
    const auto all = [](const Pool& p) {
      return std::tie(p.queue, p.cpus, p.first, p.last, p.idle, p.busy, p.awake);
    };
    return all(a) == all(b);
  }
};

struct WorkqueueConfig {
  enum class Binding : std::uint8_t {
    PerCpu,   // an item runs on the CPU that queued it; another starts only while none there is
              // awake
    Unbound,  // items run anywhere, as many at once as there are workers
  };
  Binding binding = Binding::PerCpu;
  std::uint16_t max_workers = 1;  // of each pool: of each CPU, or in all
  Priority priority = Priority::Normal;
  bool operator==(const WorkqueueConfig& o) const {
    return binding == o.binding && max_workers == o.max_workers && priority == o.priority;
  }
};

struct Workqueue {
  WorkqueueConfig config;
  std::uint16_t first_pool = 0;  // one pool a CPU, or one in all
  std::uint64_t queueings = 0;   // numbers them
  TaskQueue flushers;
  friend bool operator==(const Workqueue& a, const Workqueue& b) {
    return a.config == b.config && a.first_pool == b.first_pool && a.queueings == b.queueings &&
           a.flushers == b.flushers;
  }
};

/// A delay that is under way. It cannot be taken back, only ignored when it comes.
struct Timer {
  enum class Kind : std::uint8_t { Slice, Task, GracePeriod };
  enum class State : std::uint8_t { Free, Running, Cancelled };
  Kind kind{};
  State state = State::Free;
  std::uint32_t object = 0;  // CPU, task or domain; the next free timer for one that is free
  friend bool operator==(const Timer& a, const Timer& b) {
    return a.kind == b.kind && a.state == b.state && a.object == b.object;
  }
};

class Timers {
 public:
  std::uint32_t start(Timer::Kind kind, std::uint32_t object) {
    std::uint32_t timer = free_;
    if (timer == kNoTimer) {
      timer = static_cast<std::uint32_t>(rows_.size());
      rows_.emplace_back();
    } else {
      free_ = rows_[timer].object;
    }
    rows_[timer] = {kind, Timer::State::Running, object};
    return timer;
  }
  void cancel(std::uint32_t timer) { rows_[timer].state = Timer::State::Cancelled; }
  /// It came: what it was. Its number is free again. A number that is not under way is Free.
  Timer finish(std::uint32_t timer) {
    if (timer >= rows_.size() || rows_[timer].state == Timer::State::Free) return Timer{};
    const Timer finished = rows_[timer];
    rows_[timer] = Timer{};
    rows_[timer].object = std::exchange(free_, timer);
    return finished;
  }
  friend bool operator==(const Timers& a, const Timers& b) {
    return a.rows_ == b.rows_ && a.free_ == b.free_;
  }

 private:
  std::vector<Timer> rows_;
  std::uint32_t free_ = kNoTimer;
};

/// Calls that wait until their task can take them, first come, first served, in a list a task.
class Calls {
 public:
  struct Call {
    PortId port{};
    HostCall call{};
    std::uint32_t next = kNoCall;
  };
  void push_back(TaskRow& row, const Call& call) {
    const std::uint32_t at = place(call);
    (row.first_call == kNoCall ? row.first_call : rows_[row.last_call].next) = at;
    row.last_call = at;
  }
  void push_front(TaskRow& row, const Call& call) {
    const std::uint32_t at = place(call);
    if (row.first_call == kNoCall) row.last_call = at;
    rows_[at].next = std::exchange(row.first_call, at);
  }
  /// Takes the row's first call; it has one.
  Call pop(TaskRow& row) {
    const std::uint32_t at = row.first_call;
    const Call call = std::exchange(rows_[at], Call{});
    row.first_call = call.next;
    if (row.first_call == kNoCall) row.last_call = kNoCall;
    rows_[at].next = std::exchange(free_, at);
    return call;
  }
  friend bool operator==(const Calls& a, const Calls& b) {
    const auto same = [](const Call& x, const Call& y) {
      return x.port == y.port && x.call.call == y.call.call && x.call.task == y.call.task &&
             x.call.a == y.call.a && x.call.b == y.call.b && x.next == y.next;
    };
    return a.free_ == b.free_ &&
           std::equal(a.rows_.begin(), a.rows_.end(), b.rows_.begin(), b.rows_.end(), same);
  }

 private:
  std::uint32_t place(const Call& call) {
    std::uint32_t at = free_;
    if (at == kNoCall) {
      at = static_cast<std::uint32_t>(rows_.size());
      rows_.emplace_back();
    } else {
      free_ = rows_[at].next;
    }
    rows_[at] = {call.port, call.call, kNoCall};
    return at;
  }

  std::vector<Call> rows_;
  std::uint32_t free_ = kNoCall;
};

}  // namespace irqfab::host
