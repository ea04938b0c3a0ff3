// The program of a vCPU's thread. Between any two of its steps another task may take the CPU; the
// first step after that loads the vCPU again, wherever the thread is by then.
#include <utility>

#include "models/kvm/vcpu_steps.hpp"
#include "models/kvm/vcpu_threads.hpp"

namespace irqfab::kvm {

using host::Action;
using host::Charge;
using host::HostCpu;
using host::Outcome;

Action VcpuThreads::run_vcpu(host::Task& task, host::HostKernel& kernel, Env& env) {
  const CpuId vcpu{static_cast<std::uint32_t>(task.locals[0])};
  const HostCpu cpu = *kernel.cpu();
  if (task.pc == step::kCallUser) return call_user(vcpu, task);
  if (!row(vcpu).loaded) return load(vcpu, cpu, task);
  switch (task.pc) {
    case step::kRunGuest:
      return run_guest(vcpu, cpu, task, kernel, env);
    case step::kLeft:
      if (row(vcpu).place == VcpuPlace::Guest) {
        leave_guest(vcpu, cpu, ExitReason::ExternalInterrupt, kNoSpan, env);
      }
      task.pc = step::kEnter;
      return host::go_on();
    case step::kComplete:
      return complete_exit(vcpu, task, kernel, env);
    case step::kHalt:
      return halt(vcpu, cpu, task, env);
    case step::kPolled:
      return polled(vcpu, cpu, task, env);
    case step::kWoken:
      return woken(vcpu, task, env);
    default:
      return enter(vcpu, cpu, task, env);
  }
}

/// Where the thread is now, its vCPU is told of what is posted from now on, or rung. What was
/// posted while SN was set told nobody, so it is looked for after SN is clear.
Action VcpuThreads::load(CpuId vcpu, HostCpu cpu, host::Task& task) {
  x86::PostedDescriptor& descriptor = apics().descriptor(vcpu);
  descriptor.set_ndst(ndst_of(cpu));
  descriptor.set_nv(config_.notification);
  descriptor.set_sn(false);
  if (is_avic()) apics().avic_load(vcpu, ApicId{raw(cpu)});
  const bool looks = !config_.mutants.has(Mutant::OnLostAfterPreemption);
  if (looks && !descriptor.pir().empty()) descriptor.set_on(true);
  Vcpu& v = row(vcpu);
  v.loaded = true;
  v.listed.reset();
  v.place = VcpuPlace::Host;
  if (task.span == kNoSpan) task.span = works_for(vcpu);
  return Charge{Event::VcpuLoaded, raw(vcpu)};
}

/// Does anything end its halt?
bool VcpuThreads::awake(CpuId vcpu) const {
  return apics().has_event(vcpu) || !vcpus_[raw(vcpu)].said.empty();
}

Action VcpuThreads::enter(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  if (!std::holds_alternative<std::monostate>(v.left)) return handle_exit(vcpu, task);
  if (v.halted && !awake(vcpu)) {
    task.pc = step::kHalt;
    return host::go_on();
  }
  v.halted = false;
  if (task.span == kNoSpan || task.span == in_service(vcpu)) task.span = works_for(vcpu);
  if (const auto vector = to_hand_over(vcpu)) {
    v.handed_over = true;
    return Charge{Event::InterruptInjected, std::uint64_t{raw(vcpu)} << 8 | raw(*vector)};
  }
  v.place = VcpuPlace::Entering;
  cpus_[raw(cpu)].vcpu = vcpu;
  chip().enter(vcpu, env);
  apics().enter(vcpu, env);
  task.pc = step::kRunGuest;
  return Charge{Event::VcpuEntered, raw(vcpu)};
}

/// User space hands over one interrupt before an entry.
std::optional<Vector> VcpuThreads::to_hand_over(CpuId vcpu) const {
  const bool due = config_.home == ApicHome::User && !vcpus_[raw(vcpu)].handed_over &&
                   apics().lapics().intr(vcpu) == Level::High;
  return due ? std::optional(apics().rvi(vcpu)) : std::nullopt;
}

/// An AMD processor looks once more as it enters: doorbells were lost on it until here.
Action VcpuThreads::run_guest(CpuId vcpu, HostCpu cpu, host::Task& task, host::HostKernel& kernel,
                              Env& env) {
  Vcpu& v = row(vcpu);
  task.pc = step::kEnter;
  if (v.kicked) {
    cancel_entry(vcpu, cpu, kernel, env);
    v.place = VcpuPlace::Host;
    return host::go_on();
  }
  task.span = kNoSpan;  // it is the guest's from here on
  v.place = VcpuPlace::Guest;
  v.entered_at = env.now();
  v.handed_over = false;
  env.send(kVcpus, CpuLineChange{vcpu, CpuLine::Run, Level::High, kNoSpan});
  PhysicalCpu& physical = cpus_[raw(cpu)];
  if (std::exchange(physical.notified, false)) {
    take_notification(cpu, std::exchange(physical.notification, kNoSpan), env);
  }
  if (is_avic()) apics().doorbell(vcpu, env);
  go_on_saying(vcpu, kernel, env);
  if (v.place != VcpuPlace::Guest) return host::go_on();
  task.pc = step::kLeft;
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

/// The processor's own work: SDM vol. 3, "Posted-Interrupt Processing". It looks at the descriptor
/// of the vCPU that runs, whoever the notification was meant for. One that software sent is no
/// interrupt of its own, but work for what it tells of; of several, for the highest.
void VcpuThreads::take_notification(HostCpu cpu, SpanId span, Env& env) {
  const CpuId vcpu = *cpus_[raw(cpu)].vcpu;
  env.note(Event::NotificationTaken, span != kNoSpan ? span : highest_posted(vcpu), raw(cpu));
  apics().sync(vcpu, env);
  if (span != kNoSpan) env.note(Event::Handled, span, raw(config_.notification));
}

/// A VMM that has the local APICs waits in user space: nobody polls.
Action VcpuThreads::halt(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.halted_at = env.now();
  if (awake(vcpu)) {
    task.pc = step::kEnter;
    return host::go_on();
  }
  if (v.window.length() == 0 || config_.home == ApicHome::User) return block(vcpu, cpu, task, env);
  v.place = VcpuPlace::Polling;
  task.pc = step::kPolled;
  return host::Poll{v.window.length()};
}

Action VcpuThreads::polled(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.place = VcpuPlace::Host;
  if (!awake(vcpu)) return block(vcpu, cpu, task, env);
  v.window.learn(env.now() - v.halted_at, config_.polling);
  task.pc = step::kEnter;
  return host::go_on();
}

/// From here on the wake-up vector says that something was posted, to this CPU, among whose blocked
/// vCPUs this one is; with AVIC an IPI exits. The look and the sleep are one step, so nothing that
/// comes later is missed.
Action VcpuThreads::block(CpuId vcpu, HostCpu cpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  if (!config_.mutants.has(Mutant::WakeupVectorNotSet)) {
    apics().descriptor(vcpu).set_nv(config_.wakeup);
  }
  if (is_avic()) apics().avic_put(vcpu, x86::VcpuPut::Blocked);
  v.listed = cpu;
  v.loaded = false;
  task.pc = step::kWoken;
  if (awake(vcpu)) return host::go_on();
  v.place = VcpuPlace::Blocked;
  task.span = kNoSpan;
  env.note(Event::VcpuBlocked, kNoSpan, raw(vcpu));
  return host::Wait{queues_[raw(vcpu)]};
}

Action VcpuThreads::woken(CpuId vcpu, host::Task& task, Env& env) {
  Vcpu& v = row(vcpu);
  v.window.learn(env.now() - v.halted_at, config_.polling);
  task.pc = step::kEnter;
  return host::go_on();
}

/// The load comes after it, so what was posted may not be notified yet.
SpanId VcpuThreads::works_for(host::TaskHandle handle, const host::Task& task) const {
  if (task.span != kNoSpan || raw(handle.slot) >= vcpus_.size()) return task.span;
  const CpuId vcpu{raw(handle.slot)};
  const SpanId posted = highest_posted(vcpu);
  return posted != kNoSpan ? posted : works_for(vcpu);
}

/// The thread has to load its vCPU again. An entry that it was about to make has not been made.
void VcpuThreads::preempted(host::Task& task, host::HostKernel& kernel, Env& env) {
  const CpuId vcpu{raw(kernel.self().slot)};
  if (raw(vcpu) >= vcpus_.size()) return;
  const HostCpu cpu = *kernel.cpu();
  Vcpu& v = row(vcpu);
  if (v.place == VcpuPlace::Entering) {
    task.pc = step::kEnter;
    cancel_entry(vcpu, cpu, kernel, env);
  }
  if (v.loaded) {
    apics().descriptor(vcpu).set_sn(true);
    if (is_avic()) apics().avic_put(vcpu, x86::VcpuPut::Preempted);
  }
  v.loaded = false;
  v.place = VcpuPlace::Preempted;
  env.note(Event::VcpuPreempted, kNoSpan, raw(vcpu));
}

}  // namespace irqfab::kvm
