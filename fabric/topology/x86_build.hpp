// The x86 machine of a scenario as a topology, and what its firmware and operating system have
// written into it before time 0.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "fabric/topology/x86_plan.hpp"

namespace irqfab::topology {

/// Edges of the first IOAPIC's pins that no component drives: steps do.
constexpr unsigned kStepsWire = 1023;
constexpr unsigned kIsaLines = 1022;
/// The edge of the HPET.
constexpr unsigned kHpetWire = 1021;

struct X86Machine {
  Topology topology;
  X86Plan plan;
};

/// `scenario` must have been read without errors and must outlive the result. Errors: more CPUs
/// than xAPIC ids, more sources than the remapping table, MSI vectors of one message on several
/// CPUs.
Result<X86Machine> build_x86(const scenario::Scenario& scenario, Remapping remapping,
                             Mutants mutants, x86::Quirks quirks = {});

/// The component of the remapping unit of a machine that has one.
std::size_t remapping_unit(const X86Machine& machine);
/// The component of the `index`-th IOAPIC.
std::size_t ioapic_component(const Topology& topology, std::size_t index);
/// The component of the functions of a group of the plan.
std::size_t functions_component(const Topology& topology, std::size_t group);

}  // namespace irqfab::topology
