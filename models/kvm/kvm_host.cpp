#include "models/kvm/kvm_host.hpp"

#include <algorithm>

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;

// Sources, see KvmHost::sources.
constexpr std::uint32_t kMessages = 1;
constexpr std::uint32_t kFirstIrqfd = 2;

// Of a task that has made an interrupt pending: is a vCPU still to be kicked, or has it been?
constexpr std::uint64_t kKickDue = 1, kKicked = 2;

IrqLayer::Config layer_of(const KvmSoftware::Config& config) {
  IrqLayer::Config layer;
  layer.irqchip = config.irqchip;
  layer.form = config.form;
  layer.mutants = config.irqchip.mutants;
  for (const Irqfd& irqfd : config.irqfds) layer.eventfds.push_back(irqfd.number);
  return layer;
}

/// No thread's: a vCPU did it.
bool is_of_guest(Call call) {
  return call == Call::ApicWrite || call == Call::RteWrite || call == Call::PortWrite;
}

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
      layer_(layer_of(config), machine),
      vcpus_(config.irqchip.ids.size()),
      told_(config.irqchip.ids.size(), Level::Low) {
  if (config.irqchip.kind == IrqchipKind::None) return;
  for (std::uint32_t cpu = 0; cpu < vcpus_.size(); ++cpu) {
    const bool bootstrap = x86::ApicBase::Bsp::is_set(chip().lapics().apic_base(CpuId{cpu}));
    if (!bootstrap) vcpus_[cpu].mp_state = MpState::Uninitialized;
  }
}

/// After the step that makes an interrupt pending, kicking the vCPU that has to learn of it takes
/// the task time and is a step of its own. What fell, and messages to vCPUs, need none.
Action KvmSoftware::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  std::uint64_t& kick = task.locals[0];
  if (kick == kKickDue) {
    kick = kKicked;
    return Charge{Event::VcpuKicked};
  }
  if (kick == kKicked) {
    kick = 0;
    tell_vcpus(env);
  }
  const std::size_t before = vcpus_to_tell();
  const bool is_call = task.program < layer_.program(LayerCall::Inject);
  const Action action = layer_.run(task, kernel, env);
  layer_.signal_resamplers(kernel, env);
  const std::size_t now = vcpus_to_tell();
  if (now > before) kick = kKickDue;
  if (now == 0) tell_vcpus(env);
  const bool is_first = kernel.self().slot == TaskId{0};
  if (is_call && is_first && std::holds_alternative<host::Done>(action)) {
    answer_ = static_cast<Answer>(task.value);
  }
  return action;
}

std::size_t KvmSoftware::vcpus_to_tell() const {
  std::size_t count = 0;
  for (std::uint32_t cpu = 0; cpu < told_.size(); ++cpu) {
    const bool asks = chip().lapics().intr(CpuId{cpu}) == Level::High;
    if (asks && told_[cpu] == Level::Low) ++count;
  }
  return count;
}

/// The levels as they are now: a vCPU may have taken the interrupt while the kick was on its way.
void KvmSoftware::tell_vcpus(Env& env) {
  // Kicks: of vCPUs that are no threads, the lines below say all.
  chip().apics().take_signals([](const x86::VirtualSignal&) {});
  for (const CpuLineChange& message : chip().take_messages()) {
    pass_on(message);
    env.send(KvmHost::kVcpus, message);
    if (config_.vcpus_look == VcpusLook::AtOnce) look(message.cpu, env);
  }
  for (std::uint32_t cpu = 0; cpu < told_.size(); ++cpu) {
    const Level level = chip().lapics().intr(CpuId{cpu});
    if (level == told_[cpu]) continue;
    told_[cpu] = level;
    env.send(KvmHost::kVcpus, CpuLineChange{CpuId{cpu}, CpuLine::Intr, level, kNoSpan, Vector{}});
  }
}

host::Reception KvmSoftware::receive(PortId port, const Message& message, host::HostKernel& kernel,
                                     Env& env) {
  host::Reception reception = host::Reception::Taken;
  const auto* call = std::get_if<HostCall>(&message);
  if (call == nullptr) {
    on_vcpu(port, message, env);
  } else if (is_of_guest(static_cast<Call>(call->call))) {
    guest_write(*call, env);
  } else if (!start(*call, kernel, env)) {
    reception = host::Reception::Later;
  }
  layer_.signal_resamplers(kernel, env);
  return reception;
}

/// The thread makes its call, unless it is still in an earlier one. A recording may write to
/// eventfds that are not this VM's.
bool KvmSoftware::start(const HostCall& call, host::HostKernel& kernel, Env& env) {
  const host::TaskHandle thread = kernel.machine().thread(call.task);
  if (kernel.machine().state(thread) != host::TaskState::Parked) return false;
  if (static_cast<Call>(call.call) == Call::EventfdWrite && call.a >= layer_.eventfds()) {
    env.note(Event::EventfdWritten, kNoSpan, call.a);
    return true;
  }
  if (static_cast<Call>(call.call) == Call::GuestStore) {
    env.note(Event::VmExited, kNoSpan, call.b);
    if (call.a >= layer_.eventfds()) {
      env.note(Event::UserExited, kNoSpan, call.b);
      return true;
    }
  }
  host::Start begin = program_of(call);
  begin.span = span_of(call, env);
  return kernel.start(thread, begin);
}

host::Start KvmSoftware::program_of(const HostCall& call) const {
  constexpr std::uint64_t kLow = 0xFFFFFFFF;
  const auto begin = [this](LayerCall which, host::Locals locals) {
    return host::Start{layer_.program(which), kNoSpan, locals};
  };
  switch (static_cast<Call>(call.call)) {
    case Call::SignalMsi:
      return begin(LayerCall::SignalMsi,
                   {0, 0, 0, (call.b & kLow) << 32 | call.a >> 32, call.a & kLow, call.b >> 32});
    case Call::IrqLine:
      return begin(LayerCall::IrqLine, {0, 0, 0, call.a & kLow, call.a >> 40, (call.a >> 32) & 3});
    case Call::Irqfd:
      return begin(LayerCall::Irqfd,
                   {0, 0, 0, call.a & kLow, call.a >> 32, call.b & kLow, call.b >> 32});
    case Call::SetRouting:
      return begin(LayerCall::SetGsiRouting, {0, 0, 0, call.a});
    case Call::EventfdClose:
      return begin(LayerCall::EventfdClose, {0, 0, 0, call.a});
    case Call::GuestStore:
      return begin(LayerCall::EventfdSignal, {0, 0, 0, call.a});
    default:
      return begin(LayerCall::EventfdWrite, {0, 0, 0, call.a, call.b});
  }
}

/// An interrupt begins with a message, with the rise of a line, and with a signal that an irqfd
/// waits for.
SpanId KvmSoftware::span_of(const HostCall& call, Env& env) {
  switch (static_cast<Call>(call.call)) {
    case Call::SignalMsi:
      env.note(Event::SignalMsiCalled, kNoSpan, call.a);
      return env.open(Cause::Software, kNoSpan, kMessages);
    case Call::IrqLine: {
      env.note(Event::IrqLineCalled, kNoSpan, call.a);
      const auto gsi = Gsi(call.a & 0xFFFFFFFF);
      const auto source = static_cast<std::uint32_t>(call.a >> 40);
      if (!chip().announce(gsi, source, Level((call.a >> 32) & 1))) return kNoSpan;
      return env.open(Cause::Software, kNoSpan, source_of_line(gsi));
    }
    case Call::EventfdWrite:
      env.note(Event::EventfdWritten, kNoSpan, call.a);
      [[fallthrough]];
    case Call::GuestStore: {
      const auto eventfd = static_cast<std::uint32_t>(call.a);
      if (!layer_.bound(eventfd)) return kNoSpan;
      return env.open(Cause::Software, kNoSpan, kFirstIrqfd + eventfd);
    }
    default:
      return kNoSpan;
  }
}

void KvmSoftware::guest_write(const HostCall& call, Env& env) {
  const auto kind = static_cast<Call>(call.call);
  if (kind == Call::ApicWrite) {
    env.note(Event::ApicWritten, kNoSpan, call.a);
    chip().write_apic(CpuId(call.a >> 48), (call.a >> 32) & 0xFFFF,
                      static_cast<std::uint32_t>(call.a), env);
  } else if (kind == Call::PortWrite) {
    env.note(Event::PortWritten, kNoSpan, call.a);
    chip().write_port(static_cast<std::uint16_t>(call.a >> 8), static_cast<std::uint8_t>(call.a),
                      env);
  } else {
    constexpr std::uint64_t kPinBits = std::uint64_t{0xFF} << 32;
    env.note(Event::RteWritten, kNoSpan, call.a);
    const auto pin = Pin((call.a >> 32) & 0xFF);
    if (raw(pin) < chip().ioapic().pins()) chip().write_entry(pin, call.a & ~kPinBits, env);
  }
  tell_vcpus(env);
}

void KvmSoftware::on_vcpu(PortId port, const Message& message, Env& env) {
  if (const auto* inta = std::get_if<Inta>(&message)) {
    const IntaAnswer answer = chip().on_inta(inta->cpu, env);
    // Asking has lowered the line; after an 8259's interrupt the LAPIC may ask again at once.
    if (chip().lapics().intr(inta->cpu) == Level::High) told_[raw(inta->cpu)] = Level::Low;
    tell_vcpus(env);
    if (!answer.spurious) env.note(Event::VcpuEntered, answer.span, raw(inta->cpu));
    return env.send(port, answer);
  }
  if (const auto* write = std::get_if<RegisterWrite>(&message)) {
    chip().write_apic(write->cpu, write->offset, static_cast<std::uint32_t>(write->value), env);
    tell_vcpus(env);
  }
  if (const auto* write = std::get_if<BusWrite>(&message)) {
    const auto io = x86::io_port_at(write->address);
    if (io) chip().write_port(*io, static_cast<std::uint8_t>(write->data), env);
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
  machine_.receive(port, message, software_, env);
}

Answer KvmHost::assign_now(std::uint32_t irqfd) {
  const Irqfd& wanted = software_.config().irqfds[irqfd];
  return software_.layer().assign_now(irqfd, wanted.gsi, wanted.resample, machine_);
}

void KvmHost::pass_signals(Env& env) {
  host::HostKernel kernel(machine_, std::nullopt, host::kNoTask, env);
  software_.tell_vcpus(env);
  software_.layer().signal_resamplers(kernel, env);
}

void KvmHost::open_eventfd(std::uint32_t fd, std::uint64_t counter, host::EventFdMode mode,
                           Env& env) {
  host::HostKernel kernel(machine_, std::nullopt, host::kNoTask, env);
  software_.layer().open(fd, counter, mode, kernel);
}

Answer KvmHost::read_eventfd(std::uint32_t fd, Env& env) {
  host::HostKernel kernel(machine_, std::nullopt, host::kNoTask, env);
  const IrqLayer::Taken taken = software_.layer().consume(fd, kernel);
  return taken.count == 0 ? kEAGAIN : static_cast<Answer>(taken.count);
}

std::uint64_t KvmHost::counter(std::uint32_t fd) const {
  return machine_.eventfds().count(software_.layer().eventfd(fd));
}

void KvmHost::held_spans(std::vector<SpanId>& out) const {
  machine_.held_spans(out);
  software_.layer().held_spans(out);
}

}  // namespace irqfab::kvm
