// The machine of qemu_x86 cases as a topology: what a Q35 PC has between its functions and its
// CPUs. No workload and no operating system, but a driver that makes the accesses of the case.
#pragma once

#include "fabric/conform/case.hpp"
#include "fabric/topology/topology.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::conform {

// The physical address map.
constexpr std::uint64_t kInterruptRemappingTable = 0x200000;
constexpr std::uint64_t kQ35Memory = 0x80000000;
constexpr std::uint64_t kConfigWindow = 0xB0000000;    // of bus 0
constexpr std::uint64_t kFunctionWindow = 0xC0000000;  // the functions' registers
constexpr std::uint64_t kIoApicPage = 0xFEC00000;
constexpr std::uint64_t kVtdPage = 0xFED90000;

struct Q35 {
  topology::Topology topology;
  // Components.
  std::size_t cpus = 0, lapics = 0, ioapic = 0, functions = 0, driver = 0;
};

Q35 build_q35(const Case& test, x86::Quirks quirks);

}  // namespace irqfab::conform
