// Registers, commands and events of an AMD I/O memory management unit, as far as interrupt
// remapping uses them.
//
// Models: AMD I/O Virtualization Technology (IOMMU) Specification (48882, revision 3): "IOMMU MMIO
// Registers", 2.4 "Commands", 2.5 "Event Logging". Positions of fields were compared with the
// public headers of three operating systems and hypervisors. Not modelled: everything that only
// address translation, page requests, performance counters and guest virtual APIC mode use.
#pragma once

#include <cstdint>

#include "models/base/field.hpp"

namespace irqfab::x86::amdvi {

// Offsets. Registers have 64 bits, and can be accessed as two DWORDs; those marked have 32.
constexpr std::uint64_t kRegisterBytes = 0x4000;
constexpr std::uint64_t kDeviceTableBase = 0x0000;
constexpr std::uint64_t kCommandBufferBase = 0x0008;
constexpr std::uint64_t kEventLogBase = 0x0010;
constexpr std::uint64_t kControl = 0x0018;
constexpr std::uint64_t kExtendedFeature = 0x0030;
constexpr std::uint64_t kMsiCapability = 0x0158;   // 32 bits
constexpr std::uint64_t kMsiAddressLow = 0x015C;   // 32 bits
constexpr std::uint64_t kMsiAddressHigh = 0x0160;  // 32 bits
constexpr std::uint64_t kMsiData = 0x0164;         // 32 bits
constexpr std::uint64_t kXtGeneralInterrupt = 0x0170;
constexpr std::uint64_t kExtendedFeature2 = 0x01A0;
constexpr std::uint64_t kCommandHead = 0x2000;
constexpr std::uint64_t kCommandTail = 0x2008;
constexpr std::uint64_t kEventHead = 0x2010;
constexpr std::uint64_t kEventTail = 0x2018;
constexpr std::uint64_t kStatus = 0x2020;

struct DeviceTableBase {
  using Base = Field<51, 12>;
  using Size = Field<8, 0>;  // (Size + 1) * 4 KiB
};
/// Of the command buffer and of the event log.
struct BufferBase {
  using Base = Field<51, 12>;
  using Length = Field<59, 56>;  // 2^Length entries; less than 2^8 are reserved
};
using BufferOffset = Field<18, 4>;  // head and tail: entries of 16 bytes
constexpr std::uint64_t kEntryBytes = 16;

struct Control {
  using IommuEn = Flag<0>;
  using EventLogEn = Flag<2>;
  using EventIntEn = Flag<3>;
  using ComWaitIntEn = Flag<4>;
  using CmdBufEn = Flag<12>;
  using GAEn = Flag<17>;                  // interrupt remapping entries have 128 bits
  using NumIntRemapMode = Field<44, 43>;  // 1: up to 2048 entries a device
  using XTEn = Flag<50>;                  // with GAEn: destinations have 32 bits
  using IntCapXTEn = Flag<51>;            // the unit's own interrupts are in the XT registers
  /// The bits that are kept; the rest reads as zero.
  static constexpr std::uint64_t kMask = IommuEn::kMask | EventLogEn::kMask | EventIntEn::kMask |
                                         ComWaitIntEn::kMask | CmdBufEn::kMask | GAEn::kMask |
                                         NumIntRemapMode::kMask | XTEn::kMask | IntCapXTEn::kMask;
};
constexpr std::uint64_t kRemapMode2048 = 1;

struct ExtendedFeature {
  using XTSup = Flag<2>;
  using IASup = Flag<6>;  // INVALIDATE_IOMMU_ALL
  using GASup = Flag<7>;
  using MsiCapMmioSup = Flag<46>;
};
struct ExtendedFeature2 {
  using NumIntRemapSup = Field<9, 8>;  // 1: up to 2048 entries a device
};

struct Status {
  using EventOverflow = Flag<0>;  // write 1 to clear, as are the next two
  using EventLogInt = Flag<1>;
  using ComWaitInt = Flag<2>;
  using EventLogRun = Flag<3>;
  using CmdBufRun = Flag<4>;
};

struct MsiCapability {
  using MsiEn = Flag<16, std::uint32_t>;
};
/// How the unit interrupts when IntCapXTEn is set.
struct XtInterrupt {
  using DestinationMode = Flag<2>;
  using DestinationLow = Field<31, 8>;
  using Vector = Field<39, 32>;
  using DestinationHigh = Field<63, 56>;
};

/// Commands, 128 bits each. What is in the low half, unless it says otherwise.
enum class CommandCode : std::uint8_t {
  CompletionWait = 1,
  InvalidateDevtabEntry = 2,
  InvalidateIommuPages = 3,
  InvalidateIotlbPages = 4,
  InvalidateInterruptTable = 5,
  InvalidateIommuAll = 8,
};
struct Command {
  using Opcode = Field<63, 60>;
};
struct CompletionWait {
  using S = Flag<0>;  // store the high half at StoreAddress
  using I = Flag<1>;  // set ComWaitInt
  using F = Flag<2>;  // flush: later commands start when this one is complete
  using StoreAddress = Field<51, 3>;
  static constexpr std::uint64_t kMask =
      S::kMask | I::kMask | F::kMask | StoreAddress::kMask | Command::Opcode::kMask;
};
/// INVALIDATE_DEVTAB_ENTRY and INVALIDATE_INTERRUPT_TABLE.
struct InvalidateDevice {
  using DeviceID = Field<15, 0>;
  static constexpr std::uint64_t kMask = DeviceID::kMask | Command::Opcode::kMask;
};

enum class EventCode : std::uint8_t {
  IllegalDevTableEntry = 1,
  IoPageFault = 2,
  DevTabHardwareError = 3,
  PageTabHardwareError = 4,
  IllegalCommandError = 5,
  CommandHardwareError = 6,
};
/// Entries of the event log: the low half; the high half is an address.
struct LogEntry {
  using DeviceID = Field<15, 0>;
  using I = Flag<51>;          // of an interrupt
  using PR = Flag<52>;         // the entry was there, and remaps
  using RZ = Flag<55>;         // a reserved bit was not zero
  using Type = Field<58, 57>;  // of hardware errors
  using Code = Field<63, 60>;
  using EntryAddress = Field<51, 4>;  // in the high half, of what could not be read or carried out
};
/// Type of hardware errors.
enum class ErrorType : std::uint8_t { Reserved, MasterAbort, TargetAbort, DataError };

}  // namespace irqfab::x86::amdvi
