#include "models/sim/ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "models/base/random.hpp"

namespace irqfab {
namespace {

constexpr SourceId kNic{0};
constexpr SourceId kDisk{1};
constexpr NodeId kDevice{0};  // component 0
constexpr NodeId kLaneA{1};   // component 1, two lanes
constexpr NodeId kLaneB{2};

class Records final : public RecordSink {
 public:
  void take(const Key& key, const TraceRecord& record) override {
    EXPECT_EQ(key.time, record.time);
    all.push_back(record);
  }
  std::vector<TraceRecord> all;
};

class LedgerTest : public ::testing::Test {
 protected:
  static Ledger::Config config() {
    Ledger::Config config;
    config.component_of_node = {0, 1, 1};
    config.components = 2;
    config.path_of_source = {0, 1};
    config.paths = 2;
    return config;
  }
  /// An event without any waiting before it.
  void note(Time time, Event event, SpanId span, NodeId node = kDevice, std::uint64_t detail = 0) {
    const auto before = last.find(span);
    note_from(before == last.end() ? time : before->second, time, event, span, node, detail);
  }
  /// What led to the event began at `begin`.
  void note_from(Time begin, Time time, Event event, SpanId span, NodeId node = kDevice,
                 std::uint64_t detail = 0) {
    const Key key{time, 0, TieClass::Controller, PortId{0}, node, 0};
    ledger.note({begin, begin}, key, {time, span, detail, node, event, 0}, &records);
    last[span] = time;
  }
  SpanId open(Time time, SourceId source = kNic) {
    const SpanId span = make_span(source, sequence++);
    note(time, Event::Asserted, span);
    return span;
  }
  Uint128 sum_of_hops() const {
    Uint128 sum = 0;
    for (std::uint16_t component = 0; component < 2; ++component) {
      for (std::uint16_t event = 0; event < kEventCount; ++event) {
        const HopStat* hop = ledger.hop(component, static_cast<Event>(event));
        if (hop != nullptr) sum += hop->time.sum();
      }
    }
    return sum;
  }
  void expect_identity() const {
    const Accounting& a = ledger.accounting();
    EXPECT_EQ(a.asserted, a.ended() + ledger.in_flight());
    EXPECT_EQ(ledger.in_flight(), ledger.in_flight_spans().size());
    EXPECT_TRUE(sum_of_hops() == ledger.time_in_flight());
  }

  Records records;
  Ledger ledger{config()};
  std::map<SpanId, Time> last;
  std::uint64_t sequence = 0;
};

TEST_F(LedgerTest, EverySpanIsInFlightOrHasOneOutcome) {
  const SpanId handled = open(10), coalesced = open(11), dropped = open(12), cancelled = open(13);
  const SpanId left = open(14);
  note(20, Event::Handled, handled);
  note(21, Event::Coalesced, coalesced, kDevice, raw(handled));
  note(22, Event::Dropped, dropped, kDevice, static_cast<std::uint64_t>(DropReason::NoRoute));
  note(23, Event::Cancelled, cancelled, kDevice, static_cast<std::uint64_t>(CancelOp::Reset));
  const Accounting& a = ledger.accounting();
  EXPECT_EQ(a.asserted, 5u);
  EXPECT_EQ(a.handled, 1u);
  EXPECT_EQ(a.coalesced, 1u);
  EXPECT_EQ(a.dropped, 1u);
  EXPECT_EQ(a.cancelled, 1u);
  EXPECT_EQ(a.drops[static_cast<std::size_t>(DropReason::NoRoute)], 1u);
  EXPECT_EQ(a.cancels[static_cast<std::size_t>(CancelOp::Reset)], 1u);
  EXPECT_EQ(ledger.in_flight_spans(), std::vector<SpanId>{left});
  expect_identity();
}

TEST_F(LedgerTest, HopsSumUpToTheTimeInFlight) {
  const SpanId a = open(100), b = open(150, kDisk);
  note(130, Event::MsiSent, a);
  note(180, Event::MsiSent, b);
  note(200, Event::Pended, a, kLaneA);
  note(260, Event::Pended, b, kLaneB);
  note(300, Event::Handled, a, kLaneA);
  EXPECT_EQ(ledger.time_in_flight(), 200u + 110u);
  expect_identity();
  const HopStat* pended = ledger.hop(1, Event::Pended);
  ASSERT_NE(pended, nullptr);
  EXPECT_EQ(pended->time.count(), 2u);  // both lanes are one component
  EXPECT_EQ(pended->time.min(), 70u);
  EXPECT_EQ(pended->time.max(), 80u);
  EXPECT_EQ(ledger.hop(0, Event::Pended), nullptr);
}

TEST_F(LedgerTest, EverySourceHasItsPath) {
  const SpanId a = open(100), b = open(100, kDisk), c = open(100, kDisk);
  note(160, Event::HandlerEntered, a);
  note(200, Event::Handled, a);
  note(170, Event::HandlerEntered, b);
  note(300, Event::Handled, b);
  note(110, Event::Dropped, c);
  EXPECT_EQ(ledger.path(0).to_handler.max(), 60u);
  EXPECT_EQ(ledger.path(0).to_end.max(), 100u);
  EXPECT_EQ(ledger.path(1).to_handler.max(), 70u);
  EXPECT_EQ(ledger.path(1).to_end.max(), 200u);
  EXPECT_EQ(ledger.path(1).to_end.count(), 1u);  // handled spans only
  EXPECT_EQ(ledger.path(0).accounting.asserted, 1u);
  EXPECT_EQ(ledger.path(1).accounting.asserted, 2u);
  EXPECT_EQ(ledger.path(1).accounting.dropped, 1u);
}

TEST_F(LedgerTest, AHandlerEnteredAtTimeZeroCounts) {
  const SpanId a = open(0);
  note(0, Event::HandlerEntered, a);
  note(40, Event::Handled, a);
  EXPECT_EQ(ledger.path(0).to_handler.count(), 1u);
  EXPECT_EQ(ledger.path(0).to_handler.max(), 0u);
}

TEST_F(LedgerTest, TheFirstHandlerIsTheOneThatCounts) {
  const SpanId a = open(100);
  note(140, Event::HandlerEntered, a);
  note(190, Event::HandlerEntered, a);
  note(200, Event::Handled, a);
  EXPECT_EQ(ledger.path(0).to_handler.max(), 40u);
}

TEST_F(LedgerTest, ASpanThatNoHandlerEnteredHasNoTimeToOne) {
  note(40, Event::Handled, open(0));
  EXPECT_EQ(ledger.path(0).to_handler.count(), 0u);
  EXPECT_EQ(ledger.path(0).to_end.count(), 1u);
}

// ---- waiting ----------------------------------------------------------------------------------

TEST_F(LedgerTest, WaitingBeforeAnEventIsCountedAndRecorded) {
  const SpanId a = open(100);
  note_from(130, 150, Event::BridgeForwarded, a);
  const HopStat* hop = ledger.hop(0, Event::BridgeForwarded);
  ASSERT_NE(hop, nullptr);
  EXPECT_EQ(hop->time.max(), 50u);
  EXPECT_EQ(hop->queue, 30u);
  ASSERT_EQ(records.all.size(), 3u);
  EXPECT_EQ(records.all[1].event, Event::Waited);
  EXPECT_EQ(records.all[1].time, 130u);
  EXPECT_EQ(records.all[1].detail, 30u);
  EXPECT_EQ(records.all[1].span, a);
  EXPECT_EQ(records.all[2].event, Event::BridgeForwarded);
  EXPECT_EQ(ledger.hop(0, Event::Waited), nullptr);
  expect_identity();
}

TEST_F(LedgerTest, WithoutWaitingNoneIsRecorded) {
  const SpanId a = open(100);
  note_from(100, 150, Event::BridgeForwarded, a);
  EXPECT_EQ(records.all.size(), 2u);
  EXPECT_EQ(ledger.hop(0, Event::BridgeForwarded)->queue, 0u);
}

TEST_F(LedgerTest, WaitingInThePastIsRecordedWithWhatFollowed) {
  // Work that began earlier ends now: nothing may be recorded at an earlier time any more.
  const SpanId a = open(100);
  const Key key{150, 0, TieClass::Controller, PortId{0}, kDevice, 0};
  ledger.note({130, 140}, key, {150, a, 0, kDevice, Event::BridgeForwarded, 0}, &records);
  EXPECT_EQ(ledger.hop(0, Event::BridgeForwarded)->queue, 30u);
  ASSERT_EQ(records.all.size(), 3u);
  EXPECT_EQ(records.all[1].event, Event::Waited);
  EXPECT_EQ(records.all[1].time, 150u);
  EXPECT_EQ(records.all[1].detail, 30u);
}

TEST_F(LedgerTest, AnEventThatIsItselfAWaitNeedsNoOtherRecord) {
  const SpanId a = open(100);
  note_from(150, 150, Event::Stalled, a);
  note_from(170, 170, Event::HeldForOrder, a);
  ASSERT_EQ(records.all.size(), 3u);
  EXPECT_EQ(records.all[1].event, Event::Stalled);
  EXPECT_EQ(records.all[2].event, Event::HeldForOrder);
  EXPECT_EQ(ledger.hop(0, Event::Stalled)->queue, 50u);
  EXPECT_EQ(ledger.hop(0, Event::HeldForOrder)->queue, 20u);
  expect_identity();
}

TEST_F(LedgerTest, ARoundBelongsToItsTime) {
  const SpanId a = open(100);
  const Key key{150, 3, TieClass::Controller, PortId{0}, kDevice, 0};
  ledger.note({130, 130}, key, {150, a, 0, kDevice, Event::Pended, 3}, &records);
  EXPECT_EQ(records.all[1].round, 0);  // Waited, at 130
  EXPECT_EQ(records.all[2].round, 3);
  const Key instant{170, 5, TieClass::Controller, PortId{0}, kDevice, 0};
  ledger.note({170, 170}, instant, {170, a, 0, kDevice, Event::Accepted, 5}, &records);
  EXPECT_EQ(records.all[3].event, Event::Waited);
  EXPECT_EQ(records.all[3].round, 5);
}

// ---- beside the identity ----------------------------------------------------------------------

TEST_F(LedgerTest, WhatHappensAfterTheEndIsADuplicate) {
  const SpanId a = open(100);
  note(150, Event::Handled, a);
  note(160, Event::Handled, a, kLaneA);
  note(170, Event::Pended, make_span(kDisk, 99));
  EXPECT_EQ(ledger.accounting().duplicated, 2u);
  EXPECT_EQ(ledger.accounting().handled, 1u);
  EXPECT_EQ(records.all.back().event, Event::DuplicateSeen);
  EXPECT_EQ(ledger.hop(1, Event::Handled), nullptr);
  expect_identity();
}

TEST_F(LedgerTest, BookkeepingMovesNoSpan) {
  const SpanId a = open(100);
  note(150, Event::SpuriousAnswered, kNoSpan);
  note(151, Event::GuestError, kNoSpan);
  note(152, Event::DuplicateSeen, a);
  note(153, Event::MemoryWritten, a);  // an event without an effect on spans
  note(154, Event::BridgeForwarded, kNoSpan);
  EXPECT_EQ(ledger.accounting().spurious, 1u);
  EXPECT_EQ(ledger.accounting().guest_errors, 1u);
  EXPECT_EQ(ledger.accounting().duplicated, 1u);
  EXPECT_EQ(records.all.size(), 6u);
  EXPECT_EQ(ledger.time_in_flight(), 0u);
  EXPECT_EQ(ledger.hop(0, Event::BridgeForwarded), nullptr);
  expect_identity();
}

TEST_F(LedgerTest, WithoutASinkItCountsAlike) {
  const SpanId a = make_span(kNic, 0);
  const auto at = [](Time time, Event event, SpanId span) {
    return TraceRecord{time, span, 0, kDevice, event, 0};
  };
  for (const auto& [time, event] : {std::pair{Time{10}, Event::Asserted},
                                    {20, Event::MsiSent},
                                    {30, Event::Handled},
                                    {40, Event::Handled}}) {
    const Key key{time, 0, TieClass::Device, PortId{0}, kDevice, 0};
    ledger.note({time, time}, key, at(time, event, a), nullptr);
  }
  EXPECT_EQ(ledger.accounting().handled, 1u);
  EXPECT_EQ(ledger.accounting().duplicated, 1u);
  EXPECT_EQ(ledger.time_in_flight(), 20u);
}

// ---- the table of live spans ------------------------------------------------------------------

TEST_F(LedgerTest, ItsTableIsThatOfAMapWhateverComesAndGoes) {
  Random random(3, 1);
  std::map<SpanId, Time> model;  // live spans, and when each did its last thing
  std::vector<SpanId> live;
  std::uint64_t opened = 0;
  Duration in_flight = 0;
  for (Time now = 1; now <= 60'000; ++now) {
    // Grows to about 9000, falls to a few, and grows again.
    const bool growing = now % 20'000 < 12'000;
    const std::uint64_t choice = random.below(8);
    if (live.empty() || choice < (growing ? 6u : 1u)) {
      // Sequences far apart and close together, so that slots collide.
      const SpanId span = make_span(SourceId(opened % 2), opened / 2 * (1 + opened % 3 * 1000));
      ++opened;
      if (!model.emplace(span, now).second) continue;
      live.push_back(span);
      note(now, Event::Asserted, span);
    } else {
      const std::size_t at = random.below(live.size());
      const SpanId span = live[at];
      in_flight += now - model[span];
      if (choice == 7) {
        note(now, Event::Pended, span, kLaneA);
        model[span] = now;
        continue;
      }
      note(now, Event::Handled, span);
      model.erase(span);
      live[at] = live.back();
      live.pop_back();
    }
    records.all.clear();
    if (now % 5000 == 0) {
      std::vector<SpanId> expected;
      for (const auto& item : model) expected.push_back(item.first);
      ASSERT_EQ(ledger.in_flight_spans(), expected);
    }
  }
  EXPECT_GT(opened, 20'000u);
  EXPECT_EQ(ledger.in_flight(), model.size());
  EXPECT_EQ(ledger.time_in_flight(), in_flight);
  EXPECT_EQ(ledger.accounting().duplicated, 0u);
  expect_identity();
}

TEST_F(LedgerTest, ThousandsInFlightEndInAnyOrder) {
  std::vector<SpanId> spans;
  for (unsigned i = 0; i < 5000; ++i) spans.push_back(open(i));
  EXPECT_EQ(ledger.in_flight(), 5000u);
  Random random(3, 2);
  for (std::size_t left = spans.size(); left > 0; --left) {
    std::swap(spans[random.below(left)], spans[left - 1]);
    note(6000, Event::Handled, spans[left - 1]);
  }
  EXPECT_EQ(ledger.accounting().handled, 5000u);
  EXPECT_EQ(ledger.in_flight(), 0u);
  EXPECT_EQ(ledger.accounting().duplicated, 0u);
}

TEST_F(LedgerTest, ACopyIsIndependent) {
  const SpanId a = open(100), b = open(110);
  note(120, Event::MsiSent, a);
  const Ledger copy = ledger;
  note(200, Event::MsiSent, b);
  note(300, Event::Handled, a);
  EXPECT_EQ(copy.accounting().handled, 0u);
  EXPECT_EQ(copy.in_flight_spans(), (std::vector<SpanId>{a, b}));
  EXPECT_EQ(copy.time_in_flight(), 20u);
  EXPECT_EQ(copy.hop(0, Event::MsiSent)->time.count(), 1u);
  EXPECT_EQ(copy.hop(0, Event::Handled), nullptr);
  EXPECT_EQ(ledger.hop(0, Event::MsiSent)->time.count(), 2u);
  const Accounting later = ledger.accounting();
  ledger = copy;
  EXPECT_EQ(ledger.accounting(), copy.accounting());
  EXPECT_FALSE(ledger.accounting() == later);
  note_from(120, 300, Event::Handled, a);
  EXPECT_EQ(ledger.accounting(), later);
  EXPECT_EQ(ledger.path(0).to_end.max(), 200u);
  EXPECT_EQ(copy.path(0).to_end.count(), 0u);
}

}  // namespace
}  // namespace irqfab
