// Where the registers of a function's configuration space lie, and which of their bits exist.
//
// Models: PCI Local Bus 3.0, 6.1 (type 0 header), 6.2 (its registers), 6.7 (the capabilities list),
// 6.8.2 (the MSI-X capability; the MSI capability is in msi_capability.hpp). The enhanced access of
// PCI Express (7.2.2) reaches them: a 4 KiB page a function.
#pragma once

#include <cstdint>
#include <optional>

#include "models/base/message.hpp"

namespace irqfab::pci {

constexpr std::uint64_t kConfigSpaceBytes = 0x1000;  // one function's share of the ECAM window

constexpr std::uint64_t kConfigId = 0x00;  // Vendor ID, Device ID
constexpr std::uint64_t kConfigCommand = 0x04;
constexpr std::uint64_t kConfigStatus = 0x06;
constexpr std::uint64_t kConfigClass = 0x08;       // Revision ID, Class Code
constexpr std::uint64_t kConfigHeaderType = 0x0C;  // the dword that has it in its third byte
constexpr std::uint64_t kConfigBar0 = 0x10;        // with kConfigBar1: one 64-bit memory BAR
constexpr std::uint64_t kConfigBar1 = 0x14;
constexpr std::uint64_t kConfigCapabilities = 0x34;
constexpr std::uint64_t kConfigInterrupt = 0x3C;  // Interrupt Line, Interrupt Pin
constexpr std::uint64_t kConfigHeaderBytes = 0x40;
constexpr std::uint64_t kConfigMsixCapability = 0x40;
constexpr std::uint64_t kConfigMsixControl = 0x42;  // Message Control
constexpr std::uint64_t kConfigMsixTable = 0x44;    // Table Offset and BIR
constexpr std::uint64_t kConfigMsixPba = 0x48;      // PBA Offset and BIR

constexpr std::uint32_t kVendorAndDevice =
    0x0001'1234;  // a vendor id that means nobody in particular
constexpr std::uint32_t kBridgeVendorAndDevice = 0x0002'1234;
constexpr std::uint32_t kUnclassified = 0xFF0000u << 8;  // class code: fits none that is defined
constexpr std::uint32_t kMsiCapabilityId = 0x05;         // PCI 3.0, appendix H
constexpr std::uint32_t kMsixCapabilityId = 0x11;

// Command and Status (6.2.2, 6.2.3).
constexpr std::uint16_t kMemorySpace = 1u << 1;
constexpr std::uint16_t kBusMaster = 1u << 2;
constexpr std::uint16_t kInterruptDisable = 1u << 10;
constexpr std::uint16_t kCommandBits = kBusMaster | kInterruptDisable | 0x3;
constexpr std::uint32_t kInterruptStatus = 1u << 3;
constexpr std::uint32_t kCapabilitiesList = 1u << 4;

// Message Control of MSI-X (6.8.2.3).
constexpr std::uint32_t kMsixFunctionMask = 1u << 14;
constexpr std::uint32_t kMsixEnable = 1u << 15;

/// A write of 1, 2 or 4 bytes as its dword sees it.
struct ConfigWrite {
  std::uint64_t offset;  // of the dword
  std::uint32_t value;
  std::uint32_t enables;  // the bits that are written

  constexpr std::uint32_t merged_into(std::uint32_t old) const {
    return (old & ~enables) | (value & enables);
  }
};
/// Nothing if the access has another size, or is not aligned to its size.
constexpr std::optional<ConfigWrite> config_write_of(std::uint64_t offset, const BusWrite& write) {
  const bool sized = write.size == 1 || write.size == 2 || write.size == 4;
  if (!sized || offset % write.size != 0) return std::nullopt;
  const unsigned shift = offset % 4 * 8;
  const std::uint64_t bytes = (std::uint64_t{1} << write.size * 8) - 1;
  return ConfigWrite{offset & ~std::uint64_t{3}, static_cast<std::uint32_t>(write.data << shift),
                     static_cast<std::uint32_t>(bytes << shift)};
}

}  // namespace irqfab::pci
