// MSI (PCI Local Bus 3.0, 6.8.1): one message address, and as many values of the low bits of its
// data as software gave the function vectors.
#include "models/pci/msi_capability.hpp"

#include <cassert>

#include "models/pci/functions.hpp"

namespace irqfab::pci {
namespace {

constexpr std::uint64_t kLow32 = 0xFFFFFFFF;

/// Vectors that software allocated, by Multiple Message Enable.
unsigned allocated(std::uint8_t control) {
  return 1u << ((control & kMsiMultipleMessageEnable) >> kMsiMultipleMessageEnableShift);
}

}  // namespace

void PciFunctions::write_msi_message(FunctionRow row, std::uint64_t address, std::uint16_t data) {
  MsixEntry& message = msi_vec(row, 0).entry;
  message.address = address & ~std::uint64_t{3};
  message.data = data;
}

void PciFunctions::write_msi_control(FunctionRow row, std::uint16_t value, Env& env) {
  Row& function = rows_[raw(row)];
  const bool enable = (value & kMsiEnable) != 0;
  // As in write_msix_control: MSI-X sends, MSI waits until it is disabled.
  if (enable && function.msix_enabled) env.guest_error(GuestFault::ForbiddenValue);
  unsigned encoded = (value & kMsiMultipleMessageEnable) >> kMsiMultipleMessageEnableShift;
  const unsigned capable = msi_encoded(msi_vectors(row));
  if (encoded > capable) {
    // 6.8.1.3: at most as many as were asked for; 110b and 111b are reserved.
    env.guest_error(GuestFault::ForbiddenValue);
    encoded = capable;
  }
  function.msi_control = static_cast<std::uint8_t>((enable ? kMsiEnable : 0u) |
                                                   encoded << kMsiMultipleMessageEnableShift);
  if (!enable) {
    cancel_pending(row, config_.functions[raw(row)].msix_entries, msi_vectors(row), env);
  }
  release_msi(row, env);
  drive_intx(row, env);
}

void PciFunctions::write_msi_mask(FunctionRow row, std::uint32_t bits, Env& env) {
  if (!config_.functions[raw(row)].msi->maskable()) return;
  for (unsigned i = 0; i < msi_vectors(row); ++i) {
    msi_vec(row, i).entry.mask = bits >> i & 1 ? Mask::On : Mask::Off;
  }
  release_msi(row, env);
}

std::uint16_t PciFunctions::msi_control(FunctionRow row) const {
  const Msi& msi = *config_.functions[raw(row)].msi;
  unsigned control = rows_[raw(row)].msi_control;
  control |= msi_encoded(msi.vectors) << kMsiMultipleMessageCapableShift;
  if (msi.width == MsiWidth::Address64) control |= kMsi64BitAddress;
  if (msi.maskable()) control |= kMsiPerVectorMasking;
  return static_cast<std::uint16_t>(control);
}

std::uint32_t PciFunctions::msi_mask(FunctionRow row) const {
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < msi_vectors(row); ++i) {
    if (msi_vec(row, i).entry.mask == Mask::On) bits |= 1u << i;
  }
  return bits;
}

std::uint32_t PciFunctions::msi_pending(FunctionRow row) const {
  std::uint32_t bits = 0;
  for (unsigned i = 0; i < msi_vectors(row); ++i) {
    if (msi_vec(row, i).pending != kNoSpan) bits |= 1u << i;
  }
  return bits;
}

PciFunctions::Vec& PciFunctions::msi_vec(FunctionRow row, unsigned index) {
  assert(index < msi_vectors(row));
  return vectors_[rows_[raw(row)].first_vector + config_.functions[raw(row)].msix_entries + index];
}

const PciFunctions::Vec& PciFunctions::msi_vec(FunctionRow row, unsigned index) const {
  assert(index < msi_vectors(row));
  return vectors_[rows_[raw(row)].first_vector + config_.functions[raw(row)].msix_entries + index];
}

unsigned PciFunctions::msi_vectors(FunctionRow row) const {
  const auto& msi = config_.functions[raw(row)].msi;
  return msi ? msi->vectors : 0;
}

void PciFunctions::signal_msi(FunctionRow row, VectorIndex index, SpanId span, Env& env) {
  if (!msi_enabled(row)) return env.drop(span, DropReason::MessagesOff);
  const unsigned shared = raw(index) % allocated(rows_[raw(row)].msi_control);
  Vec& v = msi_vec(row, shared);
  if (v.entry.mask == Mask::Off) return transmit_msi(row, shared, span, env);
  // 6.8.1.8: while its Mask bit is set the function sends nothing, and sets the Pending bit.
  if (v.pending != kNoSpan) return env.coalesce(span, v.pending);
  v.pending = span;
  env.note(Event::MsiPended, span, shared);
}

/// 6.8.1.6: the function replaces as many low bits of Message Data as its vectors need. The write
/// has 32 bits, and the upper half of its data is 0.
void PciFunctions::transmit_msi(FunctionRow row, unsigned index, SpanId span, Env& env) {
  const MsixEntry& message = msi_vec(row, 0).entry;
  const std::uint32_t own = allocated(rows_[raw(row)].msi_control) - 1;
  transmit(row, message.address, (message.data & ~own) | (index & own), span, env);
}

/// Sends every pending vector that nothing holds back any more.
void PciFunctions::release_msi(FunctionRow row, Env& env) {
  if (!msi_enabled(row) || rows_[raw(row)].msix_enabled) return;
  for (unsigned i = 0; i < msi_vectors(row); ++i) {
    Vec& v = msi_vec(row, i);
    if (v.pending == kNoSpan || v.entry.mask == Mask::On) continue;
    const SpanId span = v.pending;
    v.pending = kNoSpan;
    transmit_msi(row, i, span, env);
  }
}

bool PciFunctions::is_msi_register(FunctionRow row, std::uint64_t offset) const {
  const auto& msi = config_.functions[raw(row)].msi;
  if (!msi || offset < kConfigMsiCapability) return false;
  return offset <= (msi->maskable() ? msi_pending_offset(*msi) : msi_data_offset(*msi));
}

std::uint32_t PciFunctions::msi_dword(FunctionRow row, std::uint64_t offset) const {
  const Msi& msi = *config_.functions[raw(row)].msi;
  const MsixEntry& message = msi_vec(row, 0).entry;
  if (offset == kConfigMsiCapability) {
    return kMsiCapabilityId | std::uint32_t{msi_control(row)} << 16;
  }
  if (offset == kConfigMsiAddress) return static_cast<std::uint32_t>(message.address);
  if (offset == msi_data_offset(msi)) return message.data;
  if (offset == msi_mask_offset(msi)) return msi_mask(row);
  if (offset == msi_pending_offset(msi)) return msi_pending(row);
  return static_cast<std::uint32_t>(message.address >> 32);
}

void PciFunctions::write_msi_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value,
                                   Env& env) {
  const Msi& msi = *config_.functions[raw(row)].msi;
  MsixEntry& message = msi_vec(row, 0).entry;
  if (offset == kConfigMsiCapability) {
    write_msi_control(row, static_cast<std::uint16_t>(value >> 16), env);
  } else if (offset == kConfigMsiAddress) {
    message.address = (message.address & ~kLow32) | (value & ~std::uint32_t{3});
  } else if (offset == msi_data_offset(msi)) {
    message.data = value & 0xFFFF;
  } else if (offset == msi_mask_offset(msi)) {
    write_msi_mask(row, value, env);
  } else if (offset == kConfigMsiUpperAddress && msi.width == MsiWidth::Address64) {
    message.address = (message.address & kLow32) | std::uint64_t{value} << 32;
  }
}

}  // namespace irqfab::pci
