// Named deviations of x86 controllers from their specification, as implementations have them. A
// controller follows the specification unless its Config names a quirk; nothing deviates silently.
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
};

struct QuirkRow {
  Quirk quirk;
  std::string_view name;
  std::string_view meaning;
};
constexpr std::array<QuirkRow, 13> kQuirks = {{
    {Quirk::LowestPriorityByHash, "lowest-priority-by-hash",
     "Lowest priority takes the (vector mod number of destination bits)-th LAPIC; priorities do "
     "not "
     "count, and a physical broadcast goes to all (KVM)."},
    {Quirk::IllegalVectorAccepted, "illegal-vector-accepted",
     "Vectors 0-15 are sent and set in the IRR without an error; their class is never deliverable "
     "(KVM, QEMU)."},
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
}};

/// The quirks that are switched on. Empty: the specification.
class Quirks {
 public:
  constexpr bool has(Quirk quirk) const { return (bits_ >> static_cast<unsigned>(quirk)) & 1; }
  constexpr void add(Quirk quirk) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(quirk); }
  friend constexpr bool operator==(Quirks a, Quirks b) { return a.bits_ == b.bits_; }

 private:
  std::uint64_t bits_ = 0;
};

/// Those that the in-kernel irqchip of KVM was seen to have.
constexpr Quirks quirks_of_kvm() {
  Quirks quirks;
  for (const Quirk quirk :
       {Quirk::LowestPriorityByHash, Quirk::IllegalVectorAccepted, Quirk::MessageLevelIgnored,
        Quirk::ReservedModeAccepted, Quirk::SmiIgnored, Quirk::ExtIntMessageIgnored,
        Quirk::ReservedMsrBitsIgnored, Quirk::WideIdInXapicMode, Quirk::Lint0ResetsToExtInt,
        Quirk::PicEdgeLatched, Quirk::PicCascadePulsed, Quirk::PicReadyAtReset}) {
    quirks.add(quirk);
  }
  return quirks;
}

constexpr std::optional<Quirk> quirk_named(std::string_view name) {
  for (const QuirkRow& row : kQuirks) {
    if (row.name == name) return row.quirk;
  }
  return std::nullopt;
}

}  // namespace irqfab::x86
