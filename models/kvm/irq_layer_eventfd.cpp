// Signals of eventfds, and what an irqfd does in the context of one.
#include <algorithm>
#include <utility>

#include "models/kvm/irq_layer.hpp"
#include "models/kvm/irq_layer_locals.hpp"

namespace irqfab::kvm {
namespace {

using host::Acquire;
using host::Action;
using host::Charge;
using host::go_on;
using host::Release;

// What a watcher's cookie says: an irqfd of the layer whose programs begin there, a wait queue, or
// a handler.
constexpr std::uint64_t kPoller = std::uint64_t{1} << 63;
constexpr std::uint64_t kCallee = std::uint64_t{1} << 62;
constexpr unsigned kLayerShift = 32;

constexpr Answer kWritten = 8;  // bytes
constexpr std::uint64_t kIsMessage = std::uint64_t{1} << 32;
constexpr std::uint64_t kLowWord = 0xFFFFFFFF;

// Steps of signal(). In the order in which they run.
constexpr std::uint16_t kRead = 5, kUnlockReaders = 9, kUnlock = 10, kReturn = 11;

}  // namespace

host::Watcher IrqLayer::watcher_of(std::uint32_t eventfd) const {
  const std::uint64_t layer = raw(config_.first_program);
  return {layer << kLayerShift | eventfd, host::WatchOrder::Priority, host::WatchShare::Exclusive};
}

void IrqLayer::poll(std::uint32_t eventfd, host::WaitQueueId queue, host::HostMachine& machine) {
  machine.add_watcher(eventfds_[eventfd].fd,
                      {kPoller | raw(queue), host::WatchOrder::Normal, host::WatchShare::Shared});
}

void IrqLayer::serve(std::uint32_t eventfd, const host::Start& handler,
                     host::HostMachine& machine) {
  machine.add_watcher(eventfds_[eventfd].fd, {kCallee | callees_.size(), host::WatchOrder::Normal,
                                              host::WatchShare::Shared});
  callees_.push_back(handler);
}

/// Arguments: eventfd, and of EventfdWrite the value. What is read of an irqfd: its generation and
/// the entry's sequence count in argument 1, the address (or the table that is pointed to) in 2,
/// the data in 3 with kIsMessage, and the tables that both are of in Task::value.
Action IrqLayer::signal(host::Task& task, host::HostKernel& kernel, Env& env) {
  const bool is_call = task.program == program(LayerCall::EventfdWrite);
  Eventfd& row = eventfds_[eventfd_of(task)];
  switch (task.pc++) {
    case 0:
      if (is_call) return Charge{Event::SyscallEntered};
      pass(task);
      [[fallthrough]];
    case 1:
      return Acquire{row.lock};
    case 2:
      if (!kernel.machine().eventfds().open(row.fd)) {
        set_answer(task, kEBADF);
        if (task.span != kNoSpan) {
          env.cancel(std::exchange(task.span, kNoSpan), CancelOp::EventfdClosed);
        }
        jump(task, kUnlock);
        return go_on();
      }
      kernel.signal(row.fd, is_call ? argument(task, 1) : 1);
      return Charge{Event::EventfdSignalled, row.number};
    case 3:
      return call_watchers(task, kernel, env);
    case 4:
      return Charge{Event::RouteLookedUp, raw(row.irqfd.gsi)};
    case kRead:
      return read_address(task);
    case kRead + 1:
      return read_data(task);
    case kRead + 2:
      return choose(task);
    case kRead + 3:
      deliver(task, kernel, env);
      return go_on();
    case kUnlockReaders:
      return host::ReadUnlock{domain_};
    case kUnlock:
      return Release{row.lock};
    case kReturn:
      if (is_call) return Charge{Event::SyscallReturned};
      [[fallthrough]];
    default:
      return host::finish(task);
  }
}

/// The eventfd's lock is held, and its counter has risen. An irqfd stands before all others and is
/// the last to be called. If it is another VM's, that VM's layer goes on from here.
Action IrqLayer::call_watchers(host::Task& task, host::HostKernel& kernel, Env& env) {
  const Eventfd& row = eventfds_[eventfd_of(task)];
  for (const host::Watcher& watcher : kernel.machine().eventfds().called(row.fd)) {
    if (tell(watcher, row.fd, kernel)) continue;
    const auto owner = static_cast<std::uint16_t>(watcher.cookie >> kLayerShift);
    if (owner != raw(config_.first_program)) {
      const int by = owner - raw(config_.first_program);
      task.program = host::ProgramId(static_cast<std::uint16_t>(raw(task.program) + by));
      argument(task, 0) = watcher.cookie & kLowWord;
      jump(task, 3);
      return go_on();
    }
    kernel.consume(row.fd);
    argument(task, 1) = std::uint64_t{row.irqfd.generation} << 32;
    argument(task, 3) = 0;
    if (config_.form != IrqfdForm::Workqueue) return host::ReadLock{domain_};
    jump(task, kRead + 2);
    return go_on();
  }
  rest(task, env);
  jump(task, kUnlock);
  return go_on();
}

/// Nobody injects: the interrupt stays in the counter, for who reads it or binds it.
void IrqLayer::rest(host::Task& task, Env& env) {
  SpanId& there = eventfds_[eventfd_of(task)].span;
  const SpanId came = std::exchange(task.span, kNoSpan);
  set_answer(task, task.program == program(LayerCall::EventfdWrite) ? kWritten : 0);
  if (came == kNoSpan) return;
  if (there != kNoSpan) return env.coalesce(came, there);
  there = came;
}

// ---- an irqfd, in a reader section ------------------------------------------------------------

/// While the sequence count is odd somebody writes the entry.
Action IrqLayer::read_address(host::Task& task) {
  const Entry& entry = eventfds_[eventfd_of(task)].irqfd.entry;
  if (config_.form == IrqfdForm::Copy && entry.sequence % 2 != 0 &&
      !config_.mutants.has(Mutant::SequenceNotChecked)) {
    jump(task, kRead);
    return go_on();
  }
  argument(task, 1) = (argument(task, 1) & ~kLowWord) | entry.sequence;
  argument(task, 2) = config_.form == IrqfdForm::Pointer ? entry.table : entry.msi.address;
  argument(task, 3) = entry.message ? kIsMessage : 0;
  task.value = std::uint64_t{entry.table} << 32;
  return go_on();
}

Action IrqLayer::read_data(host::Task& task) {
  const Irqfd& irqfd = eventfds_[eventfd_of(task)].irqfd;
  if (config_.form == IrqfdForm::Pointer) return follow_pointer(task, irqfd.gsi);
  const bool changed = irqfd.entry.sequence != (argument(task, 1) & kLowWord);
  if (changed && !config_.mutants.has(Mutant::SequenceNotChecked)) {
    jump(task, kRead);
    return go_on();
  }
  argument(task, 3) |= irqfd.entry.msi.data;
  task.value |= irqfd.entry.data_table;
  return go_on();
}

/// Of a table that is gone there is nothing to read.
Action IrqLayer::follow_pointer(host::Task& task, Gsi gsi) {
  if (argument(task, 3) == 0) return go_on();
  const auto version = static_cast<std::uint32_t>(argument(task, 2));
  const GsiRouting* pointed = table(version);
  if (pointed == nullptr) {
    fault(LayerFault::RouteUsedAfterFree);
    argument(task, 3) = 0;
    return go_on();
  }
  const x86::MsiMessage message = pointed->of(gsi).last[-1].message;
  argument(task, 2) = message.address;
  argument(task, 3) = kIsMessage | message.data;
  task.value = std::uint64_t{version} << 32 | version;
  return go_on();
}

Action IrqLayer::choose(const host::Task& task) const {
  const Gsi gsi = eventfds_[eventfd_of(task)].irqfd.gsi;
  const bool injects = (argument(task, 3) & kIsMessage) != 0;
  return Charge{injects ? Event::IrqfdRouted : Event::WorkQueued, raw(gsi)};
}

void IrqLayer::deliver(host::Task& task, host::HostKernel& kernel, Env& env) {
  const Irqfd& irqfd = eventfds_[eventfd_of(task)].irqfd;
  check_use(irqfd, static_cast<std::uint32_t>(argument(task, 1) >> 32));
  if ((argument(task, 3) & kIsMessage) == 0) {
    queue_injection(irqfd, std::exchange(task.span, kNoSpan), kernel, env);
  } else {
    const auto address_of = static_cast<std::uint32_t>(task.value >> 32);
    const auto data_of = static_cast<std::uint32_t>(task.value);
    if (address_of != data_of) fault(LayerFault::TornEntry);
    if (table(address_of) == nullptr) fault(LayerFault::RouteUsedAfterFree);
    const x86::MsiMessage message{argument(task, 2), static_cast<std::uint32_t>(argument(task, 3))};
    chip_.signal_msi(message, std::exchange(task.span, kNoSpan), env);
  }
  set_answer(task, task.program == program(LayerCall::EventfdWrite) ? kWritten : 0);
  if (config_.form == IrqfdForm::Workqueue) jump(task, kUnlock);
}

/// Queued from before, it runs once for both.
void IrqLayer::queue_injection(const Irqfd& irqfd, SpanId span, host::HostKernel& kernel,
                               Env& env) {
  const bool merges = kernel.queue_work(irqfd.inject, span) == host::Outcome::AlreadyQueued;
  if (merges && span != kNoSpan) env.coalesce(span, kernel.machine().span(irqfd.inject));
}

// ---- its last reference, and those who are no irqfds ------------------------------------------

/// Argument: eventfd. Its irqfd's shutdown is begun; it is not waited for.
Action IrqLayer::close(host::Task& task, host::HostKernel& kernel, Env& env) {
  Eventfd& row = eventfds_[eventfd_of(task)];
  constexpr std::uint16_t kUnlockEventfd = 5;
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      return Acquire{row.lock};
    case 2:
      set_answer(task, kernel.machine().eventfds().open(row.fd) ? 0 : kEBADF);
      if (task.value == 0 && row.irqfd.state != IrqfdState::Free) return Acquire{locks_.irqfds};
      jump(task, kUnlockEventfd);
      return go_on();
    case 3:
      deactivate(row.irqfd, kernel);
      return Release{locks_.irqfds};
    case 4:
      pass(task);
      [[fallthrough]];
    case kUnlockEventfd:
      if (task.value == 0) {
        kernel.close_eventfd(row.fd);
        if (row.span != kNoSpan) {
          env.cancel(std::exchange(row.span, kNoSpan), CancelOp::EventfdClosed);
        }
      }
      return Release{row.lock};
    case kUnlockEventfd + 1:
      return Charge{Event::SyscallReturned};
    default:
      return host::finish(task);
  }
}

IrqLayer::Taken IrqLayer::consume(std::uint32_t eventfd, host::HostKernel& kernel) {
  Eventfd& row = eventfds_[eventfd];
  const std::uint64_t count = kernel.consume(row.fd);
  return {count, std::exchange(row.span, kNoSpan)};
}

void IrqLayer::open(std::uint32_t eventfd, std::uint64_t count, host::EventFdMode mode,
                    host::HostKernel& kernel) {
  eventfds_[eventfd].fd = kernel.create_eventfd(count, mode);
}

void IrqLayer::signal_resamplers(host::HostKernel& kernel, Env& env) {
  for (const Gsi gsi : chip_.take_acknowledged()) signal_resamplers(gsi, kernel, env);
}

/// The eventfds' locks are not taken: whoever waits for an interrupt's end only counts.
void IrqLayer::signal_resamplers(Gsi gsi, host::HostKernel& kernel, Env& env) {
  env.note(Event::ResampleSignalled, kNoSpan, raw(gsi));
  for (const Eventfd& row : eventfds_) {
    if (!row.irqfd.resampling || row.irqfd.gsi != gsi) continue;
    const host::EventFdHandle told = eventfds_[*row.irqfd.resample].fd;
    kernel.signal(told, 1);
    for (const host::Watcher& watcher : kernel.machine().eventfds().called(told)) {
      tell(watcher, told, kernel);
    }
  }
}

/// False if the watcher is an irqfd.
bool IrqLayer::tell(const host::Watcher& watcher, host::EventFdHandle fd,
                    host::HostKernel& kernel) const {
  if ((watcher.cookie & kPoller) != 0) {
    kernel.wake(host::WaitQueueId(watcher.cookie & ~kPoller), host::WakeCount::All);
    return true;
  }
  if ((watcher.cookie & kCallee) == 0) return false;
  kernel.consume(fd);
  kernel.raise_soft(kernel.cpu().value_or(host::HostCpu{0}), callees_[watcher.cookie & ~kCallee]);
  return true;
}

}  // namespace irqfab::kvm
