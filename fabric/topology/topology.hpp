// A machine as a graph: which components exist, how they are configured, and which port is joined to
// which. Built from a scenario, checked, drawn and elaborated from; never walked per interrupt.
//
// The order of components, lanes, sources and edges is canonical: it follows from what they are (kind,
// segment, requester id, CPU index), never from the order of declaration or from names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fabric/topology/names.hpp"
#include "models/base/result.hpp"
#include "models/catalog.hpp"

namespace irqfab::topology {

struct Component {
  std::string name;
  ModelConfig config;
  Names lanes;                              // one a lane; a single lane has the name above
  std::vector<std::uint32_t> first_source;  // by lane: SourceId of its first source; empty: none
  std::uint32_t sources = 0;                // in all, from first_source[0] on
  SourceRange where;                        // of its declaration, if the scenario declares it
};

/// An edge of the graph. `from` starts bus transactions; the other kinds carry messages both ways.
struct Edge {
  std::size_t from = 0;  // index of a component
  PortId from_port{};
  std::size_t to = 0;
  PortId to_port{};
};

/// Who opens spans, by SourceId.
struct Sources {
  Names names;                      // "nvme0:3", "uart0:INTA", "nic[5]:3"
  std::vector<std::uint32_t> path;  // index into Topology::paths

  std::size_t size() const { return path.size(); }
  void add(std::string_view name, std::size_t to_path) {
    names.add(name);
    path.push_back(static_cast<std::uint32_t>(to_path));
  }
};

struct Topology {
  std::vector<Component> components;
  std::vector<Edge> edges;
  Sources sources;
  std::vector<std::string> paths;  // groups of sources: "nvme0:msix", of all functions of a row
};

/// First NodeId of each component; one more entry at the end.
std::vector<std::uint32_t> first_nodes(const Topology& topology);
/// Name of every node, by NodeId.
std::vector<std::string> node_names(const Topology& topology);
/// The first component whose configuration is a Config.
template <class Config>
const Component* find_component(const Topology& topology) {
  for (const Component& component : topology.components) {
    if (std::holds_alternative<Config>(component.config)) return &component;
  }
  return nullptr;
}
template <class Config>
std::size_t index_of(const Topology& topology) {
  return static_cast<std::size_t>(find_component<Config>(topology) - topology.components.data());
}

const PortSpec& port_spec(const Component& component, PortId port);

}  // namespace irqfab::topology
