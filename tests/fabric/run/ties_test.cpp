// Ties: what happens at one time happens in the order that models/sim/key.hpp documents, and in no
// order that a scenario's author chose by writing one row before another.
#include <gtest/gtest.h>

#include <cctype>
#include <map>

#include "tests/fabric/run/scenario_run.hpp"
#include "tests/support/scenario_maker.hpp"

namespace irqfab::test {
namespace {

/// `names` with every id of `from` replaced by its counterpart in `to`.
std::vector<std::string> renamed(const std::vector<std::string>& names,
                                 const std::vector<std::string>& from,
                                 const std::vector<std::string>& to) {
  std::map<std::string, std::string> other;
  for (std::size_t i = 0; i < from.size(); ++i) other[from[i]] = to[i];
  const auto rename = [&](const std::string& name) {
    std::string result, word;
    for (const char c : name + '\0') {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
        word += c;
        continue;
      }
      const auto known = other.find(word);
      result += known == other.end() ? word : known->second;
      if (c != '\0') result += c;
      word.clear();
    }
    return result;
  };
  std::vector<std::string> result;
  for (const std::string& name : names) result.push_back(rename(name));
  return result;
}

/// The first record in which two traces differ, for a message worth reading.
std::string difference(const std::vector<TraceRecord>& a, const std::vector<TraceRecord>& b) {
  const auto text = [](const std::vector<TraceRecord>& records, std::size_t i) {
    if (i >= records.size()) return std::string("nothing");
    const TraceRecord& r = records[i];
    return std::to_string(r.time) + " ps, node " + std::to_string(raw(r.node)) + ", " +
           std::string(name_of(r.event)) + ", span " + std::to_string(raw(r.span)) + ", detail " +
           std::to_string(r.detail) + ", round " + std::to_string(r.round);
  };
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i >= a.size() || i >= b.size() || !(a[i] == b[i])) {
      return "record " + std::to_string(i) + ": " + text(a, i) + " | " + text(b, i);
    }
  }
  return "";
}

class Declaration : public testing::TestWithParam<unsigned> {
 protected:
  static void expect_same(Purpose purpose) {
    const MadeScenario made = make_scenario(purpose, GetParam());
    const RunResult expected = run_apart(made.text);
    ASSERT_FALSE(expected.records.empty());
    for (std::uint64_t a = 1; a <= 3; ++a) {
      const MadeScenario other = make_scenario(purpose, GetParam(), Arrangement{a});
      ASSERT_NE(other.text, made.text);
      const RunResult result = run_apart(other.text);
      EXPECT_EQ(difference(expected.records, result.records), "") << "arrangement " << a;
      EXPECT_EQ(renamed(expected.nodes, made.ids, other.ids), result.nodes);
    }
  }
};

TEST_P(Declaration, OrderAndNamesDecideNoTie) { expect_same(Purpose::Ties); }

TEST_P(Declaration, OrderAndNamesDecideNothingElse) { expect_same(Purpose::Anything); }

INSTANTIATE_TEST_SUITE_P(Seeds, Declaration, testing::Range(1u, 31u),
                         testing::PrintToStringParamName());

/// The records at one time, as `node Event`.
std::vector<std::string> at(const RunResult& run, Time time) {
  std::vector<std::string> found;
  for (const TraceRecord& record : run.records) {
    if (record.time != time) continue;
    found.push_back(run.nodes[raw(record.node)] + ' ' + std::string(name_of(record.event)));
  }
  return found;
}

using Lines = std::vector<std::string>;

constexpr Time ns(std::uint64_t count) { return count * kPsPerNs; }

// Every price of the profile is 1 ns, so both messages leave their bridges at 2 ns. Bridges stand
// in the order of segments, whatever they are called and whichever is declared first.
constexpr const char* kTwoBridges = R"(irqfab: 1
machine:
  cpus: 1
  host_bridges:
    - { id: a, segment: 1, devices: [ { id: first, bdf: "01:00.0", msix: 1 } ] }
    - { id: b, segment: 0, devices: [ { id: second, bdf: "01:00.0", msix: 1 } ] }
workload:
  - { source: first:0, at: 0ns }
  - { source: second:0, at: 0ns }
handler: 5ns
profile: unit
)";

TEST(TieOrder, MessagesThatArriveTogetherGoInTheOrderOfTheirBridges) {
  const RunResult run = run_apart(kTwoBridges);
  EXPECT_EQ(at(run, 0), (Lines{"second Asserted", "first Asserted"}));
  EXPECT_EQ(at(run, ns(1)), (Lines{"second MsiSent", "first MsiSent"}));
  // The second message waits for the interconnect, which starts one message in a nanosecond.
  EXPECT_EQ(at(run, ns(2)), (Lines{"b BridgeForwarded", "a BridgeForwarded"}));
  EXPECT_EQ(at(run, ns(3)), (Lines{"apic_bus MessageRouted", "apic_bus Waited", "lapics Pended",
                                   "lapic0 Accepted"}));
  EXPECT_EQ(at(run, ns(4)),
            (Lines{"cpu0 HandlerEntered", "apic_bus MessageRouted", "lapics Pended"}));
}

// Vector 16 of the device has a higher class than vector 0, so the CPU's line is up while it
// handles vector 0, and it asks again in the moment in which it writes EOI, 26 ns. In that moment
// vector 16 arrives once more.
constexpr const char* kThreeAtOnce = R"(irqfab: 1
machine: { cpus: 1, devices: [ { id: dev, bdf: "01:00.0", msix: 17 } ] }
workload:
  - { source: dev:0, at: 0ns }
  - { source: dev:16, at: 2ns }
  - { source: dev:16, at: 23ns }
handler: 21ns
profile: unit
)";

TEST(TieOrder, EndsOfInterruptsThenPendingThenAcceptance) {
  const RunResult run = run_apart(kThreeAtOnce);
  EXPECT_EQ(at(run, ns(26)), (Lines{"cpu0 EoiWritten", "apic_bus MessageRouted", "lapic0 Handled",
                                    "lapics Coalesced", "lapic0 Waited", "lapic0 Accepted"}));
}

}  // namespace
}  // namespace irqfab::test
