// Which of a guest's accesses concern its interrupt controllers.
//
// Models: the IOAPIC's page where KVM has it (82093AA, 3.0); IA32_APIC_BASE and the x2APIC
// registers (SDM vol. 3, 11.4.4 and 11.12.1). Not modelled: IOAPICs at another address.
#pragma once

#include <cstdint>

namespace irqfab::recording {

constexpr std::uint64_t kIoapicBase = 0xFEC00000, kIoapicBytes = 0x1000;
constexpr std::uint64_t kMsrApicBase = 0x1B, kMsrX2apicFirst = 0x800, kMsrX2apicLast = 0x8FF;

constexpr bool in_ioapic_page(std::uint64_t address) {
  return address - kIoapicBase < kIoapicBytes;
}
constexpr std::uint32_t offset_in_ioapic_page(std::uint64_t address) {
  return static_cast<std::uint32_t>(address - kIoapicBase);
}
constexpr bool is_apic_msr(std::uint64_t index) {
  return index == kMsrApicBase || (index >= kMsrX2apicFirst && index <= kMsrX2apicLast);
}

}  // namespace irqfab::recording
