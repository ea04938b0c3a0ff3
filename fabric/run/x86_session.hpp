// Bare-metal x86, with and without interrupt remapping.
#pragma once

#include "fabric/run/session.hpp"

namespace irqfab::run {

Result<topology::Topology> x86_topology(const Prepared& prepared);
Result<std::unique_ptr<Session>> create_x86(const Prepared& prepared, RecordSink* sink);

}  // namespace irqfab::run
