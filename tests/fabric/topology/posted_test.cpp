// The plan of a machine that posts the messages of its devices: vectors, entries, who moves where.
#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/topology/checks.hpp"
#include "fabric/topology/reconfigure.hpp"
#include "tests/fabric/topology/built.hpp"

namespace irqfab::topology {
namespace {

constexpr const char* kMachine = R"(irqfab: 1
machine:
  cpus: 2
  devices:
    - { id: nic, bdf: "01:00.0", msix: 2 }
    - { id: many, bdf: "02:00.0", msix: 400 }
    - { id: uart, bdf: "03:00.0", intx: A }
workload:
  - { source: nic, periodic: 10us, for: 1ms }
  - { source: many, at: 1us }
  - { source: uart, at: 5us }
during:
  - { at: 20us, retarget: nic:0, to: 1 }
)";

struct Built : test::Built {
  explicit Built(Remapping remapping = Remapping::VtdPosted) : test::Built(kMachine, remapping) {}
  const X86Plan& plan() const { return machine.plan; }
  template <class Config>
  const Config& config() const {
    return std::get<Config>(machine.topology.components[index_of<Config>(machine.topology)].config);
  }
};

TEST(PostedPlan, TheMachineIsSoundAndSaysHowItTakesPostedVectors) {
  const Built built;
  const Diagnostics found = check(built.machine.topology, built.plan(), built.scenario);
  EXPECT_TRUE(std::none_of(found.begin(), found.end(),
                           [](const Diagnostic& d) { return d.severity == Severity::Error; }));
  const auto& cpus = built.config<cpu::Cpus::Config>();
  ASSERT_TRUE(cpus.posted);
  EXPECT_EQ(cpus.posted->notification, kNotificationVector);
  EXPECT_EQ(cpus.posted->looks, 3u);
  EXPECT_EQ(built.config<x86::PostedDescriptors::Config>().base, descriptor_of(CpuId{0}));
  EXPECT_FALSE(Built(Remapping::VtdOn).config<cpu::Cpus::Config>().posted);
}

TEST(PostedPlan, VectorsOfDevicesLieBelowThatOfNotifications) {
  const Built posted;
  EXPECT_TRUE(std::all_of(posted.plan().slots.begin(), posted.plan().slots.end(), [](Slot slot) {
    return raw(slot.vector) >= kFirstVector && slot.vector < kNotificationVector;
  }));
  EXPECT_TRUE(std::any_of(posted.plan().slots.begin(), posted.plan().slots.end(),
                          [](Slot slot) { return raw(slot.vector) == kLastPostedVector; }));
  const Built remapped(Remapping::VtdOn);
  EXPECT_TRUE(std::any_of(remapped.plan().slots.begin(), remapped.plan().slots.end(),
                          [](Slot slot) { return raw(slot.vector) == kLastVector; }));
}

TEST(PostedPlan, MessagesArePostedAndWhatComesOverWiresIsNot) {
  const Built built;
  const Slot slot{CpuId{1}, Vector{0x41}};
  const auto entry = [&](x86::TriggerMode trigger) {
    return irte_for(built.plan(), slot, RequesterId{0x0100}, trigger);
  };
  const x86::Irte message = entry(x86::TriggerMode::Edge);
  EXPECT_TRUE(message.posted());
  EXPECT_EQ(message.post_target().descriptor, descriptor_of(CpuId{1}));
  EXPECT_EQ(message.post_target().vector, Vector{0x41});
  EXPECT_EQ(message.post_target().urgency, Urgency::Normal);
  EXPECT_TRUE(message.admits(RequesterId{0x0100}));
  EXPECT_FALSE(message.admits(RequesterId{0x0101}));
  EXPECT_FALSE(entry(x86::TriggerMode::Level).posted());
}

TEST(PostedPlan, EntriesOfOneRequesterDifferInTheirLowerHalvesOnly) {
  const Built built;
  const auto high = [&](std::uint32_t cpu) {
    return irte_for(built.plan(), {CpuId{cpu}, Vector{0x41}}, RequesterId{9},
                    x86::TriggerMode::Edge)
        .high;
  };
  EXPECT_EQ(high(0), high(4095));
}

TEST(PostedPlan, ASourceIsMovedByOneWriteOfItsEntry) {
  const Built built;
  const auto& driver = built.config<cpu::Driver::Config>();
  ASSERT_EQ(driver.episodes.size(), 1u);
  const auto& accesses = driver.episodes[0].accesses;
  const auto at_table = [](const cpu::Access& a) {
    return a.address >= kRemapTable && a.address < kRemapTable + 16 * kMostIrtes;
  };
  EXPECT_EQ(std::count_if(accesses.begin(), accesses.end(), at_table), 1);
  EXPECT_TRUE(at_table(accesses.front()));
  EXPECT_EQ(accesses.front().size, 8u);
  EXPECT_EQ(x86::Irte::PDAL::get(accesses.front().data) << 6, descriptor_of(CpuId{1}));
}

TEST(PostedPlan, TheFabricSaysHowMessagesGo) {
  EXPECT_EQ(remapping_of("x86"), Remapping::Off);
  EXPECT_EQ(remapping_of("x86-ir"), Remapping::VtdOn);
  EXPECT_EQ(remapping_of("x86-pi"), Remapping::VtdPosted);
}

}  // namespace
}  // namespace irqfab::topology
