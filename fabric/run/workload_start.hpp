// The workload of a portable scenario, set going: the devices' traffic, and what is reconfigured
// under it.
#pragma once

#include "fabric/run/machine.hpp"
#include "fabric/topology/topology.hpp"

namespace irqfab::run {

/// Times of the workload count from `start`. The topology has traffic and a driver.
void start_workload(Machine& machine, const topology::Topology& topology, Time start);

}  // namespace irqfab::run
