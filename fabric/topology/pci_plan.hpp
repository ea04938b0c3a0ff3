// What lies between a device and its host bridge: bridges, the way of INTx through them,
// requester-id aliases, and routes down. Rows behind a bridge follow each other, because buses
// behind it do.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fabric/topology/x86_plan.hpp"
#include "models/pci/below.hpp"

namespace irqfab::topology {

/// Fills in `bridges` of a plan, and where its devices are among them. Rows have been given out.
/// Every link has a component of functions of its own, a full link holds up no other: they are
/// numbered from `group` on. The number after the last.
std::size_t place_bridges(BridgePlan& host, std::size_t group);

/// The INTx wire, 0 for INTA, at which the pin of a function on `bus` arrives at the host bridge.
unsigned intx_wire(const BridgePlan& host, std::size_t bus, RequesterId rid, unsigned pin);

/// Under which requester id the messages of a device on `bus` arrive, if not under their own.
std::optional<RequesterId> alias_on(const BridgePlan& host, std::size_t bus);

/// Bridges on `bus`, by the edge that leads to each; the first entry means nothing.
pci::DevicesBelow devices_on(const BridgePlan& host, std::size_t bus);
std::vector<pci::Route> routes_on(const BridgePlan& host, std::size_t bus);

/// A bridge below a host bridge, by its id; its requester id and host bridge.
struct BridgePlace {
  std::size_t host = 0;
  RequesterId rid{};
};
std::optional<BridgePlace> find_bridge(const X86Plan& plan, std::string_view id);

}  // namespace irqfab::topology
