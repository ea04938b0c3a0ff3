// A local APIC's page as its CPU reads and writes it (SDM vol. 3, 11.4 to 11.9).

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

bool is_lvt(std::uint32_t offset) {
  return offset >= Register::kLvtTimer && offset <= Register::kLvtError && offset % 16 == 0;
}
unsigned lvt_entry(std::uint32_t offset) { return (offset - Register::kLvtTimer) / 16; }

}  // namespace

std::uint32_t LapicBank::version() const {
  std::uint32_t value = LapicVersion::Version::set(0, LapicVersion::kIntegrated);
  value = LapicVersion::MaxLvtEntry::set(value, Lvt::kEntries - 1);
  const bool suppression = config_.eoi_suppression == EoiSuppression::Supported;
  return LapicVersion::SuppressEoiBroadcast::set(value, suppression);
}

/// The 32 vectors that an ISR, TMR or IRR register shows; nothing for other offsets.
std::optional<std::uint32_t> LapicBank::vectors_at(const Row& row, std::uint32_t offset) const {
  if (offset % 16 != 0 || offset < Register::kIsr || offset >= Register::kEsr) return std::nullopt;
  const unsigned index = (offset - Register::kIsr) / 16 % 8;
  if (offset >= Register::kIrr) return row.irr.register_word(index);
  if (offset >= Register::kTmr) return row.tmr.register_word(index);
  return row.isr.register_word(index);
}

std::uint32_t LapicBank::read(CpuId cpu, std::uint32_t offset, Env& env) {
  if (!rows_.contains(cpu)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return 0;
  }
  Row& row = rows_[cpu];
  if (const auto vectors = vectors_at(row, offset)) return *vectors;
  if (is_lvt(offset)) return row.lvt[lvt_entry(offset)];
  switch (offset) {
    case Register::kId:
      return ApicIdField::set(0, row.id);
    case Register::kVersion:
      return version();
    case Register::kTpr:
      return row.tpr;
    case Register::kApr:
      return arbitration_priority(row);
    case Register::kPpr:
      return processor_priority(row);
    case Register::kLdr:
      return row.ldr;
    case Register::kDfr:
      return row.dfr;
    case Register::kSvr:
      return row.svr;
    case Register::kEsr:
      return row.esr;
    case Register::kIcrLow:
      return row.icr_low;
    case Register::kIcrHigh:
      return row.icr_high;
    case Register::kInitialCount:
      return row.initial_count;
    case Register::kDivideConfiguration:
      return row.divide_configuration;
    case Register::kEoi:           // write-only
    case Register::kCurrentCount:  // the timer never runs
      return 0;
    default:
      refuse_register(row, env);
      return 0;
  }
}

void LapicBank::write(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  if (!rows_.contains(cpu)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  if (offset == Register::kEoi) return end_of_interrupt(cpu, env);
  write_setting(cpu, offset, value, env);
}

void LapicBank::write_setting(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  Row& row = rows_[cpu];
  if (vectors_at(row, offset)) return;  // read-only
  if (is_lvt(offset)) return write_lvt(row, lvt_entry(offset), value);
  switch (offset) {
    case Register::kId:
      row.id = ApicIdField::get(value);
      return index_ids();
    case Register::kTpr:
      row.tpr = static_cast<std::uint8_t>(value);
      return update_intr(cpu, env);
    case Register::kLdr:
      row.ldr = value & LogicalApicId::kMask;
      return;
    case Register::kDfr:
      row.dfr = value | ~DestinationModel::kMask;  // the other bits read as 1 (SDM 11.6.2.2)
      return;
    case Register::kSvr:
      return write_svr(row, value);
    case Register::kEsr:
      // A write shows what was recorded since the last one, and begins anew (SDM 11.5.3).
      row.esr = row.errors;
      row.errors = 0;
      return;
    case Register::kIcrLow:
      row.icr_low = value & Icr::kWritableLow;
      return send_ipi(cpu, env);
    case Register::kIcrHigh:
      row.icr_high = value & Icr::Destination::kMask;
      return;
    case Register::kInitialCount:
      row.initial_count = value;
      return;
    case Register::kDivideConfiguration:
      row.divide_configuration = value & kDivideWritable;
      return;
    case Register::kVersion:  // read-only
    case Register::kApr:
    case Register::kPpr:
    case Register::kCurrentCount:
      return;
    default:
      refuse_register(row, env);
  }
}

/// SDM vol. 3, 11.5.3, "Illegal Register Address".
void LapicBank::refuse_register(Row& row, Env& env) {
  row.errors = Esr::IllegalRegisterAddress::set(row.errors, 1);
  env.guest_error(GuestFault::UnknownRegister);
}

/// Disabling by software keeps IRR and ISR, and masks the local vector table (SDM 11.4.7.2).
void LapicBank::write_svr(Row& row, std::uint32_t value) const {
  std::uint32_t writable = Svr::SpuriousVector::kMask | Svr::SoftwareEnable::kMask;
  if (config_.eoi_suppression == EoiSuppression::Supported) {
    writable |= Svr::SuppressEoiBroadcast::kMask;
  }
  row.svr = value & writable;
  if (Svr::SoftwareEnable::is_set(row.svr)) return;
  for (std::uint32_t& entry : row.lvt) entry = Lvt::Masked::set(entry, 1);
}

/// The mask bits of a LAPIC that is disabled by software cannot be cleared (SDM 11.4.7.2).
void LapicBank::write_lvt(Row& row, unsigned entry, std::uint32_t value) const {
  value &= Lvt::kWritable[entry];
  if (!Svr::SoftwareEnable::is_set(row.svr)) value = Lvt::Masked::set(value, 1);
  row.lvt[entry] = value;
}

/// A write to the low half of the ICR sends. IPIs are edge-triggered assertions: level and trigger
/// mode only tell INIT from its de-assertion, which since the Pentium 4 does nothing (SDM 11.6.1).
void LapicBank::send_ipi(CpuId cpu, Env& env) {
  Row& row = rows_[cpu];
  Request request;
  ApicMessage& m = request.message;
  m.destination = ApicId{Icr::Destination::get(row.icr_high)};
  m.vector = static_cast<Vector>(Icr::Vector::get(row.icr_low));
  m.delivery_mode = static_cast<DeliveryMode>(Icr::DeliveryMode::get(row.icr_low));
  m.destination_mode = static_cast<DestinationMode>(Icr::DestinationMode::get(row.icr_low));
  request.shorthand = static_cast<Shorthand>(Icr::Shorthand::get(row.icr_low));
  request.sender = cpu;

  const bool asserts = Icr::Level::is_set(row.icr_low) || !Icr::TriggerMode::is_set(row.icr_low);
  if (m.delivery_mode == DeliveryMode::Init && !asserts) return;
  const SpanId span = env.open(Cause::Ipi, kNoSpan);
  if (goes_to_irr(m.delivery_mode) && !legal(m.vector)) {
    row.errors = Esr::SendIllegalVector::set(row.errors, 1);
    return env.drop(span, DropReason::IllegalVector);
  }
  deliver(request, span, env);
}

}  // namespace irqfab::x86
