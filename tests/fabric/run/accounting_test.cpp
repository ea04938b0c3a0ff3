// Accounting over random scenarios, from the trace alone: every span has one beginning and one end,
// its hops add up to its whole time, and what is said to be in flight lies in the state of a core
// or on its way between two.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "models/base/random.hpp"
#include "models/sim/recorder.hpp"
#include "tests/fabric/run/scenario_run.hpp"
#include "tests/support/scenario_maker.hpp"

namespace irqfab::test {
namespace {

/// One span as its records tell it.
struct Story {
  Time asserted = 0;
  Time last = 0;
  Duration hops = 0;  // sum of the times between consecutive records
  unsigned openings = 0;
  unsigned ends = 0;
  Event end{};
};

/// Every span of a trace that is in canonical order.
class Stories {
 public:
  explicit Stories(const std::vector<TraceRecord>& records) {
    for (const TraceRecord& record : records) read(record);
  }

  const std::map<SpanId, Story>& all() const { return stories_; }
  std::uint64_t ended_with(Event event) const {
    return count([&](const Story& s) { return s.ends > 0 && s.end == event; });
  }
  std::vector<SpanId> in_flight() const {
    std::vector<SpanId> spans;
    for (const auto& [span, story] : stories_) {
      if (story.ends == 0) spans.push_back(span);
    }
    return spans;
  }
  Duration total() const {
    Duration sum = 0;
    for (const auto& [span, story] : stories_) sum += story.last - story.asserted;
    return sum;
  }
  /// Records that come before the span's assertion, after its end, or go back in time.
  unsigned out_of_place() const { return out_of_place_; }

 private:
  template <class Is>
  std::uint64_t count(Is is) const {
    return static_cast<std::uint64_t>(std::count_if(
        stories_.begin(), stories_.end(), [&](const auto& entry) { return is(entry.second); }));
  }
  void read(const TraceRecord& record) {
    const Effect effect = row_of(record.event).effect;
    if (record.span == kNoSpan || effect == Effect::None) return;
    Story& story = stories_[record.span];
    if (effect == Effect::Opens) {
      if (story.openings++ > 0) ++out_of_place_;
      story.asserted = story.last = record.time;
      return;
    }
    if (story.openings == 0 || story.ends > 0 || record.time < story.last) ++out_of_place_;
    story.hops += record.time - story.last;
    story.last = record.time;
    if (effect != Effect::Ends) return;
    ++story.ends;
    story.end = record.event;
  }

  std::map<SpanId, Story> stories_;
  unsigned out_of_place_ = 0;
};

/// Where spans can be: in the state of a component, or in a message on its way to one.
std::vector<SpanId> everywhere(run::Machine& machine) {
  std::vector<SpanId> spans = machine.held_spans();
  const std::vector<SpanId> moving = machine.moving_spans();
  spans.insert(spans.end(), moving.begin(), moving.end());
  std::sort(spans.begin(), spans.end());
  spans.erase(std::unique(spans.begin(), spans.end()), spans.end());
  return spans;
}

void expect_closed(ScenarioRun& run) {
  run::Machine& machine = run.machine();
  const Accounting& a = machine.ledger().accounting();
  EXPECT_EQ(a.asserted, a.ended() + machine.ledger().in_flight());
  EXPECT_EQ(machine.ledger().in_flight_spans(), Stories(run.sink().in_order()).in_flight());
  EXPECT_EQ(machine.ledger().in_flight_spans(), everywhere(machine));
}

/// Puts the scenario, which says `arch: x86` or `arch: x86-ir`, on another fabric, whose IOAPICs
/// have room for the indices of remapping entries; only VT-d posts to the CPUs of a host.
std::string on_fabric(std::string text, const std::string& arch) {
  const std::string old = "version: 0x11";
  const std::size_t version = text.find(old);
  if (version != std::string::npos) text.replace(version, old.size(), "version: 0x20");
  const std::string unit = "  remapping: amd-vi\n";
  const std::size_t amd = text.find(unit);
  if (amd != std::string::npos && arch == "x86-pi") text.erase(amd, unit.size());
  const std::size_t at = text.find("  arch: ");
  return text.replace(at, text.find('\n', at) - at, "  arch: " + arch);
}

constexpr unsigned kAsMade = 40;  // seeds; those above are of fabrics where messages are posted

class RandomScenario : public testing::TestWithParam<unsigned> {
 protected:
  std::string text() const {
    const std::string made = make_scenario(Purpose::Anything, GetParam()).text;
    return GetParam() <= kAsMade ? made : on_fabric(made, "x86-pi");
  }
};

TEST_P(RandomScenario, HopsOfEverySpanAddUpToItsTime) {
  ScenarioRun run(text());
  run.run_to_end();
  const Stories stories(run.sink().in_order());
  EXPECT_EQ(stories.out_of_place(), 0u);
  ASSERT_FALSE(stories.all().empty());
  for (const auto& [span, story] : stories.all()) {
    EXPECT_EQ(story.openings, 1u) << raw(span);
    EXPECT_LE(story.ends, 1u) << raw(span);
    EXPECT_EQ(story.hops, story.last - story.asserted) << raw(span);
  }
  Duration hops = 0;
  const run::Outcome outcome = run.outcome();
  for (const run::HopRow& hop : outcome.hops) hops += hop.total;
  EXPECT_EQ(hops, stories.total());
  EXPECT_EQ(outcome.hop_total, stories.total());
}

TEST_P(RandomScenario, OutcomesAreThoseOfTheTrace) {
  ScenarioRun run(text());
  run.run_to_end();
  const Stories stories(run.sink().in_order());
  const run::Outcome outcome = run.outcome();
  EXPECT_EQ(outcome.accounting.asserted, stories.all().size());
  EXPECT_EQ(outcome.accounting.handled, stories.ended_with(Event::Handled));
  EXPECT_EQ(outcome.accounting.coalesced, stories.ended_with(Event::Coalesced));
  EXPECT_EQ(outcome.accounting.dropped, stories.ended_with(Event::Dropped));
  EXPECT_EQ(outcome.accounting.cancelled, stories.ended_with(Event::Cancelled));
  EXPECT_EQ(outcome.in_flight, stories.in_flight().size());
  // Nothing in these scenarios takes a request back after the CPU was told, breaks a rule, or takes
  // an interrupt twice.
  EXPECT_EQ(outcome.accounting.spurious, 0u);
  EXPECT_EQ(outcome.accounting.duplicated, 0u);
  EXPECT_EQ(outcome.accounting.guest_errors, 0u);
}

TEST_P(RandomScenario, WhatIsInFlightIsFoundWheneverTheRunStops) {
  ScenarioRun run(text());
  expect_closed(run);
  Random random(GetParam(), 7);
  const Time end = run.end_of_workload() + 10 * kPsPerUs;
  std::vector<Time> stops(12);
  for (Time& stop : stops) stop = random.below(end);
  std::sort(stops.begin(), stops.end());
  for (const Time stop : stops) {
    SCOPED_TRACE(stop);
    run.run_until(stop);
    EXPECT_LE(run.machine().engine().now(), stop);
    expect_closed(run);
  }
  run.run_to_end();
  expect_closed(run);
  EXPECT_TRUE(run.machine().engine().idle());
  EXPECT_TRUE(run.machine().moving_spans().empty());
  EXPECT_EQ(run.machine().ledger().in_flight_spans(), run.machine().held_spans());
}

TEST_P(RandomScenario, RecordsCanBeWrittenInCanonicalOrderWhileTheRunGoesOn) {
  ScenarioRun run(text());
  std::vector<TraceRecord> flushed;
  const auto keep = [&](const TraceRecord& record) { flushed.push_back(record); };
  Reorder reorder;
  std::size_t read = 0;
  const Time step = run.end_of_workload() / 50 + 1;
  for (Time stop = 0; !run.machine().engine().idle(); stop += step) {
    run.run_until(stop);
    for (; read < run.sink().taken.size(); ++read) {
      reorder.add(run.sink().taken[read].key, run.sink().taken[read].record);
    }
    reorder.flush_before(run.machine().engine().now(), keep);
  }
  reorder.flush_all(keep);
  EXPECT_EQ(flushed.size(), run.sink().taken.size());
  EXPECT_TRUE(flushed == run.sink().in_order());
}

TEST_P(RandomScenario, StoppingOnTheWayChangesNothing) {
  const RunResult in_one_go = run_apart(text());
  ScenarioRun run(text());
  Random random(GetParam(), 8);
  for (int i = 1; i <= 20; ++i) run.run_until(i * (run.end_of_workload() / 20 + random.below(999)));
  run.run_to_end();
  ASSERT_FALSE(in_one_go.records.empty());
  EXPECT_TRUE(run.sink().in_order() == in_one_go.records);
}

/// Everything that interrupts handlers, and an INIT for each CPU under way.
constexpr const char* kInterruptedHandlers = R"(irqfab: 1
machine:
  arch: x86
  cpus: 2
  tick: 20us
  devices:
    - { id: nic, bdf: "01:00.0", msix: 40 }
    - { id: nmi, bdf: "02:00.0", msix: 2 }
    - { id: init, bdf: "03:00.0", msix: 2 }
setup:
  - msix.entry: { device: nmi, entry: 0, address: 0xfee00000, data: 0x400 }
  - msix.entry: { device: nmi, entry: 1, address: 0xfee01000, data: 0x400 }
  - msix.entry: { device: init, entry: 0, address: 0xfee00000, data: 0x500 }
  - msix.entry: { device: init, entry: 1, address: 0xfee01000, data: 0x500 }
workload:
  - { source: nic, poisson: 40us, for: 1ms }
  - { source: nmi, poisson: 6us, for: 1ms }
  - { source: "init:1", at: 500.3us }
  - { source: "init:0", at: 800.7us }
handler: { steps: [ read device 100ns, enable interrupts, busy 3us ] }
)";

TEST(InterruptedHandlers, EverySpanIsAccountedForWheneverTheRunStops) {
  ScenarioRun run(kInterruptedHandlers);
  Random random(1, 9);
  for (Time stop = 0; stop < 1100 * kPsPerUs; stop += random.below(5 * kPsPerUs)) {
    SCOPED_TRACE(stop);
    run.run_until(stop);
    expect_closed(run);
  }
  run.run_to_end();
  expect_closed(run);
  const run::Outcome outcome = run.outcome();
  EXPECT_EQ(outcome.accounting.duplicated, 0u);
  EXPECT_GT(outcome.accounting.handled, 300u);
  EXPECT_GT(outcome.accounting.coalesced, 100u);  // NMIs, of which one is latched
  EXPECT_GT(outcome.accounting.cancelled, 0u);    // by the INITs
  EXPECT_GT(outcome.accounting.dropped, 100u);    // after them
  const auto hop = [&](Event event) {
    return std::any_of(outcome.hops.begin(), outcome.hops.end(),
                       [&](const run::HopRow& row) { return row.event == event; });
  };
  EXPECT_TRUE(hop(Event::HandlerPreempted) && hop(Event::HandlerResumed));
}

/// Misses, moves and faults at a remapping unit, which reports them; timers that have messages.
constexpr const char* kRemapped = R"(irqfab: 1
machine:
  arch: x86-ir
  cpus: 4
  hpet: { requester: "f0:0f.0" }
  devices:
    - { id: nic, bdf: "01:00.0", msix: 100 }
    - { id: uart, bdf: "00:05.0", intx: A }
setup:
  - vtd.irte: { index: 500, vector: 0xe0, dest: 1, requester: "f0:0f.0" }
  - vtd.write: { reg: FEDATA_REG, value: 0xe2 }
  - vtd.write: { reg: FEADDR_REG, value: 0xfee02000 }
  - vtd.write: { reg: FECTL_REG, value: 0 }
  - hpet.write: { reg: TIM0_FSB, value: 0xfee03e9000000000 }
  - hpet.write: { reg: TIM0_CONF, value: 0x404c }
  - hpet.write: { reg: TIM0_COMP, value: 70 }
  - hpet.write: { reg: TIM2_FSB, value: 0xfee0003000000000 }
  - hpet.write: { reg: TIM2_CONF, value: 0x4004 }
  - hpet.write: { reg: TIM2_COMP, value: 3000 }
  - hpet.write: { reg: GEN_CONF, value: 1 }
workload:
  - { source: nic, poisson: 100us, for: 1ms }
  - { source: "uart:INTA", poisson: 30us, for: 1ms }
during:
  - { at: 50us, every: 10us, retarget: "nic:0..7", to: random }
)";

TEST(Remapped, EverySpanIsAccountedForWheneverTheRunStops) {
  ScenarioRun run(kRemapped);
  Random random(1, 10);
  const Time start = run.machine().engine().now();
  for (Time stop = start; stop < start + 1100 * kPsPerUs; stop += random.below(5 * kPsPerUs)) {
    SCOPED_TRACE(stop);
    run.run_until(stop);
    expect_closed(run);
  }
  const run::Outcome outcome = run.outcome();
  const auto count = [&](const char* component, Event event) {
    std::uint64_t found = 0;
    for (const run::HopRow& row : outcome.hops) {
      if (row.component == component && row.event == event) found += row.count;
    }
    return found;
  };
  EXPECT_GT(outcome.accounting.handled, 500u);
  EXPECT_EQ(outcome.accounting.dropped, 1u) << "the timer that uses the NIC's entry";
  EXPECT_EQ(count("vtd0", Event::UnitEventSent), 1u);
  EXPECT_GT(count("hpet", Event::ComparatorSent), 150u);
  EXPECT_GT(count("vtd0", Event::IrteFetched), 100u);
  EXPECT_GT(count("vtd0", Event::IrteHit), 100u);
}

/// The same where NMIs and INITs come by entries of the remapping table, and the others are posted.
std::string interrupted_posted_handlers() {
  std::string text = on_fabric(kInterruptedHandlers, "x86-pi");
  const std::size_t setup = text.find("setup:");
  const std::size_t workload = text.find("workload:");
  return text.replace(setup, workload - setup, R"(setup:
  - vtd.irte: { index: 40, vector: 0, mode: nmi, dest: 0 }
  - vtd.irte: { index: 41, vector: 0, mode: nmi, dest: 1 }
  - vtd.irte: { index: 42, vector: 0, mode: init, dest: 0 }
  - vtd.irte: { index: 43, vector: 0, mode: init, dest: 1 }
)");
}

TEST(InterruptedHandlers, EveryPostedSpanIsAccountedForWheneverTheRunStops) {
  ScenarioRun run(interrupted_posted_handlers());
  Random random(1, 9);
  for (Time stop = 0; stop < 1100 * kPsPerUs; stop += random.below(5 * kPsPerUs)) {
    SCOPED_TRACE(stop);
    run.run_until(stop);
    expect_closed(run);
  }
  run.run_to_end();
  expect_closed(run);
  const run::Outcome outcome = run.outcome();
  EXPECT_EQ(outcome.accounting.duplicated, 0u);
  EXPECT_GT(outcome.accounting.handled, 300u);
  EXPECT_GT(outcome.accounting.coalesced, 100u);  // in PIRs, and NMIs
  EXPECT_GT(outcome.accounting.cancelled, 0u);    // by the INITs
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomScenario, testing::Range(1u, 61u),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace irqfab::test
