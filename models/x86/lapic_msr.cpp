// A local APIC's model-specific registers: IA32_APIC_BASE and the modes that it chooses (SDM vol.
// 3, 11.4.4, 11.12.5), the registers of x2APIC mode (11.12.1.2, 11.12.1.3), IA32_TSC_DEADLINE
// (11.5.4.1).

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

enum class Access : std::uint8_t { Read, Write, Both };
struct X2apicRegister {
  Access access;
  std::uint64_t writable = 0;  // the other bits are reserved
};

constexpr std::uint64_t kLowHalf = 0xFFFFFFFF;

/// SDM vol. 3, table "Local APIC Register Address Map Supported by x2APIC". Nothing for offsets
/// that are reserved: DFR, APR and the upper half of the ICR among them. Local vector table:
/// elsewhere.
std::optional<X2apicRegister> x2apic_register(std::uint32_t offset) {
  if (offset >= Register::kIsr && offset < Register::kEsr) return X2apicRegister{Access::Read};
  switch (offset) {
    case Register::kId:
    case Register::kVersion:
    case Register::kPpr:
    case Register::kLdr:
    case Register::kCurrentCount:
      return X2apicRegister{Access::Read};
    case Register::kEoi:
      return X2apicRegister{Access::Write, 0};
    case Register::kSelfIpi:
      return X2apicRegister{Access::Write, Icr::Vector::kMask};
    case Register::kTpr:
      return X2apicRegister{Access::Both, 0xFF};
    case Register::kSvr:
      return X2apicRegister{Access::Both, Svr::SpuriousVector::kMask | Svr::SoftwareEnable::kMask |
                                              Svr::FocusChecking::kMask};
    case Register::kEsr:
      return X2apicRegister{Access::Both, 0};
    case Register::kIcrLow:
      return X2apicRegister{Access::Both, ~kLowHalf | Icr::kWritableLow};
    case Register::kInitialCount:
      return X2apicRegister{Access::Both, kLowHalf};
    case Register::kDivideConfiguration:
      return X2apicRegister{Access::Both, kDivideWritable};
    default:
      return std::nullopt;
  }
}

/// The registers whose reserved bits Quirk::ReservedMsrBitsIgnored leaves reserved.
bool strict(std::uint32_t offset) {
  return offset == Register::kEsr || offset == Register::kIcrLow || offset == Register::kSelfIpi;
}

bool is_x2apic_msr(std::uint32_t msr) { return msr >= LapicMsr::kFirst && msr <= LapicMsr::kLast; }
std::uint32_t offset_of(std::uint32_t msr) { return (msr - LapicMsr::kFirst) * 16; }

MsrAnswer general_protection(Env& env) {
  env.guest_error(GuestFault::GeneralProtection);
  return {MsrStatus::GeneralProtection, 0};
}

}  // namespace

MsrAnswer LapicBank::rdmsr(CpuId cpu, std::uint32_t msr, Env& env) {
  if (!rows_.contains(cpu)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return {MsrStatus::GeneralProtection, 0};
  }
  if (msr == LapicMsr::kApicBase) return {MsrStatus::Done, apic_base(cpu)};
  if (msr == LapicMsr::kTscDeadline) return {MsrStatus::Done, deadline(cpu)};
  if (!is_x2apic_msr(msr) || mode(cpu) != LapicMode::X2apic) return general_protection(env);
  const auto value = read_x2apic(cpu, offset_of(msr), env);
  return value ? MsrAnswer{MsrStatus::Done, *value} : general_protection(env);
}

MsrAnswer LapicBank::wrmsr(CpuId cpu, std::uint32_t msr, std::uint64_t value, Env& env) {
  if (!rows_.contains(cpu)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return {MsrStatus::GeneralProtection, 0};
  }
  MsrStatus status = MsrStatus::GeneralProtection;
  if (msr == LapicMsr::kApicBase) {
    status = write_apic_base(cpu, value, env);
  } else if (msr == LapicMsr::kTscDeadline) {
    write_deadline(cpu, value, env);
    status = MsrStatus::Done;
  } else if (is_x2apic_msr(msr) && mode(cpu) == LapicMode::X2apic) {
    status = write_x2apic(cpu, offset_of(msr), value, env);
  }
  return status == MsrStatus::Done ? MsrAnswer{} : general_protection(env);
}

/// Nothing: #GP.
std::optional<std::uint64_t> LapicBank::read_x2apic(CpuId cpu, std::uint32_t offset, Env& env) {
  if (lvt_entry(offset)) return read_register(cpu, offset, env);
  const auto found = x2apic_register(offset);
  if (!found || found->access == Access::Write) return std::nullopt;
  if (offset != Register::kIcrLow) return read_register(cpu, offset, env);
  return std::uint64_t{rows_[cpu].icr_high} << 32 | rows_[cpu].icr_low;
}

/// Reserved bits that are set, reserved registers and read-only ones give #GP (SDM 11.12.1.3).
MsrStatus LapicBank::write_x2apic(CpuId cpu, std::uint32_t offset, std::uint64_t value, Env& env) {
  const auto entry = lvt_entry(offset);
  auto found = x2apic_register(offset);
  if (entry) {
    const std::uint32_t writable = Lvt::kWritable[static_cast<std::size_t>(*entry)];
    found = X2apicRegister{Access::Both, writable | Lvt::kReadOnly};
  }
  if (!found || found->access == Access::Read) return MsrStatus::GeneralProtection;
  std::uint64_t allowed = found->writable;
  if (offset == Register::kSvr && config_.eoi_suppression == EoiSuppression::Supported) {
    allowed |= Svr::SuppressEoiBroadcast::kMask;
  }
  if (config_.quirks.has(Quirk::ReservedMsrBitsIgnored)) {
    if (!strict(offset)) allowed |= kLowHalf;
    if (offset == Register::kIcrLow) allowed |= Icr::DeliveryStatus::kMask;
  }
  if ((value & ~allowed) != 0) return MsrStatus::GeneralProtection;

  const auto low = static_cast<std::uint32_t>(value);
  if (offset == Register::kEoi) {
    end_of_interrupt(cpu, env);
  } else if (offset == Register::kSelfIpi) {
    send_self_ipi(cpu, static_cast<Vector>(low), env);
  } else {
    if (offset == Register::kIcrLow) {
      rows_[cpu].icr_high = static_cast<std::uint32_t>(value >> 32);  // 32 bits of destination
    }
    write_register(cpu, offset, low, env);
  }
  return MsrStatus::Done;
}

/// x2APIC mode is entered from xAPIC mode only, and left for the disabled state only (SDM vol. 3,
/// 11.12.5, figure "Local x2APIC State Transitions").
MsrStatus LapicBank::write_apic_base(CpuId cpu, std::uint64_t value, Env& env) {
  const LapicMode from = mode(cpu);
  const LapicMode to = mode_of(value);
  const bool illegal = (from == LapicMode::X2apic && to == LapicMode::Xapic) ||
                       (from == LapicMode::Disabled && to == LapicMode::X2apic);
  return illegal ? MsrStatus::GeneralProtection : restore_apic_base(cpu, value, env);
}

MsrStatus LapicBank::restore_apic_base(CpuId cpu, std::uint64_t value, Env& env) {
  const std::uint64_t page =
      ApicBase::Address::kMask & ((std::uint64_t{1} << config_.physical_address_bits) - 1);
  const std::uint64_t defined =
      page | ApicBase::Bsp::kMask | ApicBase::Extd::kMask | ApicBase::Enable::kMask;
  const bool invalid = ApicBase::Extd::is_set(value) && !ApicBase::Enable::is_set(value);
  if ((value & ~defined) != 0 || invalid) return MsrStatus::GeneralProtection;
  const LapicMode from = mode(cpu);
  const LapicMode to = mode_of(value);
  rows_[cpu].apic_base = value;
  if (to != from) enter(cpu, to, env);
  return MsrStatus::Done;
}

/// The new mode is in IA32_APIC_BASE already.
void LapicBank::enter(CpuId cpu, LapicMode entered, Env& env) {
  Row& row = rows_[cpu];
  const std::uint32_t id = raw(config_.ids[raw(cpu)]);
  if (entered == LapicMode::X2apic) {
    // All is kept but these three (SDM 11.12.5.1, "State Changes From xAPIC Mode to x2APIC Mode").
    row.id = id;
    row.ldr = x2apic_logical_id(id);
    row.icr_high = 0;
  } else {
    // Disabling resets (SDM 11.4.3, 11.12.5.1), and enabling finds that state. The CPU's pins are
    // INTR and NMI meanwhile.
    row.id = id & kXapicIds;
    if (!config_.quirks.has(Quirk::DisablingKeepsState)) reset(cpu, env);
    update_extint(cpu, env);
  }
  known_ = rows_.size();
  index_ids();
}

}  // namespace irqfab::x86
