// What the local APICs want to reach vCPUs with, by what their threads are doing.
#include <utility>

#include "models/kvm/vcpu_threads.hpp"

namespace irqfab::kvm {

using host::HostCpu;

/// An EOI may have lowered a resampler's line, and a redirection entry or a route may have changed
/// which EOIs exit: to learn that, vCPUs enter anew.
void VcpuThreads::pass_signals(host::HostKernel& kernel, Env& env) {
  for (const CpuLineChange& message : chip().take_messages()) pass_on(message, kernel, env);
  layer_.signal_resamplers(kernel, env);
  apics().take_signals([&](const x86::VirtualSignal& signal) {
    switch (signal.kind) {
      case x86::VirtualSignal::Kind::Kick:
        return kick(signal, kernel, env);
      case x86::VirtualSignal::Kind::Doorbell:
        return ring(signal, env);
      case x86::VirtualSignal::Kind::Notification:
        return arrive(cpu_of_ndst(raw(signal.host)), signal.vector, kNoSpan, kernel, env);
    }
  });
  if (!chip().take_scan_request()) return;
  for (std::uint32_t n = 0; n < vcpus_.size(); ++n) {
    if (chip().has_to_scan(CpuId{n})) kick_out(CpuId{n}, kNoSpan, kernel, env);
  }
}

/// NMI, INIT, SIPI or SMI. The vCPU takes it up as it enters; one that waits for a SIPI is as one
/// that has halted.
void VcpuThreads::pass_on(const CpuLineChange& message, host::HostKernel& kernel, Env& env) {
  kick_out(message.cpu, message.span, kernel, env);
  env.send(kVcpus, message);
  Vcpu& v = row(message.cpu);
  v.halted = message.line == CpuLine::Init && message.cpu != CpuId{0};
  if (!v.halted) rouse(message.cpu, message.span, kernel);
}

/// One in the guest, or about to be there, takes what was posted by a notification or a doorbell,
/// without an exit; for anything else, and where the processor does not deliver, it has to enter
/// anew.
void VcpuThreads::kick(const x86::VirtualSignal& signal, host::HostKernel& kernel, Env& env) {
  const Vcpu& v = row(signal.vcpu);
  const bool sleeps = v.place == VcpuPlace::Blocked || v.place == VcpuPlace::Polling;
  if (sleeps && config_.home == ApicHome::User) env.note(told_by(), signal.span, raw(signal.vcpu));
  rouse(signal.vcpu, signal.span, kernel);
  const bool by_hardware = signal.span != kNoSpan && apics().active();
  if (!by_hardware) return kick_out(signal.vcpu, signal.span, kernel, env);
  if (!is_inside(v.place)) return;
  if (is_avic()) return ring(signal, env);
  env.note(told_by(), signal.span, raw(signal.vcpu));
  arrive(kernel.machine().cpu_of(v.thread), config_.notification, kNoSpan, kernel, env);
}

/// Nothing for one that is outside: it will look.
void VcpuThreads::kick_out(CpuId vcpu, SpanId span, host::HostKernel& kernel, Env& env) {
  Vcpu& v = row(vcpu);
  if (!is_inside(v.place)) return;
  env.note(told_by(), span, raw(vcpu));
  if (v.place == VcpuPlace::Entering) {
    v.kicked = true;
    return;
  }
  // A signal ends KVM_RUN as well.
  const bool returns = config_.home == ApicHome::User;
  const Left left = returns ? Left{UserAccess{ExitReason::ExternalInterrupt, 0, span}} : Left{};
  leave(vcpu, ExitReason::ExternalInterrupt, left, span, kernel, env);
}

/// One that waits is woken.
void VcpuThreads::rouse(CpuId vcpu, SpanId span, host::HostKernel& kernel) {
  Vcpu& v = row(vcpu);
  if (v.place != VcpuPlace::Blocked && v.place != VcpuPlace::Polling) return;
  if (v.place == VcpuPlace::Blocked) v.place = VcpuPlace::Woken;
  kernel.wake(v.thread, span);
}

/// The processor there looks, whichever vCPU it runs; outside of a guest it takes no notice (APM
/// vol. 2, 15.29.8.2). One that is about to enter looks when it does.
void VcpuThreads::ring(const x86::VirtualSignal& signal, Env& env) {
  env.note(Event::DoorbellRung, signal.span, raw(signal.host));
  if (raw(signal.host) >= cpus_.size()) return;
  const std::optional<CpuId> inside = cpus_[raw(signal.host)].vcpu;
  if (inside && row(*inside).place == VcpuPlace::Guest) apics().doorbell(*inside, env);
}

/// Of what will not merge into an interrupt that is pending already.
SpanId VcpuThreads::highest_posted(CpuId vcpu) const {
  const x86::PostedDescriptor& descriptor = apics().descriptor(vcpu);
  x86::VectorSet posted = descriptor.pir();
  while (const std::optional<Vector> vector = posted.highest()) {
    if (!apics().lapics().irr(vcpu).has(*vector)) return descriptor.span_at(*vector);
    posted.remove(*vector);
  }
  return kNoSpan;
}

/// What a vCPU that the host takes up is taken up for, if for anything.
SpanId VcpuThreads::waiting_for(CpuId vcpu) const {
  if (apics().descriptor(vcpu).on()) return highest_posted(vcpu);
  const bool requested = is_avic() || !apics().delivers();
  if (!requested || !apics().has_event(vcpu)) return kNoSpan;
  return apics().lapics().requested(vcpu, apics().rvi(vcpu));
}

SpanId VcpuThreads::in_service(CpuId vcpu) const {
  const x86::LapicBank& bank = apics().lapics();
  const std::optional<Vector> highest = bank.isr(vcpu).highest();
  return highest ? bank.serviced(vcpu, *highest) : kNoSpan;
}

SpanId VcpuThreads::works_for(CpuId vcpu) const {
  const SpanId waiting = waiting_for(vcpu);
  return waiting != kNoSpan ? waiting : in_service(vcpu);
}

}  // namespace irqfab::kvm
