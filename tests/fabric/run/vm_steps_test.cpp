// Steps of vCPUs on a modelled host: IPIs that the processor carries out and IPIs that exit, what
// AVIC needs its host for, inhibits, and what `vm.*` sees of it; from outcomes and from the trace.
#include <gtest/gtest.h>

#include "tests/fabric/run/vm_run.hpp"

namespace irqfab::test {
namespace {

/// Two vCPUs with a CPU each and no devices; `host` is the body of its map.
std::string pair_of(const std::string& host, const std::string& steps) {
  return "irqfab: 1\nmachine:\n  arch: x86-pi\n  path: kvm-direct-inject\n  cpus: 2\n  host: { " +
         host + " }\nhandler: 1us\nsteps:\n" + steps;
}
const char* const kIpi =
    "  - lapic.write: { cpu: 0, reg: ICR2, value: 0x01000000 }\n"
    "  - lapic.write: { cpu: 0, reg: ICR, value: 0x61 }\n";
const char* const kHalt1 = "  - cpu.execute: { cpu: 1, code: [hlt] }\n";
const char* const kPolls = "halt_poll: { most: 0ns }";

std::string what_failed(const VmRun& run) {
  std::string text;
  for (const auto& row : run.outcome().expect) {
    if (!row.held) text += row.text + ", found " + row.found + '\n';
  }
  return text;
}

std::vector<std::uint64_t> exits(const VmRun& run) {
  std::vector<std::uint64_t> reasons;
  for (const TraceRecord& record : run.all(Event::VmExited)) reasons.push_back(record.detail);
  return reasons;
}
std::uint64_t number_of(ExitReason reason) { return static_cast<std::uint64_t>(reason); }

SpanId the_ipi(const VmRun& run) {
  const auto spans = run.spans(Cause::Ipi);
  return spans.empty() ? kNoSpan : spans.front();
}

class VmStory : public testing::TestWithParam<const char*> {};

TEST_P(VmStory, Holds) {
  VmRun run(vm_scenario(GetParam()));
  run.run();
  EXPECT_EQ(what_failed(run), "");
  EXPECT_TRUE(run.outcome().held());
  EXPECT_EQ(run.outcome().accounting.asserted, run.outcome().accounting.ended());
  EXPECT_EQ(run.outcome().accounting.guest_errors, 0u);
}
INSTANTIATE_TEST_SUITE_P(X86Pi, VmStory,
                         testing::Values("vm-ipi", "vm-ipi-exits", "vm-avic", "vm-avic-blocked",
                                         "vm-inhibit"),
                         [](const auto& story) {
                           std::string name = story.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// ---- APICv ------------------------------------------------------------------------------------

TEST(VmIpi, IsPostedByTheProcessorWithoutAnExit) {
  VmRun run(pair_of(kPolls, kIpi));
  run.run();
  EXPECT_TRUE(exits(run).empty());
  EXPECT_TRUE(run.passes(the_ipi(run),
                         {Event::IpiVirtualized, Event::Posted, Event::PirSynced, Event::Pended,
                          Event::Accepted, Event::HandlerEntered, Event::Handled}));
  EXPECT_EQ(run.count(Event::NotificationTaken), 1u);
}

TEST(VmIpi, WithoutIpiVirtualizationOnlyTheSenderExits) {
  VmRun run(pair_of("ipi_virtualization: off", kIpi));
  run.run();
  EXPECT_EQ(exits(run), std::vector<std::uint64_t>{number_of(ExitReason::ApicWrite)});
  EXPECT_EQ(run.count(Event::IpiVirtualized), 0u);
  EXPECT_TRUE(run.passes(the_ipi(run), {Event::Posted, Event::VcpuKicked, Event::PirSynced,
                                        Event::HandlerEntered, Event::Handled}));
  EXPECT_EQ(run.count(Event::NotificationTaken), 1u);
}

TEST(VmIpi, ToABlockedVcpuGoesByTheWakeUpVector) {
  VmRun run(pair_of(kPolls, std::string(kHalt1) + kIpi));
  run.run();
  EXPECT_EQ(exits(run), std::vector<std::uint64_t>{number_of(ExitReason::Hlt)});
  EXPECT_TRUE(run.passes(the_ipi(run), {Event::IpiVirtualized, Event::Posted, Event::VcpuWoken,
                                        Event::VcpuEntered, Event::Handled}));
}

// ---- AVIC -------------------------------------------------------------------------------------

TEST(VmAvic, AnIpiToOneThatRunsRingsItsCpu) {
  VmRun run(pair_of("virtualization: avic", kIpi));
  run.run();
  EXPECT_TRUE(exits(run).empty());
  ASSERT_EQ(run.count(Event::DoorbellRung), 1u);
  EXPECT_EQ(run.all(Event::DoorbellRung).front().detail, 1u);  // the CPU that vCPU 1 has to itself
  EXPECT_TRUE(run.passes(the_ipi(run), {Event::IpiVirtualized, Event::DoorbellRung, Event::Accepted,
                                        Event::EoiVirtualized, Event::Handled}));
  EXPECT_EQ(run.count(Event::Posted), 0u);
}

TEST(VmAvic, AnIpiToOneThatSleepsIsIncompleteAndTheHostWakesIt) {
  VmRun run(pair_of(std::string("virtualization: avic, ") + kPolls, std::string(kHalt1) + kIpi));
  run.run();
  EXPECT_EQ(exits(run), (std::vector<std::uint64_t>{number_of(ExitReason::Hlt),
                                                    number_of(ExitReason::IncompleteIpi)}));
  EXPECT_EQ(run.count(Event::DoorbellRung), 0u);
  EXPECT_TRUE(run.passes(
      the_ipi(run), {Event::IpiVirtualized, Event::VcpuEntered, Event::Accepted, Event::Handled}));
}

/// The vCPU that waits for its turn does not run: nobody can be rung, and its entry finds the IPI.
TEST(VmAvic, AnIpiToOneThatWaitsForItsTurnIsFoundAtItsEntry) {
  VmRun run(pair_of("virtualization: avic, cpus: 1, slice: 1ms",
                    std::string(kIpi) +
                        "  - expect: { vm.exits: { vcpu: 0, reason: incomplete-ipi, count: 1 } }\n"
                        "  - expect: { lapic.IRR: { cpu: 1, vectors: [0x61] } }\n"
                        "  - expect: { vm.vcpu: { vcpu: 1, state: host } }\n"
                        "  - wait: 1500us\n"
                        "  - expect: { lapic.IRR: { cpu: 1, vectors: [] } }\n"));
  run.run();
  EXPECT_EQ(what_failed(run), "");
  EXPECT_EQ(run.count(Event::DoorbellRung), 0u);
  EXPECT_EQ(run.outcome().in_flight, 0u);
}

TEST(VmAvic, WithoutTheMutantTheSleeperWakesAndWithItTheIpiIsLost) {
  VmRun held(vm_scenario("vm-avic-blocked"));
  held.run();
  EXPECT_TRUE(held.outcome().held());
  VmRun run(vm_scenario("vm-avic-blocked"), Mutant::AvicRunningStale);
  run.run();
  EXPECT_FALSE(run.outcome().held());
  EXPECT_EQ(run.outcome().in_flight, 1u);
  EXPECT_EQ(run.count(Event::DoorbellRung), 1u);  // of a CPU that runs nobody
}

TEST(VmAvic, AnEoiOfAnEdgeMakesNoExit) {
  VmRun run(pair_of("virtualization: avic", kIpi));
  run.run();
  EXPECT_EQ(run.count(Event::EoiVirtualized), 1u);
}

// ---- inhibits ---------------------------------------------------------------------------------

TEST(VmInhibit, TurnsEachAccessIntoAnExitForBothVendors) {
  for (const char* vendor : {"apicv", "avic"}) {
    SCOPED_TRACE(vendor);
    VmRun run(pair_of(std::string("virtualization: ") + vendor,
                      "  - vm.inhibit: { reason: blockirq }\n" + std::string(kIpi)));
    run.run();
    EXPECT_EQ(run.outcome().in_flight, 0u);
    EXPECT_EQ(run.count(Event::IpiVirtualized), 0u);
    EXPECT_EQ(run.count(Event::EoiVirtualized), 0u);
    const auto reasons = exits(run);
    EXPECT_EQ(std::count(reasons.begin(), reasons.end(), number_of(ExitReason::ApicAccess)), 3);
  }
}

TEST(VmInhibit, OfAvicAloneLeavesApicvAsItIs) {
  const std::string steps = "  - vm.inhibit: { reason: irqwin }\n" + std::string(kIpi);
  VmRun intel(pair_of(kPolls, steps));
  intel.run();
  EXPECT_TRUE(exits(intel).empty());
  VmRun amd(pair_of("virtualization: avic", steps));
  amd.run();
  EXPECT_FALSE(exits(amd).empty());
}

// ---- steps ------------------------------------------------------------------------------------

TEST(VmSteps, AStepOfAVcpuThatSleepsFailsAndSaysWhere) {
  VmRun run(pair_of(kPolls,
                    std::string(kHalt1) + "  - lapic.write: { cpu: 1, reg: TPR, value: 0x20 }\n"));
  run.run();
  EXPECT_FALSE(run.outcome().held());
  EXPECT_NE(what_failed(run).find("it is blocked"), std::string::npos) << what_failed(run);
}

TEST(VmSteps, AStepOfAVcpuThatIsPreemptedWaitsForItsTurn) {
  VmRun run(pair_of("cpus: 1, slice: 1ms",
                    "  - expect: { vm.vcpu: { vcpu: 1, state: host } }\n"
                    "  - lapic.write: { cpu: 1, reg: TPR, value: 0x20 }\n"
                    "  - expect: { lapic.reg: { cpu: 1, reg: TPR, value: 0x20 } }\n"
                    "  - expect: { vm.vcpu: { vcpu: 0, state: preempted } }\n"
                    "  - expect: { vm.descriptor: { vcpu: 0, sn: true } }\n"
                    "  - expect: { vm.descriptor: { vcpu: 1, sn: false, ndst: 0 } }\n"));
  run.run();
  EXPECT_EQ(what_failed(run), "");
}

TEST(VmSteps, AWriteThatFaultsIsSeen) {
  VmRun run(pair_of(kPolls,
                    "  - msr.write: { cpu: 0, msr: 0x830, value: 0x61, faults: true }\n"
                    "  - msr.write: { cpu: 0, msr: 0x1b, value: 0xfee00900, faults: false }"
                    "\n  - expect: { vm.exits: { vcpu: 0, reason: msr-write, count: 2 } }\n"));
  run.run();
  EXPECT_EQ(what_failed(run), "");
}

TEST(VmSteps, WhatIsPostedForOneThatWaitsForItsTurnRestsInItsDescriptor) {
  VmRun run(pair_of(
      "cpus: 1, slice: 1ms",
      std::string(kIpi) + "  - expect: { vm.descriptor: { vcpu: 1, pir: [0x61], on: false } }\n"));
  run.run();
  EXPECT_EQ(what_failed(run), "");
  EXPECT_EQ(run.outcome().in_flight, 0u);
}

/// Wherever the story stops, each interrupt that has not ended is in a core's state or on its way.
TEST(VmSteps, WhatIsInFlightIsFoundAfterEachStep) {
  for (const char* name : {"vm-ipi", "vm-ipi-exits", "vm-avic", "vm-avic-blocked", "vm-inhibit"}) {
    SCOPED_TRACE(name);
    VmRun run(vm_scenario(name));
    run.run();
    std::vector<SpanId> spans = run.machine().held_spans();
    EXPECT_EQ(run.machine().ledger().in_flight_spans(), spans);
  }
}

}  // namespace
}  // namespace irqfab::test
