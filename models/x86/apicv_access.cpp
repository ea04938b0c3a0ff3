#include "models/x86/apicv_access.hpp"

#include "models/x86/lapic_registers.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

constexpr std::uint32_t kShorthandNone = 0;
constexpr std::uint32_t kShorthandSelf = 1;
/// Bits 31:20, 17:16 and 13 are reserved; bit 12, delivery status, must be 0 as well.
constexpr std::uint32_t kIcrZeros = 0xFFF33000;

bool is_vector_register(std::uint32_t offset) {
  return offset >= Register::kIsr && offset < Register::kEsr && offset % 16 == 0;
}
bool is_lvt(std::uint32_t offset) {
  return offset >= Register::kLvtTimer && offset <= Register::kLvtError && offset % 16 == 0;
}

/// Registers of the list that 30.4.2 and 30.4.3.1 share.
bool is_kept_register(std::uint32_t offset) {
  switch (offset) {
    case Register::kId:
    case Register::kTpr:
    case Register::kEoi:
    case Register::kLdr:
    case Register::kDfr:
    case Register::kSvr:
    case Register::kEsr:
    case Register::kIcrLow:
    case Register::kIcrHigh:
    case Register::kInitialCount:
    case Register::kDivideConfiguration:
      return true;
    default:
      return is_lvt(offset);
  }
}

bool is_fixed_edge(std::uint32_t icr_low) {
  return (icr_low & kIcrZeros) == 0 && !Icr::TriggerMode::is_set(icr_low) &&
         Icr::DeliveryMode::get(icr_low) == static_cast<std::uint32_t>(DeliveryMode::Fixed);
}

}  // namespace

bool apicv_reads_page(ApicvControls controls, std::uint32_t offset) {
  const bool virtualized = controls.has(ApicvControl::VirtualizeApicAccesses) &&
                           controls.has(ApicvControl::UseTprShadow);
  if (!virtualized) return false;
  if (offset == Register::kTpr) return true;
  const bool written_here = offset == Register::kEoi || offset == Register::kIcrLow;
  if (written_here && controls.has(ApicvControl::VirtualInterruptDelivery)) return true;
  if (!controls.has(ApicvControl::ApicRegisterVirtualization)) return false;
  return is_kept_register(offset) || is_vector_register(offset) || offset == Register::kVersion;
}

ApicvWrite apicv_writes_page(ApicvControls controls, std::uint32_t offset) {
  const bool virtualized = controls.has(ApicvControl::VirtualizeApicAccesses) &&
                           controls.has(ApicvControl::UseTprShadow);
  if (!virtualized) return ApicvWrite::Exits;
  if (offset == Register::kTpr) return ApicvWrite::Tpr;
  const bool registers = controls.has(ApicvControl::ApicRegisterVirtualization);
  const bool delivery = controls.has(ApicvControl::VirtualInterruptDelivery);
  if (offset == Register::kEoi && delivery) return ApicvWrite::Eoi;
  if (offset == Register::kIcrLow && (delivery || registers)) return ApicvWrite::Icr;
  if (!registers || !is_kept_register(offset)) return ApicvWrite::Exits;
  return offset == Register::kIcrHigh ? ApicvWrite::Stored : ApicvWrite::StoredExit;
}

bool apicv_reads_msr(ApicvControls controls, std::uint32_t offset) {
  const bool virtualized =
      controls.has(ApicvControl::VirtualizeX2apicMode) && controls.has(ApicvControl::UseTprShadow);
  if (!virtualized) return false;
  if (offset == Register::kTpr) return true;
  if (!controls.has(ApicvControl::ApicRegisterVirtualization)) return false;
  switch (offset) {
    case Register::kEoi:
    case Register::kDfr:
    case Register::kIcrHigh:
      return false;  // there is no such MSR, or none to read
    case Register::kVersion:
    case Register::kPpr:
      return true;
    default:
      return is_kept_register(offset) || is_vector_register(offset);
  }
}

ApicvWrite apicv_writes_msr(ApicvControls controls, std::uint32_t offset) {
  const bool virtualized =
      controls.has(ApicvControl::VirtualizeX2apicMode) && controls.has(ApicvControl::UseTprShadow);
  if (!virtualized) return ApicvWrite::Exits;
  if (offset == Register::kTpr) return ApicvWrite::Tpr;
  const bool delivery = controls.has(ApicvControl::VirtualInterruptDelivery);
  if (offset == Register::kEoi && delivery) return ApicvWrite::Eoi;
  if (offset == Register::kSelfIpi && delivery) return ApicvWrite::SelfIpi;
  const bool ipis = controls.has(ApicvControl::IpiVirtualization);
  return offset == Register::kIcrLow && ipis ? ApicvWrite::Icr : ApicvWrite::Exits;
}

bool is_virtual_self_ipi(std::uint32_t icr_low) {
  return is_fixed_edge(icr_low) && Icr::Shorthand::get(icr_low) == kShorthandSelf &&
         Icr::Vector::get(icr_low) >= 16;
}

bool is_virtual_ipi(std::uint32_t icr_low) {
  return is_fixed_edge(icr_low) && Icr::Shorthand::get(icr_low) == kShorthandNone &&
         !Icr::DestinationMode::is_set(icr_low);
}

}  // namespace irqfab::x86
