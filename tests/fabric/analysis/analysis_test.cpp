// What an analysis makes of records: stimulus a few records, effect the rows of its tables. That it
// equals what runs report of themselves is tested at the command line (tests/cli/traces_test.py).
#include "fabric/analysis/analysis.hpp"

#include <gtest/gtest.h>

#include "models/base/outcome.hpp"

namespace irqfab::analysis {
namespace {

constexpr NodeId kDevice{0}, kApic0{1}, kApic1{2}, kRun{3};
constexpr SourceId kFirst{0}, kSecond{1};

trace::TraceHeader header() {
  trace::TraceHeader header;
  header.arch = "x86";
  header.path = "bare-metal";
  header.profile = "p";
  header.behaviour = "spec";
  header.scenario = "s.yaml";
  header.seed = 3;
  for (const char* name : {"nic", "lapic0", "lapic1", "run"}) header.nodes.add(name);
  header.sources.add("nic:0");
  header.sources.add("nic:1");
  header.components = {{"nic", 1}, {"lapics", 2}};
  header.paths = {"spare", "nic:msix"};
  header.path_of_source.add(1);
  header.path_of_source.add(1);
  header.prices[static_cast<std::size_t>(Event::MsiSent)] = {"a guess", "assumed"};
  return header;
}

class AnalysisTest : public testing::Test {
 protected:
  void begin(trace::TraceHeader of = header(), const std::string& file = "a.trace") {
    header_ = std::move(of);
    ASSERT_FALSE(analysis.begin(file, header_));
  }
  void take(Time time, Event event, SpanId span, NodeId node = kDevice, std::uint64_t detail = 0) {
    analysis.take({time, span, detail, node, event, 0});
  }
  /// Asserted at `time`; 20 to send, `pending` until accepted, 300 to the end.
  SpanId handled(Time time, SourceId source, std::uint64_t sequence, Duration pending = 0,
                 std::uint64_t accepted = 0x141) {
    const SpanId span = make_span(source, sequence);
    take(time, Event::Asserted, span);
    take(time + 20, Event::MsiSent, span);
    if (pending > 0) take(time + 20 + pending, Event::Waited, span, kApic1, pending);
    take(time + 20 + pending, Event::Accepted, span, kApic1, accepted);
    take(time + 220 + pending, Event::HandlerEntered, span, kApic1);
    take(time + 320 + pending, Event::Handled, span, kApic1);
    return span;
  }
  void run_ends(Time time, Duration simulated) {
    take(time, Event::RunEnded, kNoSpan, kRun, simulated);
  }
  Findings findings() {
    analysis.end(Ended::Whole);
    return analysis.findings();
  }
  static const run::HopRow& hop(const Findings& found, Event event) {
    for (const run::HopRow& row : found.outcome.hops) {
      if (row.event == event) return row;
    }
    throw std::runtime_error("no such hop");
  }
  trace::TraceHeader header_;
  Analysis analysis{{By::Path, 5}};
};

class AnalysisBy : public AnalysisTest {
 protected:
  void by(By key) { analysis = Analysis({key, 0}); }
  std::vector<std::pair<std::string, std::uint64_t>> counts() {
    std::vector<std::pair<std::string, std::uint64_t>> all;
    for (const KeyRow& row : findings().keys) all.emplace_back(row.key, row.to_end.count);
    return all;
  }
  using Counts = std::vector<std::pair<std::string, std::uint64_t>>;
};

TEST_F(AnalysisTest, APathIsTheTimeFromAssertionToEndAndToTheHandler) {
  begin();
  handled(1000, kFirst, 0);
  handled(2000, kSecond, 0, 50);
  const Findings found = findings();
  ASSERT_EQ(found.outcome.paths.size(), 1u);  // no row for a path that handled nothing
  const run::PathRow& path = found.outcome.paths[0];
  EXPECT_EQ(path.name, "nic:msix");
  EXPECT_EQ(path.to_end.count, 2u);
  EXPECT_EQ(path.to_end.min, 320u);
  EXPECT_EQ(path.to_end.max, 370u);
  EXPECT_EQ(path.to_handler.min, 220u);
  EXPECT_EQ(path.to_handler.max, 270u);
}

TEST_F(AnalysisTest, HopsAreOfComponentsAndInTheOrderOfRoles) {
  begin();
  handled(1000, kFirst, 0, 50);
  const Findings found = findings();
  std::vector<std::string> names;
  for (const run::HopRow& row : found.outcome.hops) {
    names.push_back(row.component + '.' + std::string(name_of(row.event)));
  }
  EXPECT_EQ(names, (std::vector<std::string>{"nic.MsiSent", "lapics.Accepted",
                                             "lapics.HandlerEntered", "lapics.Handled"}));
  EXPECT_EQ(found.outcome.hop_total, 370u);
}

TEST_F(AnalysisTest, WaitingIsPartOfTheHopThatFollowsIt) {
  begin();
  handled(1000, kFirst, 0, 50);
  const Findings found = findings();
  EXPECT_EQ(hop(found, Event::Accepted).total, 50u);
  EXPECT_EQ(hop(found, Event::Accepted).queue, 50u);
  EXPECT_EQ(hop(found, Event::HandlerEntered).queue, 0u);
}

TEST_F(AnalysisTest, AWaitThatIsShownLateIsCountedByItsLength) {
  begin();
  const SpanId span = make_span(kFirst, 0);
  take(1000, Event::Asserted, span);
  take(1100, Event::Waited, span, kDevice, 30);
  take(1100, Event::MsiSent, span);
  EXPECT_EQ(hop(findings(), Event::MsiSent).queue, 30u);
}

TEST_F(AnalysisTest, AWaitIsNeverLongerThanItsHop) {
  begin();
  const SpanId span = make_span(kFirst, 0);
  take(1000, Event::Asserted, span);
  take(1000, Event::Waited, span, kDevice, ~Duration{0});
  take(1100, Event::MsiSent, span);
  EXPECT_EQ(hop(findings(), Event::MsiSent).queue, 100u);
}

TEST_F(AnalysisTest, StallsAreWaitingAndNothingElse) {
  begin();
  const SpanId span = make_span(kFirst, 0);
  take(1000, Event::Asserted, span);
  take(1100, Event::Stalled, span);
  take(1110, Event::HeldForOrder, span);
  const Findings found = findings();
  EXPECT_EQ(hop(found, Event::Stalled).queue, 100u);
  EXPECT_EQ(hop(found, Event::HeldForOrder).queue, 10u);
}

TEST_F(AnalysisTest, EveryInterruptHasOneOutcome) {
  begin();
  const auto end = [this](std::uint64_t sequence, Event event, std::uint64_t detail) {
    const SpanId span = make_span(kFirst, sequence);
    take(10, Event::Asserted, span);
    take(10, event, span, kApic0, detail);
  };
  handled(5, kSecond, 0);
  end(0, Event::Coalesced, 1);
  end(1, Event::Dropped, static_cast<std::uint64_t>(DropReason::RemapFault));
  end(2, Event::Cancelled, static_cast<std::uint64_t>(CancelOp::Reset));
  take(11, Event::Asserted, make_span(kFirst, 3));
  const Findings found = findings();
  const Accounting& a = found.outcome.accounting;
  EXPECT_EQ(a.asserted, 5u);
  EXPECT_EQ(a.handled, 1u);
  EXPECT_EQ(a.coalesced, 1u);
  EXPECT_EQ(a.dropped, 1u);
  EXPECT_EQ(a.drops[static_cast<std::size_t>(DropReason::RemapFault)], 1u);
  EXPECT_EQ(a.cancelled, 1u);
  EXPECT_EQ(a.cancels[static_cast<std::size_t>(CancelOp::Reset)], 1u);
  EXPECT_EQ(found.outcome.in_flight, 1u);
}

TEST_F(AnalysisTest, WhatStandsBesideTheAccountIsCounted) {
  begin();
  take(1, Event::SpuriousAnswered, kNoSpan);
  take(1, Event::DuplicateSeen, make_span(kFirst, 0));
  take(1, Event::GuestError, kNoSpan);
  const Findings found = findings();
  EXPECT_EQ(found.outcome.accounting.spurious, 1u);
  EXPECT_EQ(found.outcome.accounting.duplicated, 1u);
  EXPECT_EQ(found.guest_errors, 1u);
  EXPECT_EQ(found.outcome.accounting.asserted, 0u);
}

TEST_F(AnalysisTest, TheRunSaysHowLongItWasAndHowItEnded) {
  begin();
  handled(1000, kFirst, 0);
  take(2000, Event::TimeStoodStill, kNoSpan, kRun);
  run_ends(2000, 1900);
  const Findings found = findings();
  EXPECT_EQ(found.outcome.simulated, 1900u);
  EXPECT_TRUE(found.outcome.stuck);
  EXPECT_TRUE(found.notes.empty());
}

TEST_F(AnalysisTest, AssumedTimeIsThatOfPricesWithoutTheirWaits) {
  begin();
  const SpanId span = make_span(kFirst, 0);
  take(1000, Event::Asserted, span);
  take(1060, Event::Waited, span, kDevice, 60);
  take(1080, Event::MsiSent, span);
  const Findings found = findings();
  EXPECT_EQ(found.outcome.assumed, 20u);
  EXPECT_EQ(hop(found, Event::MsiSent).price_source, "a guess");
}

TEST_F(AnalysisTest, TheWorstNameTheirSpanSourceCpuAndReason) {
  begin();
  for (std::uint64_t i = 0; i < 9; ++i) handled(1000 * i, kFirst, i);
  handled(10'000, kSecond, 4, 700, 0x341);
  const std::vector<WorstRow> worst = findings().worst;
  ASSERT_EQ(worst.size(), 5u);
  EXPECT_EQ(worst[0].span, "nic:1#4");
  EXPECT_EQ(worst[0].source, "nic:1");
  EXPECT_EQ(worst[0].cpu, 3u);
  EXPECT_EQ(worst[0].total, 1020u);
  EXPECT_EQ(worst[0].event, Event::Accepted);
  EXPECT_EQ(worst[0].node, "lapic1");
  EXPECT_EQ(worst[0].waited, 700u);
  EXPECT_EQ(worst[0].usual, 0u);
}

TEST_F(AnalysisTest, TracesAreAddedUpByName) {
  begin();
  handled(1000, kFirst, 0);
  run_ends(1500, 1500);
  analysis.end(Ended::Whole);
  trace::TraceHeader second = header();
  second.seed = 4;
  second.paths = {"nic:msix", "other:msix"};  // the same name, another number
  second.path_of_source = Indexed<SourceId, std::uint32_t>(2, 0);
  begin(second, "b.trace");
  handled(1000, kFirst, 0);
  take(1000, Event::Asserted, make_span(kFirst, 1));
  run_ends(2500, 2500);
  const Findings found = findings();
  ASSERT_EQ(found.outcome.paths.size(), 1u);
  EXPECT_EQ(found.outcome.paths[0].to_end.count, 2u);
  EXPECT_EQ(hop(found, Event::MsiSent).count, 2u);
  EXPECT_EQ(found.outcome.simulated, 4000u);
  EXPECT_EQ(found.outcome.in_flight, 1u);
  ASSERT_EQ(found.traces.size(), 2u);
  EXPECT_EQ(found.traces[0].file, "a.trace");
  EXPECT_EQ(found.traces[0].records, 6u);
  EXPECT_EQ(found.traces[1].seed, 4u);
  EXPECT_EQ(found.traces[1].simulated, 2500u);
}

TEST_F(AnalysisTest, SpansOfOneTraceAreNotThoseOfTheNext) {
  begin();
  take(1000, Event::Asserted, make_span(kFirst, 0));
  analysis.end(Ended::Whole);
  begin(header(), "b.trace");
  take(2000, Event::MsiSent, make_span(kFirst, 0));
  const Findings found = findings();
  EXPECT_TRUE(found.outcome.hops.empty());
  EXPECT_EQ(found.outcome.in_flight, 1u);
}

TEST_F(AnalysisTest, TracesOfDifferentMachinesAreRefused) {
  begin();
  analysis.end(Ended::Whole);
  for (const auto member : {&trace::TraceHeader::arch, &trace::TraceHeader::path,
                            &trace::TraceHeader::profile, &trace::TraceHeader::behaviour}) {
    trace::TraceHeader other = header();
    other.*member = "other";
    const auto refused = analysis.begin("b.trace", other);
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->where.file, "b.trace");
    EXPECT_NE(refused->message.find("other"), std::string::npos);
  }
}

TEST_F(AnalysisTest, WhatATraceLacksIsSaid) {
  trace::TraceHeader bare = header();
  bare.components.clear();
  bare.paths.clear();
  bare.path_of_source = {};
  bare.prices = {};
  begin(bare);
  handled(1000, kFirst, 0);
  const Findings found = findings();
  EXPECT_EQ(found.outcome.paths[0].name, "nic:0");
  EXPECT_EQ(hop(found, Event::Accepted).component, "lapic1");
  EXPECT_EQ(hop(found, Event::MsiSent).price_kind, "unknown");
  EXPECT_EQ(found.outcome.simulated, 1320u);
  EXPECT_EQ(found.notes.size(), 3u);
}

TEST_F(AnalysisTest, RecordsThatMakeNoSenseAreCountedAndSaid) {
  begin();
  const SpanId span = make_span(kFirst, 0);
  take(10, Event::MsiSent, span);  // never began
  take(10, Event::Asserted, span);
  take(20, Event::Asserted, span);  // twice
  take(30, Event::Dropped, span, kDevice, 12345);
  run_ends(30, 30);
  const Findings found = findings();
  EXPECT_EQ(found.outcome.accounting.asserted, 1u);
  EXPECT_EQ(found.outcome.accounting.dropped, 1u);
  ASSERT_EQ(found.notes.size(), 3u);
  for (const Diagnostic& note : found.notes) EXPECT_EQ(note.message.substr(0, 2), "1 ");
}

TEST_F(AnalysisTest, NumbersThatTheHeaderDoesNotNameAreRowsToo) {
  begin();
  const SpanId span = make_span(SourceId{77}, 0);
  take(10, Event::Asserted, span);
  take(20, Event::Handled, span, NodeId{99});
  const Findings found = findings();
  EXPECT_EQ(found.outcome.paths[0].name, "source-77");
  EXPECT_EQ(hop(found, Event::Handled).component, "node-99");
}

TEST_F(AnalysisBy, Source) {
  by(By::Source);
  begin();
  handled(1000, kSecond, 0);
  handled(2000, kFirst, 0);
  handled(3000, kSecond, 1);
  EXPECT_EQ(counts(), (Counts{{"nic:0", 1}, {"nic:1", 2}}));
}

TEST_F(AnalysisBy, VectorAndCpuAreThoseThatAccepted) {
  for (const By key : {By::Vector, By::Cpu}) {
    by(key);
    begin();
    handled(1000, kFirst, 0, 0, 0x241);
    handled(2000, kFirst, 1, 0, 0xA30);
    take(3000, Event::Asserted, make_span(kFirst, 2));
    take(3000, Event::Handled, make_span(kFirst, 2));
    const Counts expected = key == By::Vector ? Counts{{"0x30", 1}, {"0x41", 1}, {"none", 1}}
                                              : Counts{{"cpu2", 1}, {"cpu10", 1}, {"none", 1}};
    EXPECT_EQ(counts(), expected);
  }
}

TEST_F(AnalysisBy, HopsHaveAllColumns) {
  by(By::Hop);
  begin();
  handled(1000, kFirst, 0);
  handled(2000, kFirst, 1, 50);
  const Findings found = findings();
  ASSERT_EQ(found.hops.size(), 4u);
  EXPECT_EQ(found.hops[1].event, Event::Accepted);
  EXPECT_EQ(found.hops[1].time.min, 0u);
  EXPECT_EQ(found.hops[1].time.max, 50u);
}

TEST(Distribution, QuantilesAreThoseOfAHistogramHoweverMany) {
  Distribution distribution;
  Histogram histogram;
  EXPECT_TRUE(distribution.empty());
  for (Duration i = 1; i <= 10'000; ++i) {
    distribution.record(i * i);
    histogram.record(i * i);
    if (i % 1024 == 1) {
      EXPECT_TRUE(distribution.histogram() == histogram) << i;
    }
  }
  EXPECT_FALSE(distribution.empty());
}

}  // namespace
}  // namespace irqfab::analysis
