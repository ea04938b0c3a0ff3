#include "fabric/run/prices.hpp"

#include <algorithm>

namespace irqfab::run {
namespace {

using scenario::PriceOverride;

Diagnostic refuse(const PriceOverride& own, std::string message, std::string expected) {
  return {Severity::Error, "unknown-price", own.where, std::move(message), std::move(expected), ""};
}

Result<Price> price_for(const PriceOverride& own, Event event, const Profile& profile) {
  const PriceRow* row = profile.find(event);
  PriceRow changed = row != nullptr ? *row : PriceRow{};
  changed.event = event;
  changed.latency.value = own.value;
  if (!own.in_cycles) {
    changed.latency.clock.clear();
  } else if (changed.latency.clock.empty()) {
    return refuse(own, own.event + " has no clock to count cycles of", "a duration such as 40ns");
  }
  return resolve(profile, changed);
}

/// The component or lane of that name; false if there is none.
bool locate(const std::string& name, const topology::Topology& topology, NodePrice& own) {
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    const topology::Component& component = topology.components[c];
    own.component = c;
    own.whole_component = component.name == name;
    if (own.whole_component) return true;
    for (std::uint32_t lane = 0; lane < component.lanes.size(); ++lane) {
      own.lane = LaneId{lane};
      if (component.lanes[lane] == name) return true;
    }
  }
  return false;
}

std::string component_names(const topology::Topology& topology) {
  std::string names;
  for (const topology::Component& component : topology.components) {
    names += (names.empty() ? "" : ", ") + component.name;
  }
  return names;
}

}  // namespace

Result<Prices> prices_of(const scenario::Scenario& scenario, const Profile& profile,
                         const topology::Topology& topology) {
  Prices prices;
  prices.everywhere = resolve(profile);
  for (const PriceOverride& own : scenario.prices) {
    const auto event = event_named(own.event);
    if (!event) return refuse(own, "there is no event " + own.event, "a name of 'list events'");
    if (is_instant(*event)) {
      return refuse(own, own.event + " takes no time: it is a change of state",
                    "an event that has a price, see 'list events'");
    }
    const auto price = price_for(own, *event, profile);
    if (!price) return price.errors();
    if (own.node.empty()) {
      prices.everywhere[static_cast<std::size_t>(*event)] = *price;
      continue;
    }
    NodePrice at;
    if (!locate(own.node, topology, at)) {
      return refuse(own, "this machine has no component " + own.node,
                    "a device, or one of: " + component_names(topology));
    }
    at.event = *event;
    at.price = *price;
    prices.by_node.push_back(at);
  }
  // The first that fits is taken: what names a lane is closer than what names its component.
  std::stable_partition(prices.by_node.begin(), prices.by_node.end(),
                        [](const NodePrice& own) { return !own.whole_component; });
  return prices;
}

}  // namespace irqfab::run
