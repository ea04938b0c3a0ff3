#include "fabric/topology/topology.hpp"

namespace irqfab::topology {

std::vector<std::uint32_t> first_nodes(const Topology& topology) {
  std::vector<std::uint32_t> first;
  std::uint32_t next = 0;
  for (const Component& component : topology.components) {
    first.push_back(next);
    next += static_cast<std::uint32_t>(component.lanes.size());
  }
  first.push_back(next);
  return first;
}

std::vector<std::string> node_names(const Topology& topology) {
  std::vector<std::string> names;
  for (const Component& component : topology.components) {
    for (std::size_t lane = 0; lane < component.lanes.size(); ++lane) {
      names.emplace_back(component.lanes[lane]);
    }
  }
  return names;
}

const PortSpec& port_spec(const Component& component, PortId port) {
  return row_of(component.config).ports[spec_of(port)];
}

}  // namespace irqfab::topology
