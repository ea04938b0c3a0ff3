// How a posted interrupt gets to its vCPU, from the trace alone: without an exit to one that runs,
// by a wake-up to one that is blocked, and to one that is preempted only when it runs again.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "fabric/topology/x86_plan.hpp"
#include "models/base/random.hpp"
#include "tests/fabric/run/vm_run.hpp"

namespace irqfab::test {
namespace {

/// Where each vCPU's thread is, as the records tell it.
enum class Place { Out, Guest, Blocked, Preempted };
class Places {
 public:
  void read(const TraceRecord& record) {
    const auto vcpu = static_cast<std::uint32_t>(record.detail);
    switch (record.event) {
      case Event::VcpuLoaded:
        at_[vcpu] = Place::Out;
        break;
      case Event::VcpuEntered:
        at_[vcpu] = Place::Guest;
        break;
      case Event::VcpuBlocked:
        at_[vcpu] = Place::Blocked;
        break;
      case Event::VcpuPreempted:
        at_[vcpu] = Place::Preempted;
        break;
      default:
        break;
    }
  }
  Place of(std::uint32_t vcpu) { return at_[vcpu]; }

 private:
  std::map<std::uint32_t, Place> at_;
};

std::uint32_t vcpu_of_post(const TraceRecord& posted) {
  return static_cast<std::uint32_t>(posted.detail >> 8);
}

/// Spans that were posted while their vCPU was at `place`.
std::vector<SpanId> posted_at(const VmRun& run, Place place) {
  std::vector<SpanId> found;
  Places places;
  for (const TraceRecord& record : run.records()) {
    places.read(record);
    if (record.event != Event::Posted) continue;
    if (places.of(vcpu_of_post(record)) == place) found.push_back(record.span);
  }
  return found;
}

void expect_closed(const VmRun& run) {
  EXPECT_EQ(run.outcome().accounting.asserted, run.outcome().accounting.ended());
  EXPECT_EQ(run.outcome().in_flight, 0u);
  EXPECT_EQ(run.outcome().accounting.dropped, 0u);
  EXPECT_EQ(run.outcome().accounting.duplicated, 0u);
  EXPECT_EQ(run.outcome().accounting.guest_errors, 0u);
}

TEST(VmRunning, NothingLeavesTheGuestForAPostedInterrupt) {
  VmRun run(vm_scenario("vm-running"));
  run.run();
  expect_closed(run);
  EXPECT_EQ(run.count(Event::VmExited), 0u);
  EXPECT_EQ(run.count(Event::HostInterrupted), 0u);
  EXPECT_EQ(run.count(Event::VcpuWoken), 0u);
  EXPECT_EQ(run.count(Event::VcpuEntered), 4u);  // each vCPU once, at the beginning
  const auto devices = run.spans(Cause::Device);
  EXPECT_GT(devices.size(), 300u);
  std::size_t handled = 0;
  for (const SpanId span : devices) {
    handled += run.passes(span, {Event::Posted, Event::PirSynced, Event::Pended, Event::Accepted,
                                 Event::HandlerEntered, Event::EoiVirtualized, Event::Handled});
  }
  EXPECT_EQ(handled, run.count(Event::EoiVirtualized));
  EXPECT_EQ(handled + run.outcome().accounting.coalesced, devices.size());
}

TEST(VmRunning, TheProcessorTakesEachNotification) {
  VmRun run(vm_scenario("vm-running"));
  run.run();
  const auto notifications = run.spans(Cause::Notification);
  ASSERT_FALSE(notifications.empty());
  for (const SpanId span : notifications) {
    EXPECT_TRUE(run.passes(span, {Event::NotificationSent, Event::MessageRouted,
                                  Event::NotificationTaken, Event::Handled}));
  }
  // To the CPU that the vCPU has to itself.
  for (const TraceRecord& record : run.all(Event::NotificationTaken)) {
    EXPECT_EQ(run.node(record), "host-cpu" + std::to_string(record.detail));
  }
}

/// With posted interrupts, published measurements have less than 0.05.
TEST(VmRunning, ExitsForAnInterruptAreFarBelowOneInTwenty) {
  VmRun run(vm_scenario("vm-running"));
  run.run();
  EXPECT_LT(20 * run.count(Event::VmExited), run.spans(Cause::Device).size());
}

TEST(VmBlocked, TheHostWakesTheVcpuWhichEntersWithTheInterrupt) {
  VmRun run(vm_scenario("vm-blocked"));
  run.run();
  expect_closed(run);
  const auto posted = posted_at(run, Place::Blocked);
  ASSERT_GT(posted.size(), 10u);
  std::size_t switched = 0;
  for (const SpanId span : posted) {
    EXPECT_TRUE(run.passes(span, {Event::Posted, Event::VcpuWoken, Event::PirSynced})) << raw(span);
    switched += run.passes(span, {Event::VcpuWoken, Event::TaskSwitched, Event::VcpuEntered});
  }
  EXPECT_GT(switched, 10u);  // the other vCPU of the CPU ran last
  // The notification itself interrupts the host and ends there.
  std::size_t interrupts = 0;
  for (const SpanId span : run.spans(Cause::Notification)) {
    interrupts +=
        run.passes(span, {Event::NotificationSent, Event::HostInterrupted, Event::Handled});
  }
  EXPECT_GE(interrupts, posted.size());
}

TEST(VmPreempted, NobodyIsToldUntilTheVcpuRuns) {
  VmRun run(vm_scenario("vm-preempted"));
  run.run();
  expect_closed(run);
  const auto posted = posted_at(run, Place::Preempted);
  ASSERT_EQ(posted.size(), 1u);
  for (const SpanId span : posted) {
    const auto story = run.story_of(span);
    const auto at = [&](Event event) {
      const auto found = std::find_if(story.begin(), story.end(),
                                      [event](const TraceRecord& r) { return r.event == event; });
      return found == story.end() ? kNever : found->time;
    };
    const Time update = at(Event::Posted);
    const Time taken = at(Event::PirSynced);
    ASSERT_NE(taken, kNever);
    EXPECT_GT(taken - update, 100 * kPsPerUs);
    EXPECT_FALSE(run.passes(span, {Event::VcpuWoken}));
    EXPECT_TRUE(run.passes(span, {Event::Posted, Event::PirSynced, Event::VcpuEntered}));
    for (const TraceRecord& record : run.records()) {
      if (record.time <= update || record.time >= taken) continue;
      const bool of_vcpu_0 = record.detail >> 8 == topology::kVcpuDescriptors / 64;
      EXPECT_FALSE(record.event == Event::NotificationSent && of_vcpu_0);
      EXPECT_NE(record.event, Event::HostInterrupted);
    }
  }
}

TEST(VmMigrated, TheDescriptorFollowsTheThread) {
  VmRun run(vm_scenario("vm-migrated"));
  run.run();
  expect_closed(run);
  std::map<std::uint64_t, std::set<std::string>> cpus_of;
  for (const TraceRecord& record : run.all(Event::VcpuLoaded)) {
    cpus_of[record.detail].insert(run.node(record));
  }
  std::size_t moved = 0;
  for (const auto& [vcpu, cpus] : cpus_of) moved += cpus.size() > 1;
  EXPECT_GE(moved, 2u);
}

TEST(VmHaltPolling, AWindowThatIsWideEnoughSavesTheSleep) {
  VmRun run(vm_scenario("vm-halt-polling"));
  run.run();
  expect_closed(run);
  const std::size_t interrupts = run.spans(Cause::Device).size();
  ASSERT_GT(interrupts, 90u);
  EXPECT_GT(run.count(Event::VcpuBlocked), 0u);  // before the window has grown
  EXPECT_LT(run.count(Event::VcpuBlocked), 10u);
  EXPECT_GT(run.count(Event::VcpuEntered), interrupts - 10);
}

TEST(VmMutants, OnThatIsNotRecomputedLeavesTheInterruptInTheDescriptor) {
  VmRun run(vm_scenario("vm-preempted"), Mutant::OnLostAfterPreemption);
  run.run();
  EXPECT_GT(run.outcome().in_flight, 0u);
}

TEST(VmMutants, WithoutTheWakeUpVectorABlockedVcpuIsNeverWoken) {
  VmRun run(vm_scenario("vm-blocked"), Mutant::WakeupVectorNotSet);
  run.run();
  EXPECT_GT(run.outcome().in_flight, 0u);
  EXPECT_EQ(run.count(Event::VcpuWoken), 0u);
}

TEST(VmMutants, AnOverwrittenEntrySendsTheInterruptToTheHost) {
  VmRun held(vm_scenario("vm-host-affinity"));
  held.run();
  expect_closed(held);
  EXPECT_EQ(held.count(Event::HostInterrupted), 0u);
  VmRun run(vm_scenario("vm-host-affinity"), Mutant::AffinityClobbersPosted);
  run.run();
  expect_closed(run);  // the host's handler passes on what it gets
  EXPECT_GT(run.count(Event::HostInterrupted), 0u);
  EXPECT_GT(run.count(Event::VmExited), 0u);
}

void expect_found_everywhere(VmRun& run, Time end, Duration step) {
  for (Time stop = 0; stop < end; stop += step) {
    run.machine().run(stop);
    std::vector<SpanId> spans = run.machine().held_spans();
    const std::vector<SpanId> moving = run.machine().moving_spans();
    spans.insert(spans.end(), moving.begin(), moving.end());
    std::sort(spans.begin(), spans.end());
    spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
    ASSERT_EQ(run.machine().ledger().in_flight_spans(), spans) << stop;
  }
}

/// A guest with a few devices' vectors under load, masked and moved, on a host of any size.
std::string random_vm(std::uint64_t seed) {
  Random random(seed, 1);
  const auto up_to = [&random](std::uint64_t most) { return 1 + random.below(most); };
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  const std::uint64_t vcpus = up_to(5);
  std::string text = "irqfab: 1\nseed: " + number(seed) + "\nmachine:\n  arch: x86-pi\n";
  text += "  path: kvm-direct-inject\n  cpus: " + number(vcpus) + '\n';
  text += random.below(3) > 0 ? "  idle: halt\n" : "";
  text +=
      "  devices: [ { id: nic, bdf: \"01:00.0\", msix: 6 }, { id: old, bdf: \"02:00.0\", "
      "msi: 4 } ]\n";
  text += "  host: { cpus: " + number(up_to(vcpus)) + ", slice: " + number(20 * up_to(20)) +
          "us, halt_poll: { most: " + number(random.below(3) * 40) + "us } }\n";
  text += "workload:\n  - { source: nic, poisson: " + number(up_to(60)) + "us, for: 1ms }\n";
  text +=
      "  - { source: old, burst: { size: 2, every: " + number(9 + up_to(80)) + "us }, for: 1ms }\n";
  text += "during:\n  - { at: 90us, every: " + number(20 + up_to(90)) +
          "us, retarget: nic, to: random }\n";
  text += "  - { at: 200us, mask: \"nic:2\" }\n  - { at: 400us, unmask: \"nic:2\" }\n";
  text += "handler: " + number(100 * up_to(60)) + "ns\n";
  return text;
}

class RandomVm : public testing::TestWithParam<unsigned> {};

TEST_P(RandomVm, EveryInterruptEndsOnce) {
  VmRun run(random_vm(GetParam()));
  run.run();
  expect_closed(run);
  EXPECT_EQ(run.outcome().accounting.spurious, 0u);
  EXPECT_GT(run.outcome().accounting.handled, 50u);
}

TEST_P(RandomVm, WhatIsInFlightIsFoundWheneverTheRunStops) {
  VmRun run(random_vm(GetParam()) + "until: 1ns\n");
  run.run();
  expect_found_everywhere(run, 2 * kPsPerMs, 7'654'321);
}

/// A vCPU is on one host CPU at a time, and a host CPU has one vCPU.
TEST_P(RandomVm, AHostCpuHasOneVcpuAtATime) {
  VmRun run(random_vm(GetParam()));
  run.run();
  std::map<std::string, std::uint64_t> on;  // host CPU: the vCPU that it took up last
  std::map<std::uint64_t, std::string> of;
  for (const TraceRecord& record : run.records()) {
    if (record.event == Event::VcpuLoaded) {
      on[run.node(record)] = record.detail;
      of[record.detail] = run.node(record);
    }
    if (record.event != Event::VcpuEntered) continue;
    EXPECT_EQ(on[run.node(record)], record.detail);
    EXPECT_EQ(of[record.detail], run.node(record));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomVm, testing::Range(1u, 31u),
                         testing::PrintToStringParamName());

/// Wherever the run stops, each interrupt that has not ended is in a core's state or on its way.
TEST(VmAccounting, WhatIsInFlightIsFoundWheneverTheRunStops) {
  for (const char* name : {"vm-running", "vm-blocked", "vm-preempted", "vm-migrated",
                           "vm-host-affinity", "vm-halt-polling"}) {
    SCOPED_TRACE(name);
    VmRun run(vm_scenario(name) + "\nuntil: 1ns\n");
    run.run();
    expect_found_everywhere(run, 2 * kPsPerMs, 3'337'001);
  }
}

}  // namespace
}  // namespace irqfab::test
