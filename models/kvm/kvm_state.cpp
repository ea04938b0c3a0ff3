// What the host sets and reads of a VM besides its irqchip: eventfds and their bindings (api.rst,
// KVM_IRQFD; eventfd(2)), and its vCPUs (KVM_NMI, KVM_INTERRUPT, KVM_SET_MP_STATE).

#include <algorithm>

#include "models/kvm/kvm_host.hpp"

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kInterruptVectors = 256;

}  // namespace

// ---- eventfds ---------------------------------------------------------------------------------

Answer KvmSoftware::assign(std::size_t irqfd, Assign assign) {
  Binding& binding = irqfds_[irqfd];
  if (assign == Assign::On && binding.assigned) return kEBUSY;
  binding.assigned = assign == Assign::On;
  return 0;
}

Answer KvmSoftware::assign(std::size_t irqfd, Gsi gsi, ResampleFd resample, Env& env) {
  if (chip_.config().kind == IrqchipKind::None) return kEINVAL;
  if (resample && chip_.config().kind != IrqchipKind::Full) return kEINVAL;
  Binding& binding = irqfds_[irqfd];
  if (binding.assigned) return kEBUSY;
  binding.assigned = true;
  binding.gsi = gsi;
  binding.resamples = resample.has_value();
  binding.resample_fd = resample;
  if (resample) chip_.add_resampler(gsi);
  tell_vcpus(env);
  return 0;
}

/// A pair that is not bound answers 0 like one that is.
Answer KvmSoftware::deassign(std::size_t irqfd, Gsi gsi, Env& env) {
  Binding& binding = irqfds_[irqfd];
  if (!binding.assigned || binding.gsi != gsi) return 0;
  binding.assigned = false;
  if (binding.resamples) chip_.remove_resampler(gsi, env);
  tell_vcpus(env);
  return 0;
}

void KvmSoftware::open_eventfd(std::size_t fd, std::uint64_t counter, Drain drain) {
  irqfds_[fd].counter = counter;
  irqfds_[fd].drain = drain;
}

void KvmSoftware::close_eventfd(std::size_t fd, Env& env) {
  deassign(fd, irqfds_[fd].gsi, env);
  irqfds_[fd].counter = 0;
}

Answer KvmSoftware::read_eventfd(std::size_t fd) {
  std::uint64_t& counter = irqfds_[fd].counter;
  if (counter == 0) return kEAGAIN;
  const std::uint64_t before = counter;
  drain(counter, irqfds_[fd].drain);
  return static_cast<Answer>(before - counter);
}

void KvmSoftware::drain(std::uint64_t& counter, Drain how) {
  counter = how == Drain::One && counter > 0 ? counter - 1 : 0;
}

/// Every resampling irqfd of the GSI, whether it raised the line or not.
void KvmSoftware::signal_resamplers() {
  for (const Gsi gsi : chip_.take_acknowledged()) {
    for (const Binding& binding : irqfds_) {
      const bool told = binding.assigned && binding.resamples && binding.gsi == gsi;
      if (told && binding.resample_fd) ++irqfds_[*binding.resample_fd].counter;
    }
  }
}

// ---- vCPUs ------------------------------------------------------------------------------------

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
  if (chip_.config().kind == IrqchipKind::None) {
    vcpus_[raw(cpu)].injected = true;
    return 0;
  }
  const Answer answer = chip_.inject_external(cpu, Vector(static_cast<std::uint8_t>(irq)), env);
  tell_vcpus(env);
  return answer;
}

/// Without a local APIC in the kernel a vCPU is runnable and nothing else.
Answer KvmSoftware::set_mp_state(CpuId cpu, std::uint64_t state) {
  const bool known = state <= static_cast<std::uint64_t>(MpState::SipiReceived);
  const bool runnable = state == static_cast<std::uint64_t>(MpState::Runnable);
  if (!known || (!runnable && chip_.config().kind == IrqchipKind::None)) return kEINVAL;
  VcpuEvents& vcpu = vcpus_[raw(cpu)];
  vcpu.mp_state = static_cast<MpState>(state);
  if (vcpu.mp_state != MpState::SipiReceived) return 0;
  vcpu.mp_state = MpState::InitReceived;
  vcpu.sipi = vcpu.sipi_vector;
  return 0;
}

/// INIT first: the bootstrap processor goes on, any other waits for the SIPI.
void KvmSoftware::look(CpuId cpu, Env& env) {
  VcpuEvents& vcpu = vcpus_[raw(cpu)];
  if (vcpu.init) {
    const bool latched = chip_.config().quirks.has(x86::Quirk::InitLatched);
    if (latched) chip_.init(cpu, env);  // otherwise its LAPIC started anew with the message
    const bool bootstrap = x86::ApicBase::Bsp::is_set(chip_.lapics().apic_base(cpu));
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
  chip_.enter(cpu, env);
  tell_vcpus(env);
}

}  // namespace irqfab::kvm
