// KVM_IRQFD: how irqfds come and go.
#include <utility>

#include "models/kvm/irq_layer.hpp"
#include "models/kvm/irq_layer_locals.hpp"

namespace irqfab::kvm {
namespace {

using host::Acquire;
using host::Action;
using host::Charge;
using host::Done;
using host::go_on;
using host::Release;

// Steps of the one program: assign() has the first, then come those of bind() and deassign().
constexpr std::uint16_t kBind = 8, kUndo = 16, kLeaveReaders = 19, kReturn = 21, kDeassign = 24;

bool has(const host::Task& task, IrqfdFlag flag) {
  return (argument(task, 2) & static_cast<std::uint64_t>(flag)) != 0;
}

constexpr std::uint64_t kFlags = 3;

}  // namespace

/// Arguments: eventfd, GSI, flags, eventfd to signal at the EOI.
Action IrqLayer::irqfd(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (task.pc >= kDeassign) return deassign(task, kernel);
  if (task.pc == kReturn + 1) return host::finish(task);
  if (task.pc == kReturn) return ++task.pc, Charge{Event::SyscallReturned};
  if (task.pc >= kBind) return bind(task, kernel, env);
  if (task.pc != 0) return assign(task);
  const bool known = (argument(task, 2) & ~kFlags) == 0;
  const bool takes_away = has(task, IrqfdFlag::Deassign);
  set_answer(task, !known       ? kEINVAL
                   : takes_away ? check_deassign(task, kernel.machine())
                                : check_assign(task, kernel.machine()));
  jump(task, task.value != 0 ? kReturn : takes_away ? kDeassign : 1);
  return Charge{Event::SyscallEntered};
}

Answer IrqLayer::check_assign(const host::Task& task, const host::HostMachine& machine) const {
  const bool resamples = has(task, IrqfdFlag::Resample);
  const IrqchipKind kind = config_.irqchip.kind;
  if (kind == IrqchipKind::None || (resamples && kind != IrqchipKind::Full)) return kEINVAL;
  if (!is_open(argument(task, 0), machine)) return kEBADF;
  if (!resamples) return 0;
  if (argument(task, 3) >= eventfds_.size()) return kEINVAL;  // open, and no eventfd
  return is_open(argument(task, 3), machine) ? 0 : kEBADF;
}

Answer IrqLayer::check_deassign(const host::Task& task, const host::HostMachine& machine) const {
  return is_open(argument(task, 0), machine) ? 0 : kEBADF;
}

bool IrqLayer::is_open(std::uint64_t eventfd, const host::HostMachine& machine) const {
  return eventfd < eventfds_.size() && machine.eventfds().open(eventfds_[eventfd].fd);
}

// ---- assign -----------------------------------------------------------------------------------

/// Of one that resamples: its GSI's line is told of EOIs from here.
Action IrqLayer::assign(host::Task& task) {
  Irqfd& irqfd = eventfds_[eventfd_of(task)].irqfd;
  const bool under_lock = config_.mutants.has(Mutant::GraceUnderResamplerLock);
  switch (task.pc++) {
    case 1:
      if (irqfd.state != IrqfdState::Free) {
        set_answer(task, kEBUSY);
        jump(task, kReturn);
        return go_on();
      }
      irqfd.state = IrqfdState::Assigning;
      irqfd.gsi = Gsi(static_cast<std::uint32_t>(argument(task, 1)));
      irqfd.resample.reset();
      if (!has(task, IrqfdFlag::Resample)) {
        jump(task, kBind);
        return go_on();
      }
      irqfd.resample = static_cast<std::uint32_t>(argument(task, 3));
      return Acquire{locks_.resampler};
    case 2:
      irqfd.resampling = true;
      chip_.add_resampler(irqfd.gsi);
      if (under_lock) return grace();
      pass(task);
      [[fallthrough]];
    case 3:
      if (under_lock) jump(task, kBind);
      return Release{locks_.resampler};
    default:
      jump(task, kBind);
      return grace();
  }
}

/// The irqfd is on the list before it watches, so that a close of the eventfd finds it there. Its
/// shutdown waits for this reader section, and so for the irqfd to be whole.
Action IrqLayer::bind(host::Task& task, host::HostKernel& kernel, Env& env) {
  Eventfd& row = eventfds_[eventfd_of(task)];
  switch (task.pc++) {
    case kBind:
      return host::ReadLock{domain_};
    case kBind + 1:
      return Acquire{locks_.irqfds};
    case kBind + 2:
      refresh_now(row.irqfd);
      row.irqfd.state = IrqfdState::Active;
      return Release{locks_.irqfds};
    case kBind + 3:
      return Acquire{row.lock};
    case kBind + 4:
      set_answer(task, check_watch(row, kernel.machine()));
      if (task.value == 0) {
        kernel.watch(row.fd, watcher_of(eventfd_of(task)));
      } else {
        jump(task, kUndo);
      }
      return Release{row.lock};
    case kBind + 5:
      if (kernel.machine().eventfds().count(row.fd) > 0) {
        return Charge{Event::WorkQueued, raw(row.irqfd.gsi)};
      }
      jump(task, kLeaveReaders);
      return go_on();
    case kBind + 6: {
      // It was signalled before: its counter stays as it is.
      SpanId span = std::exchange(row.span, kNoSpan);
      if (span == kNoSpan) span = env.open(Cause::Software, kNoSpan);
      queue_injection(row.irqfd, span, kernel, env);
      jump(task, kLeaveReaders);
      return go_on();
    }
    case kUndo:
      return Acquire{locks_.irqfds};
    case kUndo + 1:
      deactivate(row.irqfd, kernel);
      return Release{locks_.irqfds};
    case kUndo + 2:
      jump(task, kReturn);
      return host::ReadUnlock{domain_};
    case kLeaveReaders:
      return host::ReadUnlock{domain_};
    default:
      jump(task, kReturn);
      return Charge{Event::IrqfdAssigned, raw(row.irqfd.gsi)};
  }
}

/// Behind another's irqfd this one would never be called: that one ends the walk.
Answer IrqLayer::check_watch(const Eventfd& row, const host::HostMachine& machine) const {
  const host::EventFds& eventfds = machine.eventfds();
  if (!eventfds.open(row.fd)) return kEBADF;  // closed meanwhile
  const bool taken = eventfds.called(row.fd).ends_exclusively();
  return taken && !config_.mutants.has(Mutant::EventfdInTwoVms) ? kEBUSY : 0;
}

Answer IrqLayer::assign_now(std::uint32_t eventfd, Gsi gsi, std::optional<std::uint32_t> resample,
                            host::HostMachine& machine) {
  host::Task task;
  argument(task, 0) = eventfd;
  argument(task, 1) = raw(gsi);
  argument(task, 2) = resample ? static_cast<std::uint64_t>(IrqfdFlag::Resample) : 0;
  argument(task, 3) = resample.value_or(0);
  if (const Answer refused = check_assign(task, machine); refused != 0) return refused;
  Eventfd& row = eventfds_[eventfd];
  if (row.irqfd.state != IrqfdState::Free || check_watch(row, machine) != 0) return kEBUSY;
  row.irqfd.state = IrqfdState::Active;
  row.irqfd.gsi = gsi;
  row.irqfd.resample = resample;
  row.irqfd.resampling = resample.has_value();
  if (resample) chip_.add_resampler(gsi);
  refresh_now(row.irqfd);
  machine.add_watcher(row.fd, watcher_of(eventfd));
  return 0;
}

// ---- deassign, and the end of an irqfd --------------------------------------------------------

/// A pair that is not bound answers 0 like one that is. The entry is cleared for whoever has found
/// the irqfd already: updates do not find it any more. Whoever deassigns waits for its shutdown.
Action IrqLayer::deassign(host::Task& task, host::HostKernel& kernel) {
  Irqfd& irqfd = eventfds_[eventfd_of(task)].irqfd;
  const bool holds_irq_lock = config_.mutants.has(Mutant::WorkCancelledUnderLock);
  std::uint64_t& taken = argument(task, 3);  // generation of the irqfd; 0: there was none
  switch (task.pc++) {
    case kDeassign:
      taken = 0;
      if (holds_irq_lock) return Acquire{locks_.irq};
      pass(task);
      [[fallthrough]];
    case kDeassign + 1:
      return Acquire{locks_.irqfds};
    case kDeassign + 2:
      if (irqfd.state == IrqfdState::Active && raw(irqfd.gsi) == argument(task, 1)) {
        taken = irqfd.generation;
        if (!config_.mutants.has(Mutant::IrqfdNotCleared)) clear(irqfd.entry);
        deactivate(irqfd, kernel);
      }
      return Release{locks_.irqfds};
    case kDeassign + 3:
      return host::FlushQueue{cleanups_};
    case kDeassign + 4:
      if (holds_irq_lock) return Release{locks_.irq};
      pass(task);
      [[fallthrough]];
    default:
      jump(task, kReturn);
      if (taken == 0) return go_on();
      irqfd.returned = static_cast<std::uint32_t>(taken);
      return Charge{Event::IrqfdDeassigned, argument(task, 1)};
  }
}

/// Under irqfds.lock. One that is off the list has its end before it already.
void IrqLayer::deactivate(Irqfd& irqfd, host::HostKernel& kernel) {
  const bool again = config_.mutants.has(Mutant::IrqfdReleasedTwice);
  if (irqfd.state != IrqfdState::Active && !(again && irqfd.state == IrqfdState::Off)) return;
  irqfd.state = IrqfdState::Off;
  kernel.queue_work(irqfd.shutdown, kNoSpan);
}

/// A work item. Argument: eventfd.
Action IrqLayer::shutdown(host::Task& task, host::HostKernel& kernel, Env& env) {
  Eventfd& row = eventfds_[eventfd_of(task)];
  Irqfd& irqfd = row.irqfd;
  const bool under_lock = config_.mutants.has(Mutant::GraceUnderResamplerLock);
  constexpr std::uint16_t kFree = 10;
  switch (task.pc++) {
    case 0:
      return grace();
    case 1:
      return Acquire{row.lock};
    case 2:
      // Nobody else's signals are lost by it: what came until now is the irqfd's.
      if (kernel.unwatch(row.fd, watcher_of(eventfd_of(task)).cookie)) kernel.consume(row.fd);
      return Release{row.lock};
    case 3:
      return host::Flush{irqfd.inject};
    case 4:
      if (irqfd.resampling) return Acquire{locks_.resampler};
      jump(task, kFree);
      return go_on();
    case 5:
      return Acquire{locks_.chip};
    case 6:
      irqfd.resampling = false;
      chip_.remove_resampler(irqfd.gsi, env);
      return Release{locks_.chip};
    case 7:
      if (under_lock) return grace();
      pass(task);
      [[fallthrough]];
    case 8:
      if (under_lock) jump(task, kFree);
      return Release{locks_.resampler};
    case 9:
      return grace();
    case kFree:
      if (irqfd.state == IrqfdState::Free) fault(LayerFault::IrqfdFreedTwice);
      irqfd.state = IrqfdState::Free;
      ++irqfd.generation;
      return go_on();
    default:
      return Done{};
  }
}

}  // namespace irqfab::kvm
