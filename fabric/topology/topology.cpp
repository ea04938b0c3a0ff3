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
    names.insert(names.end(), component.lanes.begin(), component.lanes.end());
  }
  return names;
}

const PortSpec& port_spec(const Component& component, PortId port) {
  return row_of(component.config).ports[spec_of(port)];
}

}  // namespace irqfab::topology
