#include "fabric/topology/drawing.hpp"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/graphviz.hpp>
#include <ostream>
#include <sstream>

namespace irqfab::topology {
namespace {

constexpr std::size_t kMostRows = 12;

/// Text inside an HTML-like label.
std::string in_label(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string hex(unsigned value, unsigned digits) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text(digits, '0');
  for (unsigned i = digits; i-- > 0; value >>= 4) text[i] = kDigits[value & 0xF];
  return text;
}

std::string device_row(const std::string& name, const pci::PciFunctions::Function& function) {
  const unsigned rid = raw(function.rid);
  std::string row =
      name + ' ' + hex(rid >> 8, 2) + ':' + hex((rid >> 3) & 0x1F, 2) + '.' + hex(rid & 7, 1);
  if (function.msix_entries > 0) row += ", " + std::to_string(function.msix_entries) + " MSI-X";
  if (function.intx)
    row += std::string(", INT") + static_cast<char>('A' + static_cast<int>(*function.intx));
  return row;
}

/// The rows below a component's name: its devices or its lanes, if it has several.
std::vector<std::string> rows_of(const Component& component) {
  const auto* functions = std::get_if<pci::PciFunctions::Config>(&component.config);
  const std::size_t all = functions != nullptr         ? functions->functions.size()
                          : component.lanes.size() > 1 ? component.lanes.size()
                                                       : 0;
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < all && i < component.lanes.size(); ++i) {
    if (i == kMostRows) {
      rows.push_back("... " + std::to_string(all - kMostRows) + " more");
      break;
    }
    rows.push_back(functions != nullptr ? device_row(component.lanes[i], functions->functions[i])
                                        : component.lanes[i]);
  }
  return rows;
}

/// A table: Graphviz cannot draw every labelled edge between records.
std::string label_of(const Component& component) {
  const std::string keyword(irqfab::row_of(component.config).keyword);
  std::string label = "<TABLE BORDER=\"0\" CELLBORDER=\"1\" CELLSPACING=\"0\"><TR><TD><B>" +
                      in_label(component.name) + "</B><BR/>" + in_label(keyword) + "</TD></TR>";
  std::string lines;
  for (const std::string& row : rows_of(component)) {
    lines += in_label(row) + "<BR ALIGN=\"LEFT\"/>";
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
