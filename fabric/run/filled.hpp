// A scenario with those defaults filled in that depend on the machine it makes.
#pragma once

#include "fabric/run/session.hpp"

namespace irqfab::run {

/// The prepared scenario with every key of its `host` that means something on its path. Unchanged
/// if its machine has no host, or cannot be built.
scenario::Scenario with_host(const Prepared& prepared);

}  // namespace irqfab::run
