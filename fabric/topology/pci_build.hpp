// How the components of PCI are configured: bridges, and the functions on a link.
#pragma once

#include <cstddef>

#include "fabric/topology/topology.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::topology {

/// The bridge at `place` among those below a host bridge.
pci::Bridge::Config config_of_bridge(const BridgePlan& host, std::size_t place);

/// The component of the functions on one bus (as of a DevicePlan) of the host bridge with this
/// index, without any edges.
Component functions_on(const BridgePlan& host, std::size_t index, std::size_t bus,
                       x86::Quirks quirks);

/// The sources of all devices, in canonical order, and their paths: of messages and of INTx.
void add_device_sources(const X86Plan& plan, Topology& topology);

/// What functions do that have these quirks.
void give_quirks(x86::Quirks quirks, pci::PciFunctions::Config& config);

}  // namespace irqfab::topology
