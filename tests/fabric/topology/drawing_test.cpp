#include "fabric/topology/drawing.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fabric/scenario/reader.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::topology {
namespace {

std::string machine_with(unsigned devices) {
  std::string text = "irqfab: 1\nmachine:\n  cpus: 2\n  devices:\n";
  for (unsigned d = 0; d < devices; ++d) {
    const std::string number = std::to_string(d);
    text += "    - { id: dev" + number + ", bdf: \"0" + std::to_string(1 + d / 32) + ":" +
            (d % 32 < 16 ? "0" : "1") + "0123456789abcdef"[d % 16] + ".0\", msix: 3, intx: B }\n";
  }
  return text;
}

Topology topology_of(const std::string& text) {
  const auto scenario = scenario::read(text, "test.yaml");
  if (!scenario) throw std::runtime_error(format(scenario.errors().front()));
  auto built = build_x86(*scenario, Remapping::VtdOn, {});
  if (!built) throw std::runtime_error(format(built.errors().front()));
  return std::move(built->topology);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Drawing, EveryComponentStandsInTheGroupOfItsRole) {
  const Topology topology = topology_of(machine_with(2));
  const std::string drawn = dot(topology);
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    const std::string role(name_of(irqfab::row_of(topology.components[c].config).role));
    const std::size_t group = drawn.find("subgraph cluster_" + role + ' ');
    ASSERT_NE(group, drawn.npos) << role;
    const std::string members = drawn.substr(group, drawn.find('\n', group) - group);
    EXPECT_NE(members.find(' ' + std::to_string(c) + ';'), members.npos) << members;
    EXPECT_EQ(count(drawn, "<B>" + topology.components[c].name + "</B>"), 1u);
  }
}

TEST(Drawing, EveryEdgeIsLabelledByItsKind) {
  const Topology topology = topology_of(machine_with(1));
  const std::string drawn = dot(topology);
  EXPECT_EQ(count(drawn, "->"), topology.edges.size());
  for (const Edge& edge : topology.edges) {
    const EdgeKind kind = port_spec(topology.components[edge.from], edge.from_port).kind;
    // Drawn the way the interrupt goes, which is from the controller to the CPU.
    const bool turned = kind == EdgeKind::Cpu;
    const std::string line = std::to_string(turned ? edge.to : edge.from) + "->" +
                             std::to_string(turned ? edge.from : edge.to) +
                             " [label=" + std::string(name_of(kind));
    EXPECT_NE(drawn.find(line), drawn.npos) << line;
  }
}

TEST(Drawing, DevicesAreRowsWithTheirPlaceAndInterrupts) {
  EXPECT_EQ(count(dot(topology_of(machine_with(1))), "dev0 01:00.0, 3 MSI-X, INTB<BR"), 1u);
}

TEST(Drawing, OfManyDevicesTwelveAreShown) {
  const std::string twelve = dot(topology_of(machine_with(12)));
  EXPECT_EQ(count(twelve, "dev11 "), 1u);
  EXPECT_EQ(count(twelve, "more"), 0u);
  const std::string many = dot(topology_of(machine_with(15)));
  EXPECT_EQ(count(many, "dev11 "), 1u);
  EXPECT_EQ(count(many, "dev12 "), 0u);
  EXPECT_EQ(count(many, "... 3 more<BR"), 1u);
}

TEST(Drawing, TheOrderOfDeclarationDoesNotShow) {
  const std::string a = "    - { id: a, bdf: \"01:00.0\", msix: 1 }\n";
  const std::string b = "    - { id: b, bdf: \"02:00.0\", msix: 1 }\n";
  const std::string start = "irqfab: 1\nmachine:\n  devices:\n";
  EXPECT_EQ(dot(topology_of(start + a + b)), dot(topology_of(start + b + a)));
}

TEST(Drawing, NamesCannotBreakOutOfTheirLabels) {
  Topology topology = topology_of(machine_with(1));
  topology.components[0].name = R"(a"b&c</B>\)";
  const std::string drawn = dot(topology);
  EXPECT_EQ(count(drawn, R"(<B>a&quot;b&amp;c&lt;/B&gt;\</B>)"), 1u) << drawn;
}

TEST(Drawing, GraphvizTakesIt) {
  if (std::system("command -v dot >/dev/null") != 0) GTEST_SKIP() << "there is no dot here";
  Topology topology = topology_of(machine_with(15));
  topology.components[0].name = R"(a"b&c</B>\)";
  std::FILE* graphviz = popen("dot -Tsvg >/dev/null", "w");
  ASSERT_NE(graphviz, nullptr);
  const std::string drawn = dot(topology);
  EXPECT_EQ(std::fwrite(drawn.data(), 1, drawn.size(), graphviz), drawn.size());
  EXPECT_EQ(pclose(graphviz), 0);
}

}  // namespace
}  // namespace irqfab::topology
