// The command buffer of an AMD-Vi unit.
#include <cstring>

#include "models/x86/amdvi_unit.hpp"

namespace irqfab::x86 {

using namespace amdvi;

namespace {

constexpr Tag kWaitMarker{0};  // one wait at a time

}  // namespace

/// Fetches the command at the head, if there is one and nothing is under way.
void AmdViUnit::advance_commands(Env& env) {
  if (command_state_ != CommandState::Idle || !commands_running_) return;
  if (command_head_ == command_tail_ % ring_bytes(command_buffer_)) return;
  command_state_ = CommandState::Fetching;
  env.send(kMemory, BusRead{(command_buffer_ & BufferBase::Base::kMask) + command_head_,
                            command_tag(),
                            kNoSpan,
                            {},
                            kEntryBytes});
}

void AmdViUnit::on_command(const BusData& answer, Env& env) {
  const CommandState was = command_state_;
  if (was != CommandState::Fetching && was != CommandState::Abandoned) return;
  command_state_ = CommandState::Idle;
  if (was == CommandState::Abandoned) return advance_commands(env);
  if (answer.status != BusStatus::Ok) {
    const ErrorType type =
        answer.status == BusStatus::NoDecode ? ErrorType::MasterAbort : ErrorType::TargetAbort;
    return stop_commands(EventCode::CommandHardwareError,
                         LogEntry::Type::set(0, static_cast<std::uint64_t>(type)), env);
  }
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, answer.data.data(), sizeof low);
  std::memcpy(&high, answer.data.data() + sizeof low, sizeof high);
  env.note(Event::CommandFetched, kNoSpan, Command::Opcode::get(low));
  const auto device = RequesterId(static_cast<std::uint16_t>(InvalidateDevice::DeviceID::get(low)));
  const bool names_a_device = (low & ~InvalidateDevice::kMask) == 0 && high == 0;
  switch (static_cast<CommandCode>(Command::Opcode::get(low))) {
    case CommandCode::CompletionWait:
      return on_wait(low, high, env);
    case CommandCode::InvalidateDevtabEntry:
      if (!names_a_device) break;
      invalidate_device(device, env);
      return finish_command(env);
    case CommandCode::InvalidateInterruptTable:
      if (!names_a_device) break;
      invalidate_interrupts(device, env);
      return finish_command(env);
    case CommandCode::InvalidateIommuPages:
    case CommandCode::InvalidateIotlbPages:
      return finish_command(env);
    case CommandCode::InvalidateIommuAll:
      if ((low & ~Command::Opcode::kMask) != 0 || high != 0) break;
      invalidate_all(env);
      return finish_command(env);
  }
  stop_commands(EventCode::IllegalCommandError, 0, env);
}

/// 2.4.2: the device's entry. What is known of its interrupts stays.
void AmdViUnit::invalidate_device(RequesterId device, Env& env) {
  dtes_.invalidate(device);
  slots_.invalidate(
      [&](const WalkKey& key) { return key.stage == Stage::Device && key.device == device; });
  env.note(Event::IecInvalidated, kNoSpan, raw(device));
}

/// 2.4.5: the entries of the device's interrupts.
void AmdViUnit::invalidate_interrupts(RequesterId device, Env& env) {
  irtes_.invalidate(device);
  slots_.invalidate(
      [&](const WalkKey& key) { return key.stage == Stage::Interrupt && key.device == device; });
  env.note(Event::IecInvalidated, kNoSpan, raw(device));
}

void AmdViUnit::invalidate_all(Env& env) {
  dtes_.invalidate_all();
  irtes_.invalidate_all();
  slots_.invalidate([](const WalkKey&) { return true; });
  env.note(Event::IecInvalidated, kNoSpan, ~std::uint64_t{0});
}

void AmdViUnit::on_wait(std::uint64_t low, std::uint64_t high, Env& env) {
  if ((low & ~CompletionWait::kMask) != 0) {
    return stop_commands(EventCode::IllegalCommandError, 0, env);
  }
  wait_low_ = low;
  wait_high_ = high;
  if (config_.mutants.has(Mutant::InvalidationWaitEarly)) return complete_wait(env);
  fence_ = slots_.fence();
  command_state_ = CommandState::Draining;
  drain(env);
}

/// Once everything older has left, a marker follows it to the interrupt controller.
void AmdViUnit::drain(Env& env) {
  if (command_state_ != CommandState::Draining || slots_.any_older_than(fence_)) return;
  command_state_ = CommandState::Marking;
  env.send(kOutput, Marker{kWaitMarker});
}

void AmdViUnit::on_marker_done(Env& env) {
  if (command_state_ == CommandState::Marking) return complete_wait(env);
  if (command_state_ != CommandState::Abandoned) return;
  command_state_ = CommandState::Idle;
  advance_commands(env);
}

void AmdViUnit::complete_wait(Env& env) {
  env.note(Event::InvalidationWaited, kNoSpan, BufferOffset::get(command_head_));
  if (CompletionWait::S::is_set(wait_low_)) {
    env.send(kMemory, BusWrite{wait_low_ & CompletionWait::StoreAddress::kMask, wait_high_, kNoSpan,
                               config_.requester, 8});
  }
  if (CompletionWait::I::is_set(wait_low_)) {
    wait_status_ = Status::ComWaitInt::set(wait_status_, 1);
    update_interrupt(env);
  }
  finish_command(env);
}

void AmdViUnit::finish_command(Env& env) {
  command_state_ = CommandState::Idle;
  command_head_ = (command_head_ + kEntryBytes) % ring_bytes(command_buffer_);
  advance_commands(env);
}

/// The head stays at the command that is wrong, until software writes CmdBufEn again.
void AmdViUnit::stop_commands(EventCode code, std::uint64_t flags, Env& env) {
  commands_running_ = false;
  const std::uint64_t address = (command_buffer_ & BufferBase::Base::kMask) + command_head_;
  const std::uint64_t low = LogEntry::Code::set(flags, static_cast<std::uint64_t>(code));
  if (log(low, address, env)) {
    env.note(Event::RemapFaulted, kNoSpan, static_cast<std::uint64_t>(code));
  }
  update_interrupt(env);
}

/// What is under way when the buffer is stopped has no effect any more.
void AmdViUnit::set_commands_running(bool running, Env& env) {
  commands_running_ = running;
  if (running) return advance_commands(env);
  if (command_state_ == CommandState::Draining) command_state_ = CommandState::Idle;
  if (command_state_ != CommandState::Idle) command_state_ = CommandState::Abandoned;
}

}  // namespace irqfab::x86
