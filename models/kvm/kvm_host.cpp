#include "models/kvm/kvm_host.hpp"

#include <algorithm>

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;
using host::Done;

// Programs. A step moves on by itself; prices of a Charge pass before the next step.
constexpr host::ProgramId kSignalMsi{0};
constexpr host::ProgramId kIrqLine{1};
constexpr host::ProgramId kEventfdWrite{2};
constexpr host::ProgramId kDeferredIrqfd{3};
constexpr host::ProgramId kIrqfdPoll{4};

// Sources, see KvmHost::sources.
constexpr std::uint32_t kMessages = 1;
constexpr std::uint32_t kFirstIrqfd = 2;

const Action kReturn = Charge{Event::SyscallReturned};

unsigned host_cpus(const KvmHost::Config& config) { return std::max(1u, config.threads); }

/// Threads first, so that thread i is task i.
host::HostMachine machine_with_threads(const KvmHost::Config& config) {
  host::HostMachine::Config of;
  of.cpus = host_cpus(config);
  host::HostMachine machine(of);
  for (unsigned i = 0; i < config.threads; ++i) {
    machine.add_thread({host::CpuMask::only(host::HostCpu(i)), host::Priority::Normal});
  }
  return machine;
}

}  // namespace

// ---- the software -----------------------------------------------------------------------------

KvmSoftware::KvmSoftware(const Config& config, host::HostMachine& machine)
    : config_(config),
      chip_(config.irqchip),
      vcpus_(config.irqchip.ids.size()),
      told_(config.irqchip.ids.size(), Level::Low) {
  for (std::size_t cpu = 1; cpu < vcpus_.size(); ++cpu) {
    vcpus_[cpu].mp_state = MpState::Uninitialized;
  }
  const auto queue = machine.add_workqueue({});
  const auto cls = machine.add_work_class("irqfd inject");
  for (std::size_t i = 0; i < config_.irqfds.size(); ++i) {
    Binding binding;
    binding.work = machine.add_work(queue, cls, kDeferredIrqfd, {i});
    binding.gsi = config_.irqfds[i].gsi;
    binding.resamples = config_.irqfds[i].resamples;
    irqfds_.push_back(binding);
    if (config_.irqfds[i].resamples) chip_.add_resampler(config_.irqfds[i].gsi);
  }
}

Action KvmSoftware::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (task.program == kSignalMsi) return signal_msi(task, env);
  if (task.program == kIrqLine) return irq_line(task, env);
  if (task.program == kEventfdWrite) return eventfd_write(task, kernel, env);
  if (task.program == kIrqfdPoll) return irqfd_poll(task, kernel, env);
  return deferred_irqfd(task, env);
}

/// locals: address, data
Action KvmSoftware::signal_msi(host::Task& task, Env& env) {
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      return Charge{Event::MsiInjected, task.locals[1]};
    case 2:
      answer_ = chip_.signal_msi({task.locals[0], static_cast<std::uint32_t>(task.locals[1])},
                                 task.span, env);
      return after_injection(task, env, kReturn);
    case 3:
      tell_vcpus(env);
      return kReturn;
    default:
      return Done{};
  }
}

/// locals: GSI, source, level
Action KvmSoftware::irq_line(host::Task& task, Env& env) {
  const auto gsi = Gsi(task.locals[0]);
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      return Charge{Event::PinDriven, raw(gsi)};
    case 2:
      answer_ = chip_.set_line(gsi, static_cast<std::uint32_t>(task.locals[1]),
                               Level(task.locals[2]), task.span, env);
      return after_injection(task, env, kReturn);
    case 3:
      tell_vcpus(env);
      return kReturn;
    default:
      return Done{};
  }
}

/// locals: index of the irqfd
Action KvmSoftware::eventfd_write(host::Task& task, host::HostKernel& kernel, Env& env) {
  const Gsi gsi = irqfds_[task.locals[0]].gsi;
  const GsiRouting::Entries routes = chip_.routing().of(gsi);
  switch (task.pc++) {
    case 0:
      return Charge{Event::SyscallEntered};
    case 1:
      return Charge{Event::EventfdSignalled, config_.irqfds[task.locals[0]].number};
    case 2:
      return Charge{Event::RouteLookedUp, raw(gsi)};
    case 3:
      if (!routes.empty() && routes.first->target == RouteTarget::Msi) {
        return Charge{Event::IrqfdRouted, raw(gsi)};
      }
      return Charge{Event::WorkQueued, raw(gsi)};
    case 4:
      if (routes.empty()) {
        env.drop(task.span, DropReason::NoRoute);
        task.span = kNoSpan;
      } else if (routes.first->target == RouteTarget::Msi) {
        chip_.signal_msi(routes.first->message, task.span, env);
      } else {
        queue(task.locals[0], task, kernel, env);
      }
      return after_injection(task, env, kReturn);
    case 5:
      tell_vcpus(env);
      return kReturn;
    default:
      return Done{};
  }
}

void KvmSoftware::queue(std::size_t irqfd, host::Task& task, host::HostKernel& kernel, Env& env) {
  const host::WorkId work = irqfds_[irqfd].work;
  if (kernel.queue_work(work, task.span) == host::Outcome::AlreadyQueued) {
    env.coalesce(task.span, kernel.machine().span(work));
  }
  task.span = kNoSpan;
}

/// KVM_IRQFD found the eventfd signalled. locals: index of the irqfd
Action KvmSoftware::irqfd_poll(host::Task& task, host::HostKernel& kernel, Env& env) {
  const Gsi gsi = irqfds_[task.locals[0]].gsi;
  switch (task.pc++) {
    case 0:
      return Charge{Event::WorkQueued, raw(gsi)};
    case 1:
      queue(task.locals[0], task, kernel, env);
      return kReturn;
    default:
      return Done{};
  }
}

/// A kworker. locals: index of the irqfd
Action KvmSoftware::deferred_irqfd(host::Task& task, Env& env) {
  const Gsi gsi = irqfds_[task.locals[0]].gsi;
  switch (task.pc++) {
    case 0:
      return Charge{Event::WorkStarted, raw(gsi)};
    case 1:
      return Charge{Event::PinDriven, raw(gsi)};
    case 2:
      if (irqfds_[task.locals[0]].resamples) {
        // Stays high until the EOI, when the irqchip lowers it.
        chip_.set_line(gsi, kResamplerSource, Level::High, task.span, env);
      } else {
        chip_.set_line(gsi, kUserspaceSource, Level::High, task.span, env);
        chip_.set_line(gsi, kUserspaceSource, Level::Low, kNoSpan, env);
      }
      return after_injection(task, env, Done{});
    default:
      tell_vcpus(env);
      return Done{};
  }
}

/// The interrupt rests in the irqchip now. If a vCPU has to learn of it, kicking it takes the task time
/// and is a step of its own, after which comes `next`.
Action KvmSoftware::after_injection(host::Task& task, Env& env, const Action& next) {
  task.span = kNoSpan;
  if (anyone_to_tell()) return Charge{Event::VcpuKicked};
  tell_vcpus(env);  // what fell, and messages to vCPUs
  ++task.pc;
  return next;
}

bool KvmSoftware::anyone_to_tell() const {
  for (std::uint32_t cpu = 0; cpu < told_.size(); ++cpu) {
    if (chip_.lapics().intr(CpuId{cpu}) == Level::High && told_[cpu] == Level::Low) return true;
  }
  return false;
}

/// The levels as they are now: a vCPU may have taken the interrupt while the kick was on its way.
void KvmSoftware::tell_vcpus(Env& env) {
  // Kicks: of vCPUs that are no threads, the lines below say all.
  chip_.apics().take_signals([](const x86::VirtualSignal&) {});
  for (const CpuLineChange& message : chip_.take_messages()) {
    pass_on(message);
    env.send(KvmHost::kVcpus, message);
    if (config_.vcpus_look == VcpusLook::AtOnce) look(message.cpu, env);
  }
  signal_resamplers();
  for (std::uint32_t cpu = 0; cpu < told_.size(); ++cpu) {
    const Level level = chip_.lapics().intr(CpuId{cpu});
    if (level == told_[cpu]) continue;
    told_[cpu] = level;
    env.send(KvmHost::kVcpus, CpuLineChange{CpuId{cpu}, CpuLine::Intr, level, kNoSpan, Vector{}});
  }
}

host::Reception KvmSoftware::receive(PortId, const Message& message, host::HostKernel& kernel,
                                     Env& env) {
  const auto* call = std::get_if<HostCall>(&message);
  if (call == nullptr) return host::Reception::Taken;
  const auto kind = static_cast<Call>(call->call);
  if (kind == Call::ApicWrite || kind == Call::RteWrite) {
    guest_write(*call, env);
    return host::Reception::Taken;
  }
  return start(*call, kernel, env) ? host::Reception::Taken : host::Reception::Later;
}

/// The thread makes its call, unless it is still in an earlier one.
bool KvmSoftware::start(const HostCall& call, host::HostKernel& kernel, Env& env) {
  const host::TaskHandle thread = kernel.machine().thread(call.task);
  if (kernel.machine().state(thread) != host::TaskState::Parked) return false;
  host::Start begin;
  std::uint32_t source = 0;
  bool opens = true;
  switch (static_cast<Call>(call.call)) {
    case Call::SignalMsi:
      env.note(Event::SignalMsiCalled, kNoSpan, call.a);
      begin.program = kSignalMsi;
      begin.locals = {call.b << 32 | call.a >> 32, call.a & 0xFFFFFFFF};
      source = kMessages;
      break;
    case Call::IrqLine: {
      const auto gsi = Gsi(call.a & 0xFFFFFFFF);
      const auto level = Level((call.a >> 32) & 1);
      const auto line_source = static_cast<std::uint32_t>(call.a >> 40);
      env.note(Event::IrqLineCalled, kNoSpan, call.a);
      begin.program = kIrqLine;
      begin.locals = {raw(gsi), line_source, static_cast<std::uint64_t>(level)};
      source = source_of_line(gsi);
      opens = chip_.announce(gsi, line_source, level);
      break;
    }
    case Call::IrqfdPoll:
      begin.program = kIrqfdPoll;
      begin.locals = {call.a};
      source = kFirstIrqfd + static_cast<std::uint32_t>(call.a);
      break;
    default:
      env.note(Event::EventfdWritten, kNoSpan, call.a);
      if (call.a >= irqfds_.size()) return true;
      irqfds_[call.a].counter += call.b;
      if (!irqfds_[call.a].assigned) return true;
      drain(irqfds_[call.a].counter, irqfds_[call.a].drain);
      begin.program = kEventfdWrite;
      begin.locals = {call.a};
      source = kFirstIrqfd + static_cast<std::uint32_t>(call.a);
      break;
  }
  if (opens) begin.span = env.open(Cause::Software, kNoSpan, source);
  return kernel.start(thread, begin);
}

void KvmSoftware::guest_write(const HostCall& call, Env& env) {
  if (static_cast<Call>(call.call) == Call::ApicWrite) {
    env.note(Event::ApicWritten, kNoSpan, call.a);
    chip_.write_apic(CpuId(call.a >> 48), (call.a >> 32) & 0xFFFF,
                     static_cast<std::uint32_t>(call.a), env);
  } else {
    constexpr std::uint64_t kPinBits = std::uint64_t{0xFF} << 32;
    env.note(Event::RteWritten, kNoSpan, call.a);
    const auto pin = Pin((call.a >> 32) & 0xFF);
    if (raw(pin) < chip_.ioapic().pins()) chip_.write_entry(pin, call.a & ~kPinBits, env);
  }
  tell_vcpus(env);
}

void KvmSoftware::on_vcpu(PortId port, const Message& message, Env& env) {
  if (const auto* inta = std::get_if<Inta>(&message)) {
    const IntaAnswer answer = chip_.on_inta(inta->cpu, env);
    // Asking has lowered the line; after an 8259's interrupt the LAPIC may ask again at once.
    if (chip_.lapics().intr(inta->cpu) == Level::High) told_[raw(inta->cpu)] = Level::Low;
    tell_vcpus(env);
    if (!answer.spurious) env.note(Event::VcpuEntered, answer.span, raw(inta->cpu));
    return env.send(port, answer);
  }
  if (const auto* write = std::get_if<RegisterWrite>(&message)) {
    chip_.write_apic(write->cpu, write->offset, static_cast<std::uint32_t>(write->value), env);
    tell_vcpus(env);
  }
}

std::uint32_t KvmSoftware::source_of_line(Gsi gsi) const {
  const auto at = std::lower_bound(config_.lines.begin(), config_.lines.end(), gsi);
  if (at == config_.lines.end() || *at != gsi) return 0;
  return kFirstIrqfd + static_cast<std::uint32_t>(config_.irqfds.size()) +
         static_cast<std::uint32_t>(at - config_.lines.begin());
}

// ---- the core ---------------------------------------------------------------------------------

KvmHost::KvmHost(const Config& config)
    : machine_(machine_with_threads(config)), software_(config.software, machine_) {}

unsigned KvmHost::lanes(const Config& config) {
  return host_cpus(config) + 1 + static_cast<unsigned>(config.software.irqchip.ids.size());
}

LaneId KvmHost::lane_of(PortId, const Message& message) const {
  const auto vcpu = [this](CpuId cpu) { return LaneId{machine_.lanes() + raw(cpu)}; };
  if (const auto* inta = std::get_if<Inta>(&message)) return vcpu(inta->cpu);
  if (const auto* write = std::get_if<RegisterWrite>(&message)) return vcpu(write->cpu);
  return machine_.lane_of(message);
}

void KvmHost::receive(PortId port, const Message& message, Env& env) {
  if (port == kVcpus) return software_.on_vcpu(port, message, env);
  machine_.receive(port, message, software_, env);
}

void KvmHost::held_spans(std::vector<SpanId>& out) const {
  machine_.held_spans(out);
  software_.chip().held_spans(out);
}

}  // namespace irqfab::kvm
