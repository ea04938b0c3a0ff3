// What a bridge knows of the bus below it: which device sends an INTx message, and which link leads
// to an address.
//
// Models: PCI-to-PCI Bridge Architecture 1.2, 9.1 (how INTx of a device arrives at its bridge; PCI
// Express Base 2.2.8.1, table 2-17, is the same), and positional decode of what goes down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::pci {

/// The wire, 0 for INTA, that `pin` of a device drives at the bridge above.
constexpr unsigned swizzled(unsigned device, unsigned pin) { return (device + pin) % 4; }

/// Edge 0 leads to the functions on the bus itself, each other edge to a bridge below.
struct DevicesBelow {
  FunctionRow first_row{};
  std::vector<std::uint8_t> of_row;   // device number of each function, from `first_row` on
  std::vector<std::uint8_t> of_edge;  // device number of the bridge at each edge; [0] means nothing

  unsigned device(unsigned edge, std::uint32_t row) const {
    if (edge > 0) return edge < of_edge.size() ? of_edge[edge] : 0;
    const std::size_t place = row - raw(first_row);
    return row >= raw(first_row) && place < of_row.size() ? of_row[place] : 0;
  }
};

struct Route {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  unsigned edge = 0;
};

/// Of the first route that has the address; 0, the functions on the bus itself, if none has.
inline unsigned edge_to(const std::vector<Route>& routes, std::uint64_t address) {
  for (const Route& route : routes) {
    if (address - route.base < route.size) return route.edge;
  }
  return 0;
}

}  // namespace irqfab::pci
