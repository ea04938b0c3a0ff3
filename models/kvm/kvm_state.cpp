// What the host sets and reads of a VM's vCPUs besides the irqchip: KVM_NMI, KVM_INTERRUPT,
// KVM_SET_MP_STATE.

#include <algorithm>

#include "models/kvm/kvm_host.hpp"

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kInterruptVectors = 256;

}  // namespace

/// A message of the irqchip to a vCPU.
void KvmSoftware::pass_on(const CpuLineChange& message) {
  VcpuEvents& vcpu = vcpus_[raw(message.cpu)];
  switch (message.line) {
    case CpuLine::Nmi:
      vcpu.nmis = std::min(vcpu.nmis + 1, VcpuEvents::kMostNmis);
      return;
    case CpuLine::Init:
      vcpu.init = true;
      vcpu.sipi.reset();
      return;
    case CpuLine::Sipi:
      vcpu.sipi_vector = message.vector;
      vcpu.sipi = message.vector;
      return;
    default:
      return;
  }
}

Answer KvmSoftware::nmi(CpuId cpu) {
  pass_on({cpu, CpuLine::Nmi, Level::High, kNoSpan});
  return 0;
}

Answer KvmSoftware::interrupt(CpuId cpu, std::uint32_t irq, Env& env) {
  if (irq >= kInterruptVectors) return kEINVAL;
  if (chip().config().kind == IrqchipKind::None) {
    vcpus_[raw(cpu)].injected = true;
    return 0;
  }
  const Answer answer = chip().inject_external(cpu, Vector(static_cast<std::uint8_t>(irq)), env);
  tell_vcpus(env);
  return answer;
}

/// Without a local APIC in the kernel a vCPU is runnable and nothing else.
Answer KvmSoftware::set_mp_state(CpuId cpu, std::uint64_t state) {
  const bool known = state <= static_cast<std::uint64_t>(MpState::SipiReceived) ||
                     state == static_cast<std::uint64_t>(MpState::ApResetHold);
  const bool runnable = state == static_cast<std::uint64_t>(MpState::Runnable);
  if (!known || (!runnable && chip().config().kind == IrqchipKind::None)) return kEINVAL;
  VcpuEvents& vcpu = vcpus_[raw(cpu)];
  vcpu.mp_state = static_cast<MpState>(state);
  if (vcpu.mp_state != MpState::SipiReceived) return 0;
  vcpu.mp_state = MpState::InitReceived;
  vcpu.sipi = vcpu.sipi_vector;
  return 0;
}

/// A bootstrap processor that is as reset leaves it begins to run: so user space can start one
/// again that had halted.
Answer KvmSoftware::set_sregs(CpuId cpu, std::uint64_t apic_base, Env& env) {
  const Answer answer = chip().set_sregs(cpu, apic_base, env);
  VcpuEvents& vcpu = vcpus_[raw(cpu)];
  const bool starts = answer == 0 && vcpu.cs == VcpuEvents::kResetCs &&
                      x86::ApicBase::Bsp::is_set(chip().lapics().apic_base(cpu));
  if (starts) vcpu.mp_state = MpState::Runnable;
  return answer;
}

/// INIT first: the bootstrap processor goes on, any other waits for the SIPI.
void KvmSoftware::look(CpuId cpu, Env& env) {
  VcpuEvents& vcpu = vcpus_[raw(cpu)];
  if (vcpu.init) {
    const bool latched = chip().config().quirks.has(x86::Quirk::InitLatched);
    if (latched) chip().init(cpu, env);  // otherwise its LAPIC started anew with the message
    const bool bootstrap = x86::ApicBase::Bsp::is_set(chip().lapics().apic_base(cpu));
    vcpu.mp_state = bootstrap ? MpState::Runnable : MpState::InitReceived;
    vcpu.cs = VcpuEvents::kResetCs;
    vcpu.nmis = 0;
    vcpu.injected = false;
    vcpu.init = false;
    tell_vcpus(env);
  }
  if (vcpu.sipi && vcpu.mp_state == MpState::InitReceived) {
    vcpu.cs = static_cast<std::uint16_t>(raw(*vcpu.sipi) << 8);
    vcpu.mp_state = MpState::Runnable;
  }
  vcpu.sipi.reset();
}

void KvmSoftware::enter(CpuId cpu, Env& env) {
  look(cpu, env);
  chip().enter(cpu, env);
  tell_vcpus(env);
}

}  // namespace irqfab::kvm
