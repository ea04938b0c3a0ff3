// Which accesses of a guest to its local APIC an Intel processor carries out, and which exit.
//
// Models: SDM vol. 3, chapter 30 "APIC Virtualization and Virtual Interrupts": 30.4.2 and 30.4.3
// for the APIC-access page, 30.5 for MSRs, 30.1.5 for self-IPIs, 30.1.6 for IPI virtualization. The
// MSR bitmap is the host's to fill: here it lets every access pass that the processor can carry out
// with the right result, as KVM's does. The current count, which no processor keeps in the
// virtual-APIC page, is intercepted. Not modelled: accesses of other sizes than 32 bits and on no
// 16-byte boundary, which exit.
#pragma once

#include <cstdint>

#include "models/x86/apicv_controls.hpp"

namespace irqfab::x86 {

/// What a write comes to.
enum class ApicvWrite : std::uint8_t {
  Exits,       // before anything is written: an APIC-access exit, or one of WRMSR
  Tpr,         // TPR virtualization
  Eoi,         // EOI virtualization
  SelfIpi,     // self-IPI virtualization: WRMSR 83FH
  Icr,         // the ICR, whose value decides
  Stored,      // nothing but the store
  StoredExit,  // the store, and an APIC-write exit after it
};

/// Is a read of the page at `offset` answered from the virtual-APIC page? Otherwise it exits.
bool apicv_reads_page(ApicvControls controls, std::uint32_t offset);
ApicvWrite apicv_writes_page(ApicvControls controls, std::uint32_t offset);
/// The same for the MSR of the register at `offset`, in x2APIC mode.
bool apicv_reads_msr(ApicvControls controls, std::uint32_t offset);
ApicvWrite apicv_writes_msr(ApicvControls controls, std::uint32_t offset);

/// Is ICR bits 31:0 a self-IPI that the processor carries out, on a write to offset 300H?
bool is_virtual_self_ipi(std::uint32_t icr_low);
/// Is it one for another vCPU that it carries out: fixed, edge, physical, without shorthand?
bool is_virtual_ipi(std::uint32_t icr_low);

}  // namespace irqfab::x86
