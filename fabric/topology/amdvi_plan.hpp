// AMD-Vi in the plan: a device table, and a table of interrupts for each DeviceID with an index for
// each source.
//
// Entries have 32 bits, so that software moves an interrupt by one write. Functions that arrive
// under one requester id, behind a bridge that gives them its own or behind bridges of different
// segments, share its table. What an IOAPIC sends has its redirection entry's vector for an index,
// because an EOI finds the entry by that vector: the remapped interrupt keeps it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/base/result.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::topology {

// Of the physical address map, below kMemoryBytes.
constexpr std::uint64_t kAmdDeviceTable = 0x200000;  // 2 MiB
constexpr std::uint64_t kAmdEventLog = 0x500000;
constexpr std::uint64_t kAmdInterruptTables = 0x1000000;
constexpr std::uint64_t kAmdEntryBytes = 4;

/// The base registers of a unit with all devices, the command buffer at kRemapQueue, and 256
/// events: offset and value.
std::array<std::pair<std::uint64_t, std::uint64_t>, 3> amdvi_bases();
/// The Control register that then enables it, with entries of 32 bits, up to 2048 a device. The
/// unit's own interrupts are off.
std::uint64_t amdvi_control();

/// Gives every source its index. Slots and pins have theirs.
void give_amdvi_indices(X86Plan& plan);

/// A slot for a pin of the IOAPIC: its vector is no other pin's there.
Slot take_pin_slot(X86Plan& plan, std::size_t ioapic, CpuId cpu);

/// The message of a source: an index.
pci::MsixEntry amdvi_message_for(const X86Plan& plan, std::uint32_t source);

/// Address and contents of the entry that sends a requester's interrupt to `slot`.
std::uint64_t amdvi_entry_at(const X86Plan& plan, RequesterId requester, std::uint32_t index);
std::uint32_t amdvi_entry_for(Slot slot, x86::TriggerMode trigger);

/// More indices than a table has entries.
std::optional<Diagnostic> refuse_amdvi(const scenario::Scenario& scenario, const X86Plan& plan);

}  // namespace irqfab::topology
