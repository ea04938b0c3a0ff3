// Runs of guests with assigned devices, whose interrupts hardware posts to their vCPUs.
#pragma once

#include "fabric/run/session.hpp"

namespace irqfab::run {

Result<topology::Topology> vm_topology(const Prepared& prepared);
Result<std::unique_ptr<Session>> create_vm(const Prepared& prepared, RecordSink* sink);

}  // namespace irqfab::run
