// The prices of a run: the profile's, and what the scenario overrides by name.
#pragma once

#include <vector>

#include "fabric/run/machine.hpp"

namespace irqfab::run {

struct Prices {
  PriceList everywhere{};
  std::vector<NodePrice> by_node;
};

/// Errors: an override that names no component, or cycles of an event whose row has no clock.
Result<Prices> prices_of(const scenario::Scenario& scenario, const Profile& profile,
                         const topology::Topology& topology);

}  // namespace irqfab::run
