// Named deviations of x86 controllers, and of the functions on such machines, from their
// specification, as implementations have them. A controller follows the specification unless its
// Config names a quirk; nothing deviates silently.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace irqfab::x86 {

enum class Quirk : std::uint8_t {
  LowestPriorityByHash,
  IllegalVectorAccepted,
  MessageLevelIgnored,
  PicEdgeLatched,
  PicCascadePulsed,
  PicReadyAtReset,
  ReservedModeAccepted,
  SmiIgnored,
  ExtIntMessageIgnored,
  ReservedMsrBitsIgnored,
  WideIdInXapicMode,
  Lint0ResetsToExtInt,
  ExtendedDestinationId,
  IpiTriggerMode,
  LowIpiDropped,
  InitLatched,
  DisablingKeepsState,
  PprStaleAfterRestore,
  TprLowBitsLost,
  EoiNeedsScan,
  RemoteIrrOnAcceptance,
  MaskedEdgeKept,
  DisabledLapicAccepts,
  LowestPriorityFirst,
  RedirectionHintIgnored,
  LogicalBroadcastByBits,
  EsrUnlatched,
  PinRepeatIsEdge,
  PinLevelByMode,
  RteReservedBitsKept,
  CompatibilityFormatPasses,
  RemapFaultsUnrecorded,
  IntxForgotten,
  PendingBitsKept,
  DestinationMap,
  StartUpMessageAccepted,
  TimerRunsOn,
  ExtIntMessageFixed,
  IllegalVectorDelivered,
  LapicBitsKept,
  AprReadsZero,
  LapicOffsetRounded,
  PageHeadSends,
  LowMessageLost,
  IdsByReset,
  TriggerModeAlways,
  EoiRegisterWide,
  CompatibilityUnreported,
  IndexWraps,
  IrteReservedIgnored,
  BusRangeReversed,
  IoapicUnverified,
  VtdBitsKept,
  VectorControlKept,
  EsrUnused,
  StatusBitsKept,
};

struct QuirkRow {
  Quirk quirk;
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<QuirkRow, 56> kQuirks = {{
    {Quirk::LowestPriorityByHash, "lowest-priority-by-hash",
     "Lowest priority takes the (vector mod number of destination bits)-th LAPIC; priorities do "
     "not count. A physical broadcast is a fixed interrupt, and goes to all (KVM)."},
    {Quirk::IllegalVectorAccepted, "illegal-vector-accepted",
     "Vectors 0-15 are sent and set in the IRR without an error (KVM, QEMU); their class is never "
     "deliverable."},
    {Quirk::MessageLevelIgnored, "message-level-ignored",
     "A level-triggered message that reports a low input still asserts the interrupt (KVM, QEMU)."},
    {Quirk::PicEdgeLatched, "pic-edge-latched",
     "An edge stays in the 8259's IRR when its line falls, and a change of trigger mode leaves the "
     "IRR as it is (KVM, QEMU)."},
    {Quirk::PicCascadePulsed, "pic-cascade-pulsed",
     "The slave 8259 has no line to the master: its request is latched in the master's IRR, and "
     "stays there when it is withdrawn (KVM)."},
    {Quirk::PicReadyAtReset, "pic-ready-at-reset",
     "An 8259 that was never initialized delivers, unmasked and from vector 0 (KVM)."},
    {Quirk::ReservedModeAccepted, "reserved-mode-accepted",
     "A message of the reserved delivery mode 3 counts as accepted, and does nothing (KVM)."},
    {Quirk::SmiIgnored, "smi-ignored", "An SMI message reaches nobody (KVM without SMM)."},
    {Quirk::ExtIntMessageIgnored, "extint-message-ignored",
     "A message of the ExtINT delivery mode reaches nobody; the 8259s are asked through LINT0 only "
     "(KVM)."},
    {Quirk::ReservedMsrBitsIgnored, "reserved-msr-bits-ignored",
     "WRMSR ignores reserved bits 31:0 of x2APIC registers, but for ESR, ICR and SELF IPI (KVM)."},
    {Quirk::WideIdInXapicMode, "wide-id-in-xapic-mode",
     "A LAPIC in xAPIC mode whose id has more than 8 bits is reached by all of them, too (KVM)."},
    {Quirk::Lint0ResetsToExtInt, "lint0-resets-to-extint",
     "LINT0 of the bootstrap processor comes out of reset unmasked, as ExtINT (KVM)."},
    {Quirk::ExtendedDestinationId, "extended-destination-id",
     "Address bits 11:5 of a message hold bits 14:8 of the destination (KVM, QEMU, Xen, Hyper-V)."},
    {Quirk::IpiTriggerMode, "ipi-trigger-mode",
     "An IPI is level-triggered if its ICR says so, and sets the TMR (KVM, QEMU)."},
    {Quirk::LowIpiDropped, "low-ipi-dropped",
     "A level-triggered IPI whose ICR says low is not accepted (KVM)."},
    {Quirk::InitLatched, "init-latched",
     "INIT and SIPI wait until the vCPU looks at them; its LAPIC goes on meanwhile, and a SIPI "
     "counts as accepted whatever the vCPU does (KVM)."},
    {Quirk::DisablingKeepsState, "disabling-keeps-state",
     "A host that disables a LAPIC through IA32_APIC_BASE leaves its registers alone (KVM)."},
    {Quirk::PprStaleAfterRestore, "ppr-stale-after-restore",
     "The PPR that a host reads after it replaced the ISR is that of the old ISR, until something "
     "computes it again (KVM)."},
    {Quirk::TprLowBitsLost, "tpr-low-bits-lost",
     "Running a vCPU clears bits 3:0 of its TPR, which CR8 does not have (KVM)."},
    {Quirk::EoiNeedsScan, "eoi-needs-scan",
     "An EOI reaches the IOAPIC only if the vCPU has run since the redirection entry was written "
     "(KVM)."},
    {Quirk::RemoteIrrOnAcceptance, "remote-irr-on-acceptance",
     "A level interrupt sets Remote IRR only if some LAPIC accepted it, or if all were asked and "
     "none was meant; so does any delivery mode with the trigger mode bit (KVM)."},
    {Quirk::MaskedEdgeKept, "masked-edge-kept",
     "A masked edge is kept while its line is high, and sent when a host unmasks it (KVM)."},
    {Quirk::DisabledLapicAccepts, "disabled-lapic-accepts",
     "A LAPIC that software has disabled sets IRR bits, and delivers nothing until it is enabled "
     "(QEMU)."},
    {Quirk::LowestPriorityFirst, "lowest-priority-first",
     "Lowest priority takes the first CPU of the destination; priorities do not count (QEMU)."},
    {Quirk::RedirectionHintIgnored, "redirection-hint-ignored",
     "The redirection hint of a message means nothing (QEMU)."},
    {Quirk::LogicalBroadcastByBits, "logical-broadcast-by-bits",
     "The logical destination 0xFF is matched like any other (QEMU)."},
    {Quirk::EsrUnlatched, "esr-unlatched",
     "ESR shows errors at once, and a write does not clear it; no error interrupts (QEMU)."},
    {Quirk::PinRepeatIsEdge, "pin-repeat-is-edge",
     "Driving an edge input high that is high already is another edge (QEMU)."},
    {Quirk::PinLevelByMode, "pin-level-by-mode",
     "An IOAPIC knows a line's level only from calls while the entry is level-sensitive: a change "
     "to it forgets a line that is high, a change from it sends one (QEMU)."},
    {Quirk::RteReservedBitsKept, "rte-reserved-bits-kept",
     "Reserved bits of a redirection entry can be written and read (QEMU)."},
    {Quirk::CompatibilityFormatPasses, "compatibility-format-passes",
     "A remapping unit passes compatibility format messages, CFI or not (QEMU 7.2)."},
    {Quirk::RemapFaultsUnrecorded, "remap-faults-unrecorded",
     "A remapping unit blocks requests without recording a fault (QEMU 7.2)."},
    {Quirk::IntxForgotten, "intx-forgotten",
     "Enabling MSI or MSI-X ends the INTx that a function asserts, its Interrupt Status too; "
     "disabling it does not bring that back (QEMU)."},
    {Quirk::PendingBitsKept, "pending-bits-kept",
     "Disabling MSI or MSI-X keeps pending bits; they are sent when it is enabled again (QEMU)."},
    {Quirk::DestinationMap, "destination-map",
     "Destinations are looked up in a map with one LAPIC for each id and logical bit; if LAPICs "
     "share one, or understand logical destinations differently, all are asked, and one that names "
     "nobody is an error (KVM)."},
    {Quirk::StartUpMessageAccepted, "start-up-message-accepted",
     "A device's message of the reserved delivery mode 6 is a SIPI (KVM)."},
    {Quirk::TimerRunsOn, "timer-runs-on",
     "A change of the timer between one-shot and periodic does not disarm it (KVM, QEMU)."},
    {Quirk::ExtIntMessageFixed, "extint-message-fixed",
     "A message of the ExtINT delivery mode sets the IRR bit of its vector; an IOAPIC puts 7 "
     "there, which idle 8259s answer (QEMU)."},
    {Quirk::IllegalVectorDelivered, "illegal-vector-delivered",
     "While the PPR is 0 the vectors 1-15 are delivered, one after the other (QEMU)."},
    {Quirk::LapicBitsKept, "lapic-bits-kept",
     "Reserved and read-only bits of the ICR and of the local vector table can be written and "
     "read, and a LAPIC that software disables masks nothing (QEMU)."},
    {Quirk::AprReadsZero, "apr-reads-zero", "The arbitration priority register reads 0 (QEMU)."},
    {Quirk::LapicOffsetRounded, "lapic-offset-rounded",
     "An access anywhere in the 16 bytes of a LAPIC's register reaches it (QEMU)."},
    {Quirk::PageHeadSends, "page-head-sends",
     "A CPU's store to the first 16 bytes of its LAPIC's page is an interrupt message (QEMU)."},
    {Quirk::LowMessageLost, "low-message-lost",
     "A message to destination 0 whose address has other bits than 0 in 11:4 is taken for an "
     "access to a register, and lost, unless a remapping unit forwards it (QEMU)."},
    {Quirk::IdsByReset, "ids-by-reset",
     "Shorthands go by the id that a LAPIC had at reset; of several with one physical id one is "
     "reached: that which had it at reset, or the first (QEMU)."},
    {Quirk::TriggerModeAlways, "trigger-mode-always",
     "The trigger mode of a redirection entry counts with SMI, NMI, INIT and ExtINT, too: they set "
     "Remote IRR (QEMU)."},
    {Quirk::EoiRegisterWide, "eoi-register-wide",
     "A value above 0xFF in an IOAPIC's EOI register ends nothing (QEMU)."},
    {Quirk::CompatibilityUnreported, "compatibility-unreported",
     "GSTS_REG.CFIS stays 0 (QEMU 7.2)."},
    {Quirk::IndexWraps, "index-wraps", "A handle and its subhandle are added modulo 65536 (QEMU)."},
    {Quirk::IrteReservedIgnored, "irte-reserved-ignored",
     "The bits around an 8-bit destination, and IM, may have any value in an IRTE (QEMU)."},
    {Quirk::BusRangeReversed, "bus-range-reversed",
     "An IRTE that admits a range of buses has the last one in SID bits 15:8 (QEMU)."},
    {Quirk::IoapicUnverified, "ioapic-unverified",
     "A remapping unit does not verify the source of an IOAPIC's requests (QEMU)."},
    {Quirk::VtdBitsKept, "vtd-bits-kept",
     "IRTA_REG.EIME without extended interrupt mode, and the upper half of IEDATA_REG, can be "
     "written and read (QEMU)."},
    {Quirk::VectorControlKept, "vector-control-kept",
     "Reserved bits of an MSI-X entry's Vector Control can be written and read (QEMU)."},
    {Quirk::EsrUnused, "esr-unused",
     "No error is recorded in the ESR, and a write leaves it as it is (KVM)."},
    {Quirk::StatusBitsKept, "status-bits-kept",
     "Software can write SVR bit 9, and delivery status and Remote IRR of local vector table "
     "entries "
     "(KVM)."},
}};

/// The quirks that are switched on. Empty: the specification.
class Quirks {
 public:
  constexpr bool has(Quirk quirk) const { return (bits_ >> static_cast<unsigned>(quirk)) & 1; }
  constexpr void add(Quirk quirk) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(quirk); }
  constexpr void remove(Quirk quirk) {
    bits_ &= ~(std::uint64_t{1} << static_cast<unsigned>(quirk));
  }
  friend constexpr bool operator==(Quirks a, Quirks b) { return a.bits_ == b.bits_; }

 private:
  std::uint64_t bits_ = 0;
};

template <std::size_t N>
constexpr Quirks quirks_in(const std::array<Quirk, N>& list) {
  Quirks quirks;
  for (const Quirk quirk : list) quirks.add(quirk);
  return quirks;
}

/// Those that the in-kernel irqchip of KVM was seen to have (Linux 6.18).
constexpr std::array kQuirksOfKvm = {
    Quirk::LowestPriorityByHash,
    Quirk::IllegalVectorAccepted,
    Quirk::MessageLevelIgnored,
    Quirk::ReservedModeAccepted,
    Quirk::SmiIgnored,
    Quirk::ExtIntMessageIgnored,
    Quirk::ReservedMsrBitsIgnored,
    Quirk::WideIdInXapicMode,
    Quirk::Lint0ResetsToExtInt,
    Quirk::PicEdgeLatched,
    Quirk::PicCascadePulsed,
    Quirk::PicReadyAtReset,
    Quirk::IpiTriggerMode,
    Quirk::LowIpiDropped,
    Quirk::InitLatched,
    Quirk::DisablingKeepsState,
    Quirk::PprStaleAfterRestore,
    Quirk::TprLowBitsLost,
    Quirk::EoiNeedsScan,
    Quirk::RemoteIrrOnAcceptance,
    Quirk::MaskedEdgeKept,
    Quirk::DestinationMap,
    Quirk::StartUpMessageAccepted,
    Quirk::TimerRunsOn,
    Quirk::EsrUnused,
    Quirk::StatusBitsKept,
};
constexpr Quirks quirks_of_kvm() { return quirks_in(kQuirksOfKvm); }

/// Those of QEMU's own models (7.2, no accelerator's irqchip).
constexpr std::array kQuirksOfQemu = {
    Quirk::IllegalVectorAccepted,
    Quirk::MessageLevelIgnored,
    Quirk::PicEdgeLatched,
    Quirk::IpiTriggerMode,
    Quirk::DisabledLapicAccepts,
    Quirk::LowestPriorityFirst,
    Quirk::RedirectionHintIgnored,
    Quirk::LogicalBroadcastByBits,
    Quirk::EsrUnlatched,
    Quirk::PinRepeatIsEdge,
    Quirk::PinLevelByMode,
    Quirk::RteReservedBitsKept,
    Quirk::CompatibilityFormatPasses,
    Quirk::RemapFaultsUnrecorded,
    Quirk::IntxForgotten,
    Quirk::PendingBitsKept,
    Quirk::TimerRunsOn,
    Quirk::ExtIntMessageFixed,
    Quirk::IllegalVectorDelivered,
    Quirk::LapicBitsKept,
    Quirk::AprReadsZero,
    Quirk::LapicOffsetRounded,
    Quirk::PageHeadSends,
    Quirk::LowMessageLost,
    Quirk::IdsByReset,
    Quirk::TriggerModeAlways,
    Quirk::EoiRegisterWide,
    Quirk::CompatibilityUnreported,
    Quirk::IndexWraps,
    Quirk::IrteReservedIgnored,
    Quirk::BusRangeReversed,
    Quirk::IoapicUnverified,
    Quirk::VtdBitsKept,
    Quirk::VectorControlKept,
};
constexpr Quirks quirks_of_qemu() { return quirks_in(kQuirksOfQemu); }

/// Whose quirks a machine has.
enum class Behaviour : std::uint8_t { Spec, Kvm, Qemu };
struct BehaviourRow {
  Behaviour behaviour;
  std::string_view name;
  std::string_view meaning;
  Quirks quirks;
};
constexpr std::array<BehaviourRow, 3> kBehaviours = {{
    {Behaviour::Spec, "spec", "everything follows its specification", Quirks{}},
    {Behaviour::Kvm, "kvm", "the in-kernel irqchip of KVM (Linux 6.18)", quirks_of_kvm()},
    {Behaviour::Qemu, "qemu", "QEMU's own models (7.2)", quirks_of_qemu()},
}};
constexpr const BehaviourRow& row_of(Behaviour behaviour) {
  return kBehaviours[static_cast<std::size_t>(behaviour)];
}
constexpr std::optional<Behaviour> behaviour_named(std::string_view name) {
  for (const BehaviourRow& row : kBehaviours) {
    if (row.name == name) return row.behaviour;
  }
  return std::nullopt;
}

constexpr std::optional<Quirk> quirk_named(std::string_view name) {
  for (const QuirkRow& row : kQuirks) {
    if (row.name == name) return row.quirk;
  }
  return std::nullopt;
}

/// A behaviour, or one with single quirks added: "qemu", "spec+illegal-vector-accepted".
constexpr std::optional<Quirks> quirks_of(std::string_view text) {
  const std::size_t end = text.find('+');
  const std::optional<Behaviour> base = behaviour_named(text.substr(0, end));
  if (!base) return std::nullopt;
  Quirks quirks = row_of(*base).quirks;
  std::size_t at = end;
  while (at != std::string_view::npos) {
    const std::size_t next = text.find('+', at + 1);
    const std::size_t size = next == std::string_view::npos ? next : next - at - 1;
    const std::optional<Quirk> quirk = quirk_named(text.substr(at + 1, size));
    if (!quirk) return std::nullopt;
    quirks.add(*quirk);
    at = next;
  }
  return quirks;
}

}  // namespace irqfab::x86
