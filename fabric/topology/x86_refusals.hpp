// Scenarios that nobody can build an x86 machine from, told at the key that is wrong. Before the
// plan and after it: neither looks at the graph, so both are cheap for a million functions.
#pragma once

#include <optional>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_build.hpp"
#include "models/base/result.hpp"

namespace irqfab::topology {

/// What can be said before there is a plan: sizes of the machine, its timers.
std::optional<Diagnostic> refuse_machine(const scenario::Scenario& scenario, Remapping remapping);

/// What the plan shows: more than buses and tables hold, INTx at pins that do not exist, boards
/// with 8259s and MSI that are asked for what they cannot do. Empty: it can be built.
Diagnostics refuse_plan(const scenario::Scenario& scenario, const X86Plan& plan);

}  // namespace irqfab::topology
