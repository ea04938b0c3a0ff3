#include "fabric/topology/drawing.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>
#include <ostream>
#include <sstream>

#include "fabric/scenario/quantities.hpp"
#include "fabric/topology/markup.hpp"

namespace irqfab::topology {
namespace {

constexpr std::size_t kMostRows = 12;

/// Lanes that stand for one row of the scenario: a device's functions, or what loads them.
struct Run {
  std::size_t first = 0;
  std::size_t last = 0;
};

/// Of the lanes from `first` on, those of the same device.
Run run_from(const Component& component, std::size_t first) {
  const std::string_view device = device_in(component.lanes[first]);
  std::size_t last = first;
  while (last + 1 < component.lanes.size() && device_in(component.lanes[last + 1]) == device) {
    ++last;
  }
  return {first, last};
}

std::string device_row(const Component& component, Run run) {
  const auto& functions = std::get<pci::PciFunctions::Config>(component.config).functions;
  const pci::PciFunctions::Function& function = functions[run.first];
  std::string row(component.lanes[run.first]);
  std::string place = scenario::write_bdf(function.rid);
  if (run.last > run.first) {
    row = std::string(device_in(row)) + "[0.." + std::to_string(run.last - run.first) + ']';
    place += ".." + scenario::write_bdf(functions[run.last].rid);
  }
  row += ' ' + place;
  if (function.msix_entries > 0) row += ", " + std::to_string(function.msix_entries) + " MSI-X";
  if (function.msi) row += ", " + std::to_string(function.msi->vectors) + " MSI";
  if (function.intx) row += ", " + scenario::write_intx(static_cast<unsigned>(*function.intx));
  return row;
}

std::string lane_row(const Component& component, Run run) {
  const std::string first(component.lanes[run.first]);
  return run.last == run.first ? first : first + " .. " + std::string(component.lanes[run.last]);
}

std::string bridge_row(const pci::Bridge::Config& bridge) {
  const char* kind = bridge.kind == pci::BridgeKind::RootPort ? "root port" : "PCIe to PCI";
  return scenario::write_bdf(bridge.rid) + ", " + kind + ", buses " +
         scenario::write_bus_range({bridge.secondary, bridge.subordinate});
}

/// The rows below a component's name: its devices or its lanes, if it has several.
std::vector<std::string> rows_of(const Component& component) {
  if (const auto* bridge = std::get_if<pci::Bridge::Config>(&component.config)) {
    return {bridge_row(*bridge)};
  }
  const auto* functions = std::get_if<pci::PciFunctions::Config>(&component.config);
  const std::size_t all = functions != nullptr         ? functions->functions.size()
                          : component.lanes.size() > 1 ? component.lanes.size()
                                                       : 0;
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < all && i < component.lanes.size();) {
    const Run run = run_from(component, i);
    if (rows.size() == kMostRows) {
      rows.push_back("... " + std::to_string(all - i) + " more");
      break;
    }
    rows.push_back(functions != nullptr ? device_row(component, run) : lane_row(component, run));
    i = run.last + 1;
  }
  return rows;
}

/// A table: Graphviz cannot draw every labelled edge between records.
std::string label_of(const Component& component) {
  const std::string keyword(irqfab::row_of(component.config).keyword);
  std::string label = "<TABLE BORDER=\"0\" CELLBORDER=\"1\" CELLSPACING=\"0\"><TR><TD><B>" +
                      escaped(component.name) + "</B><BR/>" + escaped(keyword) + "</TD></TR>";
  std::string lines;
  for (const std::string& row : rows_of(component)) {
    lines += escaped(row) + "<BR ALIGN=\"LEFT\"/>";
  }
  if (!lines.empty()) label += "<TR><TD>" + lines + "</TD></TR>";
  return label + "</TABLE>";
}

const char* style_of(EdgeKind kind) {
  switch (kind) {
    case EdgeKind::Bus:
      return "solid";
    case EdgeKind::Wire:
      return "dashed";
    case EdgeKind::Cpu:
      return "bold";
    case EdgeKind::Fabric:
      break;
  }
  return "dotted";
}

/// Defaults, then a cluster a role, in the order of roles.
void write_groups(std::ostream& out, const Topology& topology) {
  out << "rankdir=LR;\n"
         "node [shape=plain, fontname=\"sans-serif\", fontsize=11];\n"
         "edge [fontname=\"sans-serif\", fontsize=9];\n";
  for (std::size_t r = 0; r < kRoleNames.size(); ++r) {
    std::string members;
    for (std::size_t c = 0; c < topology.components.size(); ++c) {
      if (irqfab::row_of(topology.components[c].config).role == static_cast<Role>(r)) {
        members += ' ' + std::to_string(c) + ';';
      }
    }
    if (members.empty()) continue;
    const std::string role(kRoleNames[r]);
    out << "subgraph cluster_" << role << " { label=\"" << role << "\"; color=gray;" << members
        << " }\n";
  }
}

Role role_of(const Component& component) { return irqfab::row_of(component.config).role; }

/// Interrupts flow from left to right: what leads back, or stays within a group and is no bus, has
/// no say in where components stand.
bool orders(const Component& from, const Component& to, EdgeKind kind) {
  return role_of(from) < role_of(to) || (role_of(from) == role_of(to) && kind == EdgeKind::Bus);
}

}  // namespace

std::string dot(const Topology& topology) {
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS,
                                      boost::no_property, EdgeKind>;
  const auto& components = topology.components;
  Graph graph(components.size());
  for (const Edge& edge : topology.edges) {
    const EdgeKind kind = port_spec(components[edge.from], edge.from_port).kind;
    // A CPU is joined to its controller, but the interrupt comes the other way.
    const bool turned = kind == EdgeKind::Cpu;
    add_edge(turned ? edge.to : edge.from, turned ? edge.from : edge.to, kind, graph);
  }
  std::ostringstream out;
  boost::write_graphviz(
      out, graph,
      [&](std::ostream& to, std::size_t component) {
        to << "[label=<" << label_of(components[component]) << ">]";
      },
      [&](std::ostream& to, const auto& edge) {
        const EdgeKind kind = graph[edge];
        to << "[label=" << name_of(kind) << ", style=" << style_of(kind);
        if (kind == EdgeKind::Cpu) to << ", dir=both";
        if (!orders(components[source(edge, graph)], components[target(edge, graph)], kind)) {
          to << ", constraint=false";
        }
        to << ']';
      },
      [&](std::ostream& to) { write_groups(to, topology); });
  return out.str();
}

}  // namespace irqfab::topology
