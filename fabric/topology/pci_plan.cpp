#include "fabric/topology/pci_plan.hpp"

#include <algorithm>

#include "models/pci/bridge.hpp"

namespace irqfab::topology {
namespace {

constexpr std::uint64_t kConfigBytesOfBus = std::uint64_t{1} << 20;

unsigned device_number(RequesterId rid) { return (raw(rid) >> 3) & 0x1F; }

/// The functions from bus `first` to bus `last`.
RowRange rows_between(const BridgePlan& host, unsigned first, unsigned last) {
  RowRange range;
  for (const DevicePlan& device : host.devices) {
    const unsigned bus = raw(device.device->rid) >> 8;
    if (bus < first || bus > last) continue;
    if (range.count == 0) range.first = device.first_row;
    range.count += device.device->count;
  }
  return range;
}

/// Bridges in canonical order; by place in the scenario, where each has gone.
std::vector<std::size_t> sort_bridges(BridgePlan& host) {
  const auto& declared = host.bridge->bridges;
  for (const scenario::PciBridge& bridge : declared) {
    PciBridgePlan plan;
    plan.bridge = &bridge;
    host.bridges.push_back(plan);
  }
  std::sort(host.bridges.begin(), host.bridges.end(),
            [](const auto& a, const auto& b) { return a.bridge->rid < b.bridge->rid; });
  std::vector<std::size_t> bus_of(declared.size() + 1, 0);
  for (std::size_t b = 0; b < host.bridges.size(); ++b) {
    bus_of[static_cast<std::size_t>(host.bridges[b].bridge - declared.data()) + 1] = b + 1;
  }
  return bus_of;
}

}  // namespace

std::size_t place_bridges(BridgePlan& host, std::size_t group) {
  const std::vector<std::size_t> bus_of = sort_bridges(host);
  std::vector<unsigned> edges(bus_of.size(), 0);
  host.group = group++;
  for (PciBridgePlan& bridge : host.bridges) {
    bridge.bus = bus_of[bridge.bridge->behind];
    bridge.edge = ++edges[bridge.bus];
    bridge.on_secondary = rows_between(host, bridge.bridge->secondary, bridge.bridge->secondary);
    bridge.below = rows_between(host, bridge.bridge->secondary, bridge.bridge->subordinate);
    if (bridge.on_secondary.count > 0) bridge.group = group++;
  }
  std::vector<std::uint32_t> lanes(host.bridges.size() + 1, 0);
  for (DevicePlan& device : host.devices) {
    device.bus = bus_of[device.device->behind];
    device.alias = alias_on(host, device.bus);
    device.group = device.bus == 0 ? host.group : host.bridges[device.bus - 1].group;
    device.first_lane = FunctionRow{lanes[device.bus]};
    lanes[device.bus] += device.device->count;
  }
  return group;
}

unsigned intx_wire(const BridgePlan& host, std::size_t bus, RequesterId rid, unsigned pin) {
  for (; bus != 0; bus = host.bridges[bus - 1].bus) {
    pin = pci::swizzled(device_number(rid), pin);
    rid = host.bridges[bus - 1].bridge->rid;
  }
  return pci::swizzled(device_number(rid), pin);
}

std::optional<RequesterId> alias_on(const BridgePlan& host, std::size_t bus) {
  std::optional<RequesterId> alias;
  for (; bus != 0; bus = host.bridges[bus - 1].bus) {
    const scenario::PciBridge& bridge = *host.bridges[bus - 1].bridge;
    if (bridge.kind != scenario::BridgeKind::PcieToPci) continue;
    alias = RequesterId(static_cast<std::uint16_t>(bridge.secondary << 8));
  }
  return alias;
}

pci::DevicesBelow devices_on(const BridgePlan& host, std::size_t bus) {
  pci::DevicesBelow below;
  below.of_edge.push_back(0);
  for (const PciBridgePlan& bridge : host.bridges) {
    if (bridge.bus != bus) continue;
    below.of_edge.push_back(static_cast<std::uint8_t>(device_number(bridge.bridge->rid)));
  }
  if (bus > 0) below.first_row = host.bridges[bus - 1].on_secondary.first;
  for (const DevicePlan& device : host.devices) {
    if (device.bus != bus) continue;
    for (unsigned i = 0; i < device.device->count; ++i) {
      below.of_row.push_back(static_cast<std::uint8_t>(device_number(function_of(device, i).rid)));
    }
  }
  return below;
}

std::vector<pci::Route> routes_on(const BridgePlan& host, std::size_t bus) {
  std::vector<pci::Route> routes;
  for (const PciBridgePlan& plan : host.bridges) {
    if (plan.bus != bus) continue;
    const scenario::PciBridge& bridge = *plan.bridge;
    routes.push_back({window_of(host, plan.below.first),
                      plan.below.count * pci::kFunctionWindowBytes, plan.edge});
    routes.push_back({host.ecam_base + bridge.secondary * kConfigBytesOfBus,
                      (bridge.subordinate - bridge.secondary + 1) * kConfigBytesOfBus, plan.edge});
    routes.push_back({host.ecam_base + raw(bridge.rid) * pci::kConfigSpaceBytes,
                      pci::kConfigSpaceBytes, plan.edge});
  }
  return routes;
}

std::optional<BridgePlace> find_bridge(const X86Plan& plan, std::string_view id) {
  for (std::size_t b = 0; b < plan.bridges.size(); ++b) {
    for (const PciBridgePlan& bridge : plan.bridges[b].bridges) {
      if (bridge.bridge->id == id) return BridgePlace{b, bridge.bridge->rid};
    }
  }
  return std::nullopt;
}

}  // namespace irqfab::topology
