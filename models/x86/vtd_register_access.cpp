// The register file of a remapping unit (VT-d, "Register Descriptions").
#include <cstring>

#include "models/x86/vtd_remapper.hpp"

namespace irqfab::x86 {

using namespace vtd;

namespace {

constexpr std::uint32_t kVersion = 0x10;         // 1.0
constexpr std::uint64_t kLargestIndexMask = 15;  // covers all of 65536 entries

std::uint32_t dword_of(std::uint64_t reg, std::uint64_t offset) {
  return static_cast<std::uint32_t>(offset % 8 == 4 ? reg >> 32 : reg);
}
std::uint64_t with_dword(std::uint64_t reg, std::uint64_t offset, std::uint32_t value) {
  return offset % 8 == 4 ? Field<63, 32>::set(reg, value) : Field<31, 0>::set(reg, value);
}
bool is_register_access(std::uint64_t offset, unsigned size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

}  // namespace

void VtdRemapper::on_register_write(const BusWrite& write, Env& env) {
  const std::uint64_t offset = write.address - config_.register_base;
  if (offset >= kRegisterBytes) return env.guest_error(GuestFault::UnclaimedAddress);
  if (!is_register_access(offset, write.size)) return env.guest_error(GuestFault::WrongAccessSize);
  write_register(offset, static_cast<std::uint32_t>(write.data), env);
  if (write.size == 8) {
    write_register(offset + 4, static_cast<std::uint32_t>(write.data >> 32), env);
  }
}

BusData VtdRemapper::answer_to(const BusRead& read, Env& env) const {
  BusData answer{{}, read.tag, BusStatus::Ok};
  const std::uint64_t offset = read.address - config_.register_base;
  if (offset >= kRegisterBytes) {
    env.guest_error(GuestFault::UnclaimedAddress);
    answer.status = BusStatus::NoDecode;
  } else if (!is_register_access(offset, read.size)) {
    env.guest_error(GuestFault::WrongAccessSize);
    answer.status = BusStatus::Error;
  } else {
    for (unsigned at = 0; at < read.size; at += 4) {
      const std::uint32_t value = read_register(offset + at, env);
      std::memcpy(answer.data.data() + at, &value, sizeof value);
    }
  }
  return answer;
}

// ---- reading -----------------------------------------------------------------------------------

std::uint32_t VtdRemapper::read_register(std::uint64_t offset, Env& env) const {
  for (const auto read :
       {&VtdRemapper::read_capability, &VtdRemapper::read_status, &VtdRemapper::read_event,
        &VtdRemapper::read_queue, &VtdRemapper::read_fault_record}) {
    if (const std::optional<std::uint32_t> value = (this->*read)(offset)) return *value;
  }
  env.guest_error(GuestFault::UnknownRegister);
  return 0;  // reserved
}

std::optional<std::uint32_t> VtdRemapper::read_capability(std::uint64_t offset) const {
  switch (offset) {
    case VER_REG:
      return kVersion;
    case CAP_REG:
    case CAP_REG + 4: {
      std::uint64_t value = Cap::FRO::set(0, FRCD_REG / kFaultRecordBytes);
      value = Cap::NFR::set(value, config_.fault_records - 1);
      value = Cap::PI::set(value, config_.posting == Posting::Present);
      return dword_of(value | config_.other_capabilities, offset);
    }
    case ECAP_REG:
    case ECAP_REG + 4: {
      std::uint64_t value = Ecap::MHMV::set(0, kLargestIndexMask);
      value = Ecap::IR::set(Ecap::QI::set(value, 1), 1);
      const bool extended = config_.extended_mode == ExtendedMode::Present;
      value = Ecap::EIM::set(value, extended);
      return dword_of(value | config_.other_extended_capabilities, offset);
    }
    default:
      return std::nullopt;
  }
}

std::optional<std::uint32_t> VtdRemapper::read_status(std::uint64_t offset) const {
  switch (offset) {
    case GCMD_REG:
      return 0;  // write-only
    case GSTS_REG:
      return GSTS_REG_;
    case FSTS_REG:
      return faults_.FSTS_REG();
    case IRTA_REG:
    case IRTA_REG + 4:
      return dword_of(IRTA_REG_, offset);
    default:
      return std::nullopt;
  }
}

std::optional<std::uint32_t> VtdRemapper::read_event(std::uint64_t offset) const {
  switch (offset) {
    case FECTL_REG:
      return fault_event_.control();
    case FEDATA_REG:
      return fault_event_.data();
    case FEADDR_REG:
      return fault_event_.address();
    case FEUADDR_REG:
      return fault_event_.upper_address();
    case IECTL_REG:
      return invalidation_event_.control();
    case IEDATA_REG:
      return invalidation_event_.data();
    case IEADDR_REG:
      return invalidation_event_.address();
    case IEUADDR_REG:
      return invalidation_event_.upper_address();
    default:
      return std::nullopt;
  }
}

std::optional<std::uint32_t> VtdRemapper::read_queue(std::uint64_t offset) const {
  switch (offset) {
    case IQH_REG:
    case IQH_REG + 4:
      return dword_of(IQH_REG_, offset);
    case IQT_REG:
    case IQT_REG + 4:
      return dword_of(IQT_REG_, offset);
    case IQA_REG:
    case IQA_REG + 4:
      return dword_of(IQA_REG_, offset);
    case ICS_REG:
      return ICS_REG_;
    case IQERCD_REG:
    case IQERCD_REG + 4:
      return dword_of(faults_.IQERCD_REG(), offset);
    default:
      return std::nullopt;
  }
}

std::optional<std::uint32_t> VtdRemapper::read_fault_record(std::uint64_t offset) const {
  if (!is_fault_record(offset)) return std::nullopt;
  const FaultLog::Record& record = faults_.at((offset - FRCD_REG) / kFaultRecordBytes);
  return dword_of(offset % kFaultRecordBytes < 8 ? record.low : record.high, offset);
}

bool VtdRemapper::is_fault_record(std::uint64_t offset) const {
  return offset >= FRCD_REG && offset - FRCD_REG < faults_.size() * kFaultRecordBytes;
}

// ---- writing -----------------------------------------------------------------------------------

void VtdRemapper::write_register(std::uint64_t offset, std::uint32_t value, Env& env) {
  if (write_event(offset, value, env) || write_fault_record(offset, value)) return;
  switch (offset) {
    case GCMD_REG:
      return write_GCMD_REG(value, env);
    case FSTS_REG:
      faults_.write_FSTS_REG(value);
      withdraw_fault_event();
      return advance_queue(env);
    case IQT_REG:
    case IQT_REG + 4:
      IQT_REG_ = with_dword(IQT_REG_, offset, value) & QueueOffset::kMask;
      return advance_queue(env);
    case IQA_REG:
    case IQA_REG + 4:
      IQA_REG_ = with_dword(IQA_REG_, offset, value) & (Iqa::IQA::kMask | Iqa::QS::kMask);
      return;
    case ICS_REG:  // write 1 to clear
      if (!Ics::IWC::is_set(value)) return;
      ICS_REG_ = Ics::IWC::set(ICS_REG_, 0);
      return invalidation_event_.withdraw();
    case IRTA_REG:
    case IRTA_REG + 4:
      return write_IRTA_REG(offset, value);
    default:
      if (is_read_only(offset)) return;
      return env.guest_error(GuestFault::UnknownRegister);
  }
}

/// Registers that ignore writes.
bool VtdRemapper::is_read_only(std::uint64_t offset) const {
  return read_capability(offset) || offset == GSTS_REG || offset == IQH_REG ||
         offset == IQH_REG + 4 || offset == IQERCD_REG || offset == IQERCD_REG + 4;
}

bool VtdRemapper::write_event(std::uint64_t offset, std::uint32_t value, Env& env) {
  const bool of_faults = offset >= FECTL_REG && offset <= FEUADDR_REG;
  const bool of_invalidations = offset >= IECTL_REG && offset <= IEUADDR_REG;
  if (!of_faults && !of_invalidations) return false;
  EventInterrupt& event = of_faults ? fault_event_ : invalidation_event_;
  switch (offset - (of_faults ? FECTL_REG : IECTL_REG)) {
    case 0:
      if (event.write_control(value) == EventInterrupt::Send::Now) {
        send_event(event, of_faults ? Source::FaultEvent : Source::InvalidationEvent, env);
      }
      break;
    case FEDATA_REG - FECTL_REG:
      event.write_data(value, !of_faults && config_.quirks.has(Quirk::VtdBitsKept)
                                  ? ~std::uint32_t{0}
                                  : EventData::kMask);
      break;
    case FEADDR_REG - FECTL_REG:
      event.write_address(value);
      break;
    default:  // reserved without extended interrupt mode
      if (config_.extended_mode == ExtendedMode::Present) event.write_upper_address(value);
  }
  return true;
}

bool VtdRemapper::write_fault_record(std::uint64_t offset, std::uint32_t value) {
  if (!is_fault_record(offset)) return false;
  if (offset % kFaultRecordBytes < 8) return true;  // read-only
  faults_.write_high((offset - FRCD_REG) / kFaultRecordBytes, with_dword(0, offset, value));
  withdraw_fault_event();
  return true;
}

void VtdRemapper::write_IRTA_REG(std::uint64_t offset, std::uint32_t value) {
  std::uint64_t writable = Irta::IRTA::kMask | Irta::S::kMask;
  const bool writable_mode =
      config_.extended_mode == ExtendedMode::Present || config_.quirks.has(Quirk::VtdBitsKept);
  if (writable_mode) writable |= Irta::EIME::kMask;
  IRTA_REG_ = with_dword(IRTA_REG_, offset, value) & writable;
}

void VtdRemapper::write_GCMD_REG(std::uint32_t value, Env& env) {
  const bool sets_table = Gcmd::SIRTP::is_set(value);
  const bool changes_enable = Gsts::IRES::get(in_effect_) != Gcmd::IRE::get(value);
  if (sets_table) {
    table_ = IRTA_REG_;
    slots_.invalidate([](std::uint32_t) { return true; });  // nothing joins a walk of the old table
    GSTS_REG_ = Gsts::IRTPS::set(GSTS_REG_, 0);
    in_effect_ = Gsts::IRTPS::set(in_effect_, 1);
  }
  in_effect_ = Gsts::IRES::set(in_effect_, Gcmd::IRE::get(value));
  if (!config_.quirks.has(Quirk::CompatibilityUnreported)) {
    in_effect_ = Gsts::CFIS::set(in_effect_, Gcmd::CFI::get(value));
    GSTS_REG_ = Gsts::CFIS::set(GSTS_REG_, Gcmd::CFI::get(value));
  }
  set_queued_invalidation(Gcmd::QIE::is_set(value));
  if (sets_table || changes_enable) begin_command(env);
  advance_queue(env);
}

/// GSTS_REG reports it when what came before has landed (GCMD_REG.IRE, "Interrupt Draining").
void VtdRemapper::begin_command(Env& env) {
  const bool marker_is_out =
      command_state_ == CommandState::Marking || command_state_ == CommandState::Outdated;
  command_fence_ = slots_.fence();
  command_state_ = marker_is_out ? CommandState::Outdated : CommandState::Draining;
  drain(env);
}

/// Disabling resets the head; what is under way then has no effect any more.
void VtdRemapper::set_queued_invalidation(bool enabled) {
  in_effect_ = Gsts::QIES::set(in_effect_, enabled);
  GSTS_REG_ = Gsts::QIES::set(GSTS_REG_, enabled);
  if (enabled) return;
  IQH_REG_ = 0;
  if (queue_state_ == QueueState::Draining) queue_state_ = QueueState::Idle;
  if (queue_state_ != QueueState::Idle) queue_state_ = QueueState::Abandoned;
}

}  // namespace irqfab::x86
