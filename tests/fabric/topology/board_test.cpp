// Boards: which components, windows and wires a scenario's `interrupts` and `ioapics` make, and
// what cannot be built.

#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/topology/checks.hpp"
#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

using test::Built;

std::string board(const std::string& machine, const std::string& device = "00:03.0") {
  return "irqfab: 1\nmachine:\n  " + machine + "\n  devices: [ { id: d, bdf: \"" + device +
         "\", intx: A } ]\nworkload: [ { source: d:INTA, at: 1us } ]\n";
}

bool has(const Topology& topology, std::string_view name) {
  return std::any_of(topology.components.begin(), topology.components.end(),
                     [name](const Component& c) { return c.name == name; });
}

std::string code_of(const std::string& text) {
  const auto read = scenario::read(text, "test.yaml");
  EXPECT_TRUE(read);
  const auto machine = build_x86(*read, Remapping::Off, {});
  return machine ? "" : machine.errors().at(0).code;
}

TEST(Board, TheUsualOneHasOneIoapicAndNo8259) {
  const Built built(board("cpus: 2"), Remapping::Off);
  const Topology& topology = built.machine.topology;
  EXPECT_TRUE(has(topology, "ioapic0"));
  EXPECT_FALSE(has(topology, "ioapic1"));
  EXPECT_FALSE(has(topology, "pic"));
  EXPECT_FALSE(has(topology, "pirq_router"));
  EXPECT_EQ(
      std::get<x86::LapicBank::Config>(find_component<x86::LapicBank::Config>(topology)->config)
          .pic,
      x86::ExternalPic::Absent);
  EXPECT_TRUE(std::get<cpu::Cpus::Config>(find_component<cpu::Cpus::Config>(topology)->config)
                  .ends.empty());
}

TEST(Board, With8259sIsSoundAndHasARouter) {
  const Built built(board("interrupts: pic"), Remapping::Off);
  EXPECT_TRUE(has(built.machine.topology, "pic"));
  EXPECT_TRUE(has(built.machine.topology, "pirq_router"));
  EXPECT_TRUE(check(built.machine.topology, built.machine.plan, built.scenario).empty());
}

TEST(Board, IntxThrough8259sHasTheVectorOfItsIrqOnCpu0) {
  // Device 3, INTA: PIRQD, which firmware routes to IRQ 5.
  const Built built(board("interrupts: pic"), Remapping::Off);
  ASSERT_EQ(built.machine.plan.pins.size(), 1u);
  EXPECT_EQ(built.machine.plan.pins[0].pin, Pin{19});
  EXPECT_EQ(built.machine.plan.pins[0].slot.vector, Vector{0x25});
  EXPECT_EQ(built.machine.plan.pins[0].slot.cpu, CpuId{0});
}

TEST(Board, SeveralIoapicsAreAPageApartAndHaveIdsOfTheirOwn) {
  const Built built(board("ioapics: [ {}, { pins: 40 }, {} ]"), Remapping::Off);
  const Topology& topology = built.machine.topology;
  EXPECT_TRUE(check(topology, built.machine.plan, built.scenario).empty());
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& config =
        std::get<x86::IoApic::Config>(topology.components[ioapic_component(topology, i)].config);
    EXPECT_EQ(config.id, i);
    EXPECT_EQ(config.pins, i == 1 ? 40u : 24u);
    const auto& windows =
        std::get<mem::SystemBus::Config>(find_component<mem::SystemBus::Config>(topology)->config)
            .windows;
    const bool decoded = std::any_of(windows.begin(), windows.end(), [i](const mem::Window& w) {
      return w.base == 0xFEC00000 + i * 0x1000 && w.size == 0x1000;
    });
    EXPECT_TRUE(decoded) << i;
  }
  EXPECT_EQ(built.machine.plan.first_pins, (std::vector<std::uint32_t>{0, 24, 64}));
}

TEST(Board, HostBridgesUseTheIoapicsInTurn) {
  const Built built(
      "irqfab: 1\nmachine:\n  ioapics: [ {}, {} ]\n  host_bridges:\n    - { id: a }\n    - { id: b "
      "}\n"
      "    - { id: c }\n",
      Remapping::Off);
  const auto& bridges = built.machine.plan.bridges;
  EXPECT_EQ(bridges[0].ioapic, 0u);
  EXPECT_EQ(bridges[1].ioapic, 1u);
  EXPECT_EQ(bridges[2].ioapic, 0u);
  EXPECT_EQ(bridges[0].pins[0], Pin{16});
  EXPECT_EQ(bridges[1].pins[0], Pin{16});
  EXPECT_EQ(bridges[2].pins[0], Pin{20});
}

TEST(Board, TheRouterHasAPlaceInConfigurationSpace) {
  const Built built(board("interrupts: pic"), Remapping::Off);
  const auto& windows = std::get<mem::SystemBus::Config>(
                            find_component<mem::SystemBus::Config>(built.machine.topology)->config)
                            .windows;
  std::uint64_t covered = 0;
  for (const mem::Window& window : windows) {
    if (window.base >= kEcamBase && window.base < kEcamBase + (256u << 20)) covered += window.size;
  }
  EXPECT_EQ(covered, 256u << 20) << "the bridge's space is whole but for the router's page";
}

TEST(Board, CannotHaveWhatThe8259sCannotServe) {
  EXPECT_EQ(code_of(board("cpus: 2\n  interrupts: pic")), "too-many-cpus");
  EXPECT_EQ(code_of(board("interrupts: pic\n  ioapics: [ { pins: 23 } ]")), "no-such-pin");
  EXPECT_EQ(code_of(board("interrupts: pic", "00:1f.0")), "duplicate-bdf");
  EXPECT_EQ(code_of(board("interrupts: pic", "00:1f.1")), "");
  EXPECT_EQ(code_of(board("interrupts: ioapic", "00:1f.0")), "");
}

TEST(Board, IntxAtAPinThatDoesNotExistCannotBeBuilt) {
  // Device 3, INTA: pin 19.
  EXPECT_EQ(code_of(board("ioapics: [ { pins: 20 } ]")), "");
  const auto read = scenario::read(board("ioapics: [ { version: 0x11, pins: 19 } ]"), "test.yaml");
  const auto machine = build_x86(*read, Remapping::Off, {});
  ASSERT_FALSE(machine);
  ASSERT_EQ(machine.errors().size(), 1u);
  const Diagnostic& found = machine.errors()[0];
  EXPECT_EQ(found.code, "no-such-pin");
  EXPECT_EQ(found.severity, Severity::Error);
  EXPECT_EQ(found.message, "'d:INTA' drives pin 19, which 'ioapic0' does not have");
  EXPECT_EQ(found.expected, "at least 20 pins");
  EXPECT_EQ(found.where.line, 3);
  EXPECT_EQ(found.where.column, 31) << "at 'pins:'";
}

TEST(Board, WireThatNothingDrivesMayLackAPin) {
  // Device 0, INTA: pin 16. The other three wires end at 17, 18 and 19.
  const Built built(board("ioapics: [ { pins: 18 } ]", "00:00.0"), Remapping::Off);
  const Diagnostics found = check(built.machine.topology, built.machine.plan, built.scenario);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].code, "no-such-pin");
  EXPECT_EQ(found[0].severity, Severity::Note);
  EXPECT_EQ(found[0].message,
            "2 INTx wires of 'hb0', which nothing drives, would need more pins than the 18 of "
            "'ioapic0'");
  EXPECT_EQ(found[0].where.line, 3);
}

TEST(Board, AnHpetHasAPageAndASourceForEachComparator) {
  for (const Remapping remapping : {Remapping::Off, Remapping::VtdOn}) {
    const Built built(board("hpet: { comparators: 2, requester: \"f0:01.0\" }"), remapping);
    const Topology& topology = built.machine.topology;
    const std::size_t hpet = index_of<x86::Hpet::Config>(topology);
    const auto& config = std::get<x86::Hpet::Config>(topology.components.at(hpet).config);
    EXPECT_EQ(config.comparators, 2u);
    EXPECT_EQ(config.requester.rid, RequesterId{0xF008});
    EXPECT_EQ(config.routes, 0xFFFFFFu) << "the pins of the first IOAPIC";
    EXPECT_EQ(topology.components.at(hpet).sources, 2u);
    EXPECT_TRUE(topology.sources.names.find("hpet:1"));
    EXPECT_FALSE(topology.sources.names.find("hpet:2"));
    EXPECT_TRUE(check(topology, built.machine.plan, built.scenario).empty());
  }
}

TEST(Board, CpusBeyond255HaveIdsThatAreNobodysBroadcast) {
  const Built built(board("apic: x2apic\n  cpus: 300"), Remapping::VtdOn);
  const Topology& topology = built.machine.topology;
  const auto& config =
      std::get<x86::LapicBank::Config>(find_component<x86::LapicBank::Config>(topology)->config);
  EXPECT_EQ(config.ids.at(254), ApicId{254});
  EXPECT_EQ(config.ids.at(255), ApicId{256});
  EXPECT_EQ(config.ids.at(299), ApicId{300});
  EXPECT_EQ(config.msi_destination, x86::MsiDestination::Bits32);
  EXPECT_TRUE(check(topology, built.machine.plan, built.scenario).empty());
}

TEST(Board, RemappingNeedsIoapicsThatHoldAHandle) {
  const std::string old = board("ioapics: [ { version: 0x11 } ]");
  EXPECT_EQ(code_of(old), "");
  const auto read = scenario::read(old, "test.yaml");
  const auto machine = build_x86(*read, Remapping::VtdOn, {});
  ASSERT_FALSE(machine);
  EXPECT_EQ(machine.errors().at(0).code, "old-ioapic");
  EXPECT_EQ(machine.errors().at(0).where.line, 3);
}

}  // namespace
}  // namespace irqfab::topology
