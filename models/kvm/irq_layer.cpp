// The layer's objects, the calls that inject, and the injection that an irqfd left to a kworker.
#include "models/kvm/irq_layer.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "models/base/silent_env.hpp"
#include "models/kvm/irq_layer_locals.hpp"

namespace irqfab::kvm {
namespace {

using host::Acquire;
using host::Action;
using host::Charge;
using host::Done;
using host::go_on;
using host::Release;

host::GracePeriodConfig readers_of(const IrqLayer::Config& config) {
  if (config.grace == GraceForm::SrcuExpedited) return config.srcu;
  host::GracePeriodConfig rcu;
  rcu.readers = host::GracePeriodConfig::Readers::MustNotSleep;
  rcu.normal_delay = config.rcu_delay;
  return rcu;
}

host::WorkqueueConfig workers(std::uint16_t count) {
  host::WorkqueueConfig config;
  config.max_workers = count;
  return config;
}

}  // namespace

IrqLayer::IrqLayer(const Config& config, host::HostMachine& machine)
    : config_(config), chip_(config.irqchip) {
  const auto add = [&machine](host::LockKind kind, const char* name) {
    return machine.add_lock(kind, machine.add_lock_class(name));
  };
  locks_.irq = add(host::LockKind::Mutex, "irq_lock");
  locks_.irqfds = add(host::LockKind::SpinIrq, "irqfds.lock");
  locks_.resampler = add(host::LockKind::Mutex, "resampler_lock");
  locks_.chip = add(host::LockKind::Spin, "irqchip");
  domain_ = machine.add_domain("routes", readers_of(config));
  injects_ = machine.add_workqueue(workers(std::max<std::uint16_t>(1, config.kworkers)));
  cleanups_ = machine.add_workqueue({});
  eventfd_class_ = machine.add_lock_class("eventfd");
  inject_class_ = machine.add_work_class("irqfd inject");
  shutdown_class_ = machine.add_work_class("irqfd shutdown");
  for (const std::uint64_t number : config_.eventfds) {
    add_row(machine.add_eventfd(0, host::EventFdMode::Counter), number,
            machine.add_lock(host::LockKind::SpinIrq, eventfd_class_), machine);
  }
}

void IrqLayer::add_row(host::EventFdHandle fd, std::uint64_t number, host::LockId lock,
                       host::HostMachine& machine) {
  Eventfd row;
  row.fd = fd;
  row.number = number;
  row.lock = lock;
  host::Locals locals{};
  locals[host::kFirstArgument] = eventfds_.size();
  row.irqfd.inject = machine.add_work(injects_, inject_class_, program(LayerCall::Inject), locals);
  row.irqfd.shutdown =
      machine.add_work(cleanups_, shutdown_class_, program(LayerCall::Shutdown), locals);
  eventfds_.push_back(row);
}

std::uint32_t IrqLayer::adopt(const IrqLayer& other, std::uint32_t eventfd,
                              host::HostMachine& machine) {
  const Eventfd& row = other.eventfds_[eventfd];
  add_row(row.fd, row.number, row.lock, machine);
  return static_cast<std::uint32_t>(eventfds_.size() - 1);
}

Action IrqLayer::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  switch (static_cast<LayerCall>(raw(task.program) - raw(config_.first_program))) {
    case LayerCall::SignalMsi:
      return signal_msi(task, env);
    case LayerCall::IrqLine:
      return irq_line(task, env);
    case LayerCall::SetGsiRouting:
      return set_gsi_routing(task);
    case LayerCall::Irqfd:
      return irqfd(task, kernel, env);
    case LayerCall::EventfdWrite:
    case LayerCall::EventfdSignal:
      return signal(task, kernel, env);
    case LayerCall::EventfdClose:
      return close(task, kernel, env);
    case LayerCall::Inject:
      return inject(task, kernel, env);
    case LayerCall::Shutdown:
      break;
  }
  return shutdown(task, kernel, env);
}

/// Arguments: address, data, flags.
Action IrqLayer::signal_msi(host::Task& task, Env& env) {
  const x86::MsiMessage message{argument(task, 0), static_cast<std::uint32_t>(argument(task, 1))};
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1: {
      const Answer refused =
          chip_.check_msi(message, static_cast<std::uint32_t>(argument(task, 2)));
      if (refused == 0) return Charge{Event::MsiInjected, message.data};
      set_answer(task, refused);
      if (task.span != kNoSpan) env.drop(std::exchange(task.span, kNoSpan), DropReason::NoDecode);
      jump(task, 3);
      return go_on();
    }
    case 2:
      set_answer(task, chip_.signal_msi(message, std::exchange(task.span, kNoSpan), env));
      return go_on();
    case 3:
      return Charge{Event::SyscallReturned};
    default:
      return host::finish(task);
  }
}

// ---- pins and messages of a GSI ---------------------------------------------------------------

bool IrqLayer::has_message(Gsi gsi) const {
  const GsiRouting::Entries entries = chip_.routing().of(gsi);
  return !entries.empty() && entries.first->target == RouteTarget::Msi;
}

/// The interrupt that the call is: a line that falls is none, whomever the task works for.
SpanId IrqLayer::brought_by(host::Task& task, const LineChange& what) {
  return what.level == Level::High ? std::exchange(task.span, kNoSpan) : kNoSpan;
}

/// Four steps, of which `stage` is one. The price of PinDriven is that of a whole KVM_IRQ_LINE, its
/// lookup included; a message is looked up for itself.
Action IrqLayer::drive(host::Task& task, unsigned stage, const LineChange& what, Env& env) {
  constexpr std::uint64_t kPins = 0, kMessage = 1, kLowWithoutLock = 2;
  std::uint64_t& kind = argument(task, 3);
  switch (stage) {
    case 0:
      kind = has_message(what.gsi) ? kMessage : kPins;
      if (kind == kMessage) return Charge{Event::RouteLookedUp, raw(what.gsi)};
      if (config_.mutants.has(Mutant::LineWithoutOr) && falls(what)) kind = kLowWithoutLock;
      return Acquire{locks_.chip};
    case 1:
      if (kind != kMessage) return Charge{Event::PinDriven, raw(what.gsi)};
      if (what.level == Level::Low || !has_message(what.gsi)) return go_on();
      return Charge{Event::MsiInjected, chip_.routing().of(what.gsi).first->message.data};
    case 2:
      set_answer(task, chip_.set_line(what, brought_by(task, what), env));
      if (kind == kLowWithoutLock) {
        chip_.set_line({what.gsi, kUserspaceSource, Level::Low}, kNoSpan, env);
        chip_.set_line({what.gsi, kResamplerSource, Level::Low}, kNoSpan, env);
      }
      return go_on();
    default:
      if (kind == kMessage) return go_on();
      return Release{locks_.chip};
  }
}

/// Would the pin be low with this contribution? For Mutant::LineWithoutOr, which asks too early.
bool IrqLayer::falls(const LineChange& what) const {
  Irqchip chip = chip_;
  SilentEnv env;
  chip.set_line(what, kNoSpan, env);
  const GsiRouting::Entries entries = chip.routing().of(what.gsi);
  return std::all_of(entries.begin(), entries.end(), [&chip](const Route& route) {
    return route.target != RouteTarget::IoapicPin || chip.ioapic().level(route.pin) == Level::Low;
  });
}

/// Arguments: GSI, source, level and kUntold.
Action IrqLayer::irq_line(host::Task& task, Env& env) {
  const bool told = (argument(task, 2) & kUntold) == 0;
  const LineChange what{Gsi(static_cast<std::uint32_t>(argument(task, 0))),
                        static_cast<std::uint32_t>(argument(task, 1)), Level(argument(task, 2) & 1),
                        told ? LineStatus::Told : LineStatus::Untold};
  constexpr std::uint16_t kDrive = 2, kReturn = 7;
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      if (config_.irqchip.kind != IrqchipKind::None) return host::ReadLock{domain_};
      set_answer(task, kENXIO);
      if (const SpanId lost = brought_by(task, what); lost != kNoSpan) {
        env.drop(lost, DropReason::NoRoute);
      }
      jump(task, kReturn);
      return go_on();
    case kDrive:
    case kDrive + 1:
    case kDrive + 2:
    case kDrive + 3:
      return drive(task, task.pc - kDrive - 1u, what, env);
    case 6:
      return host::ReadUnlock{domain_};
    case kReturn:
      return Charge{Event::SyscallReturned};
    default:
      return host::finish(task);
  }
}

// ---- a kworker --------------------------------------------------------------------------------

/// Argument: eventfd. High and low at once for a plain irqfd; one that resamples stays high until
/// the EOI, when the irqchip lowers it.
Action IrqLayer::inject(host::Task& task, host::HostKernel& kernel, Env& env) {
  Irqfd& irqfd = eventfds_[eventfd_of(task)].irqfd;
  const std::uint32_t source = irqfd.resampling ? kResamplerSource : kUserspaceSource;
  const bool holds_irq_lock = config_.mutants.has(Mutant::WorkCancelledUnderLock);
  constexpr std::uint16_t kHigh = 3, kLow = 7, kLeave = 11;
  switch (task.pc++) {
    case 0:
      return Charge{Event::WorkStarted, raw(irqfd.gsi)};
    case 1:
      if (holds_irq_lock) return Acquire{locks_.irq};
      pass(task);
      [[fallthrough]];
    case 2:
      check_use(irqfd, irqfd.generation);
      return host::ReadLock{domain_};
    case kHigh:
      if (config_.mutants.has(Mutant::LazyEoiResamples)) end_edge_early(irqfd.gsi, kernel, env);
      [[fallthrough]];
    case kHigh + 1:
    case kHigh + 2:
    case kHigh + 3:
      return drive(task, task.pc - kHigh - 1u, {irqfd.gsi, source, Level::High}, env);
    case kLow:
      if (irqfd.resampling) {
        jump(task, kLeave + 1);
        return host::ReadUnlock{domain_};
      }
      [[fallthrough]];
    case kLow + 1:
    case kLow + 2:
    case kLow + 3:
      return drive(task, task.pc - kLow - 1u, {irqfd.gsi, source, Level::Low}, env);
    case kLeave:
      return host::ReadUnlock{domain_};
    case kLeave + 1:
      if (holds_irq_lock) return host::Release{locks_.irq};
      [[fallthrough]];
    default:
      return Done{};
  }
}

/// Mutant::LazyEoiResamples: an edge entry is taken for ended before it is asserted again.
void IrqLayer::end_edge_early(Gsi gsi, host::HostKernel& kernel, Env& env) {
  for (const Route& route : chip_.routing().of(gsi)) {
    if (route.target != RouteTarget::IoapicPin) continue;
    if (!chip_.ioapic().rte(route.pin).level_sensitive()) signal_resamplers(gsi, kernel, env);
  }
}

void IrqLayer::check_use(const Irqfd& irqfd, std::uint32_t generation) {
  if (irqfd.state == IrqfdState::Free || irqfd.generation != generation) {
    fault(LayerFault::IrqfdUsedAfterFree);
  }
  if (generation <= irqfd.returned) fault(LayerFault::InjectedAfterDeassign);
}

void IrqLayer::fault(LayerFault what) {
  if (std::find(faults_.begin(), faults_.end(), what) == faults_.end()) faults_.push_back(what);
}

Answer IrqLayer::ioeventfd(const IoEventfd& call, const host::HostMachine& machine) {
  if (!is_open(call.eventfd, machine)) return kEBADF;
  return ioeventfds_.change(call);
}

void IrqLayer::held_spans(std::vector<SpanId>& out) const {
  chip_.held_spans(out);
  for (const Eventfd& row : eventfds_) {
    if (row.span != kNoSpan) out.push_back(row.span);
  }
}

bool operator==(const IrqLayer& a, const IrqLayer& b) {
  const auto all = [](const IrqLayer& l) {
    return std::tie(l.chip_, l.eventfds_, l.ioeventfds_, l.updates_, l.version_, l.retired_,
                    l.faults_);
  };
  return all(a) == all(b);
}

}  // namespace irqfab::kvm
