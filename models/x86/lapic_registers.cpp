// A local APIC's registers as its CPU reads and writes them (SDM vol. 3, 11.4 to 11.9): the page of
// xAPIC mode, and what both modes have alike.

#include <algorithm>
#include <utility>

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

using Register = LapicRegister;

constexpr std::uint32_t kNobody = 0xFFFFFFFF;  // what a read gives that nobody claims

}  // namespace

std::uint32_t LapicBank::version() const {
  std::uint32_t value = LapicVersion::Version::set(0, LapicVersion::kIntegrated);
  const unsigned entries = config_.cmci == Cmci::Present ? Lvt::kEntries : Lvt::kEntries - 1;
  value = LapicVersion::MaxLvtEntry::set(value, entries - 1);
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

std::optional<LocalInterrupt> LapicBank::lvt_entry(std::uint32_t offset) const {
  if (offset == Register::kLvtCmci && config_.cmci == Cmci::Present) return LocalInterrupt::Cmci;
  const bool one_of_six =
      offset >= Register::kLvtTimer && offset <= Register::kLvtError && offset % 16 == 0;
  if (!one_of_six) return std::nullopt;
  return static_cast<LocalInterrupt>((offset - Register::kLvtTimer) / 16);
}

/// Registers lie 16 bytes apart; what an access between two does is undefined (SDM 11.4.1).
std::uint32_t LapicBank::register_at(std::uint32_t offset) const {
  return config_.quirks.has(Quirk::LapicOffsetRounded) ? offset & ~std::uint32_t{0xF} : offset;
}

std::uint32_t LapicBank::writable_of(std::uint32_t mask) const {
  return config_.quirks.has(Quirk::LapicBitsKept) ? ~std::uint32_t{0} : mask;
}

std::uint32_t LapicBank::read(CpuId cpu, std::uint32_t offset, Env& env) {
  if (!rows_.contains(cpu)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return 0;
  }
  if (mode(cpu) == LapicMode::Xapic) return read_register(cpu, register_at(offset), env);
  env.guest_error(GuestFault::UnclaimedAddress);
  return kNobody;
}

void LapicBank::write(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  if (!rows_.contains(cpu)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  if (mode(cpu) != LapicMode::Xapic) return env.guest_error(GuestFault::UnclaimedAddress);
  if (register_at(offset) == Register::kEoi) return end_of_interrupt(cpu, env);
  if (offset < Register::kHeadBytes && config_.quirks.has(Quirk::PageHeadSends)) {
    const std::uint64_t address = MsiAddress::Base::set(offset, kMsiBase);
    return on_bus_write(BusWrite{address, value, kNoSpan, {}, 4}, env);
  }
  write_register(cpu, register_at(offset), value, env);
}

std::uint32_t LapicBank::read_register(CpuId cpu, std::uint32_t offset, Env& env) {
  const Row& row = rows_[cpu];
  if (const auto vectors = vectors_at(row, offset)) return *vectors;
  if (const auto entry = lvt_entry(offset)) return lvt(cpu, *entry);
  switch (offset) {
    case Register::kId:
      return mode(cpu) == LapicMode::X2apic ? row.id : ApicIdField::set(0, row.id);
    case Register::kVersion:
      return version();
    case Register::kTpr:
      return row.tpr;
    case Register::kApr:
      return config_.quirks.has(Quirk::AprReadsZero) ? 0 : arbitration_priority(row);
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
      return locals_[cpu].timer.initial_count();
    case Register::kCurrentCount:
      return current_count(cpu, env);
    case Register::kDivideConfiguration:
      return locals_[cpu].timer.divide_configuration();
    case Register::kEoi:  // write-only
      return 0;
    default:
      refuse_register(cpu, env);
      return 0;
  }
}

void LapicBank::write_register(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  Row& row = rows_[cpu];
  if (vectors_at(row, offset)) return;  // read-only
  if (const auto entry = lvt_entry(offset)) return write_lvt(cpu, *entry, value, env);
  switch (offset) {
    case Register::kId:
      row.id = ApicIdField::get(value);
      known_ = rows_.size();
      return index_ids();
    case Register::kTpr:
      row.tpr = static_cast<std::uint8_t>(value);
      return update_intr(cpu, env);
    case Register::kLdr:
      row.ldr = value & LogicalApicId::kMask;
      return map_newest();
    case Register::kDfr:
      row.dfr = value | ~DestinationModel::kMask;  // the other bits read as 1 (SDM 11.6.2.2)
      return map_newest();
    case Register::kSvr:
      return write_svr(cpu, value, env);
    case Register::kEsr:
      if (config_.quirks.has(Quirk::EsrUnlatched) || config_.quirks.has(Quirk::EsrUnused)) return;
      // A write shows what was recorded since the last one, and begins anew (SDM 11.5.3).
      row.esr = row.errors;
      row.errors = 0;
      return;
    case Register::kIcrLow:
      row.icr_low = value & writable_of(Icr::kWritableLow);
      return send_ipi(cpu, env);
    case Register::kIcrHigh:
      row.icr_high = value & writable_of(Icr::Destination::kMask);
      return;
    case Register::kInitialCount:
      return write_initial_count(cpu, value, env);
    case Register::kDivideConfiguration:
      return locals_[cpu].timer.set_divide_configuration(value & kDivideWritable);
    case Register::kVersion:  // read-only
    case Register::kApr:
    case Register::kPpr:
    case Register::kCurrentCount:
      return;
    default:
      refuse_register(cpu, env);
  }
}

/// SDM vol. 3, 11.5.3, "Illegal Register Address".
void LapicBank::refuse_register(CpuId cpu, Env& env) {
  env.guest_error(GuestFault::UnknownRegister);
  record_error(cpu, Esr::IllegalRegisterAddress::kMask, env);
}

/// The first error since software wrote to the ESR interrupts; the write arms it again (SDM vol. 3,
/// 11.5.3). So an error interrupt with an illegal vector does not raise itself.
void LapicBank::record_error(CpuId cpu, std::uint32_t error, Env& env) {
  if (config_.quirks.has(Quirk::EsrUnused)) return;
  if (config_.quirks.has(Quirk::EsrUnlatched)) {
    rows_[cpu].esr |= error;
    return;
  }
  std::uint32_t& errors = rows_[cpu].errors;
  const bool first = errors == 0;
  errors |= error;
  if (first) raise(cpu, LocalInterrupt::Error, TriggerMode::Edge, kNoSpan, env);
}

/// Disabling by software keeps IRR and ISR, and masks the local vector table (SDM 11.4.7.2).
void LapicBank::write_svr(CpuId cpu, std::uint32_t value, Env& env) {
  Row& row = rows_[cpu];
  std::uint32_t writable = Svr::SpuriousVector::kMask | Svr::SoftwareEnable::kMask;
  if (config_.eoi_suppression == EoiSuppression::Supported) {
    writable |= Svr::SuppressEoiBroadcast::kMask;
  }
  if (config_.quirks.has(Quirk::StatusBitsKept)) writable |= Svr::FocusChecking::kMask;
  row.svr = value & writable;
  hold_back_if_disabled(row);
  map_newest();
  update_intr(cpu, env);
  if (Svr::SoftwareEnable::is_set(row.svr) || config_.quirks.has(Quirk::LapicBitsKept)) return;
  for (std::uint32_t& entry : locals_[cpu].lvt) entry = Lvt::Masked::set(entry, 1);
  update_extint(cpu, env);
}

/// The mask bits of a LAPIC that is disabled by software cannot be cleared (SDM 11.4.7.2).
void LapicBank::write_lvt(CpuId cpu, LocalInterrupt which, std::uint32_t value, Env& env) {
  const bool keeps_all = config_.quirks.has(Quirk::LapicBitsKept);
  const bool keeps_status = config_.quirks.has(Quirk::StatusBitsKept);
  const bool is_lint = which == LocalInterrupt::Lint0 || which == LocalInterrupt::Lint1;
  std::uint32_t writable = writable_of(Lvt::kWritable[static_cast<std::size_t>(which)]);
  if (keeps_status) {
    writable |= Lvt::DeliveryStatus::kMask | (is_lint ? Lvt::RemoteIrr::kMask : 0);
  }
  std::uint32_t& entry = lvt(cpu, which);
  const std::uint32_t before = entry;
  entry = (value & writable) | (keeps_all ? 0 : before & Lvt::RemoteIrr::kMask & ~writable);
  if (!software_enabled(cpu) && !keeps_all) entry = Lvt::Masked::set(entry, 1);
  if (which == LocalInterrupt::Timer) return change_timer_mode(cpu, before);
  if (!is_lint) return;
  if (!level_lint0(cpu) && !keeps_all && !keeps_status) {
    std::uint32_t& lint0 = lvt(cpu, LocalInterrupt::Lint0);
    lint0 = Lvt::RemoteIrr::set(lint0, 0);  // means nothing for the others (SDM 11.5.1)
  }
  update_extint(cpu, env);
  sample_lint0(cpu, Cause::Local, env);
}

/// A write to the low half of the ICR sends, and so does one to the ICR of x2APIC mode. IPIs are
/// edge-triggered assertions: level and trigger mode only tell INIT from its de-assertion, which
/// since the Pentium 4 does nothing (SDM 11.6.1).
void LapicBank::send_ipi(CpuId cpu, Env& env) {
  const Row& row = rows_[cpu];
  Request request;
  ApicMessage& m = request.message;
  const bool x2apic = mode(cpu) == LapicMode::X2apic;
  m.format = x2apic ? DestinationFormat::X2apic : DestinationFormat::Xapic;
  m.destination = ApicId{x2apic ? row.icr_high : Icr::Destination::get(row.icr_high)};
  m.vector = static_cast<Vector>(Icr::Vector::get(row.icr_low));
  m.delivery_mode = static_cast<DeliveryMode>(Icr::DeliveryMode::get(row.icr_low));
  m.destination_mode = static_cast<DestinationMode>(Icr::DestinationMode::get(row.icr_low));
  if (config_.quirks.has(Quirk::IpiTriggerMode)) {
    m.trigger_mode = static_cast<TriggerMode>(Icr::TriggerMode::get(row.icr_low));
  }
  request.shorthand = static_cast<Shorthand>(Icr::Shorthand::get(row.icr_low));
  request.sender = cpu;

  const bool asserts = Icr::Level::is_set(row.icr_low) || !Icr::TriggerMode::is_set(row.icr_low);
  if (m.delivery_mode == DeliveryMode::Init && !asserts) return;
  if (goes_to_irr(m.delivery_mode) && !asserts && config_.quirks.has(Quirk::LowIpiDropped)) return;
  send(request, env);
}

/// SDM vol. 3, 11.12.11.
void LapicBank::send_self_ipi(CpuId cpu, Vector vector, Env& env) {
  Request request;
  request.message.vector = vector;
  request.shorthand = Shorthand::Self;
  request.sender = cpu;
  send(request, env);
}

void LapicBank::send(const Request& request, Env& env) {
  const ApicMessage& m = request.message;
  const SpanId span = env.open(Cause::Ipi, kNoSpan);
  if (goes_to_irr(m.delivery_mode) && !legal(m.vector)) {
    env.drop(span, DropReason::IllegalVector);
    return record_error(request.sender, Esr::SendIllegalVector::kMask, env);
  }
  const bool refused = m.delivery_mode == DeliveryMode::LowestPriority &&
                       config_.lowest_priority_ipi == LowestPriorityIpi::Refused;
  if (refused) {
    env.drop(span, DropReason::ReservedDeliveryMode);
    return record_error(request.sender, Esr::RedirectableIpi::kMask, env);
  }
  const bool leaves = request.shorthand != Shorthand::Self;
  if (leaves && config_.ipi_flight == IpiFlight::Priced) return depart(request, span, env);
  deliver(request, span, env);
}

/// The state of the others is what it is when the IPI arrives.
void LapicBank::depart(const Request& request, SpanId span, Env& env) {
  const auto is_free = [](const Flight& flight) { return flight.span == kNoSpan; };
  auto slot = std::find_if(flights_.begin(), flights_.end(), is_free);
  if (slot == flights_.end()) slot = flights_.insert(slot, Flight{});
  *slot = {request, span};
  env.note(Event::IpiSent, span, rows_[request.sender].icr_low);
  env.after(0, Tag(slot - flights_.begin()), LaneId{0});
}

void LapicBank::arrive(Tag flight, Env& env) {
  if (raw(flight) >= flights_.size() || flights_[raw(flight)].span == kNoSpan) return;
  const Flight landed = std::exchange(flights_[raw(flight)], Flight{});
  deliver(landed.request, landed.span, env);
}

}  // namespace irqfab::x86
