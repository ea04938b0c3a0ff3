#include "fabric/run/prices.hpp"

#include <algorithm>
#include <optional>
#include <utility>

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

enum class Closeness : std::uint8_t { OneLane, Device, Component };

/// What a name stands for: a lane, all functions of a device, or a component. Nothing if there is
/// none.
std::optional<Closeness> locate(const std::string& name, const topology::Topology& topology,
                                NodePrice& own) {
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    const topology::Component& component = topology.components[c];
    const auto lanes = static_cast<std::uint32_t>(component.lanes.size());
    own.component = c;
    own.first = LaneId{0};
    own.last = LaneId{lanes - 1};
    if (component.name == name) return Closeness::Component;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      const bool is_lane = component.lanes[lane] == name;
      if (!is_lane && topology::device_in(component.lanes[lane]) != name) continue;
      own.first = own.last = LaneId{lane};
      if (is_lane) return Closeness::OneLane;
      for (; lane < lanes && topology::device_in(component.lanes[lane]) == name; ++lane) {
        own.last = LaneId{lane};
      }
      return Closeness::Device;
    }
  }
  return std::nullopt;
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
  std::vector<std::pair<Closeness, NodePrice>> by_node;
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
    const auto closeness = locate(own.node, topology, at);
    if (!closeness) {
      return refuse(own, "this machine has no component " + own.node,
                    "a device, or one of: " + component_names(topology));
    }
    at.event = *event;
    at.price = *price;
    by_node.emplace_back(*closeness, at);
  }
  // The first that fits is taken: what names a lane is closer than what names its component.
  std::stable_sort(by_node.begin(), by_node.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [closeness, own] : by_node) prices.by_node.push_back(own);
  return prices;
}

}  // namespace irqfab::run
