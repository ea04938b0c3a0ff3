// Registers and queue descriptors of a VT-d remapping unit, as far as interrupt remapping uses
// them.
//
// Models: Intel VT-d specification, chapter "Register Descriptions", 6.5.2.7 "Interrupt Entry Cache
// Invalidate Descriptor", 6.5.2.8 "Invalidation Wait Descriptor", and the fault reasons of 5.1.4.1
// "Interrupt Remapping Fault Conditions".
// Not modelled: everything that only DMA remapping uses.
#pragma once

#include <cstdint>

#include "models/base/field.hpp"

namespace irqfab::x86::vtd {

// Offsets. A 64-bit register is also accessible as two DWORDs.
constexpr std::uint64_t kRegisterBytes = 0x1000;
constexpr std::uint64_t VER_REG = 0x00;
constexpr std::uint64_t CAP_REG = 0x08;   // 64 bits
constexpr std::uint64_t ECAP_REG = 0x10;  // 64 bits
constexpr std::uint64_t GCMD_REG = 0x18;
constexpr std::uint64_t GSTS_REG = 0x1C;
constexpr std::uint64_t FSTS_REG = 0x34;
constexpr std::uint64_t IQH_REG = 0x80;  // 64 bits
constexpr std::uint64_t IQT_REG = 0x88;  // 64 bits
constexpr std::uint64_t IQA_REG = 0x90;  // 64 bits
constexpr std::uint64_t ICS_REG = 0x9C;
constexpr std::uint64_t IRTA_REG = 0xB8;   // 64 bits
constexpr std::uint64_t FRCD_REG = 0x220;  // 128 bits; where CAP_REG.FRO says

using Word32 = std::uint32_t;

/// GCMD_REG commands and the GSTS_REG bits that report them: the same positions.
struct Gcmd {
  using QIE = Flag<26, Word32>;    // queued invalidation enable
  using IRE = Flag<25, Word32>;    // interrupt remapping enable
  using SIRTP = Flag<24, Word32>;  // set interrupt remapping table pointer, a one-shot
  using CFI = Flag<23, Word32>;    // compatibility format interrupts pass
};
struct Gsts {
  using QIES = Flag<26, Word32>;
  using IRES = Flag<25, Word32>;
  using IRTPS = Flag<24, Word32>;
  using CFIS = Flag<23, Word32>;
};
struct Cap {
  using NFR = Field<47, 40>;  // number of fault recording registers - 1
  using FRO = Field<33, 24>;  // their offset, in units of 16 bytes
};
struct Ecap {
  using MHMV = Field<23, 20>;  // largest index mask of a selective invalidation
  using IR = Flag<3>;
  using QI = Flag<1>;
};
struct Fsts {
  using IQE = Flag<4, Word32>;  // invalidation queue error
  using PPF = Flag<1, Word32>;  // primary pending fault: some FRCD_REG.F is set
  using PFO = Flag<0, Word32>;  // primary fault overflow
};
struct Irta {
  using IRTA = Field<63, 12>;
  using S = Field<3, 0>;  // 2^(S + 1) entries
};
struct Iqa {
  using IQA = Field<63, 12>;
  using QS = Field<2, 0>;  // 2^QS pages of 4 KiB
};
using QueueOffset = Field<18, 4>;  // QH and QT: descriptors of 128 bits
struct Ics {
  using IWC = Flag<0, Word32>;  // a wait descriptor with IF completed
};
/// FRCD_REG, bits 63:0 and 127:64.
struct Frcd {
  using InterruptIndex = Field<63, 48>;  // FI of an interrupt remapping fault
  using F = Flag<63>;
  using FR = Field<39, 32>;
  using SID = Field<15, 0>;
};

/// FR of interrupt remapping faults.
enum class FaultReason : std::uint8_t {
  RequestReserved = 0x20,       // a reserved field of the request is not zero
  IndexOutOfRange = 0x21,       // beyond the table
  NotPresent = 0x22,            // IRTE.P is clear
  TableAccess = 0x23,           // the IRTE could not be read
  IrteReserved = 0x24,          // a reserved field of a present IRTE is not zero
  CompatibilityBlocked = 0x25,  // compatibility format with CFIS clear
  SourceId = 0x26,              // the requester is not the one that the IRTE admits
};

/// 128-bit descriptors of the invalidation queue. Type is in bits 3:0 of the low half.
enum class DescriptorType : std::uint8_t {
  ContextCache = 1,
  Iotlb = 2,
  InterruptEntryCache = 4,
  Wait = 5,
};
constexpr std::uint64_t kDescriptorBytes = 16;
using DescriptorTypeField = Field<3, 0>;
struct IecDescriptor {
  using G = Flag<4>;  // 0: global, 1: the indices of IIDX and IM
  using IM = Field<31, 27>;
  using IIDX = Field<47, 32>;
  static constexpr std::uint64_t kLowMask =
      DescriptorTypeField::kMask | G::kMask | IM::kMask | IIDX::kMask;
};
struct WaitDescriptor {
  using IF = Flag<4>;  // report in ICS_REG
  using SW = Flag<5>;  // write the status
  using FN = Flag<6>;  // fence: later descriptors start when this one is complete
  using StatusData = Field<63, 32>;
  using StatusAddress = Field<63, 2>;  // in the high half, a DWORD's
  static constexpr std::uint64_t kLowMask =
      DescriptorTypeField::kMask | IF::kMask | SW::kMask | FN::kMask | StatusData::kMask;
};

}  // namespace irqfab::x86::vtd
