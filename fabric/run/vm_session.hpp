// Runs of guests whose vCPUs are threads of a modelled host: with assigned devices, whose interrupts
// hardware posts, or with a VMM.
#pragma once

#include "fabric/run/session.hpp"

namespace irqfab::run {

Result<topology::Topology> vm_topology(const Prepared& prepared);
Result<std::unique_ptr<Session>> create_vm(const Prepared& prepared, RecordSink* sink);

}  // namespace irqfab::run
