// MSI-X (PCI Local Bus 3.0, 6.8.2): the table, the pending bit array, and what masks a vector.
#include <cassert>
#include <utility>

#include "models/pci/functions.hpp"

namespace irqfab::pci {
namespace {

constexpr std::uint32_t kVectorMaskBit = 1;  // of Vector Control

}  // namespace

void PciFunctions::write_entry(FunctionRow row, VectorIndex index, const MsixEntry& entry,
                               Env& env) {
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  vec(row, index).entry = entry;
  release_pending(row, index, env);
}

void PciFunctions::set_vector_mask(FunctionRow row, VectorIndex index, Mask mask, Env& env) {
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  vec(row, index).entry.mask = mask;
  release_pending(row, index, env);
}

void PciFunctions::set_msix_enable(FunctionRow row, bool enabled, Env& env) {
  if (config_.functions[raw(row)].msix_entries == 0) return;
  Row& function = rows_[raw(row)];
  function.msix_enabled = enabled;
  function.msix_at_once = enabled && !function.moderated;
  if (!enabled) cancel_pending(row, 0, config_.functions[raw(row)].msix_entries, env);
  release_pending(row, env);
  release_msi(row, env);
  drive_intx(row, env);
}

void PciFunctions::write_msix_control(FunctionRow row, std::uint16_t value, Env& env) {
  const bool enable = (value & kMsixEnable) != 0;
  // PCI 3.0, 6.8.2: a function's MSI and MSI-X must not be enabled at once; the result is
  // undefined, here MSI-X sends.
  if (enable && msi_enabled(row)) env.guest_error(GuestFault::ForbiddenValue);
  // One write: what it disables is not unmasked first.
  rows_[raw(row)].function_mask = value & kMsixFunctionMask ? Mask::On : Mask::Off;
  set_msix_enable(row, enable, env);
}

const MsixEntry& PciFunctions::entry(FunctionRow row, VectorIndex index) const {
  return vec(row, index).entry;
}

bool PciFunctions::pending(FunctionRow row, VectorIndex index) const {
  return has(row, index) && vec(row, index).pending != kNoSpan;
}

std::uint64_t PciFunctions::pba_word(FunctionRow row, unsigned word) const {
  const unsigned entries = raw(row) < rows_.size() ? config_.functions[raw(row)].msix_entries : 0;
  std::uint64_t bits = 0;
  for (unsigned bit = 0; bit < 64 && word * 64 + bit < entries; ++bit) {
    if (pending(row, VectorIndex(word * 64 + bit))) bits |= std::uint64_t{1} << bit;
  }
  return bits;
}

PciFunctions::Vec& PciFunctions::vec(FunctionRow row, VectorIndex index) {
  assert(has(row, index));
  return vectors_[rows_[raw(row)].first_vector + raw(index)];
}

const PciFunctions::Vec& PciFunctions::vec(FunctionRow row, VectorIndex index) const {
  assert(has(row, index));
  return vectors_[rows_[raw(row)].first_vector + raw(index)];
}

/// Sends every pending vector that nothing masks any more.
void PciFunctions::release_pending(FunctionRow row, Env& env) {
  for (unsigned i = 0; i < config_.functions[raw(row)].msix_entries; ++i) {
    release_pending(row, VectorIndex(static_cast<std::uint16_t>(i)), env);
  }
}

/// Sends the vector, if it is pending and nothing masks it, with its entry's current message.
void PciFunctions::release_pending(FunctionRow row, VectorIndex index, Env& env) {
  const Row& function = rows_[raw(row)];
  Vec& v = vec(row, index);
  if (!function.msix_enabled || v.pending == kNoSpan || masked(function, v)) return;
  const SpanId span = v.pending;
  v.pending = kNoSpan;
  transmit(row, v.entry.address, v.entry.data, span, env);
}

void PciFunctions::on_window_write(FunctionRow row, std::uint64_t offset, const BusWrite& write,
                                   Env& env) {
  if (offset >= kMsixPbaOffset) return;  // the PBA is read-only; the device register ignores writes
  // PCI 3.0, 6.8.2: table accesses are aligned DWORDs or QWORDs; others have undefined results,
  // here none.
  const bool dword = write.size == 4 && offset % 4 == 0;
  const bool qword = write.size == 8 && offset % 8 == 0;
  if (!dword && !qword) return env.guest_error(GuestFault::WrongAccessSize);
  on_table_dword(row, offset, static_cast<std::uint32_t>(write.data), env);
  if (qword) on_table_dword(row, offset + 4, static_cast<std::uint32_t>(write.data >> 32), env);
}

void PciFunctions::on_table_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value,
                                  Env& env) {
  const auto index = VectorIndex(offset / 16);
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  MsixEntry& entry = vec(row, index).entry;
  switch (offset % 16 / 4) {
    case 0:
      entry.address = (entry.address & ~std::uint64_t{0xFFFFFFFF}) | (value & ~std::uint32_t{3});
      return;
    case 1:
      entry.address = (entry.address & 0xFFFFFFFF) | (std::uint64_t{value} << 32);
      return;
    case 2:
      entry.data = value;
      return;
    default:
      if (config_.reserved_control == ReservedControl::Kept) {
        reserved_control_[place_of(row, index)] = value & ~kVectorMaskBit;
      }
      return set_vector_mask(row, index, value & kVectorMaskBit ? Mask::On : Mask::Off, env);
  }
}

std::uint64_t PciFunctions::read_window(FunctionRow row, std::uint64_t offset, const BusRead& read,
                                        Env& env) {
  if (offset >= kDeviceRegisterOffset) {
    env.note(event_of(row, Event::DeviceRead, Event::DeviceModelled), read.span, offset);
    const bool interrupting = std::exchange(rows_[raw(row)].wants_intx, false);
    // Ahead of the completion: posted messages may not fall behind.
    drive_intx(row, read.span, env);
    return interrupting ? 1 : 0;
  }
  // PCI 3.0, 6.8.2: the table and the PBA take aligned DWORDs and QWORDs; the result of others is
  // undefined.
  const bool aligned = (read.size == 4 || read.size == 8) && offset % read.size == 0;
  if (!aligned) {
    env.guest_error(GuestFault::WrongAccessSize);
    return ~std::uint64_t{0};
  }
  if (offset >= kMsixPbaOffset) {
    const std::uint64_t bits = pba_word(row, static_cast<unsigned>((offset - kMsixPbaOffset) / 8));
    return read.size == 4 ? bits >> (offset % 8 * 8) : bits;
  }
  const std::uint64_t low = table_dword(row, offset);
  return read.size == 8 ? low | std::uint64_t{table_dword(row, offset + 4)} << 32 : low;
}

std::uint32_t PciFunctions::table_dword(FunctionRow row, std::uint64_t offset) const {
  const auto index = VectorIndex(offset / 16);
  if (!has(row, index)) return 0;
  const MsixEntry& e = vec(row, index).entry;
  switch (offset % 16 / 4) {
    case 0:
      return static_cast<std::uint32_t>(e.address);
    case 1:
      return static_cast<std::uint32_t>(e.address >> 32);
    case 2:
      return e.data;
    default:
      return (e.mask == Mask::On ? kVectorMaskBit : 0) | reserved_control(row, index);
  }
}

std::uint32_t PciFunctions::reserved_control(FunctionRow row, VectorIndex index) const {
  const auto kept = reserved_control_.find(place_of(row, index));
  return kept == reserved_control_.end() ? 0 : kept->second;
}

}  // namespace irqfab::pci
