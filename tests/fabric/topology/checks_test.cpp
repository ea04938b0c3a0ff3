// Machines that are broken by hand, each in one place, and what the static checks say about them.
#include "fabric/topology/checks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

constexpr const char* kMachine = R"(irqfab: 1
machine:
  cpus: 2
  host_bridges:
    - id: hb0
      devices:
        - { id: nvme0, bdf: "01:00.0", msix: 4 }
        - { id: uart0, bdf: "02:00.0", intx: A }
workload:
  - { source: nvme0, periodic: 10us, for: 1ms }
  - { source: uart0, at: 5us }
)";

/// To be broken.
struct Built : test::Built {
  explicit Built(const std::string& text, Remapping remapping = Remapping::Off)
      : test::Built(text, remapping) {}
  Topology& topology() { return machine.topology; }
  Diagnostics check() const { return topology::check(machine.topology, machine.plan, scenario); }

  template <class Config>
  std::size_t index() const {
    return index_of<Config>(machine.topology);
  }
  template <class Config>
  Config& config() {
    return std::get<Config>(machine.topology.components[index<Config>()].config);
  }
  /// Removes the edges at this port; how many there were.
  std::size_t cut(std::size_t component, PortId port) {
    auto& edges = machine.topology.edges;
    const auto is_there = [&](const Edge& e) {
      return (e.from == component && e.from_port == port) ||
             (e.to == component && e.to_port == port);
    };
    const auto rest = std::remove_if(edges.begin(), edges.end(), is_there);
    const auto removed = static_cast<std::size_t>(edges.end() - rest);
    edges.erase(rest, edges.end());
    return removed;
  }
};

std::vector<std::string> codes(const Diagnostics& found) {
  std::vector<std::string> codes;
  for (const Diagnostic& d : found) codes.push_back(d.code);
  return codes;
}
using Codes = std::vector<std::string>;

const Diagnostic& first(const Diagnostics& found, const std::string& code) {
  const auto at =
      std::find_if(found.begin(), found.end(), [&](const Diagnostic& d) { return d.code == code; });
  if (at == found.end()) throw std::runtime_error("no finding " + code);
  return *at;
}

bool mentions(const Diagnostic& finding, const std::string& text) {
  return finding.message.find(text) != std::string::npos;
}

TEST(Checks, NothingIsWrongWithAMachineAsItIsBuilt) {
  EXPECT_EQ(codes(Built(kMachine).check()), Codes{});
  EXPECT_EQ(codes(Built(kMachine, Remapping::VtdOn).check()), Codes{});
}

// ---- ports and edges ----

TEST(Checks, ARequiredPortWithoutAnEdgeIsUnbound) {
  Built built(kMachine);
  ASSERT_EQ(built.cut(built.index<cpu::Driver::Config>(), cpu::Driver::kBus), 1u);
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"unbound-port"});
  EXPECT_TRUE(mentions(found[0], "'driver.bus' has 0 edges")) << found[0].message;
  EXPECT_EQ(found[0].expected, "at least 1 edge");
  EXPECT_EQ(found[0].severity, Severity::Error);
}

TEST(Checks, APortTakesNoMoreEdgesThanItHas) {
  Built built(kMachine);
  const std::size_t bridge = built.index<pci::HostBridge::Config>();
  built.topology().edges.push_back({bridge, port_of(spec_of(pci::HostBridge::kInterrupts), 1),
                                    built.index<x86::ApicBus::Config>(), port_of(0, 7)});
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"too-many-edges"});
  EXPECT_EQ(found[0].expected, "at most 1 edge");
  EXPECT_EQ(found[0].where.line, 5);  // where the scenario declares the bridge
}

TEST(Checks, AnEdgeOfAPortIsJoinedOnce) {
  Built built(kMachine);
  const std::size_t bridge = built.index<pci::HostBridge::Config>();
  const std::size_t bus = built.index<x86::ApicBus::Config>();
  // The IOAPIC's edge of the bus becomes the bridge's.
  for (Edge& edge : built.topology().edges) {
    if (edge.to == bus && edge.from != bridge) edge.to_port = x86::ApicBus::kInputs;
  }
  EXPECT_EQ(codes(built.check()), Codes{"edge-taken"});
}

TEST(Checks, AnEdgeJoinsPortsOfOneKindFromInitiatorToTarget) {
  Built built(kMachine);
  const std::size_t bridge = built.index<pci::HostBridge::Config>();
  for (Edge& edge : built.topology().edges) {
    if (edge.from == bridge && edge.from_port == pci::HostBridge::kPins) {
      edge = {edge.to, edge.to_port, edge.from, edge.from_port};
    }
  }
  const Diagnostics reversed = built.check();
  EXPECT_EQ(codes(reversed), (Codes{"edge-direction", "unreachable-cpu"}));

  Built mixed(kMachine);
  for (Edge& edge : mixed.topology().edges) {
    if (edge.from == bridge && edge.from_port == pci::HostBridge::kPins) {
      edge.to_port = x86::IoApic::kEoi;
    }
  }
  EXPECT_EQ(first(mixed.check(), "edge-kind").message,
            "'hb0.pins' is a wire port and 'ioapic0.eoi' a fabric port");
}

TEST(Checks, AnEdgeEndsAtAPortThatExists) {
  Built built(kMachine);
  built.topology().edges.push_back({built.index<cpu::Driver::Config>(), port_of(1), 99, PortId{}});
  EXPECT_EQ(codes(built.check()), (Codes{"no-such-port", "no-such-component"}));
}

// ---- reaching a CPU ----

TEST(Checks, MessagesNeedAWayFromTheirFunctionToACpu) {
  Built built(kMachine);
  ASSERT_EQ(built.cut(built.index<pci::PciFunctions::Config>(), pci::PciFunctions::kLink), 1u);
  const Diagnostics found = built.check();
  const Diagnostic& unreachable = first(found, "unreachable-cpu");
  EXPECT_EQ(unreachable.message, "the messages of 'nvme0' reach no CPU");
  EXPECT_EQ(unreachable.where.line, 7);
  EXPECT_EQ(std::count_if(found.begin(), found.end(),
                          [](const Diagnostic& d) { return d.code == "unreachable-cpu"; }),
            1);  // the INTx of uart0 still arrives
}

TEST(Checks, RegisterAccessesAreNoWayForAMessage) {
  Built built(kMachine);
  const std::size_t bridge = built.index<pci::HostBridge::Config>();
  ASSERT_EQ(built.cut(bridge, pci::HostBridge::kInterrupts), 1u);
  // The bridge still reaches the IOAPIC's registers through memory writes.
  EXPECT_EQ(codes(built.check()), (Codes{"unbound-port", "unreachable-cpu", "unreachable-cpu"}));
  EXPECT_TRUE(mentions(built.check()[1], "'hb0'"));
  EXPECT_TRUE(mentions(built.check()[2], "the messages of 'nvme0'"));
}

TEST(Checks, AnIntxNeedsWiresThroughItsBridge) {
  Built built(kMachine);
  ASSERT_EQ(built.cut(built.index<pci::HostBridge::Config>(), pci::HostBridge::kPins), 1u);
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"unreachable-cpu"});
  EXPECT_EQ(found[0].message, "the INTx of 'uart0' reaches no CPU");
  EXPECT_EQ(found[0].where.line, 8);
}

TEST(Checks, WithoutTheLinesToTheCpusNothingArrives) {
  Built built(kMachine);
  ASSERT_EQ(built.cut(built.index<cpu::Cpus::Config>(), cpu::Cpus::kController), 1u);
  const Diagnostics found = check_graph(built.topology(), built.scenario);
  EXPECT_EQ(codes(found),
            (Codes{"unbound-port", "unbound-port", "unreachable-cpu", "unreachable-cpu",
                   "unreachable-cpu", "unreachable-cpu", "unreachable-cpu", "unreachable-cpu"}));
  EXPECT_EQ(found.back().where.file, "test.yaml");
}

// ---- addresses ----

TEST(Checks, WindowsOfTheBusShareNoAddress) {
  Built built(kMachine);
  auto& windows = built.config<mem::SystemBus::Config>().windows;
  windows[0].size = kIoApicPage + 1;  // memory reaches into the IOAPIC's page
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"windows-overlap"});
  EXPECT_TRUE(mentions(found[0],
                       "0xfec00000..0xfec00fff of 'ioapic0' overlaps "
                       "0x0..0xfec00000 of 'memory'"))
      << found[0].message;
  windows[0].size = kIoApicPage;
  EXPECT_EQ(codes(built.check()), Codes{});
}

TEST(Checks, AWindowInsideAnotherOverlapsItEvenBehindASmallerOne) {
  Built built(kMachine);
  auto& windows = built.config<mem::SystemBus::Config>().windows;
  windows.push_back({0x1000, 0x10, 0});
  windows.push_back({0x2000, 0x10, 0});
  EXPECT_EQ(codes(built.check()), (Codes{"windows-overlap", "windows-overlap"}));
}

TEST(Checks, WhatAComponentAnswersToIsDecodedAndLeadsToIt) {
  Built hole(kMachine);
  hole.config<mem::SystemBus::Config>().windows[1].size = 0x800;
  const Diagnostics found = hole.check();
  EXPECT_EQ(codes(found), Codes{"undecoded-address"});
  EXPECT_TRUE(mentions(found[0], "the registers of 'ioapic0', 0xfec00000..0xfec00fff"))
      << found[0].message;

  Built elsewhere(kMachine);
  elsewhere.config<mem::SystemBus::Config>().windows[1].target = 0;
  const Diagnostics misdirected = elsewhere.check();
  EXPECT_EQ(codes(misdirected), Codes{"misdirected-address"});
  EXPECT_TRUE(mentions(misdirected[0], "leads to 'memory'")) << misdirected[0].message;
}

TEST(Checks, AWindowLeadsSomewhere) {
  Built built(kMachine);
  built.config<mem::SystemBus::Config>().windows.push_back({0xF000'0000'0000, 0x1000, 55});
  EXPECT_EQ(codes(built.check()), Codes{"window-to-nowhere"});
}

TEST(Checks, WhatSoftwareAccessesIsDecoded) {
  Built built(kMachine);
  cpu::Episode episode;
  episode.accesses = {{cpu::AccessKind::Write, 4, kIoApicPage, 0},
                      {cpu::AccessKind::Write, 4, 0xD0000000, 0},
                      {cpu::AccessKind::Read, 4, 0xD0001000, 0}};
  built.config<cpu::Driver::Config>().episodes = {episode};
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"undecoded-address"});
  EXPECT_EQ(found[0].message,
            "'driver' accesses 0xd0000000 and 1 more, which no window of the bus takes");
  built.config<cpu::Cpus::Config>().sources[0].device_register = 0xD0000000;
  EXPECT_EQ(codes(built.check()), (Codes{"undecoded-address", "undecoded-address"}));
}

// ---- ids ----

TEST(Checks, PlannedIdsLieWithinTheirTables) {
  Built built(kMachine);
  built.machine.plan.slots[1] = {CpuId{2}, Vector{0x0F}};
  EXPECT_EQ(codes(built.check()), (Codes{"no-such-cpu", "illegal-vector"}));
  built.machine.plan.slots[1] = {CpuId{1}, Vector{0x10}};
  EXPECT_EQ(codes(built.check()), Codes{});
  built.machine.plan.bridges[0].pins[3] = Pin{24};
  EXPECT_EQ(codes(built.check()), Codes{"no-such-pin"});
}

TEST(Checks, RequesterIdsLieOnTheBusesOfTheirBridge) {
  Built built(kMachine);
  built.scenario.machine.host_bridges[0].first_bus = 2;
  const Diagnostics found = built.check();
  EXPECT_EQ(codes(found), Codes{"no-such-bus"});
  EXPECT_TRUE(mentions(found[0], "'nvme0' is 01:00.0")) << found[0].message;
}

TEST(Checks, LocalApicsHaveIdsOfTheirOwnThatCanBeAddressed) {
  Built built(kMachine);
  auto& ids = built.config<x86::LapicBank::Config>().ids;
  ids[1] = ids[0];
  EXPECT_EQ(codes(built.check()), Codes{"no-such-apic-id"});
  ids[1] = ApicId{255};
  EXPECT_EQ(codes(built.check()), Codes{"no-such-apic-id"});
  ids[1] = ApicId{254};
  EXPECT_EQ(codes(built.check()), Codes{});
}

// ---- sharing ----

std::string devices_with(unsigned each_vectors, unsigned cpus) {
  const std::string count = std::to_string(each_vectors);
  return "irqfab: 1\nmachine:\n  cpus: " + std::to_string(cpus) +
         "\n  host_bridges:\n"
         "    - { id: a, devices: [ { id: x, bdf: 01:00.0, msix: " +
         count +
         " } ] }\n"
         "    - { id: b, devices: [ { id: y, bdf: 01:00.0, msix: " +
         count +
         " } ] }\n"
         "workload:\n  - { source: x, at: 0ns }\n  - { source: y, at: 0ns }\n";
}

TEST(Checks, ACpuThatRanOutOfVectorsIsNoted) {
  // 0x30..0xEE are 191 vectors: 2 x 95 of them fit on one CPU, 192 do not.
  const Built fits(devices_with(95, 1));
  EXPECT_EQ(codes(fits.check()), Codes{});
  const Diagnostics found = Built(devices_with(192, 2)).check();
  EXPECT_EQ(first(found, "shared-vectors").message,
            "CPU 0 takes 192 sources and has 191 vectors, so some share one; "
            "likewise on 1 more CPU");
  EXPECT_EQ(first(found, "shared-vectors").severity, Severity::Note);
}

TEST(Checks, OneMessageBehindTwoHostBridgesIsNotedAsOneInterrupt) {
  const Diagnostics found = Built(devices_with(96, 1)).check();
  const Diagnostic& same = first(found, "same-message");
  EXPECT_EQ(same.severity, Severity::Note);
  // The 192nd source gets the vector of the first.
  EXPECT_EQ(same.message,
            "'x:0' and 'y:95', behind different host bridges, send the same message: "
            "address 0xfee00000, data 0x4030; the message is the vector, so both raise one "
            "interrupt");
  // With remapping every source has an entry of its own, and so a message of its own.
  EXPECT_EQ(codes(Built(devices_with(96, 1), Remapping::VtdOn).check()), Codes{"shared-vectors"});
}

std::string steps_that_write(const std::string& first, const std::string& second) {
  return "irqfab: 1\n"
         "machine:\n"
         "  host_bridges:\n"
         "    - { id: a, devices: [ { id: x, bdf: 01:00.0, msix: 2 } ] }\n"
         "    - { id: b, devices: [ { id: y, bdf: 01:00.0, msix: 2 } ] }\n"
         "steps:\n"
         "  - msix.entry: { device: x, entry: 0, " +
         first +
         " }\n"
         "  - msix.entry: { device: y, entry: 1, " +
         second +
         " }\n"
         "  - raise: x:0\n"
         "  - raise: y:1\n";
}

TEST(Checks, MessagesThatStepsWriteCountToo) {
  const std::string message = "address: 0xfee00000, data: 0x41";
  const Diagnostics found = Built(steps_that_write(message, message)).check();
  EXPECT_EQ(codes(found), Codes{"same-message"});
  EXPECT_EQ(found[0].where.line, 8);
  EXPECT_EQ(codes(Built(steps_that_write(message, "address: 0xfee00000, data: 0x42")).check()),
            Codes{});
  // A write to memory is no interrupt.
  const std::string elsewhere = "address: 0x1000, data: 0x41";
  EXPECT_EQ(codes(Built(steps_that_write(elsewhere, elsewhere)).check()), Codes{});
}

TEST(Checks, WithRemappingTheSharedHandleIsNamed) {
  const std::string remappable = "address: 0xfee00010, data: 0";
  const Built shared(steps_that_write(remappable, remappable), Remapping::VtdOn);
  EXPECT_TRUE(mentions(first(shared.check(), "same-message"), "name one remapping entry"));
  const std::string compatible = "address: 0xfee00000, data: 0x41";
  const Built passed(steps_that_write(compatible, compatible), Remapping::VtdOn);
  EXPECT_TRUE(mentions(first(passed.check(), "same-message"), "compatibility format"));
}

TEST(Checks, AnEntryKeepsTheFieldsThatAStepDoesNotWrite) {
  const std::string text =
      steps_that_write("address: 0xfee00000, data: 0x41", "address: 0xfee00000, data: 0x40") +
      "  - msix.entry: { device: y, entry: 1, data: 0x41 }\n";
  const Diagnostics found = Built(text).check();
  EXPECT_EQ(codes(found), Codes{"same-message"});
  EXPECT_EQ(found[0].where.line, 11);
}

// ---- use ----

TEST(Checks, ADeviceThatNothingRaisesIsNoted) {
  const std::string text = R"(irqfab: 1
machine:
  devices:
    - { id: used, bdf: "01:00.0", msix: 1 }
    - { id: wire, bdf: "02:00.0", intx: A }
    - { id: idle, bdf: "03:00.0", msix: 1 }
steps:
  - raise: used:0
  - line: { device: wire, level: high }
  - msix.mask: { device: idle, entry: 0 }
)";
  const Diagnostics found = Built(text).check();
  EXPECT_EQ(codes(found), Codes{"idle-device"});
  EXPECT_EQ(found[0].message, "nothing makes 'idle' raise an interrupt");
  EXPECT_EQ(found[0].where.line, 6);
  EXPECT_EQ(found[0].severity, Severity::Note);
}

TEST(Checks, AnIntxThatMessagesKeepOffTheWireIsNoted) {
  const std::string machine =
      "irqfab: 1\nmachine: { devices: [ { id: both, bdf: 01:00.0, msix: 1, intx: A } ] }\n";
  const std::string wire = "  - { source: \"both:INTA\", at: 0ns }\n";
  const std::string message = "  - { source: \"both:0\", at: 0ns }\n";
  EXPECT_EQ(codes(Built(machine + "workload:\n" + wire).check()), Codes{});
  EXPECT_EQ(codes(Built(machine + "workload:\n" + message).check()), Codes{});
  const Diagnostics found = Built(machine + "workload:\n" + message + wire).check();
  EXPECT_EQ(codes(found), Codes{"silent-intx"});
  EXPECT_EQ(found[0].where.line, 5);
  const std::string line = "steps:\n  - line: { device: both, level: high }\n";
  EXPECT_EQ(codes(Built(machine + line).check()), Codes{"silent-intx"});
  const std::string off =
      "steps:\n  - config.write: { device: both, offset: 0xb2, size: 2, value: 0 }\n";
  EXPECT_EQ(codes(Built(machine + off + "  - line: { device: both, level: high }\n").check()),
            Codes{});
}

TEST(Checks, ATraceMayRaiseEveryDevice) {
  Built built(kMachine);
  built.scenario.workload.clear();
  EXPECT_EQ(codes(built.check()), (Codes{"idle-device", "idle-device"}));
  scenario::Load replay;
  replay.kind = scenario::LoadKind::Replay;
  built.scenario.workload.push_back(replay);
  EXPECT_EQ(codes(built.check()), Codes{});
}

}  // namespace
}  // namespace irqfab::topology
