// Registers of a local APIC's page, and their fields (SDM vol. 3, 11.4.1, table "Local APIC
// Register Address Map"). Each is 32 bits wide on a 16-byte boundary.
#pragma once

#include <array>
#include <cstdint>

#include "models/base/field.hpp"

namespace irqfab::x86 {

struct LapicRegister {
  static constexpr std::uint32_t kId = 0x020;
  static constexpr std::uint32_t kVersion = 0x030;
  static constexpr std::uint32_t kTpr = 0x080;
  static constexpr std::uint32_t kApr = 0x090;
  static constexpr std::uint32_t kPpr = 0x0A0;
  static constexpr std::uint32_t kEoi = 0x0B0;
  static constexpr std::uint32_t kLdr = 0x0D0;
  static constexpr std::uint32_t kDfr = 0x0E0;
  static constexpr std::uint32_t kSvr = 0x0F0;
  static constexpr std::uint32_t kIsr = 0x100;  // eight registers of 32 vectors, as TMR and IRR
  static constexpr std::uint32_t kTmr = 0x180;
  static constexpr std::uint32_t kIrr = 0x200;
  static constexpr std::uint32_t kEsr = 0x280;
  static constexpr std::uint32_t kIcrLow = 0x300;
  static constexpr std::uint32_t kIcrHigh = 0x310;
  static constexpr std::uint32_t kLvtTimer = 0x320;  // first of six local vector table entries
  static constexpr std::uint32_t kLvtError = 0x370;  // last of them
  static constexpr std::uint32_t kInitialCount = 0x380;
  static constexpr std::uint32_t kCurrentCount = 0x390;
  static constexpr std::uint32_t kDivideConfiguration = 0x3E0;
};

template <unsigned High, unsigned Low>
using LapicField = Field<High, Low, std::uint32_t>;
template <unsigned Bit>
using LapicFlag = Flag<Bit, std::uint32_t>;

using ApicIdField = LapicField<31, 24>;       // of the ID register
using LogicalApicId = LapicField<31, 24>;     // of LDR
using LogicalCluster = LapicField<31, 28>;    // of LDR, in the cluster model
using LogicalMember = LapicField<27, 24>;     // of LDR, in the cluster model
using DestinationModel = LapicField<31, 28>;  // of DFR: 1111 flat, 0000 cluster
constexpr std::uint32_t kFlatModel = 0xF;
constexpr std::uint32_t kClusterModel = 0x0;

struct Svr {
  using SpuriousVector = LapicField<7, 0>;
  using SoftwareEnable = LapicFlag<8>;
  using SuppressEoiBroadcast = LapicFlag<12>;
  static constexpr std::uint32_t kReset = 0xFF;
};

struct Esr {
  using SendIllegalVector = LapicFlag<5>;
  using ReceivedIllegalVector = LapicFlag<6>;
  using IllegalRegisterAddress = LapicFlag<7>;
};

struct Icr {
  using Vector = LapicField<7, 0>;
  using DeliveryMode = LapicField<10, 8>;
  using DestinationMode = LapicFlag<11>;
  using Level = LapicFlag<14>;
  using TriggerMode = LapicFlag<15>;
  using Shorthand = LapicField<19, 18>;
  using Destination = LapicField<31, 24>;  // of the high half
  /// Bit 12, delivery status, is read-only and always idle: IPIs leave at once.
  static constexpr std::uint32_t kWritableLow = Vector::kMask | DeliveryMode::kMask |
                                                DestinationMode::kMask | Level::kMask |
                                                TriggerMode::kMask | Shorthand::kMask;
};

struct Lvt {
  using Masked = LapicFlag<16>;
  static constexpr std::uint32_t kReset = Masked::kMask;
  static constexpr unsigned kEntries = 6;
  /// What software may write: timer, thermal, performance, LINT0, LINT1, error.
  static constexpr std::array<std::uint32_t, kEntries> kWritable = {0x700FF, 0x107FF, 0x107FF,
                                                                    0x1A7FF, 0x1A7FF, 0x100FF};
};

constexpr std::uint32_t kDivideWritable = 0xB;  // bits 3, 1 and 0 of the divide configuration

struct LapicVersion {
  using Version = LapicField<7, 0>;
  using MaxLvtEntry = LapicField<23, 16>;
  using SuppressEoiBroadcast = LapicFlag<24>;
  static constexpr std::uint32_t kIntegrated = 0x14;
};

}  // namespace irqfab::x86
