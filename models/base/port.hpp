// Ports of a model. An edge joins one port of one model to one port of another, and carries messages
// both ways; what travels on it is fixed by its kind.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "models/base/ids.hpp"

namespace irqfab {

enum class EdgeKind : std::uint8_t {
  Bus,     // memory transactions: MSIs, register accesses, table reads. TLM-2.0 sockets
  Wire,    // levels, with their driver
  Cpu,     // CPU lines; requests with answers; a CPU's own registers
  Fabric,  // typed messages between controllers of one family
};
constexpr std::array<std::string_view, 4> kEdgeKindNames = {"bus", "wire", "cpu", "fabric"};
constexpr std::string_view name_of(EdgeKind kind) {
  return kEdgeKindNames[static_cast<std::size_t>(kind)];
}

enum class Direction : std::uint8_t { Initiator, Target };

/// May a message overtake an older one on this edge? Posted writes may not.
enum class Order : std::uint8_t { Ordered, Unordered };

/// One port of a model's public face. A port may have several edges; `port_of(spec, edge)` names one.
struct PortSpec {
  std::string_view name;
  EdgeKind kind;
  Direction direction;
  Order order;
  unsigned min_edges;
  unsigned max_edges;
};

/// Port `spec` of a model (its index in the model's list of PortSpecs), edge `edge` of that port.
constexpr unsigned kEdgeBits = 10;
constexpr PortId port_of(unsigned spec, unsigned edge = 0) {
  return PortId((spec << kEdgeBits) | edge);
}
constexpr unsigned spec_of(PortId port) { return raw(port) >> kEdgeBits; }
constexpr unsigned edge_of(PortId port) { return raw(port) & ((1u << kEdgeBits) - 1); }

}  // namespace irqfab
