#include "models/kvm/vcpu_threads.hpp"

#include <utility>

#include "models/x86/msi_format.hpp"

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;
using host::Done;
using host::HostCpu;

// Programs. The first has no steps that call: see models/host/subroutine.hpp.
constexpr host::ProgramId kNotified{0};
constexpr host::ProgramId kVcpu{1};
constexpr host::ProgramId kWakeBlocked{2};
constexpr host::ProgramId kTimerExpired{3};

IrqLayer::Config numbered(IrqLayer::Config layer) {
  layer.first_program = host::ProgramId{VcpuThreads::kPrograms};
  return layer;
}

}  // namespace

std::vector<VcpuThreads::Vcpu> VcpuThreads::add_threads(std::size_t vcpus,
                                                        host::HostMachine& machine) {
  std::vector<Vcpu> rows(vcpus);
  for (Vcpu& v : rows) {
    const auto everywhere = host::CpuMask::first(machine.config().cpus);
    v.thread = machine.add_thread({everywhere, host::Priority::Normal});
  }
  return rows;
}

VcpuThreads::VcpuThreads(const Config& config, const IrqLayer::Config& layer,
                         host::HostMachine& machine)
    : config_(config),
      vcpus_(add_threads(layer.irqchip.ids.size(), machine)),
      layer_(numbered(layer), machine),
      cpus_(machine.config().cpus) {
  for (std::uint32_t n = 0; n < vcpus_.size(); ++n) {
    queues_.push_back(machine.add_wait_queue());
    // Nobody is told of what is posted for a vCPU that no CPU has loaded.
    apics().descriptor(CpuId{n}).set_sn(true);
    apics().descriptor(CpuId{n}).set_nv(config_.notification);
  }
}

Action VcpuThreads::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (task.program == kVcpu) return run_vcpu(task, kernel, env);
  if (task.program == kNotified) return notified(task, env);
  if (task.program == kWakeBlocked) return wake_blocked(task, kernel, env);
  if (task.program == kTimerExpired) return timer_expired(task, kernel, env);
  const Action action = layer_.run(task, kernel, env);
  pass_signals(kernel, env);
  return action;
}

host::Reception VcpuThreads::receive(PortId port, const Message& message, host::HostKernel& kernel,
                                     Env& env) {
  if (const auto* call = std::get_if<HostCall>(&message)) return on_call(*call, kernel, env);
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) {
    on_timer(*elapsed, kernel, env);
  } else if (const auto* post = std::get_if<PostInterrupt>(&message)) {
    on_post(port, *post, kernel, env);
  } else if (const auto* write = std::get_if<BusWrite>(&message)) {
    on_message(*write, kernel, env);
  } else if (const auto* read = std::get_if<BusRead>(&message)) {
    env.guest_error(GuestFault::UnclaimedAddress);
    env.send(port, BusData{{}, read->tag, BusStatus::NoDecode, read->span});
  } else if (const auto* marker = std::get_if<Marker>(&message)) {
    env.send(port, MarkerDone{marker->tag});  // what came before it has arrived
  } else {
    on_vcpu(message, kernel, env);
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
  which == VmCall::Inhibit ? apics().inhibit(reason) : apics().allow(reason);
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

std::optional<CpuId> VcpuThreads::vcpu_of(const Message& message) const {
  if (const auto* m = std::get_if<Inta>(&message)) return m->cpu;
  if (const auto* m = std::get_if<RegisterWrite>(&message)) return m->cpu;
  if (const auto* m = std::get_if<RegisterRead>(&message)) return m->cpu;
  if (const auto* m = std::get_if<CpuHalted>(&message)) return m->cpu;
  if (const auto* m = std::get_if<PostInterrupt>(&message)) return vcpu_at(m->address);
  return std::nullopt;
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
  const x86::PostAnswer answer = apics().post(*vcpu, post.vector, post.urgency, post.span, env);
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
  const bool known = vector == config_.notification && apics().active();
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

void VcpuThreads::interrupt(HostCpu cpu, Vector vector, SpanId span, host::HostKernel& kernel,
                            Env& env) {
  host::Start handler;
  handler.program = vector == config_.wakeup ? kWakeBlocked : kNotified;
  handler.span = span;
  handler.locals = {raw(vector)};
  interrupt(cpu, handler, kernel, env);
}

void VcpuThreads::interrupt(HostCpu cpu, const host::Start& handler, host::HostKernel& kernel,
                            Env& env) {
  const std::optional<CpuId> inside = cpus_[raw(cpu)].vcpu;
  if (inside && row(*inside).place == VcpuPlace::Guest) {
    leave_guest(*inside, cpu, ExitReason::ExternalInterrupt, handler.span, env);
  }
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

/// On a vCPU's lane, behind those of the host.
void VcpuThreads::on_timer(const Elapsed& elapsed, host::HostKernel& kernel, Env& env) {
  const std::uint32_t vcpu = elapsed.lane - kernel.machine().lanes();
  if (vcpu >= vcpus_.size()) return;
  host::Start handler;
  handler.program = kTimerExpired;
  handler.locals = {vcpu, raw(elapsed.tag)};
  interrupt(kernel.machine().cpu_of(vcpus_[vcpu].thread), handler, kernel, env);
}

/// locals: vCPU, the timer's tag
Action VcpuThreads::timer_expired(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (task.pc++ == 0) return Charge{Event::HostInterrupted, raw(config_.timer)};
  const CpuId vcpu{static_cast<std::uint32_t>(task.locals[0])};
  chip().on_timer(vcpu, Tag{static_cast<std::uint32_t>(task.locals[1])}, env);
  pass_signals(kernel, env);
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
    return host::go_on();
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
  return host::go_on();
}

std::optional<CpuId> VcpuThreads::next_to_wake(HostCpu cpu, std::uint32_t from) const {
  for (std::uint32_t n = from; n < vcpus_.size(); ++n) {
    const Vcpu& v = vcpus_[n];
    const bool here = v.listed == cpu && v.place == VcpuPlace::Blocked;
    if (here && apics().descriptor(CpuId{n}).on()) return CpuId{n};
  }
  return std::nullopt;
}

void VcpuThreads::held_spans(std::vector<SpanId>& out) const {
  layer_.held_spans(out);
  for (const PhysicalCpu& cpu : cpus_) {
    if (cpu.notification != kNoSpan) out.push_back(cpu.notification);
  }
  const auto add = [&out](const IoapicAccess* access) {
    const auto* read = access == nullptr ? nullptr : std::get_if<BusRead>(&access->access);
    if (read != nullptr && read->span != kNoSpan) out.push_back(read->span);
  };
  for (const Vcpu& v : vcpus_) {
    add(std::get_if<IoapicAccess>(&v.left));
    for (const Said& said : v.said) add(std::get_if<IoapicAccess>(&said));
  }
}

}  // namespace irqfab::kvm
