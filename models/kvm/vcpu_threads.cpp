#include "models/kvm/vcpu_threads.hpp"

#include <utility>

#include "models/x86/msi_format.hpp"

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;
using host::Done;
using host::HostCpu;

// Programs.
constexpr host::ProgramId kVcpu{0};
constexpr host::ProgramId kNotified{1};
constexpr host::ProgramId kWakeBlocked{2};

const Action kGoOn = host::Compute{0};

host::HostMachine machine_of(const VmHost::Config& config) {
  host::HostMachine::Config of;
  of.cpus = config.host_cpus;
  of.slice = config.slice;
  return host::HostMachine(of);
}

}  // namespace

VcpuThreads::VcpuThreads(const Config& config, host::HostMachine& machine)
    : config_(config),
      apics_(config.apics),
      vcpus_(config.apics.lapics.ids.size()),
      cpus_(machine.config().cpus) {
  for (std::uint32_t n = 0; n < vcpus_.size(); ++n) {
    const auto everywhere = host::CpuMask::first(machine.config().cpus);
    vcpus_[n].thread = machine.add_thread({everywhere, host::Priority::Normal});
    queues_.push_back(machine.add_wait_queue());
    // Nobody is told of what is posted for a vCPU that no CPU has loaded.
    apics_.descriptor(CpuId{n}).set_sn(true);
    apics_.descriptor(CpuId{n}).set_nv(config_.notification);
  }
}

Action VcpuThreads::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (task.program == kVcpu) return run_vcpu(task, kernel, env);
  if (task.program == kNotified) return notified(task, env);
  return wake_blocked(task, kernel, env);
}

host::Reception VcpuThreads::receive(PortId port, const Message& message, host::HostKernel& kernel,
                                     Env& env) {
  if (const auto* call = std::get_if<HostCall>(&message)) return on_call(*call, kernel, env);
  if (const auto* post = std::get_if<PostInterrupt>(&message)) {
    on_post(port, *post, kernel, env);
  } else if (const auto* write = std::get_if<BusWrite>(&message)) {
    on_message(*write, kernel, env);
  } else if (const auto* read = std::get_if<BusRead>(&message)) {
    env.guest_error(GuestFault::UnclaimedAddress);
    env.send(port, BusData{{}, read->tag, BusStatus::NoDecode, read->span});
  } else if (const auto* marker = std::get_if<Marker>(&message)) {
    env.send(port, MarkerDone{marker->tag});  // what came before it has arrived
  } else {
    on_vcpu(port, message, kernel, env);
  }
  return host::Reception::Taken;
}

host::Reception VcpuThreads::on_call(const HostCall& call, host::HostKernel& kernel, Env& env) {
  const auto which = static_cast<VmCall>(call.call);
  if (which == VmCall::RunVcpu) return start(call, kernel);
  if (call.a >= x86::kInhibits.size()) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return host::Reception::Taken;
  }
  const auto reason = static_cast<x86::Inhibit>(call.a);
  which == VmCall::Inhibit ? apics_.inhibit(reason) : apics_.allow(reason);
  pass_signals(kernel, env);
  return host::Reception::Taken;
}

host::Reception VcpuThreads::start(const HostCall& call, host::HostKernel& kernel) {
  host::Start begin;
  begin.program = kVcpu;
  begin.locals = {raw(call.task)};
  const bool started = kernel.start(kernel.machine().thread(call.task), begin);
  return started ? host::Reception::Taken : host::Reception::Later;
}

// ---- what devices and remapping units send ----------------------------------------------------

std::optional<CpuId> VcpuThreads::vcpu_at(std::uint64_t address) const {
  const std::uint64_t offset = address - config_.descriptors;
  const std::uint64_t line = offset / x86::PostedDescriptor::kBytes;
  if (offset % x86::PostedDescriptor::kBytes != 0 || line >= vcpus_.size()) return std::nullopt;
  return CpuId{static_cast<std::uint32_t>(line)};
}

std::optional<HostCpu> VcpuThreads::target_of(const BusWrite& message, unsigned host_cpus) {
  const x86::ApicMessage decoded = x86::decode(
      {message.address, static_cast<std::uint32_t>(message.data)}, x86::MsiDestination::Bits32);
  const bool plain = x86::is_msi_address(message.address, x86::MsiDestination::Bits32) &&
                     decoded.delivery_mode == x86::DeliveryMode::Fixed &&
                     decoded.destination_mode == x86::DestinationMode::Physical;
  if (!plain || raw(decoded.destination) >= host_cpus) return std::nullopt;
  return HostCpu(static_cast<std::uint16_t>(raw(decoded.destination)));
}

/// The update is one atomic access. A thread that polls sees it at once.
void VcpuThreads::on_post(PortId port, const PostInterrupt& post, host::HostKernel& kernel,
                          Env& env) {
  const std::optional<CpuId> vcpu = vcpu_at(post.address);
  if (!vcpu) {
    env.guest_error(GuestFault::UnclaimedAddress);
    return env.send(port, BusData{{}, post.tag, BusStatus::Error, post.span});
  }
  const x86::PostAnswer answer = apics_.post(*vcpu, post.vector, post.urgency, post.span, env);
  env.send(port, x86::encode(answer, post.tag, kNoSpan));  // it stays here
  Vcpu& v = row(*vcpu);
  if (v.place == VcpuPlace::Polling) kernel.wake(v.thread, highest_posted(*vcpu));
}

void VcpuThreads::on_message(const BusWrite& message, host::HostKernel& kernel, Env& env) {
  const auto cpu = target_of(message, static_cast<unsigned>(cpus_.size()));
  if (!cpu) {
    if (message.span != kNoSpan) env.drop(message.span, DropReason::NoSuchTarget);
    return env.guest_error(GuestFault::UnclaimedAddress);
  }
  const auto vector = Vector(x86::MsiData::Vector::get(static_cast<std::uint32_t>(message.data)));
  arrive(*cpu, vector, message.span, kernel, env);
}

/// At the CPU's own local APIC. While virtualization is off the processor does not know the vector,
/// which interrupts the host like any other.
void VcpuThreads::arrive(HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel,
                         Env& env) {
  PhysicalCpu& physical = cpus_[raw(cpu)];
  const bool known = vector == config_.notification && apics_.active();
  if (!known || !physical.vcpu) {
    const bool entering = physical.vcpu && row(*physical.vcpu).place == VcpuPlace::Entering;
    if (entering && vector == config_.notification) row(*physical.vcpu).kicked = true;
    return interrupt(cpu, vector, span, kernel, env);
  }
  if (row(*physical.vcpu).place == VcpuPlace::Guest) return take_notification(cpu, span, env);
  // It waits for the entry, in the one bit that the local APIC has for the vector.
  if (!std::exchange(physical.notified, true)) {
    physical.notification = span;
  } else if (span != kNoSpan) {
    env.coalesce(span, physical.notification);
  }
}

/// The host's handler begins as soon as it may. A guest on the CPU is left for it.
void VcpuThreads::interrupt(HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel,
                            Env& env) {
  const std::optional<CpuId> inside = cpus_[raw(cpu)].vcpu;
  if (inside && row(*inside).place == VcpuPlace::Guest) {
    leave_guest(*inside, cpu, ExitReason::ExternalInterrupt, env);
  }
  host::Start handler;
  handler.program = vector == config_.wakeup ? kWakeBlocked : kNotified;
  handler.span = span;
  handler.locals = {raw(vector)};
  kernel.raise_hard(cpu, handler);
}

// ---- the host's handlers ----------------------------------------------------------------------

/// A notification that finds its CPU outside of the guest has nothing to do: the next entry looks
/// at the descriptor. A device's interrupt that arrives here was not posted, and the host has no
/// way of its own to the guest: it is lost. locals: vector
Action VcpuThreads::notified(host::Task& task, Env& env) {
  if (task.pc++ == 0) return Charge{Event::HostInterrupted, task.locals[0]};
  const SpanId span = std::exchange(task.span, kNoSpan);
  if (span == kNoSpan) return Done{};
  if (Vector(static_cast<std::uint8_t>(task.locals[0])) == config_.notification) {
    env.note(Event::Handled, span, task.locals[0]);
  } else {
    env.drop(span, DropReason::NoRoute);
  }
  return Done{};
}

/// locals: vector, the first vCPU not looked at, the one to wake
Action VcpuThreads::wake_blocked(host::Task& task, host::HostKernel& kernel, Env& env) {
  enum : std::uint16_t { kBegin, kLook, kWake };
  if (task.pc == kBegin) {
    task.pc = kLook;
    return Charge{Event::HostInterrupted, task.locals[0]};
  }
  if (task.pc == kWake) {
    const CpuId vcpu{static_cast<std::uint32_t>(task.locals[2])};
    task.pc = kLook;
    if (row(vcpu).place == VcpuPlace::Blocked) {
      row(vcpu).place = VcpuPlace::Woken;
      kernel.wake(row(vcpu).thread, highest_posted(vcpu));
    }
    return kGoOn;
  }
  const auto next = next_to_wake(*kernel.cpu(), static_cast<std::uint32_t>(task.locals[1]));
  if (!next) {
    const SpanId span = std::exchange(task.span, kNoSpan);
    if (span != kNoSpan) env.note(Event::Handled, span, task.locals[0]);
    return Done{};
  }
  env.note(Event::VcpuWoken, highest_posted(*next), raw(*next));
  task.locals[1] = raw(*next) + 1;
  task.locals[2] = raw(*next);
  task.pc = kWake;
  return kGoOn;
}

std::optional<CpuId> VcpuThreads::next_to_wake(HostCpu cpu, std::uint32_t from) const {
  for (std::uint32_t n = from; n < vcpus_.size(); ++n) {
    const Vcpu& v = vcpus_[n];
    const bool here = v.listed == cpu && v.place == VcpuPlace::Blocked;
    if (here && apics_.descriptor(CpuId{n}).on()) return CpuId{n};
  }
  return std::nullopt;
}

// ---- what vCPUs ask ---------------------------------------------------------------------------

void VcpuThreads::on_vcpu(PortId port, const Message& message, host::HostKernel& kernel, Env& env) {
  if (const auto* inta = std::get_if<Inta>(&message)) {
    env.send(port, apics_.take(inta->cpu, env));
  } else if (const auto* write = std::get_if<RegisterWrite>(&message)) {
    on_write(*write, kernel, env);
  } else if (const auto* read = std::get_if<RegisterRead>(&message)) {
    on_read(*read, kernel, env);
  } else if (const auto* halted = std::get_if<CpuHalted>(&message)) {
    on_halted(halted->cpu, kernel, env);
  }
}

void VcpuThreads::on_write(const RegisterWrite& write, host::HostKernel& kernel, Env& env) {
  // The vCPU may have made another access before it learnt that the first one had made it leave.
  if (row(write.cpu).exit) complete_exit(write.cpu, kernel, env);
  const bool by_msr = write.offset >= x86::LapicBank::kMsrSpace;
  const x86::VirtualAccess access =
      by_msr ? apics_.wrmsr(write.cpu, write.offset - x86::LapicBank::kMsrSpace, write.value, env)
             : apics_.write(write.cpu, write.offset, static_cast<std::uint32_t>(write.value), env);
  after_access(write.cpu, access, kernel, env);
}

/// Nobody here waits for the answer: see last_read.
void VcpuThreads::on_read(const RegisterRead& read, host::HostKernel& kernel, Env& env) {
  if (row(read.cpu).exit) complete_exit(read.cpu, kernel, env);
  const bool by_msr = read.offset >= x86::LapicBank::kMsrSpace;
  const x86::VirtualAccess access =
      by_msr ? apics_.rdmsr(read.cpu, read.offset - x86::LapicBank::kMsrSpace, env)
             : apics_.read(read.cpu, read.offset, env);
  row(read.cpu).read = access.value;
  after_access(read.cpu, access, kernel, env);
}

void VcpuThreads::after_access(CpuId vcpu, const x86::VirtualAccess& access,
                               host::HostKernel& kernel, Env& env) {
  pass_signals(kernel, env);
  if (!access.exit) return;
  row(vcpu).exit = access.exit;
  leave_and_go_on(vcpu, access.exit->reason, kernel, env);
}

void VcpuThreads::on_halted(CpuId vcpu, host::HostKernel& kernel, Env& env) {
  row(vcpu).halted = true;
  leave_and_go_on(vcpu, ExitReason::Hlt, kernel, env);
}

/// Unless the host has taken the vCPU out of the guest at the same time: then its thread goes on
/// anyway.
void VcpuThreads::leave_and_go_on(CpuId vcpu, ExitReason reason, host::HostKernel& kernel,
                                  Env& env) {
  if (row(vcpu).place != VcpuPlace::Guest) return;
  leave_guest(vcpu, kernel.machine().cpu_of(row(vcpu).thread), reason, env);
  kernel.wake(row(vcpu).thread);
}

// ---- what one vCPU wants of another -----------------------------------------------------------

void VcpuThreads::pass_signals(host::HostKernel& kernel, Env& env) {
  apics_.take_signals([&](const x86::VirtualSignal& signal) {
    switch (signal.kind) {
      case x86::VirtualSignal::Kind::Kick:
        return kick(signal, kernel, env);
      case x86::VirtualSignal::Kind::Doorbell:
        return ring(signal, env);
      case x86::VirtualSignal::Kind::Notification:
        return arrive(cpu_of_ndst(raw(signal.host)), signal.vector, kNoSpan, kernel, env);
    }
  });
}

/// One that waits is woken. One in the guest, or about to be there, takes what was posted by a
/// notification or a doorbell, without an exit; for anything else, and while virtualization is off,
/// it has to enter anew. The others will look.
void VcpuThreads::kick(const x86::VirtualSignal& signal, host::HostKernel& kernel, Env& env) {
  const CpuId vcpu = signal.vcpu;
  Vcpu& v = row(vcpu);
  const bool inside = v.place == VcpuPlace::Guest || v.place == VcpuPlace::Entering;
  if (v.place == VcpuPlace::Blocked || v.place == VcpuPlace::Polling) {
    if (v.place == VcpuPlace::Blocked) v.place = VcpuPlace::Woken;
    kernel.wake(v.thread, signal.span);
  }
  if (!inside) return;
  const bool by_hardware = signal.span != kNoSpan && apics_.active();
  if (by_hardware && is_avic()) return ring(signal, env);
  env.note(Event::VcpuKicked, signal.span, raw(vcpu));
  const HostCpu cpu = kernel.machine().cpu_of(v.thread);
  if (by_hardware) return arrive(cpu, config_.notification, kNoSpan, kernel, env);
  if (v.place == VcpuPlace::Entering) {
    v.kicked = true;
  } else {
    leave_and_go_on(vcpu, ExitReason::ExternalInterrupt, kernel, env);
  }
}

/// The processor there looks, whichever vCPU it runs; outside of a guest it takes no notice (APM
/// vol. 2, 15.29.8). One that is about to enter looks when it does.
void VcpuThreads::ring(const x86::VirtualSignal& signal, Env& env) {
  env.note(Event::DoorbellRung, signal.span, raw(signal.host));
  if (raw(signal.host) >= cpus_.size()) return;
  const std::optional<CpuId> inside = cpus_[raw(signal.host)].vcpu;
  if (inside && row(*inside).place == VcpuPlace::Guest) apics_.doorbell(*inside, env);
}

/// Of what will not merge into an interrupt that is pending already.
SpanId VcpuThreads::highest_posted(CpuId vcpu) const {
  const x86::PostedDescriptor& descriptor = apics_.descriptor(vcpu);
  x86::VectorSet posted = descriptor.pir();
  while (const std::optional<Vector> vector = posted.highest()) {
    if (!apics_.lapics().irr(vcpu).has(*vector)) return descriptor.span_at(*vector);
    posted.remove(*vector);
  }
  return kNoSpan;
}

/// What a vCPU that the host takes up is taken up for, if for anything.
SpanId VcpuThreads::waiting_for(CpuId vcpu) const {
  if (!is_avic()) return apics_.descriptor(vcpu).on() ? highest_posted(vcpu) : kNoSpan;
  return apics_.has_event(vcpu) ? apics_.lapics().requested(vcpu, apics_.rvi(vcpu)) : kNoSpan;
}

void VcpuThreads::held_spans(std::vector<SpanId>& out) const {
  apics_.held_spans(out);
  for (const PhysicalCpu& cpu : cpus_) {
    if (cpu.notification != kNoSpan) out.push_back(cpu.notification);
  }
}

// ---- the core ---------------------------------------------------------------------------------

VmHost::VmHost(const Config& config)
    : machine_(machine_of(config)), software_(config.software, machine_) {}

LaneId VmHost::lane_of(PortId port, const Message& message) const {
  const auto vcpu = [this](CpuId cpu) { return LaneId{machine_.lanes() + raw(cpu)}; };
  if (const auto* m = std::get_if<Inta>(&message)) return vcpu(m->cpu);
  if (const auto* m = std::get_if<RegisterWrite>(&message)) return vcpu(m->cpu);
  if (const auto* m = std::get_if<RegisterRead>(&message)) return vcpu(m->cpu);
  if (const auto* m = std::get_if<CpuHalted>(&message)) return vcpu(m->cpu);
  if (const auto* m = std::get_if<PostInterrupt>(&message)) {
    const std::optional<CpuId> at = software_.vcpu_at(m->address);
    if (at) return vcpu(*at);
  }
  if (const auto* m = std::get_if<BusWrite>(&message); m != nullptr && port == kMessages) {
    const auto cpu = VcpuThreads::target_of(*m, machine_.config().cpus);
    if (cpu) return LaneId{raw(*cpu)};
  }
  return machine_.lane_of(message);
}

void VmHost::receive(PortId port, const Message& message, Env& env) {
  machine_.receive(port, message, software_, env);
}

void VmHost::held_spans(std::vector<SpanId>& out) const {
  machine_.held_spans(out);
  software_.held_spans(out);
}

}  // namespace irqfab::kvm
