// What is wrong with a machine before anything runs: ports, edges and ways of interrupts in any
// topology; addresses, ids and messages of the x86 plan.
//
// Errors are machines that cannot work as they stand, notes are what a reader of the results should
// know. Findings about something that the scenario declares stand at its place in the file.
#pragma once

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/base/result.hpp"

namespace irqfab::topology {

/// What holds on any fabric: every edge joins two fitting ports, no port has too few or too many,
/// and from every source an interrupt can reach a CPU. `topology` may be broken in any way.
Diagnostics check_graph(const Topology& topology, const scenario::Scenario& scenario);

/// The same, and for x86: decode windows, ids within their tables, vectors and messages that
/// sources share, devices that nothing uses. `plan` is the one that `topology` was built from.
Diagnostics check(const Topology& topology, const X86Plan& plan,
                  const scenario::Scenario& scenario);

}  // namespace irqfab::topology
