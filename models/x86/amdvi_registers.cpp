// The registers of an AMD-Vi unit, its event log, and its own interrupt.
#include "models/x86/amdvi_registers.hpp"

#include <cstring>

#include "models/x86/amdvi_unit.hpp"

namespace irqfab::x86 {

using namespace amdvi;

namespace {

constexpr std::uint64_t kFeatures = ExtendedFeature::XTSup::kMask | ExtendedFeature::IASup::kMask |
                                    ExtendedFeature::GASup::kMask |
                                    ExtendedFeature::MsiCapMmioSup::kMask;
constexpr std::uint64_t kFeatures2 = ExtendedFeature2::NumIntRemapSup::set(0, kRemapMode2048);
constexpr std::uint64_t kInterruptBits =
    Status::EventOverflow::kMask | Status::EventLogInt::kMask | Status::ComWaitInt::kMask;

using LowerHalf = Field<31, 0>;
using UpperHalf = Field<63, 32>;

constexpr std::uint64_t aligned(std::uint64_t offset) { return offset & ~std::uint64_t{7}; }

bool is_register_access(std::uint64_t offset, unsigned size) {
  return (size == 4 || size == 8) && offset % size == 0;
}

}  // namespace

// ---- events and the unit's own interrupt ------------------------------------------------------

/// Writes an entry; false if the log does not run or is full.
bool AmdViUnit::log(std::uint64_t low, std::uint64_t high, Env& env) {
  const auto address = events_.append();
  if (!address) return false;
  env.send(kMemory, BusWrite{*address, low, kNoSpan, config_.requester, 8});
  env.send(kMemory, BusWrite{*address + 8, high, kNoSpan, config_.requester, 8});
  return true;
}

/// Sends a message when a status bit that interrupts has become set.
void AmdViUnit::update_interrupt(Env& env) {
  std::uint64_t bits = 0;
  if (Control::EventIntEn::is_set(control_)) {
    bits |= events_.status() & (Status::EventOverflow::kMask | Status::EventLogInt::kMask);
  }
  if (Control::ComWaitIntEn::is_set(control_)) bits |= wait_status_;
  const bool due = (bits & ~interrupting_) != 0;
  interrupting_ = bits;
  if (!due) return;
  const auto message = own_message();
  if (!message) return;
  const SpanId span = env.open(Cause::Unit, kNoSpan);
  env.note(Event::UnitEventSent, span, message->data);
  env.send(kOutput, BusWrite{message->address, message->data, span, config_.requester, 4});
}

/// By the XT registers, or as the MSI registers say; none if MSI is not enabled.
std::optional<MsiMessage> AmdViUnit::own_message() const {
  if (Control::IntCapXTEn::is_set(control_)) {
    ApicMessage m;
    m.destination =
        ApicId(static_cast<std::uint32_t>(XtInterrupt::DestinationLow::get(xt_interrupt_) |
                                          XtInterrupt::DestinationHigh::get(xt_interrupt_) << 24));
    m.vector = Vector(static_cast<std::uint8_t>(XtInterrupt::Vector::get(xt_interrupt_)));
    m.destination_mode =
        static_cast<DestinationMode>(XtInterrupt::DestinationMode::get(xt_interrupt_));
    m.format = DestinationFormat::X2apic;
    return encode(m);
  }
  if (!MsiCapability::MsiEn::is_set(static_cast<std::uint32_t>(LowerHalf::get(msi_capability_)))) {
    return std::nullopt;
  }
  const std::uint64_t address = UpperHalf::get(msi_capability_) | LowerHalf::get(msi_message_)
                                                                      << UpperHalf::kWidth;
  return MsiMessage{address, static_cast<std::uint32_t>(UpperHalf::get(msi_message_))};
}

// ---- registers --------------------------------------------------------------------------------

void AmdViUnit::on_register_write(const BusWrite& write, Env& env) {
  const std::uint64_t offset = write.address - config_.register_base;
  if (offset >= kRegisterBytes) return env.guest_error(GuestFault::UnclaimedAddress);
  if (!is_register_access(offset, write.size)) return env.guest_error(GuestFault::WrongAccessSize);
  if (write.size == 8) return write_register(offset, write.data, env);
  const bool upper = offset != aligned(offset);
  write_register(aligned(offset), upper ? UpperHalf::set(0, write.data) : write.data,
                 upper ? UpperHalf::kMask : LowerHalf::kMask, env);
}

BusData AmdViUnit::answer_to(const BusRead& read, Env& env) const {
  BusData answer{{}, read.tag, BusStatus::Ok};
  const std::uint64_t offset = read.address - config_.register_base;
  if (offset >= kRegisterBytes) {
    env.guest_error(GuestFault::UnclaimedAddress);
    answer.status = BusStatus::NoDecode;
  } else if (!is_register_access(offset, read.size)) {
    env.guest_error(GuestFault::WrongAccessSize);
    answer.status = BusStatus::Error;
  } else {
    const std::uint64_t value = read_register(aligned(offset), env);
    const std::uint64_t part = offset == aligned(offset) ? value : UpperHalf::get(value);
    std::memcpy(answer.data.data(), &part, read.size);
  }
  return answer;
}

std::uint64_t AmdViUnit::read_register(std::uint64_t offset, Env& env) const {
  switch (offset) {
    case kDeviceTableBase:
      return device_table_;
    case kCommandBufferBase:
      return command_buffer_;
    case kEventLogBase:
      return events_.base();
    case kControl:
      return control_;
    case kExtendedFeature:
      return kFeatures;
    case kMsiCapability:
      return msi_capability_;
    case kMsiAddressHigh:
      return msi_message_;
    case kXtGeneralInterrupt:
      return xt_interrupt_;
    case kExtendedFeature2:
      return kFeatures2;
    case kCommandHead:
      return command_head_;
    case kCommandTail:
      return command_tail_;
    case kEventHead:
      return events_.head();
    case kEventTail:
      return events_.tail();
    case kStatus:
      return Status::CmdBufRun::set(events_.status() | wait_status_, commands_running_);
    default:
      env.guest_error(GuestFault::UnknownRegister);
      return 0;  // reserved
  }
}

void AmdViUnit::write_register(std::uint64_t offset, std::uint64_t value, std::uint64_t mask,
                               Env& env) {
  const auto merged = [&](std::uint64_t old) { return (old & ~mask) | (value & mask); };
  switch (offset) {
    case kDeviceTableBase:
      device_table_ =
          merged(device_table_) & (DeviceTableBase::Base::kMask | DeviceTableBase::Size::kMask);
      return;
    case kEventLogBase:
      return events_.set_base(merged(events_.base()));
    case kControl:
      return write_control(merged(control_), env);
    case kMsiCapability:
      // Of the capability's own DWORD, only MsiEn can be written.
      msi_capability_ =
          merged(msi_capability_) & (UpperHalf::kMask | std::uint64_t{MsiCapability::MsiEn::kMask});
      return;
    case kMsiAddressHigh:
      msi_message_ = merged(msi_message_);
      return;
    case kXtGeneralInterrupt:
      xt_interrupt_ = merged(xt_interrupt_);
      return;
    case kCommandBufferBase:
    case kCommandHead:
    case kCommandTail:
      return write_command_register(offset, merged(read_register(offset, env)), env);
    case kEventHead:
      return events_.set_head(merged(events_.head()));
    case kEventTail:
      return events_.set_tail(merged(events_.tail()));
    case kStatus:
      events_.write_status(value & mask);
      wait_status_ &= ~(value & mask);
      interrupting_ &= ~(value & mask & kInterruptBits);
      return;
    case kExtendedFeature:
    case kExtendedFeature2:
      return;  // read-only
    default:
      return env.guest_error(GuestFault::UnknownRegister);
  }
}

/// A new buffer is empty; the head belongs to the unit while the buffer runs.
void AmdViUnit::write_command_register(std::uint64_t offset, std::uint64_t value, Env& env) {
  if (offset == kCommandBufferBase) {
    command_buffer_ = value & (BufferBase::Base::kMask | BufferBase::Length::kMask);
    command_head_ = command_tail_ = 0;
  } else if (offset == kCommandTail) {
    command_tail_ = value & BufferOffset::kMask;
    advance_commands(env);
  } else if (!commands_running_) {
    command_head_ = (value & BufferOffset::kMask) % ring_bytes(command_buffer_);
  }
}

/// Writing CmdBufEn or EventLogEn starts the buffer or the log, also after an error.
void AmdViUnit::write_control(std::uint64_t value, Env& env) {
  control_ = value & Control::kMask;
  const bool enabled = Control::IommuEn::is_set(control_);
  events_.enable(enabled && Control::EventLogEn::is_set(control_));
  update_interrupt(env);
  set_commands_running(enabled && Control::CmdBufEn::is_set(control_), env);
}

}  // namespace irqfab::x86
