// What the plan makes of bridges and MSI: blocks of vectors, aliases, wires, windows; and what it
// refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fabric/topology/checks.hpp"
#include "fabric/topology/drawing.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "fabric/topology/pci_plan.hpp"
#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

struct Built : test::Built {
  explicit Built(const std::string& text, Remapping remapping = Remapping::Off)
      : test::Built(text, remapping) {}
};

constexpr const char* kTree = R"(irqfab: 1
machine:
  cpus: 4
  host_bridges:
    - id: hb0
      devices:
        - { id: low, bdf: "00:03.0", msix: 1 }
        - { id: high, bdf: "20:00.0", msix: 1 }
      bridges:
        - id: rp0
          bdf: "00:1d.0"
          secondary: "01"
          devices: [ { id: a, bdf: "01:00.0", count: 3, msi: 4, intx: B } ]
          bridges:
            - id: br0
              bdf: "01:02.0"
              secondary: "05"
              kind: pcie-pci-bridge
              devices: [ { id: b, bdf: "05:07.0", msi: 1, intx: A } ]
        - id: rp1
          bdf: "00:1c.0"
          secondary: "08"
          devices: [ { id: c, bdf: "08:00.0", msix: 2 } ]
)";

FunctionPlan function(const X86Plan& plan, const char* name) { return *plan.find_function(name); }

Diagnostic refused(const std::string& text, Remapping remapping = Remapping::Off) {
  const auto scenario = scenario::read(text, "test.yaml");
  if (!scenario) return scenario.errors().front();
  const auto machine = build_x86(*scenario, remapping, Mutants{});
  return machine ? Diagnostic{} : machine.errors().front();
}

std::string one_device(const std::string& device, const std::string& rest) {
  return "irqfab: 1\nmachine: { cpus: 4, devices: [ " + device + " ] }\n" + rest;
}

TEST(PciPlan, AMachineWithBridgesIsSound) {
  for (const Remapping remapping : {Remapping::Off, Remapping::VtdOn}) {
    const Built built(kTree, remapping);
    for (const Diagnostic& d : check(built.machine.topology, built.machine.plan, built.scenario)) {
      EXPECT_EQ(d.severity, Severity::Note) << d.message;
    }
  }
}

TEST(PciPlan, MsiVectorsAreAnAlignedBlockOnOneCpu) {
  const Built built(one_device(R"({ id: d, bdf: "00:01.0", count: 3, msi: 8 },
                                  { id: one, bdf: "00:02.0", msi: 1 })",
                               "affinity: { d: [ 2 ], one: 2 }\n"));
  const X86Plan& plan = built.machine.plan;
  unsigned last = 0;
  for (unsigned f = 0; f < 3; ++f) {
    const FunctionPlan d = function_of(*plan.find("d"), f);
    const unsigned first = raw(plan.slot_of(d, 0).vector);
    EXPECT_EQ(first % 8, 0u);
    EXPECT_GE(first, std::max(last, kFirstVector));
    for (unsigned v = 0; v < 8; ++v) {
      EXPECT_EQ(plan.slot_of(d, v).cpu, CpuId{2});
      EXPECT_EQ(raw(plan.slot_of(d, v).vector), first + v);
    }
    last = first + 8;
  }
  EXPECT_EQ(raw(plan.slot_of(function(plan, "one"), 0).vector), last);
}

TEST(PciPlan, ABlockNeverReachesBeyondTheLastVector) {
  X86Plan plan;
  plan.next_vector = {0};
  for (unsigned i = 0; i < 20; ++i) {
    const Slot block = take_block(plan, CpuId{0}, 32);
    EXPECT_EQ(raw(block.vector) % 32, 0);
    EXPECT_GE(raw(block.vector), kFirstVector);
    EXPECT_LE(raw(block.vector) + 31u, kLastVector);
  }
}

TEST(PciPlan, FunctionsOfOneDeviceAreSpreadAsAWhole) {
  const Built built(
      one_device(R"({ id: d, bdf: "00:01.0", count: 6, msi: 2 })", "affinity: { d: spread }\n"));
  const X86Plan& plan = built.machine.plan;
  for (unsigned f = 0; f < 6; ++f) {
    const FunctionPlan d = function_of(*plan.find("d"), f);
    for (unsigned v = 0; v < 2; ++v) EXPECT_EQ(plan.slot_of(d, v).cpu, CpuId{f % 4});
  }
}

TEST(PciPlan, BehindARemappingUnitEachVectorGoesWhereItsEntrySays) {
  const Built built(one_device(R"({ id: d, bdf: "00:01.0", msi: 4 })", "affinity: { d: spread }\n"),
                    Remapping::VtdOn);
  const X86Plan& plan = built.machine.plan;
  const FunctionPlan d = function(plan, "d");
  for (unsigned v = 0; v < 4; ++v) EXPECT_EQ(plan.slot_of(d, v).cpu, CpuId{v});
  const pci::MsixEntry message = msi_message_for(plan, d, plan.slot_of(d, 0));
  EXPECT_EQ(message.data, 0u);
  EXPECT_EQ(message.address, 0xFEE00018u) << "remappable, with a subhandle, handle 0";
}

TEST(PciPlan, BehindAPciBridgeTheRequesterIsItsSecondaryBus) {
  const Built built(kTree);
  const X86Plan& plan = built.machine.plan;
  EXPECT_EQ(function(plan, "b").requester, RequesterId{0x0500});
  EXPECT_EQ(function(plan, "b").rid, RequesterId{0x0538});
  EXPECT_EQ(function(plan, "a[2]").requester, RequesterId{0x0102});
  EXPECT_EQ(function(plan, "low").requester, RequesterId{0x0018});
}

TEST(PciPlan, IntxTurnsAtEveryBridge) {
  const Built built(kTree);
  const BridgePlan& host = built.machine.plan.bridges[0];
  const auto wire = [&](const char* name, unsigned pin) {
    const FunctionPlan f = function(built.machine.plan, name);
    return intx_wire(host, f.bus, f.rid, pin);
  };
  EXPECT_EQ(wire("low", 0), 3u);
  EXPECT_EQ(wire("a[0]", 1), (0u + 1 + 0x1D) % 4);
  EXPECT_EQ(wire("b", 0), (7u + 2 + 0x1D) % 4);
}

TEST(PciPlan, EveryLinkHasAComponentAndItsRowsFollowEachOther) {
  const Built built(kTree);
  const X86Plan& plan = built.machine.plan;
  EXPECT_EQ(plan.groups, 4u);
  EXPECT_EQ(raw(function(plan, "low").row), 0u);
  EXPECT_EQ(raw(function(plan, "high").row), 1u);
  EXPECT_EQ(raw(function(plan, "a[0]").row), 2u);
  EXPECT_EQ(raw(function(plan, "b").row), 5u);
  EXPECT_EQ(raw(function(plan, "c").row), 6u);
  EXPECT_EQ(raw(function(plan, "a[2]").lane), 2u);
  EXPECT_EQ(raw(function(plan, "b").lane), 0u);
  for (const char* name : {"low", "a[1]", "b", "c"}) {
    const FunctionPlan f = function(plan, name);
    const std::size_t at = functions_component(built.machine.topology, f.group);
    const Component& component = built.machine.topology.components[at];
    const auto& config = std::get<pci::PciFunctions::Config>(component.config);
    EXPECT_EQ(component.lanes[raw(f.lane)], name);
    EXPECT_EQ(config.functions[raw(f.lane)].rid, f.rid);
    EXPECT_EQ(config.first_driver + raw(f.lane), raw(f.row));
    EXPECT_EQ(config.window_base + raw(f.lane) * pci::kFunctionWindowBytes,
              window_of(plan.bridges[0], f.row));
    EXPECT_EQ(plan.bridges[0].function_at(f.row).rid, f.rid);
  }
}

TEST(PciPlan, RoutesOfABridgeLeadToWhatIsBehindIt) {
  const Built built(kTree);
  const BridgePlan& host = built.machine.plan.bridges[0];
  const auto routes = routes_on(host, 0);
  const auto edge = [&](const char* name) {
    const FunctionPlan f = function(built.machine.plan, name);
    const unsigned by_window = pci::edge_to(routes, window_of(host, f.row));
    EXPECT_EQ(pci::edge_to(routes, config_of(host, f)), by_window) << name;
    return by_window;
  };
  EXPECT_EQ(edge("low"), 0u);
  EXPECT_EQ(edge("high"), 0u);
  EXPECT_EQ(edge("c"), 1u) << "00:1c.0 is the first";
  EXPECT_EQ(edge("a[2]"), 2u);
  EXPECT_EQ(edge("b"), 2u);
}

TEST(PciPlan, ACutBridgeIsMissedByTheDevicesBehindIt) {
  Built built(kTree);
  Topology& topology = built.machine.topology;
  const std::size_t rp0 =
      static_cast<std::size_t>(std::find_if(topology.components.begin(), topology.components.end(),
                                            [](const Component& c) { return c.name == "rp0"; }) -
                               topology.components.begin());
  topology.edges.erase(
      std::remove_if(
          topology.edges.begin(), topology.edges.end(),
          [&](const Edge& e) { return e.from == rp0 && e.from_port == pci::Bridge::kUpstream; }),
      topology.edges.end());
  std::string told;
  for (const Diagnostic& d : check(topology, built.machine.plan, built.scenario)) {
    if (d.code == "unreachable-cpu") told += d.message + '\n';
  }
  EXPECT_EQ(told, "the messages of 'a' reach no CPU\nthe messages of 'b' reach no CPU\n");
}

TEST(PciPlan, AWrongRouteIsFound) {
  Built built(kTree);
  for (Component& component : built.machine.topology.components) {
    if (auto* host = std::get_if<pci::HostBridge::Config>(&component.config)) host->routes.clear();
  }
  std::size_t misdirected = 0;
  for (const Diagnostic& d : check(built.machine.topology, built.machine.plan, built.scenario)) {
    misdirected += d.code == "misdirected-address" ? 1 : 0;
  }
  EXPECT_EQ(misdirected, 9u) << "windows and spaces of a, b and c, and of three bridges";
}

TEST(PciPlan, TheDrawingNamesBridgesAndMsi) {
  const std::string text = dot(Built(kTree).machine.topology);
  EXPECT_NE(text.find("01:02.0, PCIe to PCI, buses 05..05"), std::string::npos);
  EXPECT_NE(text.find("00:1d.0, root port, buses 01..05"), std::string::npos);
  EXPECT_NE(text.find("05:07.0, 1 MSI, INTA"), std::string::npos);
}

TEST(PciPlan, VectorsOfOneMessageCannotGoToSeveralCpus) {
  const std::string device = R"({ id: d, bdf: "00:01.0", msi: 2 })";
  const std::string parted = one_device(device, "affinity: { d:0: 1, d:1: 2 }\n");
  EXPECT_EQ(refused(parted).code, "one-message");
  EXPECT_EQ(refused(parted).where.line, 3);
  EXPECT_EQ(refused(parted, Remapping::VtdOn).code, "");
  EXPECT_EQ(refused(one_device(device, "affinity: { d:0: 1, d:1: 1 }\n")).code, "");
}

TEST(PciPlan, WhatCannotBeMaskedIsNeitherMaskedNorMoved) {
  const std::string device = R"({ id: d, bdf: "00:01.0", msi: 2 })";
  const std::string load = "workload: [ { source: d, periodic: 1us, for: 1ms } ]\n";
  EXPECT_EQ(refused(one_device(device, load + "during: [ { mask: d:1 } ]\n")).code, "cannot-mask");
  EXPECT_EQ(refused(one_device(device, load + "during: [ { unmask: d } ]\n")).code, "cannot-mask");
  const std::string moved = one_device(device, load + "during: [ { retarget: d, to: 1 } ]\n");
  EXPECT_EQ(refused(moved).code, "cannot-mask");
  EXPECT_EQ(refused(moved, Remapping::VtdOn).code, "");
}

TEST(PciPlan, MaskableVectorsMoveTogether) {
  const std::string device = R"({ id: d, bdf: "00:01.0", msi: { vectors: 2, maskable: true } })";
  const std::string load = "workload: [ { source: d, periodic: 1us, for: 1ms } ]\n";
  EXPECT_EQ(refused(one_device(device, load + "during: [ { retarget: d:1, to: 1 } ]\n")).code,
            "one-message");
  EXPECT_EQ(refused(one_device(device, load + "during: [ { retarget: d, to: 1 } ]\n")).code, "");
  EXPECT_EQ(refused(one_device(device, load + "during: [ { mask: d:1 } ]\n")).code, "");
}

TEST(PciPlan, HandlersDoNotMaskMsiYet) {
  const std::string device = R"({ id: d, bdf: "00:01.0", msi: { vectors: 2, maskable: true } })";
  const std::string masks = "handler: { steps: [ mask, busy 1us, unmask ] }\n";
  EXPECT_EQ(refused(one_device(device, masks)).code, "not-yet");
  EXPECT_EQ(refused(one_device(device, masks + "handlers: { d: 1us }\n")).code, "");
}

TEST(PciPlan, MovingABlockMasksItAroundTheRewriteAndRestoresTheMasks) {
  const std::string device = R"({ id: d, bdf: "00:01.0", msi: { vectors: 4, maskable: true } })";
  const Built built(one_device(device, R"(affinity: { d: 0 }
workload: [ { source: d, periodic: 1us, for: 1ms } ]
during: [ { at: 1us, mask: d:2 }, { at: 2us, retarget: d, to: 3 } ]
)"));
  const auto& driver = std::get<cpu::Driver::Config>(
      find_component<cpu::Driver::Config>(built.machine.topology)->config);
  ASSERT_EQ(driver.episodes.size(), 2u);
  const FunctionPlan d = function(built.machine.plan, "d");
  const std::uint64_t at = config_of(built.machine.plan.bridges[0], d) + 0x50;
  ASSERT_EQ(driver.episodes[0].accesses.size(), 1u);
  EXPECT_EQ(driver.episodes[0].accesses[0].address, at + 0x10);
  EXPECT_EQ(driver.episodes[0].accesses[0].data, 0x4u);
  const auto& moves = driver.episodes[1].accesses;
  ASSERT_EQ(moves.size(), 5u);
  EXPECT_EQ(moves[0].address, at + 0x10);
  EXPECT_EQ(moves[0].data, 0xFu);
  EXPECT_EQ(moves[1].address, at + 4);
  EXPECT_EQ(moves[1].data, 0xFEE03000u);
  EXPECT_EQ(moves[2].address, at + 8);
  EXPECT_EQ(moves[3].address, at + 0xC);
  EXPECT_EQ(moves[3].data % 4, 0u);
  EXPECT_EQ(moves[4].address, at + 0x10);
  EXPECT_EQ(moves[4].data, 0x4u);
}

}  // namespace
}  // namespace irqfab::topology
