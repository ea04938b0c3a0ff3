// What one atomic step of a program asks for. A step answers exactly one of these, so the places
// between steps are exactly the places where another CPU can come in between.
#pragma once

#include <cstdint>
#include <variant>

#include "models/base/event.hpp"
#include "models/base/time.hpp"
#include "models/host/host_ids.hpp"

namespace irqfab::host {

/// Notes `event` for the task's span; its price, so many times over, is the time the step takes.
struct Charge {
  Event event;
  std::uint64_t detail = 0;
  std::uint32_t times = 1;
};
/// The task computes for `length`, a length that the scenario gives. It can be interrupted and
/// preempted at multiples of Config::quantum.
struct Compute {
  Duration length;
};

/// Takes a lock, waiting as its kind does: burning the CPU or asleep. First come, first served.
struct Acquire {
  LockId lock;
};
struct Release {
  LockId lock;
};

enum class OnTimeout : std::uint8_t {
  Wake,      // the wait ends as Outcome::TimedOut
  Remember,  // the wait goes on; once woken, the task learns that it took longer
             // (Outcome::WokenLate)
};
/// Sleeps until somebody wakes the queue, or for `timeout` (0: no limit). Whoever checks a
/// condition in the same step cannot miss a wake-up; whoever checks it in an earlier step can.
struct Wait {
  WaitQueueId queue;
  Duration timeout = 0;
  OnTimeout on_timeout = OnTimeout::Wake;
};
enum class WakeCount : std::uint8_t { One, All };
/// Wakes the task that waits longest, or all of them.
struct Wake {
  WaitQueueId queue;
  WakeCount count = WakeCount::One;
};
/// Wakes a task out of Wait, Sleep, ReadEventFd, RunGuest or Poll; nothing otherwise.
struct WakeTask {
  TaskHandle task;
};
struct Sleep {
  Duration length;
};

/// Hands a work item, with the task's span, to a kworker. Outcome::AlreadyQueued if it is still
/// queued from before: then it runs once for both.
struct QueueWork {
  WorkId work;
};
/// Sleeps until the item is neither queued nor running, as far as it was queued by now.
struct Flush {
  WorkId work;
};
/// The same for every item of a workqueue.
struct FlushQueue {
  WorkqueueId queue;
};

struct ReadLock {
  DomainId domain;
};
struct ReadUnlock {
  DomainId domain;
};
enum class Speed : std::uint8_t { Normal, Expedited };
/// Sleeps until every reader of the domain that is inside now has left.
struct Synchronize {
  DomainId domain;
  Speed speed = Speed::Normal;
};

/// Takes what the eventfd holds into Task::value, sleeping while it holds nothing.
/// Outcome::Refused if it is closed, or is closed meanwhile.
struct ReadEventFd {
  EventFdHandle eventfd;
};

/// The CPU is the guest's until the host wants it back: an interrupt, a wake-up, another task.
struct RunGuest {};
/// Burns the CPU until woken (Outcome::Woken), until `timeout` has passed (TimedOut), or until
/// another task wants the CPU (Interrupted). Interrupts are served meanwhile and do not end it.
struct Poll {
  Duration timeout;
};

/// Lets others of the same priority go first.
struct Yield {};
/// The program has ended.
struct Done {};

using Action = std::variant<Charge, Compute, Acquire, Release, Wait, Wake, WakeTask, Sleep,
                            QueueWork, Flush, FlushQueue, ReadLock, ReadUnlock, Synchronize,
                            ReadEventFd, RunGuest, Poll, Yield, Done>;

/// What came of the task's latest action, for its next step to look at.
enum class Outcome : std::uint8_t {
  None,           // it did what it says
  Woken,          // a wait or a stay in the guest was ended by a wake-up
  WokenLate,      // the same, after the timeout had passed (OnTimeout::Remember)
  TimedOut,       // a wait or a poll ended because its time had passed
  Interrupted,    // a stay in the guest or a poll ended because the host wanted the CPU
  AlreadyQueued,  // the work item was queued already
  Refused,        // not done: see HostMachine::violations, or the object does not exist any more
};

}  // namespace irqfab::host
