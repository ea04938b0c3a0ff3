// Registers of a local APIC's page, and their fields (SDM vol. 3, 11.4.1, table "Local APIC
// Register Address Map"). Each is 32 bits wide on a 16-byte boundary. In x2APIC mode each is an MSR
// (11.12.1.2), and there are a few more.
#pragma once

#include <array>
#include <cstdint>

#include "models/base/field.hpp"

namespace irqfab::x86 {

struct LapicRegister {
  static constexpr std::uint32_t kHeadBytes = 0x010;  // reserved, as is the register after them
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
  static constexpr std::uint32_t kLvtCmci = 0x2F0;  // an entry apart from the other six
  static constexpr std::uint32_t kIcrLow = 0x300;
  static constexpr std::uint32_t kIcrHigh = 0x310;
  static constexpr std::uint32_t kLvtTimer = 0x320;  // first of six local vector table entries
  static constexpr std::uint32_t kLvtError = 0x370;  // last of them
  static constexpr std::uint32_t kInitialCount = 0x380;
  static constexpr std::uint32_t kCurrentCount = 0x390;
  static constexpr std::uint32_t kDivideConfiguration = 0x3E0;
  static constexpr std::uint32_t kSelfIpi = 0x3F0;  // x2APIC mode only
};

struct LapicMsr {
  static constexpr std::uint32_t kApicBase = 0x1B;
  static constexpr std::uint32_t kTscDeadline = 0x6E0;
  static constexpr std::uint32_t kFirst = 0x800;  // register at offset 16 * n is MSR 0x800 + n
  static constexpr std::uint32_t kLast = 0x8FF;
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

/// IA32_APIC_BASE (SDM vol. 3, 11.4.4; EXTD: 11.12.1).
struct ApicBase {
  using Bsp = Flag<8>;
  using Extd = Flag<10>;
  using Enable = Flag<11>;
  using Address = Field<63, 12>;
  static constexpr std::uint64_t kReset = 0xFEE00000 | Enable::kMask;
};

struct Svr {
  using SpuriousVector = LapicField<7, 0>;
  using SoftwareEnable = LapicFlag<8>;
  using FocusChecking = LapicFlag<9>;  // can be written; has meant nothing since the Pentium 4
  using SuppressEoiBroadcast = LapicFlag<12>;
  static constexpr std::uint32_t kReset = 0xFF;
};

struct Esr {
  using RedirectableIpi = LapicFlag<4>;
  using SendIllegalVector = LapicFlag<5>;
  using ReceivedIllegalVector = LapicFlag<6>;
  using IllegalRegisterAddress = LapicFlag<7>;
};

struct Icr {
  using Vector = LapicField<7, 0>;
  using DeliveryMode = LapicField<10, 8>;
  using DestinationMode = LapicFlag<11>;
  using DeliveryStatus = LapicFlag<12>;
  using Level = LapicFlag<14>;
  using TriggerMode = LapicFlag<15>;
  using Shorthand = LapicField<19, 18>;
  using Destination = LapicField<31, 24>;  // of the high half
  /// Delivery status is read-only and always idle: IPIs leave at once.
  static constexpr std::uint32_t kWritableLow = Vector::kMask | DeliveryMode::kMask |
                                                DestinationMode::kMask | Level::kMask |
                                                TriggerMode::kMask | Shorthand::kMask;
};

/// Logical ids of x2APIC mode: 16 bits of cluster, and a bit for each of its 16 members (SDM
/// 11.12.10.1).
using X2apicCluster = LapicField<31, 16>;
using X2apicMembers = LapicField<15, 0>;
/// Derived from bits 19:0 of the id (SDM 11.12.10.2).
constexpr std::uint32_t x2apic_logical_id(std::uint32_t id) {
  return X2apicCluster::set(1u << (id & 0xF), id >> 4);
}

struct Lvt {
  using Vector = LapicField<7, 0>;
  using DeliveryMode = LapicField<10, 8>;
  using ActiveLow = LapicFlag<13>;
  using RemoteIrr = LapicFlag<14>;
  using LevelTriggered = LapicFlag<15>;
  using Masked = LapicFlag<16>;
  using TimerMode = LapicField<18, 17>;
  using DeliveryStatus = LapicFlag<12>;  // always idle
  static constexpr std::uint32_t kReadOnly = DeliveryStatus::kMask | RemoteIrr::kMask;
  static constexpr std::uint32_t kReset = Masked::kMask;
  static constexpr unsigned kEntries = 7;
  /// What software may write: timer, thermal, performance, LINT0, LINT1, error, CMCI.
  static constexpr std::array<std::uint32_t, kEntries> kWritable = {
      0x700FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF, 0x107FF};
};
constexpr std::uint32_t kExtInt = 0x700;  // an entry that is unmasked, ExtINT, active high
constexpr std::uint32_t kXapicIds = 0xFF;

/// An entry of the local vector table; the first six follow each other in the register page.
enum class LocalInterrupt : std::uint8_t {
  Timer,
  Thermal,
  Performance,
  Lint0,
  Lint1,
  Error,
  Cmci,
};
enum class TimerMode : std::uint8_t { OneShot, Periodic, TscDeadline, Reserved };

constexpr std::uint32_t kDivideWritable = 0xB;  // bits 3, 1 and 0 of the divide configuration

struct LapicVersion {
  using Version = LapicField<7, 0>;
  using MaxLvtEntry = LapicField<23, 16>;
  using SuppressEoiBroadcast = LapicFlag<24>;
  static constexpr std::uint32_t kIntegrated = 0x14;
};

}  // namespace irqfab::x86
