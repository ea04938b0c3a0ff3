// Configuration space of a function (PCI Local Bus 3.0, 6.1, 6.2 and 6.7): accesses of 1, 2 and 4
// bytes, each within its dword. Registers that are read-only or reserved take a write and keep
// their value; reserved and unimplemented ones read 0.
#include "models/pci/functions.hpp"

namespace irqfab::pci {
namespace {

// The memory BAR (6.2.5.1): anywhere in 64 bits, not prefetchable.
constexpr std::uint32_t kBarType = 0x4;
constexpr std::uint64_t kBarSizing = ~(kFunctionWindowBytes - 1);
constexpr std::uint32_t kMultiFunction = 1u << 23;  // of the dword with Header Type

}  // namespace

void PciFunctions::write_command(FunctionRow row, std::uint16_t value, Env& env) {
  rows_[raw(row)].command = value & kCommandBits;
  drive_intx(row, env);
}

void PciFunctions::on_config_write(FunctionRow row, std::uint64_t offset, const BusWrite& write,
                                   Env& env) {
  const auto access = config_write_of(offset, write);
  if (!access) return env.guest_error(GuestFault::WrongAccessSize);
  write_config(row, *access, env);
}

void PciFunctions::write_config(FunctionRow row, const ConfigWrite& write, Env& env) {
  const std::uint64_t offset = write.offset;
  const std::uint32_t merged = write.merged_into(config_dword(row, offset));
  const bool has_msix = config_.functions[raw(row)].msix_entries > 0;
  if (offset == kConfigCommand) {
    write_command(row, static_cast<std::uint16_t>(merged), env);
  } else if (offset == kConfigInterrupt) {
    rows_[raw(row)].interrupt_line = static_cast<std::uint8_t>(merged);
  } else if (offset == kConfigBar0 || offset == kConfigBar1) {
    const unsigned bar = offset == kConfigBar0 ? 0 : 1;
    const std::uint32_t all_ones = bar == 0 ? merged | 0xF : merged;
    std::uint8_t& sized = rows_[raw(row)].sized_bars;
    sized = static_cast<std::uint8_t>(all_ones == ~std::uint32_t{0} ? sized | 1u << bar
                                                                    : sized & ~(1u << bar));
  } else if (has_msix && offset == kConfigMsixCapability) {
    write_msix_control(row, static_cast<std::uint16_t>(merged >> 16), env);
  } else if (is_msi_register(row, offset)) {
    write_msi_dword(row, offset, merged, env);
  } else if (offset >= kConfigHeaderBytes && !(has_msix && offset <= kConfigMsixPba)) {
    env.guest_error(GuestFault::UnknownRegister);
  }
}

std::uint64_t PciFunctions::read_at(const std::optional<Place>& place, const BusRead& read,
                                    Env& env) {
  if (!place) {
    env.guest_error(GuestFault::UnclaimedAddress);
    return ~std::uint64_t{0};  // nobody drives the bus (PCI 3.0, 6.1)
  }
  if (!place->config) return read_window(place->row, place->offset, read, env);
  const std::uint64_t offset = place->offset;
  const std::uint64_t low = config_dword(place->row, offset & ~std::uint64_t{3});
  const std::uint64_t high = config_dword(place->row, (offset & ~std::uint64_t{3}) + 4);
  return (low | high << 32) >> (offset % 4 * 8);
}

std::uint32_t PciFunctions::config_dword(FunctionRow row, std::uint64_t offset) const {
  if (offset < kConfigHeaderBytes) return header_dword(row, offset);
  if (config_.functions[raw(row)].msix_entries > 0 && offset <= kConfigMsixPba) {
    return msix_dword(row, offset);
  }
  return is_msi_register(row, offset) ? msi_dword(row, offset) : 0;
}

std::uint32_t PciFunctions::header_dword(FunctionRow row, std::uint64_t offset) const {
  const Row& function = rows_[raw(row)];
  const Function& description = config_.functions[raw(row)];
  const bool msix = description.msix_entries > 0;
  switch (offset) {
    case kConfigId:
      return kVendorAndDevice;
    case kConfigCommand:
      return function.command | ((function.wants_intx ? kInterruptStatus : 0u) |
                                 (msix || description.msi ? kCapabilitiesList : 0u))
                                    << 16;
    case kConfigClass:
      return kUnclassified;
    case kConfigHeaderType:
      return has_neighbour(row) ? kMultiFunction : 0;
    case kConfigBar0:
    case kConfigBar1:
      return bar_dword(row, offset == kConfigBar0 ? 0 : 1);
    case kConfigCapabilities:
      return static_cast<std::uint32_t>(msix              ? kConfigMsixCapability
                                        : description.msi ? kConfigMsiCapability
                                                          : 0);
    case kConfigInterrupt:
      return function.interrupt_line |
             (description.intx ? static_cast<std::uint32_t>(*description.intx) + 1 : 0u) << 8;
    default:
      return 0;
  }
}

/// Another function of the same device.
bool PciFunctions::has_neighbour(FunctionRow row) const {
  const auto& all = config_.functions;
  const auto device = [&](std::size_t r) { return raw(all[r].rid) >> 3; };
  const std::size_t r = raw(row);
  return (r > 0 && device(r - 1) == device(r)) ||
         (r + 1 < all.size() && device(r + 1) == device(r));
}

/// 6.2.5.1: after a write of all ones the BAR shows which of its address bits exist.
std::uint32_t PciFunctions::bar_dword(FunctionRow row, unsigned bar) const {
  const bool sized = (rows_[raw(row)].sized_bars >> bar & 1) != 0;
  const std::uint64_t window = config_.window_base + raw(row) * kFunctionWindowBytes;
  const std::uint64_t bits = (sized ? kBarSizing : window) >> (bar * 32);
  return static_cast<std::uint32_t>(bits) | (bar == 0 ? kBarType : 0);
}

std::uint32_t PciFunctions::msix_dword(FunctionRow row, std::uint64_t offset) const {
  const Row& function = rows_[raw(row)];
  const Function& description = config_.functions[raw(row)];
  if (offset == kConfigMsixTable) return kMsixTableOffset;  // in BAR 0
  if (offset == kConfigMsixPba) return kMsixPbaOffset;      // in BAR 0
  const std::uint32_t control = (description.msix_entries - 1u) |
                                (function.function_mask == Mask::On ? kMsixFunctionMask : 0u) |
                                (function.msix_enabled ? kMsixEnable : 0u);
  const auto next = static_cast<std::uint32_t>(description.msi ? kConfigMsiCapability : 0);
  return kMsixCapabilityId | next << 8 | control << 16;
}

}  // namespace irqfab::pci
