// The names of an AMD-Vi unit's registers in scenarios: those of the specification (48882, "IOMMU
// MMIO Registers"), shortened.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace irqfab::scenario {

struct AmdviRegister {
  std::string_view name;
  std::uint64_t offset;
  unsigned bytes;
};
constexpr std::array<AmdviRegister, 16> kAmdviRegisters = {{
    {"DevTabBase", 0x00, 8},
    {"ComBase", 0x08, 8},
    {"EventBase", 0x10, 8},
    {"Control", 0x18, 8},
    {"ExtFeature", 0x30, 8},
    {"MsiCapability", 0x158, 4},
    {"MsiAddressLow", 0x15C, 4},
    {"MsiAddressHigh", 0x160, 4},
    {"MsiData", 0x164, 4},
    {"XtInterrupt", 0x170, 8},
    {"ExtFeature2", 0x1A0, 8},
    {"CmdHeadPtr", 0x2000, 8},
    {"CmdTailPtr", 0x2008, 8},
    {"EventHeadPtr", 0x2010, 8},
    {"EventTailPtr", 0x2018, 8},
    {"Status", 0x2020, 8},
}};

/// Codes of the event log that the unit writes; the place is the code.
constexpr std::array<std::string_view, 7> kAmdviEvents = {"none",
                                                          "illegal-dev-table-entry",
                                                          "io-page-fault",
                                                          "dev-tab-hardware-error",
                                                          "page-tab-hardware-error",
                                                          "illegal-command-error",
                                                          "command-hardware-error"};

}  // namespace irqfab::scenario
