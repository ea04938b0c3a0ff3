// Registers and queue descriptors of a VT-d remapping unit, as far as interrupt remapping and
// posting use them.
//
// Models: Intel VT-d specification, chapter "Register Descriptions", 6.5.2.7 "Interrupt Entry Cache
// Invalidate Descriptor", 6.5.2.8 "Invalidation Wait Descriptor", and the fault reasons of 5.1.4.1
// "Interrupt Remapping Fault Conditions".
// Not modelled: everything that only DMA remapping uses, among it scalable mode (ECAP_REG.SMTS), so
// that descriptors have 128 bits and IQA_REG.DW is reserved.
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
constexpr std::uint64_t FECTL_REG = 0x38;  // of the fault event; its message in the next three
constexpr std::uint64_t FEDATA_REG = 0x3C;
constexpr std::uint64_t FEADDR_REG = 0x40;
constexpr std::uint64_t FEUADDR_REG = 0x44;
constexpr std::uint64_t IQH_REG = 0x80;  // 64 bits
constexpr std::uint64_t IQT_REG = 0x88;  // 64 bits
constexpr std::uint64_t IQA_REG = 0x90;  // 64 bits
constexpr std::uint64_t ICS_REG = 0x9C;
constexpr std::uint64_t IECTL_REG = 0xA0;  // of the invalidation event, as of the fault event
constexpr std::uint64_t IEDATA_REG = 0xA4;
constexpr std::uint64_t IEADDR_REG = 0xA8;
constexpr std::uint64_t IEUADDR_REG = 0xAC;
constexpr std::uint64_t IQERCD_REG = 0xB0;  // 64 bits
constexpr std::uint64_t IRTA_REG = 0xB8;    // 64 bits
constexpr std::uint64_t FRCD_REG = 0x220;   // the first of 128 bits each; where CAP_REG.FRO says
constexpr std::uint64_t kFaultRecordBytes = 16;

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
  using PI = Flag<59>;        // interrupts are posted
  using NFR = Field<47, 40>;  // number of fault recording registers - 1
  using FRO = Field<33, 24>;  // their offset, in units of 16 bytes
};
struct Ecap {
  using MHMV = Field<23, 20>;  // largest index mask of a selective invalidation
  using EIM = Flag<4>;         // extended interrupt mode
  using IR = Flag<3>;
  using QI = Flag<1>;
};
struct Fsts {
  using FRI = Field<15, 8, Word32>;  // the record that set PPF
  using IQE = Flag<4, Word32>;       // invalidation queue error
  using PPF = Flag<1, Word32>;       // primary pending fault: some FRCD_REG.F is set
  using PFO = Flag<0, Word32>;       // primary fault overflow
};
/// FECTL_REG and IECTL_REG.
struct EventControl {
  using IM = Flag<31, Word32>;  // interrupt mask
  using IP = Flag<30, Word32>;  // interrupt pending
};
using EventData = Field<15, 0, Word32>;
using EventAddress = Field<31, 2, Word32>;
struct Irta {
  using IRTA = Field<63, 12>;
  using EIME = Flag<11>;  // extended interrupt mode enable
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

using Iqei = Field<3, 0>;  // of IQERCD_REG: a QueueError

/// FR of interrupt remapping faults.
enum class FaultReason : std::uint8_t {
  RequestReserved = 0x20,       // a reserved field of the request is not zero
  IndexOutOfRange = 0x21,       // beyond the table
  NotPresent = 0x22,            // IRTE.P is clear
  TableAccess = 0x23,           // the IRTE could not be read
  IrteReserved = 0x24,          // a reserved field of a present IRTE is not zero
  CompatibilityBlocked = 0x25,  // compatibility format with CFIS clear
  SourceId = 0x26,              // the requester is not the one that the IRTE admits
  DescriptorAccess = 0x27,      // the posted-interrupt descriptor could not be updated
};

/// IQERCD_REG.IQEI: why the invalidation queue stopped.
enum class QueueError : std::uint8_t {
  None,
  InvalidTail,      // beyond the end of the queue
  DescriptorFetch,  // the descriptor could not be read
  InvalidType,
  ReservedField,
};

/// 128-bit descriptors of the invalidation queue. The type is in bits 11:9 and 3:0 of the low half.
enum class DescriptorType : std::uint8_t {
  ContextCache = 1,
  Iotlb = 2,
  InterruptEntryCache = 4,
  Wait = 5,
};
constexpr std::uint64_t kDescriptorBytes = 16;
using DescriptorTypeField = Field<3, 0>;
using DescriptorTypeHigh = Field<11, 9>;
constexpr DescriptorType type_of_descriptor(std::uint64_t low) {
  return static_cast<DescriptorType>(DescriptorTypeHigh::get(low) << DescriptorTypeField::kWidth |
                                     DescriptorTypeField::get(low));
}
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
