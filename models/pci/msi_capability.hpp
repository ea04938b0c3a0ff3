// The MSI capability of a function: its shape, and where its registers lie.
//
// Models: PCI Local Bus 3.0, 6.8.1 (figure 6-9, the four layouts; 6.8.1.3, Message Control). What
// the capability does is in msi_capability.cpp, as part of PciFunctions.
#pragma once

#include <cstdint>

namespace irqfab::pci {

enum class MsiWidth : std::uint8_t { Address32, Address64 };
enum class MsiMasking : std::uint8_t { None, PerVector };

struct Msi {
  std::uint8_t vectors = 1;  // that it asks for: 1, 2, 4, 8, 16, 32
  MsiWidth width = MsiWidth::Address64;
  MsiMasking masking = MsiMasking::None;

  bool maskable() const { return masking == MsiMasking::PerVector; }
};

// Offsets in the configuration space of a function that has the capability.
constexpr std::uint64_t kConfigMsiCapability = 0x50;
constexpr std::uint64_t kConfigMsiControl = kConfigMsiCapability + 2;
constexpr std::uint64_t kConfigMsiAddress = kConfigMsiCapability + 4;
constexpr std::uint64_t kConfigMsiUpperAddress = kConfigMsiCapability + 8;  // 64-bit addresses only
constexpr std::uint64_t msi_data_offset(const Msi& msi) {
  return kConfigMsiCapability + (msi.width == MsiWidth::Address64 ? 0xC : 0x8);
}
constexpr std::uint64_t msi_mask_offset(const Msi& msi) { return msi_data_offset(msi) + 4; }
constexpr std::uint64_t msi_pending_offset(const Msi& msi) { return msi_data_offset(msi) + 8; }

// Message Control.
constexpr std::uint16_t kMsiEnable = 1u << 0;
constexpr unsigned kMsiMultipleMessageCapableShift = 1;
constexpr unsigned kMsiMultipleMessageEnableShift = 4;
constexpr std::uint16_t kMsiMultipleMessageEnable = 7u << kMsiMultipleMessageEnableShift;
constexpr std::uint16_t kMsi64BitAddress = 1u << 7;
constexpr std::uint16_t kMsiPerVectorMasking = 1u << 8;

/// log2 of a number of vectors, as the two Multiple Message fields encode it.
constexpr unsigned msi_encoded(unsigned vectors) {
  unsigned encoded = 0;
  while (1u << encoded < vectors) ++encoded;
  return encoded;
}

}  // namespace irqfab::pci
