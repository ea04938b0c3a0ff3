// PCI in a whole machine: order, credits and back-pressure on links, aliases, moderation.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/fabric/run/scenario_run.hpp"

namespace irqfab::test {
namespace {

constexpr const char* kFlooded = R"(irqfab: 1
machine:
  cpus: 4
  host_bridges:
    - id: hb0
      devices: [ { id: beside, bdf: "00:04.0", msix: 1 } ]
      bridges:
        - id: br0
          bdf: "00:1e.0"
          secondary: "05"
          kind: pcie-pci-bridge
          devices: [ { id: many, bdf: "05:00.0", count: 4, msix: 64 } ]
    - id: hb1
      devices: [ { id: other, bdf: "00:04.0", msix: 1 } ]
affinity: { many: spread, beside: 3, other: 3 }
workload:
  - { source: many, burst: { size: 256, every: 1ms }, for: 1ms }
  - { source: beside, periodic: 200ns, for: 4us }
  - { source: other, periodic: 200ns, for: 4us }
handler: 1ns
)";

/// When each span met the event, by span.
std::map<std::uint64_t, Time> times_of(const std::vector<TraceRecord>& records, Event event) {
  std::map<std::uint64_t, Time> times;
  for (const TraceRecord& record : records) {
    if (record.event == event) times.emplace(raw(record.span), record.time);
  }
  return times;
}

class PciRun : public ::testing::Test {
 protected:
  PciRun() { run.run_to_end(); }
  std::string source(const TraceRecord& record) {
    return std::string(run.topology().sources.names[raw(source_of(record.span))]);
  }
  ScenarioRun run{kFlooded};
};

TEST_F(PciRun, AFullBridgeStallsTheDevicesBehindItAndLosesNothing) {
  const auto records = run.sink().in_order();
  constexpr std::size_t kQueue = 32;
  std::size_t under_way = 0, most = 0, sent = 0;
  for (const TraceRecord& record : records) {
    if (source(record).substr(0, 4) != "many") continue;
    if (record.event == Event::MsiSent) {
      ++sent;
      most = std::max(most, ++under_way);
    }
    if (record.event == Event::PciBridgeForwarded) --under_way;
  }
  EXPECT_EQ(sent, 256u);
  EXPECT_EQ(under_way, 0u);
  EXPECT_GE(most, kQueue);
  EXPECT_LT(most, 2 * kQueue) << "the queue, what the bridge has begun, and one a function";
  EXPECT_EQ(times_of(records, Event::Dropped).size(), 0u);
}

TEST_F(PciRun, NothingOvertakesOnALink) {
  std::vector<std::uint64_t> in, out;
  for (const TraceRecord& record : run.sink().in_order()) {
    if (source(record).substr(0, 4) != "many") continue;
    if (record.event == Event::PciBridgeForwarded) in.push_back(raw(record.span));
    if (record.event == Event::BridgeForwarded) out.push_back(raw(record.span));
  }
  EXPECT_EQ(in.size(), 256u);
  EXPECT_EQ(in, out);
}

TEST_F(PciRun, AFullLinkHoldsUpNoOtherLinkAndNoOtherHostBridge) {
  const auto records = run.sink().in_order();
  const auto asserted = times_of(records, Event::Asserted);
  const auto sent = times_of(records, Event::MsiSent);
  const auto passed = times_of(records, Event::BridgeForwarded);
  std::size_t seen = 0;
  for (const TraceRecord& record : records) {
    if (record.event != Event::Asserted || source(record).substr(0, 4) == "many") continue;
    ++seen;
    const std::uint64_t span = raw(record.span);
    EXPECT_EQ(sent.at(span) - asserted.at(span), 20 * kPsPerNs) << source(record);
    if (source(record) == "other:0") {
      EXPECT_EQ(passed.at(span) - sent.at(span), 193 * kPsPerNs);
    }
  }
  EXPECT_EQ(seen, 40u);
}

}  // namespace
}  // namespace irqfab::test
