// The program of a vCPU's thread. Between any two of its steps another task may take the CPU; the
// first step after that loads the vCPU again, wherever the thread is by then.
#include <utility>

#include "models/kvm/vcpu_threads.hpp"

namespace irqfab::kvm {
namespace {

using host::Action;
using host::Charge;
using host::Compute;
using host::HostCpu;
using host::Outcome;

// Steps.
constexpr std::uint16_t kEnter = 0;
constexpr std::uint16_t kRunGuest = 1;
constexpr std::uint16_t kLeft = 2;
constexpr std::uint16_t kHalt = 3;
constexpr std::uint16_t kPolled = 4;
constexpr std::uint16_t kWoken = 5;

/// A step that takes no time, after which somebody else may have the CPU.
const Action kGoOn = Compute{0};

}  // namespace

Action VcpuThreads::run_vcpu(host::Task& task, host::HostKernel& kernel, Env& env) {
  const CpuId vcpu{static_cast<std::uint32_t>(task.locals[0])};
  const HostCpu cpu = *kernel.cpu();
  if (!row(vcpu).loaded) return load(vcpu, cpu, task);
  switch (task.pc) {
    case kRunGuest:
      return run_guest(vcpu, cpu, task, kernel, env);
    case kLeft:
      if (row(vcpu).place == VcpuPlace::Guest) {
        leave_guest(vcpu, cpu, ExitReason::ExternalInterrupt, env);
      }
      task.pc = kEnter;
      return kGoOn;
    case kHalt:
      return halt(vcpu, cpu, task, env);
    case kPolled:
      return polled(vcpu, cpu, task, env);
    case kWoken:
      return woken(vcpu, cpu, task, env);
    default:
      return enter(vcpu, cpu, task, kernel, env);
  }
}

/// Where the thread is now, its vCPU is told of what is posted from now on, or rung. What was
/// posted while SN was set told nobody, so it is looked for after SN is clear.
Action VcpuThreads::load(CpuId vcpu, HostCpu cpu, host::Task& task) {
  x86::PostedDescriptor& descriptor = apics_.descriptor(vcpu);
  descriptor.set_ndst(ndst_of(cpu));
  descriptor.set_nv(config_.notification);
  descriptor.set_sn(false);
  if (is_avic()) apics_.avic_load(vcpu, ApicId{raw(cpu)});
  const bool looks = !config_.mutants.has(Mutant::OnLostAfterPreemption);
  if (looks && !descriptor.pir().empty()) descriptor.set_on(true);
  Vcpu& v = row(vcpu);
  v.loaded = true;
  v.listed.reset();
  v.place = VcpuPlace::Host;
  if (task.span == kNoSpan) task.span = waiting_for(vcpu);
  return Charge{Event::VcpuLoaded, raw(vcpu)};
}

Action VcpuThreads::enter(CpuId vcpu, HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                          Env& env) {
  Vcpu& v = row(vcpu);
  if (v.exit) complete_exit(vcpu, kernel, env);
  if (v.halted && !apics_.has_event(vcpu)) {
    task.pc = kHalt;
    return kGoOn;
  }
  v.halted = false;
  v.place = VcpuPlace::Entering;
  cpus_[raw(cpu)].vcpu = vcpu;
  if (task.span == kNoSpan) task.span = waiting_for(vcpu);
  apics_.enter(vcpu, env);
  task.pc = kRunGuest;
  return Charge{Event::VcpuEntered, raw(vcpu)};
}

/// An AMD processor looks once more as it enters: doorbells were lost on it until here.
Action VcpuThreads::run_guest(CpuId vcpu, HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                              Env& env) {
  if (row(vcpu).kicked) {
    cancel_entry(vcpu, cpu, kernel, env);
    row(vcpu).place = VcpuPlace::Host;
    task.pc = kEnter;
    return kGoOn;
  }
  task.span = kNoSpan;  // it is the guest's from here on
  task.pc = kLeft;
  row(vcpu).place = VcpuPlace::Guest;
  env.send(VmHost::kVcpus, CpuLineChange{vcpu, CpuLine::Run, Level::High, kNoSpan});
  PhysicalCpu& physical = cpus_[raw(cpu)];
  if (std::exchange(physical.notified, false)) {
    take_notification(cpu, std::exchange(physical.notification, kNoSpan), env);
  }
  if (is_avic()) apics_.doorbell(vcpu, env);
  return host::RunGuest{};
}

/// What has arrived for the guest meanwhile interrupts the host.
void VcpuThreads::cancel_entry(CpuId vcpu, HostCpu cpu, host::HostKernel& kernel, Env& env) {
  row(vcpu).kicked = false;
  PhysicalCpu& physical = cpus_[raw(cpu)];
  physical.vcpu.reset();
  if (!std::exchange(physical.notified, false)) return;
  interrupt(cpu, config_.notification, std::exchange(physical.notification, kNoSpan), kernel, env);
}

void VcpuThreads::leave_guest(CpuId vcpu, HostCpu cpu, ExitReason reason, Env& env) {
  row(vcpu).place = VcpuPlace::Host;
  ++row(vcpu).exits[static_cast<std::size_t>(reason)];
  cpus_[raw(cpu)].vcpu.reset();
  env.send(VmHost::kVcpus, CpuLineChange{vcpu, CpuLine::Run, Level::Low, kNoSpan});
  env.note(Event::VmExited, kNoSpan, static_cast<std::uint64_t>(reason));
}

/// The processor's own work: SDM vol. 3, "Posted-Interrupt Processing". It looks at the descriptor
/// of the vCPU that runs, whoever the notification was meant for.
void VcpuThreads::take_notification(HostCpu cpu, SpanId span, Env& env) {
  const CpuId vcpu = *cpus_[raw(cpu)].vcpu;
  env.note(Event::NotificationTaken, span, raw(cpu));
  apics_.sync(vcpu, env);
  if (span != kNoSpan) env.note(Event::Handled, span, raw(config_.notification));
}

/// What the guest's access left it for is done by the host, before the guest goes on.
void VcpuThreads::complete_exit(CpuId vcpu, host::HostKernel& kernel, Env& env) {
  const x86::VirtualExit exit = *std::exchange(row(vcpu).exit, std::nullopt);
  const x86::MsrAnswer answer = apics_.complete(exit, env);
  if (exit.direction == x86::VirtualExit::Direction::Read) row(vcpu).read = answer.value;
  pass_signals(kernel, env);
}

Action VcpuThreads::halt(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.halted_at = env.now();
  if (apics_.has_event(vcpu)) {
    task.pc = kEnter;
    return kGoOn;
  }
  if (v.window.length() == 0) return block(vcpu, cpu, task, env);
  v.place = VcpuPlace::Polling;
  task.pc = kPolled;
  return host::Poll{v.window.length()};
}

Action VcpuThreads::polled(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.place = VcpuPlace::Host;
  if (!apics_.has_event(vcpu)) return block(vcpu, cpu, task, env);
  v.window.learn(env.now() - v.halted_at, config_.polling);
  task.pc = kEnter;
  return kGoOn;
}

/// From here on the wake-up vector says that something was posted, to this CPU, among whose blocked
/// vCPUs this one is; with AVIC an IPI exits. The look and the sleep are one step, so nothing that
/// comes later is missed.
Action VcpuThreads::block(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  if (!config_.mutants.has(Mutant::WakeupVectorNotSet)) {
    apics_.descriptor(vcpu).set_nv(config_.wakeup);
  }
  if (is_avic()) apics_.avic_put(vcpu, x86::VcpuPut::Blocked);
  v.listed = cpu;
  v.loaded = false;
  task.pc = kWoken;
  if (apics_.has_event(vcpu)) return kGoOn;
  v.place = VcpuPlace::Blocked;
  task.span = kNoSpan;
  env.note(Event::VcpuBlocked, kNoSpan, raw(vcpu));
  return host::Wait{queues_[raw(vcpu)]};
}

Action VcpuThreads::woken(CpuId vcpu, HostCpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.window.learn(env.now() - v.halted_at, config_.polling);
  task.pc = kEnter;
  return kGoOn;
}

/// The thread has to load its vCPU again. An entry that it was about to make has not been made.
void VcpuThreads::preempted(host::Task& task, host::HostKernel& kernel, Env& env) {
  const CpuId vcpu{static_cast<std::uint32_t>(task.locals[0])};
  const HostCpu cpu = *kernel.cpu();
  Vcpu& v = row(vcpu);
  if (v.place == VcpuPlace::Entering) {
    task.pc = kEnter;
    cancel_entry(vcpu, cpu, kernel, env);
  }
  if (v.loaded) {
    apics_.descriptor(vcpu).set_sn(true);
    if (is_avic()) apics_.avic_put(vcpu, x86::VcpuPut::Preempted);
  }
  v.loaded = false;
  v.place = VcpuPlace::Preempted;
  env.note(Event::VcpuPreempted, kNoSpan, raw(vcpu));
}

}  // namespace irqfab::kvm
