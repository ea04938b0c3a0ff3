// MSI in the plan: the vectors of a function are one aligned block on one CPU, because they differ
// in the low bits of one message (PCI 3.0, 6.8.1.6). Behind a remapping unit each has an entry of
// its own, and goes where that says.
#pragma once

#include <optional>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_plan.hpp"

namespace irqfab::topology {

/// The vectors of a function of the device share one message, so they stay together.
bool is_block(const X86Plan& plan, const DevicePlan& device);

/// An aligned block of `vectors` (a power of 2, up to 32) on `cpu`: its first slot.
Slot take_block(X86Plan& plan, CpuId cpu, unsigned vectors);
/// Vector `index` of a block.
constexpr Slot slot_in(Slot block, unsigned index) {
  return {block.cpu, Vector(static_cast<std::uint8_t>(raw(block.vector) + index))};
}

/// The CPU that each block goes to: that of its function's vector 0. Slots have their CPUs.
void give_block(X86Plan& plan, const FunctionPlan& function);

/// Message Address and Message Data of a function's capability. Its vectors go to `block` and the
/// slots behind it; behind a remapping unit, to their entries.
pci::MsixEntry msi_message_for(const X86Plan& plan, const FunctionPlan& function, Slot block);

/// What the scenario wants of MSI and cannot have: vectors of one message on different CPUs,
/// handlers that mask them.
std::optional<Diagnostic> refuse_msi(const scenario::Scenario& scenario, const X86Plan& plan);
/// The same for one reconfiguration.
std::optional<Diagnostic> refuse_change(const scenario::Change& change, const X86Plan& plan);

}  // namespace irqfab::topology
