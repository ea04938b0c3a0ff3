// Snapshots: save, restore, continue gives the same records as going on did, wherever the run
// stood.
#include <gtest/gtest.h>

#include "models/base/random.hpp"
#include "models/tlm/shell.hpp"
#include "tests/fabric/run/scenario_run.hpp"
#include "tests/support/scenario_maker.hpp"

namespace irqfab::test {
namespace {

bool same(const Taken& a, const Taken& b) { return a.key == b.key && a.record == b.record; }

/// What the sink took from record `first` on.
std::vector<Taken> since(const MemorySink& sink, std::size_t first) {
  return {sink.taken.begin() + static_cast<std::ptrdiff_t>(first), sink.taken.end()};
}

class Snapshot : public testing::TestWithParam<unsigned> {
 protected:
  std::string text() const { return make_scenario(Purpose::Anything, GetParam()).text; }
  /// A time at which the scenario is busy.
  static Time somewhere(const ScenarioRun& run, Random& random) {
    return random.below(run.end_of_workload() + kPsPerUs);
  }
};

TEST_P(Snapshot, ContinuesAsTheRunDid) {
  ScenarioRun run(text());
  Random random(GetParam(), 1);
  for (Time at = somewhere(run, random); !run.machine().engine().idle();
       at += 1 + random.below(run.end_of_workload() / 3 + 1)) {
    SCOPED_TRACE(at);
    run.run_until(at);
    const auto saved = run.machine().save();
    ASSERT_TRUE(saved);
    const std::size_t first = run.sink().taken.size();
    run.run_to_end();
    const std::vector<Taken> expected = since(run.sink(), first);
    const Accounting accounting = run.machine().ledger().accounting();

    run.machine().restore(**saved);
    EXPECT_LE(run.machine().engine().now(), at);
    const std::size_t again = run.sink().taken.size();
    run.run_to_end();
    const std::vector<Taken> result = since(run.sink(), again);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), result.begin(), result.end(), same));
    EXPECT_TRUE(run.machine().ledger().accounting() == accounting);
    run.machine().restore(**saved);
  }
}

TEST_P(Snapshot, ContinuesAsTheRunDidAfterALongWayInStages) {
  ScenarioRun run(text());
  Random random(GetParam(), 2);
  run.run_until(somewhere(run, random) / 4);
  const auto saved = run.machine().save();
  ASSERT_TRUE(saved);
  const std::size_t first = run.sink().taken.size();
  for (int quarter = 2; quarter <= 4; ++quarter) {
    run.run_until(quarter * (run.end_of_workload() / 4));
  }
  run.run_to_end();
  const std::vector<Taken> expected = since(run.sink(), first);

  run.machine().restore(**saved);
  run.run_to_end();
  const std::vector<Taken> result = since(run.sink(), first + expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), result.begin(), result.end(), same));
}

INSTANTIATE_TEST_SUITE_P(Seeds, Snapshot, testing::Range(1u, 31u),
                         testing::PrintToStringParamName());

// The handler asks the device again and again, so at any time a read is under way somewhere between
// the CPU and the device, and remapped messages wait for their entries or for their descriptors.
constexpr const char* kReads = R"(irqfab: 1
machine:
  cpus: 2
  arch: )";
constexpr const char* kReadingDevices = R"(
  devices:
    - { id: dev, bdf: "01:00.0", msix: 4 }
    - { id: uart, bdf: "02:00.0", intx: A }
workload:
  - { source: dev, periodic: 1us, for: 20us }
  - { source: uart:INTA, periodic: 3us, for: 20us }
handler: { steps: [ read device 0ns, read device 0ns, read device 0ns ] }
)";

class SnapshotOfReads : public testing::TestWithParam<const char*> {};

TEST_P(SnapshotOfReads, KeepsWhatIsAskedAndNotYetAnswered) {
  ScenarioRun run(std::string(kReads) + GetParam() + kReadingDevices);
  for (Time at = 0; at < 25 * kPsPerUs; at += 77'777) {
    SCOPED_TRACE(at);
    run.run_until(at);
    const auto saved = run.machine().save();
    ASSERT_TRUE(saved);
    // What happens in between asks and answers other questions with the same transactions.
    const std::size_t first = run.sink().taken.size();
    run.run_until(at + 2 * kPsPerUs);
    const std::vector<Taken> expected = since(run.sink(), first);
    run.run_until(at + 3 * kPsPerUs + 333);
    run.machine().restore(**saved);
    const std::size_t again = run.sink().taken.size();
    run.run_until(at + 2 * kPsPerUs);
    const std::vector<Taken> result = since(run.sink(), again);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), result.begin(), result.end(), same));
    run.machine().restore(**saved);
  }
  run.run_to_end();
  EXPECT_EQ(run.machine().ledger().in_flight(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Fabrics, SnapshotOfReads, testing::Values("x86-ir", "x86-pi"),
                         [](const auto& row) { return std::string(row.param).substr(4); });

TEST(SnapshotOfAForeignModule, IsRefused) {
  ScenarioRun run(std::string(kReads) + "x86-ir" + kReadingDevices, ScenarioRun::Begin::Never);
  const auto bus = topology::index_of<mem::SystemBus::Config>(run.topology());
  const PortId free_edge = port_of(spec_of(mem::SystemBus::kInitiators), 99);
  run.machine().shell(bus).target_socket(free_edge, Requester{});
  const auto saved = run.machine().save();
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.errors().front().code, "foreign-module");
}

}  // namespace
}  // namespace irqfab::test
