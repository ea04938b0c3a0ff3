// A scenario written out with every default filled in. What comes out reads back as the same
// scenario.
#pragma once

#include <string>

#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// The whole file. Defaults that depend on the command line or on the fabric stand in comments.
std::string fill(const Scenario& scenario);

}  // namespace irqfab::scenario
