// State of the irqchip as the host puts it in place (api.rst, KVM_SET_LAPIC, KVM_SET_IRQCHIP,
// KVM_SET_SREGS, KVM_SET_MSRS), and what a vCPU does with it when it begins to run.

#include <algorithm>

#include "models/kvm/irqchip_env.hpp"

namespace irqfab::kvm {
namespace {

using x86::LapicRegister;
using x86::Quirk;

bool is_x2apic_msr(std::uint32_t msr) {
  return msr >= x86::LapicMsr::kFirst && msr <= x86::LapicMsr::kLast;
}
std::uint32_t offset_of(std::uint32_t msr) { return (msr - x86::LapicMsr::kFirst) * 16; }

}  // namespace

/// The PPR is computed while KVM still thinks that nothing is in service, if that was so.
Answer Irqchip::set_lapic(CpuId cpu, const std::vector<Register>& registers, Env& env) {
  if (config_.kind == IrqchipKind::None) return kEINVAL;
  LapicCall lapic(*this, env);
  const bool was_idle = lapics().isr(cpu).empty();
  if (!accepts_id(cpu, registers)) return kEINVAL;
  for (const auto& [offset, value] : registers) {
    apics_.lapics().restore(cpu, offset, value, lapic.bank);
  }
  apics_.lapics().map_newest();
  Shadow& shadow = shadows_[raw(cpu)];
  shadow.stale_ppr.reset();
  if (was_idle && config_.quirks.has(Quirk::PprStaleAfterRestore)) {
    shadow.stale_ppr = static_cast<std::uint8_t>(lapics().tpr(cpu));
  }
  track_rtc(cpu);
  request_scan();
  return 0;
}

/// With 32-bit destinations the id of x2APIC mode is checked; otherwise it is ignored.
bool Irqchip::accepts_id(CpuId cpu, const std::vector<Register>& registers) const {
  const bool fixed = config_.destination == x86::MsiDestination::Bits32 &&
                     lapics().mode(cpu) == x86::LapicMode::X2apic;
  return !fixed || std::all_of(registers.begin(), registers.end(), [&](const Register& given) {
    return given.first != LapicRegister::kId || given.second == lapics().id(cpu);
  });
}

/// KVM_SET_SREGS, which writes CR8 as well.
Answer Irqchip::set_sregs(CpuId cpu, std::uint64_t apic_base, Env& env) {
  const Answer answer = set_apic_base(cpu, apic_base, env);
  if (answer == 0) sync_tpr(cpu, env);
  return answer;
}

void Irqchip::sync_tpr(CpuId cpu, Env& env) {
  if (config_.kind == IrqchipKind::None) return;
  shadows_[raw(cpu)].stale_ppr.reset();
  if (!config_.quirks.has(Quirk::TprLowBitsLost)) return;
  LapicCall lapic(*this, env);
  apics_.lapics().restore(cpu, LapicRegister::kTpr, lapics().tpr(cpu) & 0xF0u, lapic.bank);
}

Answer Irqchip::set_apic_base(CpuId cpu, std::uint64_t value, Env& env) {
  LapicCall lapic(*this, env);
  if (apics_.lapics().restore_apic_base(cpu, value, lapic.bank) != x86::MsrStatus::Done)
    return kEINVAL;
  request_scan();
  return 0;
}

Answer Irqchip::set_entry(Pin pin, std::uint64_t bits, Env& env) {
  if (config_.kind != IrqchipKind::Full) return kENXIO;
  IoapicEnv chip(*this, env);
  ioapic_.restore(pin, x86::Rte{bits}, chip);
  request_scan();
  inject_latched(ioapic_irr(), env);
  rtc_.reset();
  for (std::uint32_t cpu = 0; cpu < shadows_.size(); ++cpu) track_rtc(CpuId{cpu});
  return 0;
}

/// Is the RTC's vector pending or in service at a vCPU that the entry names?
void Irqchip::track_rtc(CpuId cpu) {
  if (config_.kind != IrqchipKind::Full) return;
  const x86::ApicMessage message = decode(ioapic_.rte(kRtcPin).message());
  if (!lapics().addresses(message, cpu)) return;
  const bool there = lapics().irr(cpu).has(message.vector) || lapics().isr(cpu).has(message.vector);
  rtc_.restore(cpu, there ? std::optional(message.vector) : std::nullopt);
}

/// What the image shows as asserted is looked at anew, as if its line rose now.
void Irqchip::inject_latched(std::uint32_t image, Env& env) {
  latched_ = image;
  delivered_ = 0;
  for (std::uint16_t n = 0; n < ioapic_.pins(); ++n) {
    IoapicEnv chip(*this, env);
    if ((image >> n & 1) == 0) continue;
    const x86::Rte entry = ioapic_.rte(Pin{n});
    const bool level = x86::Rte::TriggerModeBit::is_set(entry.bits);
    if (level && entry.remote_irr()) continue;
    if (level || config_.quirks.has(Quirk::MaskedEdgeKept)) ioapic_.evaluate(Pin{n}, chip);
  }
}

Answer Irqchip::set_pic(x86::PicRole role, const x86::PicChip::Settings& settings, Env& env) {
  if (config_.kind != IrqchipKind::Full) return kENXIO;
  PicEnv chip(*this, env);
  pic_.restore(role, settings, chip);
  return 0;
}

x86::MsrAnswer Irqchip::read_msr(CpuId cpu, std::uint32_t msr, Env& env) {
  const x86::MsrAnswer refused{x86::MsrStatus::GeneralProtection, 0};
  if (is_x2apic_msr(msr) && config_.kind == IrqchipKind::None) return refused;
  LapicCall lapic(*this, env);
  const x86::MsrAnswer answer = apics_.lapics().rdmsr(cpu, msr, lapic.bank);
  const bool computes_ppr = is_x2apic_msr(msr) && offset_of(msr) == LapicRegister::kPpr;
  if (computes_ppr && answer.status == x86::MsrStatus::Done) shadows_[raw(cpu)].stale_ppr.reset();
  return answer;
}

x86::MsrAnswer Irqchip::write_msr(CpuId cpu, std::uint32_t msr, std::uint64_t value, Env& env) {
  x86::MsrAnswer answer;
  if (msr == x86::LapicMsr::kApicBase) {
    if (set_apic_base(cpu, value, env) != 0) answer.status = x86::MsrStatus::GeneralProtection;
    return answer;
  }
  if (is_x2apic_msr(msr) && config_.kind == IrqchipKind::None) {
    answer.status = x86::MsrStatus::GeneralProtection;
    return answer;
  }
  const bool reaches =
      is_x2apic_msr(msr) && lapics().mode(cpu) == x86::LapicMode::X2apic && value >> 32 == 0;
  const std::uint32_t offset = reaches ? offset_of(msr) : 0;
  writing(cpu, offset, env,
          [&](Env& lapic) { answer = apics_.lapics().wrmsr(cpu, msr, value, lapic); });
  return answer;
}

Answer Irqchip::inject_external(CpuId cpu, Vector vector, Env& env) {
  if (config_.kind == IrqchipKind::Full) return kENXIO;
  std::optional<Vector>& external = shadows_[raw(cpu)].external;
  if (external) return kEEXIST;
  external = vector;
  LapicEnv lapic(*this, env);
  const Pin lint0 = x86::LapicBank::pin_of(cpu, x86::LocalPin::Lint0);
  apics_.on_pin({lint0, Level::High, PicEnv::kExternalDriver, kNoSpan}, lapic);
  return 0;
}

void Irqchip::init(CpuId cpu, Env& env) {
  LapicEnv lapic(*this, env);
  apics_.init(cpu, lapic);
  shadows_[raw(cpu)].stale_ppr.reset();
  request_scan();
}

void Irqchip::enter(CpuId cpu, Env& env) {
  shadows_[raw(cpu)].stale_ppr.reset();
  if (shadows_[raw(cpu)].scan_requested) scan(cpu);
  sync_tpr(cpu, env);
}

void Irqchip::request_scan() {
  scan_requested_ = true;
  for (Shadow& shadow : shadows_) shadow.scan_requested = true;
}

/// Every vector that an entry may bring to this vCPU, or that it has from an older one.
void Irqchip::scan(CpuId cpu) {
  Shadow& shadow = shadows_[raw(cpu)];
  shadow.scan_requested = false;
  if (lapics().mode(cpu) == x86::LapicMode::Disabled) return;
  shadow.forwarded = {};
  if (const auto waiting = rtc_.waiting(cpu)) shadow.forwarded.add(*waiting);
  for (std::uint16_t n = 0; n < ioapic_.pins(); ++n) {
    if (!eoi_is_watched(Pin{n})) continue;
    watch(cpu, ioapic_.rte(Pin{n}).message());
  }
  if (config_.kind == IrqchipKind::Split) watch_level_routes(cpu);
  apics_.set_eoi_exits(cpu, shadow.forwarded);
}

void Irqchip::watch(CpuId cpu, const x86::MsiMessage& message) {
  const x86::ApicMessage decoded = decode(message);
  const Vector vector = decoded.vector;
  const bool has = lapics().irr(cpu).has(vector) || lapics().isr(cpu).has(vector);
  if (has || lapics().addresses(decoded, cpu)) shadows_[raw(cpu)].forwarded.add(vector);
}

/// User space mirrors the entries of its IOAPIC as routes of the GSIs of the pins.
void Irqchip::watch_level_routes(CpuId cpu) {
  for (std::uint32_t gsi = 0; gsi < ioapic_.pins(); ++gsi) {
    for (const Route& route : routing_.of(Gsi{gsi})) {
      const bool level =
          route.target == RouteTarget::Msi && x86::MsiData::TriggerMode::is_set(route.message.data);
      if (level) watch(cpu, route.message);
    }
  }
}

bool Irqchip::eoi_is_watched(Pin pin) const {
  if (pin == kRtcPin || x86::Rte::TriggerModeBit::is_set(ioapic_.rte(pin).bits)) return true;
  const std::optional<Gsi> gsi = routing_.gsi_of(RouteTarget::IoapicPin, pin);
  return gsi && std::find(resampled_.begin(), resampled_.end(), *gsi) != resampled_.end();
}

std::uint8_t Irqchip::ppr_image(CpuId cpu) const {
  return shadows_[raw(cpu)].stale_ppr.value_or(lapics().ppr(cpu));
}

}  // namespace irqfab::kvm
