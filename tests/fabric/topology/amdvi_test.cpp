// What an operating system decides on a machine with an AMD-Vi unit: tables, indices, messages, and
// what such a machine cannot have.
#include <gtest/gtest.h>

#include <set>

#include "fabric/topology/amdvi_plan.hpp"
#include "fabric/topology/checks.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

using test::Built;

std::string machine(const std::string& devices, const std::string& more = "") {
  return "irqfab: 1\nmachine:\n  remapping: amd-vi\n  cpus: 4\n" + more + "  host_bridges:\n" +
         devices;
}
std::string on_one_bridge(const std::string& devices) {
  return machine("    - { id: hb0, devices: [ " + devices + " ] }\n");
}

std::uint32_t data_of(const Built& built, std::string_view function, unsigned vector) {
  const X86Plan& plan = built.machine.plan;
  return message_for(plan, {}, plan.find_function(function)->first_source + vector).data;
}

std::string code_of(const std::string& text) {
  const auto read = scenario::read(text, "test.yaml");
  EXPECT_TRUE(read);
  const auto machine = build_x86(*read, Remapping::VtdOn, {});
  return machine ? "" : machine.errors().at(0).code;
}

TEST(AmdViPlan, TheUnitStandsBetweenBridgesAndTheApicBus) {
  const Built built(on_one_bridge("{ id: d, bdf: \"00:03.0\", msix: 2 }"), Remapping::VtdOn);
  const Topology& topology = built.machine.topology;
  EXPECT_EQ(find_component<x86::VtdRemapper::Config>(topology), nullptr);
  const auto* unit = find_component<x86::AmdViUnit::Config>(topology);
  ASSERT_NE(unit, nullptr);
  EXPECT_EQ(unit->name, "amdvi0");
  EXPECT_EQ(std::get<x86::AmdViUnit::Config>(unit->config).register_base, kAmdPage);
  EXPECT_EQ(unit->sources, 1u);
  for (const Diagnostic& finding : check(topology, built.machine.plan, built.scenario)) {
    EXPECT_NE(finding.severity, Severity::Error) << finding.message;
  }
}

TEST(AmdViPlan, WithoutRemappingThereIsNoUnitAtAll) {
  const Built built(on_one_bridge("{ id: d, bdf: \"00:03.0\", msix: 2 }"), Remapping::Off);
  EXPECT_EQ(find_component<x86::AmdViUnit::Config>(built.machine.topology), nullptr);
  EXPECT_TRUE(built.machine.plan.amdvi_tables.empty());
}

TEST(AmdViPlan, EachFunctionCountsItsVectorsFromZero) {
  const Built built(on_one_bridge("{ id: a, bdf: \"00:03.0\", msix: 3 }, "
                                  "{ id: b, bdf: \"00:04.0\", msix: 2000 }"),
                    Remapping::VtdOn);
  EXPECT_EQ(data_of(built, "a", 0), 0u);
  EXPECT_EQ(data_of(built, "a", 2), 2u);
  EXPECT_EQ(data_of(built, "b", 0), 0u);
  EXPECT_EQ(data_of(built, "b", 1999), 1999u);
  const auto& tables = built.machine.plan.amdvi_tables;
  EXPECT_EQ(tables.at(RequesterId{0x18}).length, 2u);
  EXPECT_EQ(tables.at(RequesterId{0x20}).length, 11u);
  EXPECT_EQ(message_for(built.machine.plan, {}, 1).address, 0xFEE00004u);
}

TEST(AmdViPlan, TablesAreAlignedAndApart) {
  const Built built(on_one_bridge("{ id: a, bdf: \"00:03.0\", msix: 3, count: 8 }, "
                                  "{ id: b, bdf: \"00:04.0\", msix: 40 }"),
                    Remapping::VtdOn);
  std::uint64_t end = kAmdInterruptTables;
  for (const auto& [requester, table] : built.machine.plan.amdvi_tables) {
    EXPECT_EQ(table.address % 128, 0u);
    EXPECT_GE(table.address, end);
    EXPECT_GE(1u << table.length, table.used);
    end = table.address + (kAmdEntryBytes << table.length);
  }
}

TEST(AmdViPlan, MsiVectorsAreABlockThatDataCounts) {
  const std::string shared =
      "    - id: hb0\n      devices: []\n      bridges:\n        - id: p\n"
      "          bdf: \"00:02.0\"\n          secondary: \"05\"\n"
      "          kind: pcie-pci-bridge\n          devices:\n"
      "            - { id: a, bdf: \"05:00.0\", msix: 3 }\n"
      "            - { id: b, bdf: \"05:01.0\", msi: { vectors: 4 } }\n";
  const Built built(machine(shared), Remapping::VtdOn);
  const X86Plan& plan = built.machine.plan;
  const FunctionPlan b = *plan.find_function("b");
  EXPECT_EQ(plan.find_function("a")->requester, b.requester) << "the bridge's id";
  EXPECT_EQ(msi_message_for(plan, b, {}).data, 4u) << "behind the other's 3, aligned";
  EXPECT_EQ(data_of(built, "b", 3), 7u);
  EXPECT_EQ(plan.amdvi_tables.at(b.requester).used, 8u);
}

TEST(AmdViPlan, FunctionsOfTwoSegmentsWithOneIdShareATable) {
  const Built built(machine("    - { id: x, devices: [ { id: a, bdf: \"00:03.0\", msix: 2 } ] }\n"
                            "    - { id: y, devices: [ { id: b, bdf: \"00:03.0\", msix: 2 } ] }\n"),
                    Remapping::VtdOn);
  const std::set<std::uint32_t> all = {data_of(built, "a", 0), data_of(built, "a", 1),
                                       data_of(built, "b", 0), data_of(built, "b", 1)};
  EXPECT_EQ(all, (std::set<std::uint32_t>{0, 1, 2, 3}));
}

TEST(AmdViPlan, PinsOfOneIoapicHaveDifferentVectors) {
  const Built built(on_one_bridge("{ id: a, bdf: \"00:03.0\", msix: 3, intx: A }, "
                                  "{ id: b, bdf: \"00:04.0\", intx: A }, "
                                  "{ id: c, bdf: \"00:05.0\", intx: A }, "
                                  "{ id: d, bdf: \"00:06.0\", intx: A }"),
                    Remapping::VtdOn);
  std::set<Vector> vectors;
  for (const PinPlan& pin : built.machine.plan.pins) vectors.insert(pin.slot.vector);
  EXPECT_EQ(built.machine.plan.pins.size(), 4u);
  EXPECT_EQ(vectors.size(), 4u);
  EXPECT_EQ(built.machine.plan.amdvi_tables.at(ioapic_requester(0)).length, 8u);
}

TEST(AmdViPlan, AnEntrySaysWhereItGoes) {
  const Slot slot{CpuId{5}, Vector{0x43}};
  EXPECT_EQ(amdvi_entry_for(slot, x86::TriggerMode::Edge), 0x430501u);
  EXPECT_EQ(amdvi_entry_for(slot, x86::TriggerMode::Level), 0x430521u);
}

TEST(AmdViPlan, ATableOf2048IsTheMost) {
  const auto behind = [](unsigned vectors) {
    return machine(
        "    - { id: x, devices: [ { id: a, bdf: \"00:03.0\", msix: 1048 } ] }\n"
        "    - { id: y, devices: [ { id: b, bdf: \"00:03.0\", msix: " +
        std::to_string(vectors) + " } ] }\n");
  };
  EXPECT_EQ(code_of(behind(1000)), "");
  EXPECT_EQ(code_of(behind(1001)), "too-many-sources");
}

TEST(AmdViPlan, DestinationsHave8Bits) {
  const std::string many =
      "irqfab: 1\nmachine: { remapping: amd-vi, apic: x2apic, cpus: 256,\n"
      "  devices: [ { id: d, bdf: \"00:03.0\", msix: 1 } ] }\n";
  EXPECT_EQ(code_of(many), "too-many-cpus");
  std::string fewer = many;
  fewer.replace(fewer.find("256"), 3, "255");
  EXPECT_EQ(code_of(fewer), "");
}

TEST(AmdViPlan, TheSameIndexFromTwoDevicesIsNoNote) {
  const Built built(machine("    - { id: x, devices: [ { id: a, bdf: \"00:03.0\", msix: 2 } ] }\n"
                            "    - { id: y, devices: [ { id: b, bdf: \"00:04.0\", msix: 2 } ] }\n"),
                    Remapping::VtdOn);
  for (const Diagnostic& finding :
       check(built.machine.topology, built.machine.plan, built.scenario)) {
    EXPECT_NE(finding.code, "same-message") << finding.message;
  }
}

}  // namespace
}  // namespace irqfab::topology
