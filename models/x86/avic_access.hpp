// Which accesses of a guest to its local APIC an AMD processor with AVIC carries out.
//
// Models: APM vol. 2, 15.29.3.1 "Virtual APIC Register Accesses" with table 15-22, and the exit
// information of AVIC_INCOMPLETE_IPI (15.29.9.1) and AVIC_NOACCEL (15.29.9.2). In x2APIC mode the
// host lets those MSRs pass that exist and that the processor keeps right; KVM intercepts the
// timer's entry, because TSC-deadline mode is not the processor's, and SELF IPI.
// Not modelled: the extended register space (400H and up), which faults; offsets below it that the
// table does not name, CMCI's among them, which are memory of the page and fault here; invalid
// backing pages.
#pragma once

#include <cstdint>

#include "models/base/ids.hpp"

namespace irqfab::x86 {

enum class AvicAccess : std::uint8_t {
  Allowed,      // of the backing page, with no effect
  Accelerated,  // the processor does what the local APIC would do
  Trap,         // exits after it
  Fault,        // exits instead
};
AvicAccess avic_read(std::uint32_t offset);
/// An accelerated EOI traps all the same if the interrupt that it ends is level-triggered.
AvicAccess avic_write(std::uint32_t offset);
/// Does the host leave the MSR of the register at `offset` to x2AVIC?
bool x2avic_passes(std::uint32_t offset);

/// EXITINFO1 of AVIC_NOACCEL: the register, and whether it was to be written.
struct AvicNoAccel {
  static constexpr std::uint64_t kOffsets = 0xFF0;
  static constexpr std::uint64_t kWrite = std::uint64_t{1} << 32;
};

/// EXITINFO2 bits 63:32 of AVIC_INCOMPLETE_IPI.
enum class IncompleteIpi : std::uint32_t {
  InvalidInterruptType = 0,  // not fixed, or level-triggered
  TargetNotRunning = 1,      // all IRR bits are set; somebody has to be woken
  InvalidTarget = 2,         // an entry of the tables is not valid; nobody has got anything
  InvalidBackingPage = 3,
  InvalidVector = 4,  // 0-15
};
/// EXITINFO2: the cause, and an index into the physical or the logical APIC ID table.
constexpr std::uint64_t incomplete_ipi(IncompleteIpi cause, std::uint32_t index) {
  return std::uint64_t{static_cast<std::uint32_t>(cause)} << 32 | index;
}
constexpr IncompleteIpi cause_of(std::uint64_t exit_info_2) {
  return static_cast<IncompleteIpi>(exit_info_2 >> 32);
}

}  // namespace irqfab::x86
