// The workload of a scenario, as generators.
#pragma once

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/pci/traffic.hpp"

namespace irqfab::topology {

/// One generator a source and row, in canonical order: by source, then by what the row asks.
pci::Traffic::Config traffic_of(const scenario::Scenario& scenario, const X86Plan& plan);

/// When the last row of the workload ends; 0 without workload.
Time end_of_workload(const scenario::Scenario& scenario);

}  // namespace irqfab::topology
