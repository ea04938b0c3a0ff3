// A guest's accesses to its local APIC, and what an Intel processor makes of them (SDM vol.
// 3, 30.1, 30.4, 30.5).

#include "models/x86/apicv.hpp"
#include "models/x86/apicv_env.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;
using By = VirtualExit::By;
using Direction = VirtualExit::Direction;

/// Bits 15:12 of an APIC-access exit's qualification: a data write.
constexpr std::uint64_t kDataWrite = std::uint64_t{1} << 12;

std::uint32_t msr_of(std::uint32_t offset) { return LapicMsr::kFirst + offset / 16; }

VirtualAccess done() { return {}; }
VirtualAccess done(std::uint64_t value) { return {std::nullopt, MsrStatus::Done, value}; }
VirtualAccess done(const MsrAnswer& answer) { return {std::nullopt, answer.status, answer.value}; }

VirtualAccess general_protection(Env& env) {
  env.guest_error(GuestFault::GeneralProtection);
  return {std::nullopt, MsrStatus::GeneralProtection, 0};
}

VirtualAccess exits(const VirtualExit& exit) { return {exit, MsrStatus::Done, 0}; }

VirtualExit page_exit(CpuId vcpu, Direction direction, std::uint32_t offset, std::uint32_t value) {
  const std::uint64_t type = direction == Direction::Write ? kDataWrite : 0;
  return {vcpu, ExitReason::ApicAccess, type | (offset & 0xFFF), 0, By::Page, direction, offset,
          value};
}
VirtualExit msr_exit(CpuId vcpu, Direction direction, std::uint32_t msr, std::uint64_t value) {
  return {vcpu, ExitReason::MsrWrite, 0, 0, By::Msr, direction, msr, value};
}
/// After the store. `value` is all that was written, by whichever way.
VirtualExit apic_write_exit(CpuId vcpu, By by, std::uint32_t offset, std::uint64_t value) {
  const std::uint32_t where = by == By::Msr ? msr_of(offset) : offset;
  return {vcpu, ExitReason::ApicWrite, offset, 0, by, Direction::Write, where, value};
}

}  // namespace

VirtualAccess VirtualApics::read(CpuId vcpu, std::uint32_t offset, Env& env) {
  BankEnv bank_env(*this, env);
  if (bank_.mode(vcpu) != LapicMode::Xapic) return done(bank_.read(vcpu, offset, bank_env));
  if (avic_active()) return avic_reads(vcpu, By::Page, offset, env);
  if (apicv_reads_page(controls(), offset)) return done(bank_.read(vcpu, offset, bank_env));
  return exits(page_exit(vcpu, Direction::Read, offset, 0));
}

VirtualAccess VirtualApics::write(CpuId vcpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  BankEnv bank_env(*this, env);
  if (bank_.mode(vcpu) != LapicMode::Xapic) {
    bank_.write(vcpu, offset, value, bank_env);  // nobody's
    return done();
  }
  if (avic_active()) return avic_writes(vcpu, By::Page, offset, value, env);
  switch (apicv_writes_page(controls(), offset)) {
    case ApicvWrite::Tpr:
      return virtual_tpr(vcpu, By::Page, static_cast<std::uint8_t>(value), env);
    case ApicvWrite::Eoi:
      return virtual_eoi(vcpu, By::Page, env);
    case ApicvWrite::Icr:
      return virtual_icr(vcpu, {By::Page, value, Icr::Destination::get(bank_.icr_high(vcpu))}, env);
    case ApicvWrite::Stored:
      bank_.write(vcpu, offset, value, bank_env);
      return done();
    case ApicvWrite::StoredExit:
      return exits(apic_write_exit(vcpu, By::Page, offset, value));
    default:
      return exits(page_exit(vcpu, Direction::Write, offset, value));
  }
}

VirtualAccess VirtualApics::rdmsr(CpuId vcpu, std::uint32_t msr, Env& env) {
  const VirtualExit exit = msr_exit(vcpu, Direction::Read, msr, 0);
  if (!is_register_msr(vcpu, msr)) return exits(exit);
  const std::uint32_t offset = (msr - LapicMsr::kFirst) * 16;
  if (avic_active()) {
    const bool passes = config_.x2avic == X2avic::Present && x2avic_passes(offset);
    return passes ? avic_reads(vcpu, By::Msr, offset, env) : exits(exit);
  }
  if (!apicv_reads_msr(controls(), offset)) return exits(exit);
  BankEnv bank_env(*this, env);
  return done(bank_.rdmsr(vcpu, msr, bank_env));
}

VirtualAccess VirtualApics::wrmsr(CpuId vcpu, std::uint32_t msr, std::uint64_t value, Env& env) {
  const VirtualExit exit = msr_exit(vcpu, Direction::Write, msr, value);
  if (!is_register_msr(vcpu, msr)) return exits(exit);
  const std::uint32_t offset = (msr - LapicMsr::kFirst) * 16;
  if (avic_active()) {
    const bool passes = config_.x2avic == X2avic::Present && x2avic_passes(offset);
    return passes ? avic_writes(vcpu, By::Msr, offset, value, env) : exits(exit);
  }
  switch (apicv_writes_msr(controls(), offset)) {
    case ApicvWrite::Tpr:
      if (value > 0xFF) return general_protection(env);
      return virtual_tpr(vcpu, By::Msr, static_cast<std::uint8_t>(value), env);
    case ApicvWrite::Eoi:
      if (value != 0) return general_protection(env);
      return virtual_eoi(vcpu, By::Msr, env);
    case ApicvWrite::SelfIpi:
      return virtual_self_ipi(vcpu, value, env);
    case ApicvWrite::Icr:
      if (icr_is_refused(value)) return general_protection(env);
      return virtual_icr(
          vcpu,
          {By::Msr, static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)},
          env);
    default:
      return exits(exit);
  }
}

/// Every processor with virtualization has a TPR of the guest's own for CR8; only the exit below
/// the threshold is left.
VirtualAccess VirtualApics::write_cr8(CpuId vcpu, std::uint8_t value, Env& env) {
  const auto tpr = static_cast<std::uint8_t>((value & 0xF) << 4);
  if (!avic_active()) return virtual_tpr(vcpu, By::Cr8, tpr, env);
  set_tpr(vcpu, tpr, env);
  look(vcpu, kNoSpan, env);
  return done();
}

void VirtualApics::set_tpr(CpuId vcpu, std::uint8_t tpr, Env& env) {
  BankEnv bank_env(*this, env);
  bank_.restore(vcpu, Register::kTpr, tpr, bank_env);
}

/// WRMSR of an ICR with reserved bits gives #GP, and delivery status is one in x2APIC mode.
bool VirtualApics::icr_is_refused(std::uint64_t value) const {
  std::uint32_t allowed = Icr::kWritableLow;
  if (config_.lapics.quirks.has(Quirk::ReservedMsrBitsIgnored)) {
    allowed |= Icr::DeliveryStatus::kMask;
  }
  return (static_cast<std::uint32_t>(value) & ~allowed) != 0;
}

void VirtualApics::store_icr(CpuId vcpu, const Command& command, Env& env) {
  BankEnv bank_env(*this, env);
  bank_.restore(vcpu, Register::kIcrLow, command.low, bank_env);
  if (command.by == By::Msr) {
    bank_.restore(vcpu, Register::kIcrHigh, command.destination, bank_env);
  }
}

/// TPR virtualization (30.1.2) and, where the processor delivers, PPR virtualization.
VirtualAccess VirtualApics::virtual_tpr(CpuId vcpu, By by, std::uint8_t tpr, Env& env) {
  set_tpr(vcpu, tpr, env);
  if (controls().has(ApicvControl::VirtualInterruptDelivery)) {
    look(vcpu, kNoSpan, env);
    return done();
  }
  if (tpr >> 4 >= vcpus_[vcpu].tpr_threshold) return done();
  return exits(
      {vcpu, ExitReason::TprBelowThreshold, 0, 0, by, Direction::Write, Register::kTpr, tpr});
}

/// EOI virtualization (30.1.4). The interrupt ends here; the exit is for whoever waits for that.
VirtualAccess VirtualApics::virtual_eoi(CpuId vcpu, By by, Env& env) {
  const Vector ended = svi(vcpu);
  const SpanId span = bank_.serviced(vcpu, ended);
  if (span != kNoSpan) env.note(Event::EoiVirtualized, span, name_of(vcpu, ended));
  BankEnv bank_env(*this, env);
  bank_.retire(vcpu, bank_env);
  if (vcpus_[vcpu].eoi_exits.has(ended)) {
    return exits(
        {vcpu, ExitReason::VirtualizedEoi, raw(ended), 0, by, Direction::Write, Register::kEoi, 0});
  }
  look(vcpu, kNoSpan, env);
  return done();
}

VirtualAccess VirtualApics::virtual_icr(CpuId vcpu, const Command& command, Env& env) {
  const bool own = command.by == By::Page &&
                   controls().has(ApicvControl::VirtualInterruptDelivery) &&
                   is_virtual_self_ipi(command.low);
  if (own) {
    store_icr(vcpu, command, env);
    self_ipi(vcpu, static_cast<Vector>(Icr::Vector::get(command.low)), command.low, env);
    return done();
  }
  const bool other = controls().has(ApicvControl::IpiVirtualization) && is_virtual_ipi(command.low);
  if (other && virtual_ipi(vcpu, command, env)) return done();
  std::uint64_t value = command.low;
  if (command.by == By::Msr) value |= std::uint64_t{command.destination} << 32;
  return exits(apic_write_exit(vcpu, command.by, Register::kIcrLow, value));
}

/// 29.5: WRMSR with ECX = 83FH.
VirtualAccess VirtualApics::virtual_self_ipi(CpuId vcpu, std::uint64_t value, Env& env) {
  if (value > 0xFF) return general_protection(env);
  if (value < 16) return exits(apic_write_exit(vcpu, By::Msr, Register::kSelfIpi, value));
  self_ipi(vcpu, static_cast<Vector>(value), static_cast<std::uint32_t>(value), env);
  return done();
}

/// Self-IPI virtualization (30.1.5); AMD's does the same.
void VirtualApics::self_ipi(CpuId vcpu, Vector vector, std::uint32_t icr_low, Env& env) {
  const SpanId span = env.open(Cause::Ipi, kNoSpan);
  env.note(Event::IpiVirtualized, span, icr_low);
  BankEnv bank_env(*this, env);
  bank_.request(vcpu, vector, span, bank_env);
  look(vcpu, bank_.requested(vcpu, vector), env);
}

/// IPI virtualization: posts to the vCPU that the PID-pointer table names. False if the host has to
/// send it: no entry, or an illegal vector.
bool VirtualApics::virtual_ipi(CpuId vcpu, const Command& command, Env& env) {
  const auto vector = static_cast<Vector>(Icr::Vector::get(command.low));
  if (raw(vector) < 16 || command.destination >= pid_pointers_.size()) return false;
  const std::optional<CpuId> target = pid_pointers_[command.destination];
  if (!target) return false;
  store_icr(vcpu, command, env);
  const SpanId span = env.open(Cause::Ipi, kNoSpan);
  env.note(Event::IpiVirtualized, span, command.low);
  PostedDescriptor& descriptor = vcpus_[*target].descriptor;
  const std::uint32_t line = config_.first_descriptor + raw(*target);
  const PostAnswer answer = descriptor.post(vector, Urgency::Normal, span, line, env);
  if (answer.notify) {
    signals_.push_back({VirtualSignal::Kind::Notification, *target, ApicId{descriptor.ndst()},
                        descriptor.nv(), descriptor.span_at(vector)});
  }
  return true;
}

}  // namespace irqfab::x86
