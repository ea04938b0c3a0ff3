// A device with a `count` is the same machine as its functions written out one by one; only names
// and paths differ.
#include <gtest/gtest.h>

#include <string>

#include "fabric/topology/checks.hpp"
#include "fabric/topology/drawing.hpp"
#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

constexpr unsigned kFunctions = 300;  // over a bus and a half

/// `count: 300`, or three hundred rows; their sources in the rows of `affinity` and `workload`.
std::string machine_of(bool counted) {
  std::string devices, spread, loads;
  if (counted) {
    devices = "        - { id: nic, bdf: \"01:00.3\", count: 300, msix: 3, intx: B }\n";
    spread = "  nic:1..2: spread\n  nic[7]:0: 2\n";
    loads =
        "  - { source: nic:0, poisson: 10us, for: 1ms }\n"
        "  - { source: \"nic[10..19]\", periodic: 5us, for: 1ms }\n";
  }
  for (unsigned i = 0; !counted && i < kFunctions; ++i) {
    const std::string id = "n" + std::to_string(i);
    const auto rid = RequesterId(static_cast<std::uint16_t>(0x0103 + i));
    devices += "        - { id: " + id + ", bdf: \"" + scenario::write_bdf(rid) +
               "\", msix: 3, intx: B }\n";
    const unsigned first = 2 * i;
    spread += "  " + id + ":1..2: [ " + std::to_string(first % 4) + ", " +
              std::to_string((first + 1) % 4) + " ]\n";
    // What no row places is spread from CPU 0 on, before and behind nic[7] on its own.
    const unsigned place = i < 7 ? i : i - 8;
    spread += "  " + id + ":0: " + std::to_string(i == 7 ? 2 : place % 4) + '\n';
    spread += "  " + id + ":INTB: " + std::to_string((i < 7 ? i : i == 7 ? 0 : i - 8) % 4) + '\n';
    loads += "  - { source: " + id + ":0, poisson: 10us, for: 1ms }\n";
    if (i >= 10 && i < 20) loads += "  - { source: " + id + ", periodic: 5us, for: 1ms }\n";
  }
  return "irqfab: 1\nmachine:\n  cpus: 4\n  host_bridges:\n    - id: hb0\n      devices:\n"
         "        - { id: before, bdf: \"01:00.0\", msix: 2 }\n" +
         devices +
         "        - { id: behind, bdf: \"03:00.0\", msix: 2 }\n"
         "    - id: hb1\n      devices:\n        - { id: other, bdf: \"01:00.0\", msix: 1 }\n"
         "affinity:\n" +
         spread + "handlers: { before: 2us }\nworkload:\n" + loads;
}

struct Built : test::Built {
  explicit Built(const std::string& text, Remapping remapping = Remapping::VtdOn)
      : test::Built(text, remapping) {}
  template <class Config>
  const Config& config() const {
    return std::get<Config>(find_component<Config>(machine.topology)->config);
  }
};

TEST(Count, FunctionsTakeThePlacesOfRowsThatAreWrittenOut) {
  const Built one(machine_of(true));
  const Built many(machine_of(false));
  const auto& a = one.config<pci::PciFunctions::Config>().functions;
  const auto& b = many.config<pci::PciFunctions::Config>().functions;
  ASSERT_EQ(a.size(), kFunctions + 2);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].rid, b[i].rid) << i;
    EXPECT_EQ(a[i].msix_entries, b[i].msix_entries) << i;
    EXPECT_EQ(a[i].intx, b[i].intx) << i;
  }
  EXPECT_EQ(one.config<pci::HostBridge::Config>().below.of_row,
            many.config<pci::HostBridge::Config>().below.of_row);
}

TEST(Count, SourcesGetTheCpusAndVectorsOfRowsThatAreWrittenOut) {
  const Built one(machine_of(true));
  const Built many(machine_of(false));
  ASSERT_EQ(one.machine.plan.slots.size(), many.machine.plan.slots.size());
  for (std::size_t i = 0; i < one.machine.plan.slots.size(); ++i) {
    const Slot a = one.machine.plan.slots[i];
    const Slot b = many.machine.plan.slots[i];
    EXPECT_EQ(a.cpu, b.cpu) << one.machine.topology.sources.names[i];
    EXPECT_EQ(a.vector, b.vector) << one.machine.topology.sources.names[i];
  }
  const auto& a = one.config<cpu::Cpus::Config>();
  const auto& b = many.config<cpu::Cpus::Config>();
  ASSERT_EQ(a.sources.size(), b.sources.size());
  for (std::size_t i = 0; i < a.sources.size(); ++i) {
    EXPECT_EQ(a.sources[i].device_register, b.sources[i].device_register) << i;
    EXPECT_EQ(a.sources[i].vector_control, b.sources[i].vector_control) << i;
    EXPECT_EQ(a.sources[i].program, b.sources[i].program) << i;
  }
}

TEST(Count, StreamsDrawTheNumbersOfRowsThatAreWrittenOut) {
  const Built one(machine_of(true));
  const Built many(machine_of(false));
  const auto& a = one.config<pci::Traffic::Config>().generators;
  const auto& b = many.config<pci::Traffic::Config>().generators;
  ASSERT_EQ(a.size(), kFunctions + 10 * 3);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].source, b[i].source) << i;
    EXPECT_EQ(a[i].pattern, b[i].pattern) << i;
    EXPECT_EQ(a[i].stream, b[i].stream) << i;
    EXPECT_EQ(a[i].raise.row, b[i].raise.row) << i;
    EXPECT_EQ(a[i].raise.vector, b[i].raise.vector) << i;
  }
}

TEST(Count, LanesAndSourcesAreNamedAfterTheirFunction) {
  const Built one(machine_of(true));
  const Topology& topology = one.machine.topology;
  const Component* functions = find_component<pci::PciFunctions::Config>(topology);
  EXPECT_EQ(functions->lanes[0], "before");
  EXPECT_EQ(functions->lanes[1], "nic[0]");
  EXPECT_EQ(functions->lanes[kFunctions], "nic[299]");
  EXPECT_EQ(functions->lanes[kFunctions + 1], "behind");
  EXPECT_EQ(topology.sources.names[2], "nic[0]:0");
  EXPECT_EQ(topology.sources.names[2 + 4 * 299 + 3], "nic[299]:INTB");
  for (std::size_t lane = 0; lane < functions->lanes.size(); ++lane) {
    const std::uint32_t first = functions->first_source[lane];
    EXPECT_EQ(topology.sources.names[first], std::string(functions->lanes[lane]) + ":0");
  }
}

TEST(Count, TheFunctionsOfARowShareItsPaths) {
  const Built one(machine_of(true));
  const Topology& topology = one.machine.topology;
  EXPECT_EQ(std::vector<std::string>(topology.paths.begin(), topology.paths.begin() + 5),
            (std::vector<std::string>{"before:msix", "nic:msix", "nic:INTB", "behind:msix",
                                      "other:msix"}));
  EXPECT_EQ(topology.sources.path[2 + 4 * 299], 1u);
  EXPECT_EQ(topology.sources.path[2 + 4 * 299 + 3], 2u);
}

TEST(Count, ADrawingHasOneLineForARow) {
  const Built one(machine_of(true));
  const std::string drawn = dot(one.machine.topology);
  EXPECT_NE(drawn.find("nic[0..299] 01:00.3..02:05.6, 3 MSI-X, INTB<BR"), drawn.npos);
  EXPECT_EQ(drawn.find("more<BR"), drawn.npos) << drawn;
}

TEST(Count, ChecksFindNothingAndTellOfARowOnce) {
  Built one(machine_of(true), Remapping::Off);
  std::vector<std::string> codes;
  for (const Diagnostic& found : check(one.machine.topology, one.machine.plan, one.scenario)) {
    EXPECT_EQ(found.severity, Severity::Note) << found.message;
    codes.push_back(found.code);
  }
  EXPECT_EQ(codes, (std::vector<std::string>{"shared-vectors", "same-message", "idle-device",
                                             "idle-device", "idle-device"}));
  auto& edges = one.machine.topology.edges;
  edges.erase(std::remove_if(edges.begin(), edges.end(),
                             [](const Edge& e) { return e.from_port == pci::PciFunctions::kLink; }),
              edges.end());
  std::size_t unreachable = 0;
  for (const Diagnostic& found : check(one.machine.topology, one.machine.plan, one.scenario)) {
    if (found.code == "unreachable-cpu" && found.message.find("'nic'") != std::string::npos) {
      ++unreachable;
    }
  }
  EXPECT_EQ(unreachable, 2u) << "its messages, its INTx";
}

// ---- many host bridges ----

TEST(Count, TheWindowsOfHostBridgesAndSegmentsAreApart) {
  std::string text = "irqfab: 1\nmachine:\n  host_bridges:\n";
  for (unsigned b = 0; b < 40; ++b) {
    const std::string n = std::to_string(b);
    const std::string segment = std::to_string(b * 1680);  // up to 65520
    text += "    - { id: hb" + n + ", segment: " + segment + ", devices: [ { id: nic" + n +
            ", bdf: \"00:00.0\", count: 2000, msix: 1 } ] }\n";
  }
  const Built built(text, Remapping::Off);
  for (const Diagnostic& found :
       check(built.machine.topology, built.machine.plan, built.scenario)) {
    EXPECT_EQ(found.severity, Severity::Note) << found.message;
  }
}

TEST(Count, MoreHostBridgesThanTheBusHasEdgesAreRefused) {
  std::string text = "irqfab: 1\nmachine:\n  host_bridges:\n";
  for (unsigned b = 0; b < 1001; ++b) text += "    - { id: hb" + std::to_string(b) + " }\n";
  const auto scenario = scenario::read(text, "test.yaml");
  ASSERT_TRUE(scenario);
  const auto built = build_x86(*scenario, Remapping::Off, {});
  ASSERT_FALSE(built);
  EXPECT_EQ(built.errors().front().code, "too-many-bridges");
}

}  // namespace
}  // namespace irqfab::topology
