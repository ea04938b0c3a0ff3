// Checks that need no more than the graph: ports and edges, and whether interrupts reach a CPU.
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <map>
#include <vector>

#include "fabric/topology/findings.hpp"

namespace irqfab::topology {
namespace {

std::string name_of_port(const Component& component, PortId port) {
  return '\'' + component.name + '.' + std::string(port_spec(component, port).name) + '\'';
}

std::string edges(unsigned count) { return counted(count, "edge"); }

/// An end of an edge that does not exist.
void report_loose_end(const Topology& topology, std::size_t component, PortId port,
                      Findings& findings) {
  if (component >= topology.components.size()) {
    findings.error(
        "no-such-component", {},
        "an edge ends at component " + std::to_string(component) + ", which does not exist",
        "a component below " + std::to_string(topology.components.size()));
    return;
  }
  const Component& at = topology.components[component];
  const ModelRow& model = row_of(at.config);
  if (spec_of(port) < model.port_count) return;
  findings.error("no-such-port", at.where,
                 "an edge ends at port " + std::to_string(spec_of(port)) + " of '" + at.name +
                     "', which a " + std::string(model.keyword) + " does not have",
                 "one of its " + counted(model.port_count, "port"));
}

void check_edge(const Topology& topology, const Edge& edge, Findings& findings) {
  const Component& from = topology.components[edge.from];
  const Component& to = topology.components[edge.to];
  const PortSpec& out = port_spec(from, edge.from_port);
  const PortSpec& in = port_spec(to, edge.to_port);
  if (out.kind != in.kind) {
    findings.error("edge-kind", from.where,
                   name_of_port(from, edge.from_port) + " is a " + std::string(name_of(out.kind)) +
                       " port and " + name_of_port(to, edge.to_port) + " a " +
                       std::string(name_of(in.kind)) + " port",
                   "two ports of one kind");
  }
  if (out.direction != Direction::Initiator || in.direction != Direction::Target) {
    findings.error("edge-direction", from.where,
                   "the edge from " + name_of_port(from, edge.from_port) + " to " +
                       name_of_port(to, edge.to_port) +
                       " does not lead from an initiator to a target",
                   "an initiator first, a target second");
  }
}

/// How many edges each port has, and which of its edges are taken.
class PortUse {
 public:
  explicit PortUse(const Topology& topology) : topology_(topology) {}

  void take(std::size_t component, PortId port, Findings& findings) {
    ++count_[{component, spec_of(port)}];
    if (++taken_[{component, port}] != 2) return;
    const Component& at = topology_.components[component];
    findings.error("edge-taken", at.where,
                   "edge " + std::to_string(edge_of(port)) + " of " + name_of_port(at, port) +
                       " is joined twice",
                   "each edge of a port joined once");
  }

  void check(Findings& findings) const {
    for (std::size_t c = 0; c < topology_.components.size(); ++c) {
      const ModelRow& model = row_of(topology_.components[c].config);
      for (unsigned p = 0; p < model.port_count; ++p) check_port(c, p, findings);
    }
  }

 private:
  void check_port(std::size_t component, unsigned port, Findings& findings) const {
    const Component& at = topology_.components[component];
    const PortSpec& spec = row_of(at.config).ports[port];
    const auto found = count_.find({component, port});
    const unsigned count = found == count_.end() ? 0 : found->second;
    if (count < spec.min_edges) {
      findings.error("unbound-port", at.where,
                     name_of_port(at, port_of(port)) + " has " + edges(count),
                     "at least " + edges(spec.min_edges));
    }
    if (count > spec.max_edges) {
      findings.error("too-many-edges", at.where,
                     name_of_port(at, port_of(port)) + " has " + edges(count),
                     "at most " + edges(spec.max_edges));
    }
  }

  const Topology& topology_;
  std::map<std::pair<std::size_t, unsigned>, unsigned> count_;
  std::map<std::pair<std::size_t, PortId>, unsigned> taken_;
};

// ---- ways of interrupts -------------------------------------------------------------------------

constexpr std::size_t kKinds = kEdgeKindNames.size();

/// Functions and bridges pass messages on as messages and wires as wires; a controller turns
/// whatever reaches it into what its outputs carry.
bool keeps_kind(const Component& component) {
  return std::holds_alternative<pci::PciFunctions::Config>(component.config) ||
         std::holds_alternative<pci::Bridge::Config>(component.config) ||
         std::holds_alternative<pci::HostBridge::Config>(component.config);
}

/// Where an interrupt may come from on its way to a CPU, followed backwards from all CPUs. A vertex
/// is an interrupt at a component in the form of a kind of edge.
class WaysBack {
 public:
  explicit WaysBack(const Topology& topology)
      : graph_(topology.components.size() * kKinds + 1), reached_(num_vertices(graph_), false) {
    const std::size_t all_cpus = topology.components.size() * kKinds;
    for (std::size_t c = 0; c < topology.components.size(); ++c) {
      if (row_of(topology.components[c].config).role != Role::Cpu) continue;
      for (const EdgeKind kind : {EdgeKind::Bus, EdgeKind::Wire, EdgeKind::Cpu, EdgeKind::Fabric}) {
        add_edge(all_cpus, vertex(c, kind), graph_);
      }
    }
    for (const Edge& edge : topology.edges) add(topology, edge);
    boost::breadth_first_search(graph_, all_cpus, boost::visitor(Mark(reached_)));
  }

  bool lead_from(std::size_t component, EdgeKind kind) const {
    return reached_[vertex(component, kind)];
  }

 private:
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;

  struct Mark : boost::default_bfs_visitor {
    explicit Mark(std::vector<bool>& marks) : reached(&marks) {}
    void discover_vertex(std::size_t vertex, const Graph&) const { (*reached)[vertex] = true; }
    std::vector<bool>* reached;
  };

  static std::size_t vertex(std::size_t component, EdgeKind kind) {
    return component * kKinds + static_cast<std::size_t>(kind);
  }

  void add(const Topology& topology, const Edge& edge) {
    if (!is_joined(topology, edge)) return;
    const EdgeKind kind = port_spec(topology.components[edge.from], edge.from_port).kind;
    const auto& target = topology.components[edge.to].config;
    // Registers are accessed over the system bus; no interrupt travels there.
    if (std::holds_alternative<mem::SystemBus::Config>(target)) return;
    // A CPU asks its controller; the interrupt comes the other way.
    const std::size_t from = kind == EdgeKind::Cpu ? edge.to : edge.from;
    const std::size_t to = kind == EdgeKind::Cpu ? edge.from : edge.to;
    for (std::size_t k = 0; k < kKinds; ++k) {
      const auto arrived = static_cast<EdgeKind>(k);
      if (keeps_kind(topology.components[from]) && arrived != kind) continue;
      add_edge(vertex(to, kind), vertex(from, arrived), graph_);
    }
  }

  Graph graph_;
  std::vector<bool> reached_;
};

std::map<std::string, SourceRange, std::less<>> places_of_devices(
    const scenario::Scenario& scenario) {
  std::map<std::string, SourceRange, std::less<>> places;
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    for (const scenario::Device& device : bridge.devices) places[device.id] = device.where;
  }
  return places;
}

/// Functions of one device are told about once: they are equal.
void check_functions(const Component& component, bool messages_arrive, bool wires_arrive,
                     const std::map<std::string, SourceRange, std::less<>>& places,
                     Findings& findings) {
  if (messages_arrive && wires_arrive) return;
  const auto& functions = std::get<pci::PciFunctions::Config>(component.config).functions;
  std::string_view last;
  for (std::size_t f = 0; f < functions.size() && f < component.lanes.size(); ++f) {
    const std::string_view device = device_in(component.lanes[f]);
    if (device == last) continue;
    last = device;
    const auto place = places.find(device);
    const SourceRange where = place != places.end() ? place->second : component.where;
    const std::string name = '\'' + std::string(device) + '\'';
    if (functions[f].message_sources() > 0 && !messages_arrive) {
      findings.error("unreachable-cpu", where, "the messages of " + name + " reach no CPU",
                     "a way over its host bridge and an interrupt controller");
    }
    if (functions[f].intx && !wires_arrive) {
      findings.error("unreachable-cpu", where, "the INTx of " + name + " reaches no CPU",
                     "a way over the pins of an interrupt controller");
    }
  }
}

}  // namespace

bool is_joined(const Topology& topology, const Edge& edge) {
  const auto exists = [&](std::size_t component, PortId port) {
    return component < topology.components.size() &&
           spec_of(port) < row_of(topology.components[component].config).port_count;
  };
  return exists(edge.from, edge.from_port) && exists(edge.to, edge.to_port);
}

void check_ports(const Topology& topology, Findings& findings) {
  PortUse use(topology);
  for (const Edge& edge : topology.edges) {
    if (!is_joined(topology, edge)) {
      report_loose_end(topology, edge.from, edge.from_port, findings);
      report_loose_end(topology, edge.to, edge.to_port, findings);
      continue;
    }
    check_edge(topology, edge, findings);
    use.take(edge.from, edge.from_port, findings);
    use.take(edge.to, edge.to_port, findings);
  }
  use.check(findings);
}

void check_reach(const Topology& topology, const scenario::Scenario& scenario, Findings& findings) {
  const WaysBack ways(topology);
  const auto places = places_of_devices(scenario);
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    const Component& component = topology.components[c];
    if (component.sources == 0) continue;
    if (std::holds_alternative<pci::PciFunctions::Config>(component.config)) {
      check_functions(component, ways.lead_from(c, EdgeKind::Bus),
                      ways.lead_from(c, EdgeKind::Wire), places, findings);
    } else if (!ways.lead_from(c, EdgeKind::Bus)) {  // it opens spans as messages
      findings.error("unreachable-cpu", component.where,
                     "interrupts of '" + component.name + "' reach no CPU",
                     "a way to the CPUs over its edges");
    }
  }
}

}  // namespace irqfab::topology
