// What is beside posted interrupts on a guest's machine: devices of the VMM and of vhost, messages
// that cannot be posted, vectors that are masked and moved, timers, x2APIC mode.
#include <gtest/gtest.h>

#include "fabric/topology/x86_plan.hpp"
#include "tests/fabric/run/vm_run.hpp"

namespace irqfab::test {
namespace {

std::string guest(const std::string& machine, const std::string& rest) {
  return "irqfab: 1\nmachine:\n  arch: x86-pi\n  path: kvm-direct-inject\n" + machine + rest;
}

void expect_closed(const VmRun& run) {
  EXPECT_EQ(run.outcome().accounting.asserted, run.outcome().accounting.ended());
  EXPECT_EQ(run.outcome().in_flight, 0u);
  EXPECT_EQ(run.outcome().accounting.dropped, 0u);
  EXPECT_EQ(run.outcome().accounting.duplicated, 0u);
  EXPECT_EQ(run.outcome().accounting.guest_errors, 0u);
}

/// Of the sources that the topology names so.
std::vector<SpanId> spans_of(const VmRun& run, const std::string& device) {
  std::vector<SpanId> found;
  for (const SpanId span : run.spans(Cause::Device)) {
    const std::string name(run.topology().sources.names[raw(source_of(span))]);
    if (name.compare(0, device.size(), device) == 0) found.push_back(span);
  }
  return found;
}

TEST(VmMixed, EachKindOfDeviceHasItsOwnWay) {
  VmRun run(vm_scenario("vm-three-kinds"));
  run.run();
  expect_closed(run);
  EXPECT_EQ(run.count(Event::VmExited), 0u);
  EXPECT_EQ(run.count(Event::HostInterrupted), 0u);
  const auto posted = spans_of(run, "vf0");
  ASSERT_GT(posted.size(), 50u);
  for (const SpanId span : posted) {
    EXPECT_TRUE(run.passes(span, {Event::IrteHit, Event::Posted}) ||
                run.passes(span, {Event::IrteFetched, Event::Posted}));
    EXPECT_FALSE(run.passes(span, {Event::EventfdSignalled}));
  }
  for (const char* device : {"disk0", "net0"}) {
    const auto signalled = spans_of(run, device);
    ASSERT_GT(signalled.size(), 20u);
    for (const SpanId span : signalled) {
      EXPECT_TRUE(run.passes(span, {Event::EventfdSignalled, Event::IrqfdRouted, Event::PirSynced}))
          << device;
      EXPECT_FALSE(run.passes(span, {Event::Posted})) << device;  // by no unit
    }
  }
}

constexpr const char* kOneVector =
    "  cpus: 2\n  host: { cpus: 4 }\n"
    "  devices: [ { id: vf, bdf: \"01:00.0\", msix: 1, attach: assigned } ]\n";

/// A descriptor is one vCPU's (KVM: a message for several stays the host's interrupt).
TEST(VmMixed, AMessageForSeveralVcpusIsNotPosted) {
  const std::string both = "{ device: vf, entry: 0, address: 0xFEE03004, data: 0x61 }";
  VmRun run(guest(
      kOneVector,
      "steps:\n"
      "  - lapic.write: { cpu: 0, reg: LDR, value: 0x01000000 }\n"
      "  - lapic.write: { cpu: 1, reg: LDR, value: 0x02000000 }\n"
      "  - msix.entry: " +
          both +
          "\n  - raise: \"vf:0\"\n"
          "  - expect: { cpu.handlers: { cpu: 0, entered: [0x61], acknowledged: [0x61] } }\n"
          "  - expect: { cpu.handlers: { cpu: 1, entered: [0x61], acknowledged: [0x61] } }\n"));
  run.run();
  expect_closed(run);
  for (const auto& row : run.outcome().expect) EXPECT_TRUE(row.held) << row.text;
  ASSERT_EQ(run.spans(Cause::Device).size(), 1u);
  const SpanId span = run.spans(Cause::Device).front();
  EXPECT_TRUE(run.passes(span, {Event::Remapped, Event::HostInterrupted, Event::EventfdSignalled,
                                Event::IrqfdRouted}));
}

TEST(VmMixed, AMessageForOneVcpuIsPostedAgain) {
  VmRun run(
      guest(kOneVector,
            "steps:\n"
            "  - lapic.write: { cpu: 0, reg: LDR, value: 0x01000000 }\n"
            "  - lapic.write: { cpu: 1, reg: LDR, value: 0x02000000 }\n"
            "  - msix.entry: { device: vf, entry: 0, address: 0xFEE03004, data: 0x61 }\n"
            "  - msix.entry: { device: vf, entry: 0, address: 0xFEE02004 }\n"
            "  - raise: \"vf:0\"\n"
            "  - expect: { cpu.handlers: { cpu: 1, entered: [0x61], acknowledged: [0x61] } }\n"));
  run.run();
  expect_closed(run);
  for (const auto& row : run.outcome().expect) EXPECT_TRUE(row.held) << row.text;
  EXPECT_EQ(run.count(Event::HostInterrupted), 0u);
  EXPECT_EQ(run.count(Event::Posted), 1u);
}

TEST(VmMixed, AMaskedVectorIsTheHostsAndPendsThere) {
  VmRun run(guest(kOneVector,
                  "steps:\n  - msix.entry: { device: vf, entry: 0, masked: true }\n"
                  "  - raise: \"vf:0\"\n  - raise: \"vf:0\"\n"
                  "  - expect: { vm.descriptor: { vcpu: 0, pir: [] } }\n"
                  "  - msix.entry: { device: vf, entry: 0, masked: false }\n"
                  "  - raise: \"vf:0\"\n"));
  run.run();
  expect_closed(run);
  EXPECT_EQ(run.count(Event::HostInterrupted), 2u);
  EXPECT_EQ(run.outcome().accounting.coalesced, 1u);
  EXPECT_EQ(run.outcome().accounting.handled, 2u + run.spans(Cause::Notification).size());
}

/// Whatever the unit posts after the wait of an invalidation is posted by the new entry.
TEST(VmMixed, AVectorThatMovesIsPostedToItsNewVcpu) {
  VmRun run(guest(kOneVector,
                  "affinity: { vf: 0 }\nworkload: [ { source: vf, periodic: 5us, for: 1ms } ]\n"
                  "during: [ { at: 500us, retarget: vf, to: 1 } ]\nhandler: 100ns\n"));
  run.run();
  expect_closed(run);
  Time moved = 0;
  for (const TraceRecord& record : run.all(Event::InvalidationWaited)) moved = record.time;
  ASSERT_GT(moved, 500 * kPsPerUs);
  std::size_t before = 0, after = 0;
  for (const TraceRecord& record : run.all(Event::Posted)) {
    const bool of_vcpu_1 = (record.detail >> 8 & 0xFF) == 1;
    EXPECT_TRUE(of_vcpu_1 || record.time <= moved);
    (of_vcpu_1 ? after : before) += 1;
  }
  EXPECT_GT(before, 90u);
  EXPECT_GT(after, 80u);
}

class VmTicks : public testing::TestWithParam<const char*> {};

/// The host's timer interrupts the CPU that the vCPU runs on, and the tick is handled in the guest.
TEST_P(VmTicks, EveryTickIsHandledInTheGuest) {
  VmRun run(guest(std::string("  cpus: 2\n  tick: 100us\n") + GetParam() +
                      "  devices: [ { id: nic, bdf: \"01:00.0\", msix: 2, attach: emulated } ]\n",
                  "workload: [ { source: nic, periodic: 70us, for: 2ms } ]\nhandler: 1us\n"));
  run.run();
  expect_closed(run);
  const auto ticks = run.spans(Cause::Local);
  EXPECT_GE(ticks.size(), 36u);
  EXPECT_LE(ticks.size(), 40u);
  for (const SpanId span : ticks) EXPECT_TRUE(run.passes(span, {Event::HandlerEntered}));
  EXPECT_GE(run.count(Event::HostInterrupted), ticks.size());
}
INSTANTIATE_TEST_SUITE_P(Virtualizations, VmTicks,
                         testing::Values("", "  apic: x2apic\n", "  idle: halt\n",
                                         "  host: { virtualization: avic }\n",
                                         "  apic: x2apic\n  host: { virtualization: avic }\n"));

class VmX2apic : public testing::TestWithParam<const char*> {};

/// Acknowledging an interrupt by MSR needs no exit of either vendor's processor.
TEST_P(VmX2apic, AnInterruptMakesNoExit) {
  VmRun run(guest(std::string("  cpus: 2\n  apic: x2apic\n") + GetParam() +
                      "  devices: [ { id: nic, bdf: \"01:00.0\", msix: 2, attach: vhost } ]\n",
                  "workload: [ { source: nic, periodic: 70us, for: 1ms } ]\nhandler: 1us\n"));
  run.run();
  expect_closed(run);
  EXPECT_EQ(run.count(Event::VmExited), 0u);
  EXPECT_GT(run.count(Event::EoiVirtualized), 20u);
}
INSTANTIATE_TEST_SUITE_P(Virtualizations, VmX2apic,
                         testing::Values("", "  host: { virtualization: avic }\n"));

}  // namespace
}  // namespace irqfab::test
