// Do two scenarios say the same, wherever their files say it?
#pragma once

#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// Everything but places and the name of the file.
bool same(const Scenario& a, const Scenario& b);

}  // namespace irqfab::scenario
