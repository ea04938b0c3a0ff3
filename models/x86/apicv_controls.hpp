// What a processor was told to do by itself for a guest's local APIC, and what forbids it.
//
// Models: SDM vol. 3, 25.6 "VM-Execution Control Fields" and 27.2.1.1, for the controls of APIC
// virtualization and how they depend on each other; for inhibits, the reasons for which KVM turns
// virtualization off for a whole VM (kvm_host.h, Linux 6.18, by what they mean).
// Not modelled: inhibits for causes that do not exist here (nested guests, SEV, Hyper-V's SynIC).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace irqfab::x86 {

/// Whose virtualization of the local APIC a host uses.
enum class Virtualization : std::uint8_t {
  None,   // software does everything; the TPR shadow is left
  Apicv,  // Intel
  Avic,   // AMD
};
enum class X2avic : std::uint8_t { Absent, Present };

enum class ApicvControl : std::uint8_t {
  UseTprShadow,
  VirtualizeApicAccesses,  // of the page, in xAPIC mode
  VirtualizeX2apicMode,    // of the MSRs, in x2APIC mode
  ApicRegisterVirtualization,
  VirtualInterruptDelivery,
  ProcessPostedInterrupts,
  IpiVirtualization,
};
constexpr std::size_t kApicvControls = 7;

class ApicvControls {
 public:
  constexpr bool has(ApicvControl control) const { return (bits_ & bit(control)) != 0; }
  constexpr ApicvControls with(ApicvControl control) const {
    return ApicvControls(bits_ | bit(control));
  }
  constexpr ApicvControls without(ApicvControl control) const {
    return ApicvControls(bits_ & ~bit(control));
  }
  static constexpr ApicvControls all() { return ApicvControls((1u << kApicvControls) - 1); }
  constexpr ApicvControls() = default;
  friend constexpr bool operator==(ApicvControls a, ApicvControls b) { return a.bits_ == b.bits_; }

 private:
  constexpr explicit ApicvControls(std::uint32_t bits) : bits_(bits) {}
  static constexpr std::uint32_t bit(ApicvControl control) {
    return 1u << static_cast<unsigned>(control);
  }
  std::uint32_t bits_ = 0;
};

/// Does a VM entry with these controls succeed? All others need the TPR shadow, but for the
/// virtualization of the page; posted interrupts need virtual-interrupt delivery (SDM 27.2.1.1).
constexpr bool can_enter(ApicvControls controls) {
  const bool shadow = controls.has(ApicvControl::UseTprShadow);
  for (const ApicvControl control :
       {ApicvControl::VirtualizeX2apicMode, ApicvControl::ApicRegisterVirtualization,
        ApicvControl::VirtualInterruptDelivery, ApicvControl::IpiVirtualization}) {
    if (controls.has(control) && !shadow) return false;
  }
  return !controls.has(ApicvControl::ProcessPostedInterrupts) ||
         controls.has(ApicvControl::VirtualInterruptDelivery);
}

/// What is left of the controls while virtualization is off: software delivers.
constexpr ApicvControls without_delivery(ApicvControls controls) {
  return controls.without(ApicvControl::ApicRegisterVirtualization)
      .without(ApicvControl::VirtualInterruptDelivery)
      .without(ApicvControl::ProcessPostedInterrupts)
      .without(ApicvControl::IpiVirtualization);
}

/// Why virtualization is off for a VM.
enum class Inhibit : std::uint8_t {
  Disabled,
  Absent,
  BlockIrq,
  PhysicalIdAliased,
  ApicIdModified,
  ApicBaseModified,
  IrqWindow,
  PitReinject,
  LogicalIdAliased,
  PhysicalIdTooBig,
};
/// Does it concern both vendors' virtualization?
enum class InhibitScope : std::uint8_t { Both, AvicOnly };
struct InhibitRow {
  Inhibit inhibit;
  std::string_view name;
  InhibitScope scope;
  std::string_view meaning;
};
constexpr std::array<InhibitRow, 10> kInhibits = {{
    {Inhibit::Disabled, "disabled", InhibitScope::Both, "The host does not use it."},
    {Inhibit::Absent, "absent", InhibitScope::Both, "The VM has no local APICs in the kernel."},
    {Inhibit::BlockIrq, "blockirq", InhibitScope::Both,
     "A debugger holds interrupts back while it steps a vCPU."},
    {Inhibit::PhysicalIdAliased, "physical-id-aliased", InhibitScope::Both,
     "Two vCPUs answer to one physical APIC id."},
    {Inhibit::ApicIdModified, "apic-id-modified", InhibitScope::Both,
     "A guest in xAPIC mode wrote another APIC id than the vCPU's."},
    {Inhibit::ApicBaseModified, "apic-base-modified", InhibitScope::Both,
     "A guest moved its APIC page away from 0xFEE00000."},
    {Inhibit::IrqWindow, "irqwin", InhibitScope::AvicOnly,
     "The host waits for a window to inject an 8259's interrupt, for which AVIC has none."},
    {Inhibit::PitReinject, "pit-reinject", InhibitScope::AvicOnly,
     "The host must see the EOIs of the timer that it makes up for lost ticks."},
    {Inhibit::LogicalIdAliased, "logical-id-aliased", InhibitScope::AvicOnly,
     "A vCPU has several logical ids, or two have the same: the table holds one vCPU an entry."},
    {Inhibit::PhysicalIdTooBig, "physical-id-too-big", InhibitScope::AvicOnly,
     "A vCPU's APIC id lies outside the physical APIC ID table."},
}};
constexpr const InhibitRow& row_of(Inhibit inhibit) {
  return kInhibits[static_cast<std::size_t>(inhibit)];
}
constexpr std::optional<Inhibit> inhibit_named(std::string_view name) {
  for (const InhibitRow& row : kInhibits) {
    if (row.name == name) return row.inhibit;
  }
  return std::nullopt;
}

class Inhibits {
 public:
  constexpr bool has(Inhibit inhibit) const {
    return (bits_ >> static_cast<unsigned>(inhibit) & 1) != 0;
  }
  constexpr void add(Inhibit inhibit) { bits_ |= 1u << static_cast<unsigned>(inhibit); }
  constexpr void remove(Inhibit inhibit) { bits_ &= ~(1u << static_cast<unsigned>(inhibit)); }
  /// Is there one that concerns this vendor?
  constexpr bool forbid(Virtualization virtualization) const {
    for (const InhibitRow& row : kInhibits) {
      const bool concerns =
          row.scope == InhibitScope::Both || virtualization == Virtualization::Avic;
      if (has(row.inhibit) && concerns) return true;
    }
    return false;
  }
  friend constexpr bool operator==(Inhibits a, Inhibits b) { return a.bits_ == b.bits_; }

 private:
  std::uint32_t bits_ = 0;
};

}  // namespace irqfab::x86
