// Order on edges, and the credits of bounded queues.
#include <gtest/gtest.h>

#include "models/base/random.hpp"
#include "tests/models/sim/station_rig.hpp"

namespace irqfab::station_test {
namespace {

// ---- order ------------------------------------------------------------------------------------

class StationOrder : public StationTest {
 protected:
  StationOrder() {
    price(Event::MemoryRead, 500, 0);
    price(Event::BridgeForwarded, 100, 0);
  }
};

TEST_F(StationOrder, OnAnOrderedEdgeAMessageThatIsReadyEarlyIsHeld) {
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn, Order::Ordered);
  const SpanId late = begin_span(0), early = begin_span(10);
  relay->accept(kIn, write(0, late, kSlow), 0, 0);
  relay->accept(kIn, write(1, early), 10, 0);
  engine.run();
  EXPECT_EQ(out.carried, (std::vector<Carried>{{600, 0, 0}, {600, 1, 0}}));
  EXPECT_EQ(records.life_of(early),
            (Life{{10, Event::Pended}, {110, Event::BridgeForwarded}, {600, Event::HeldForOrder}}));
  const HopStat* held = engine.ledger().hop(0, Event::HeldForOrder);
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(held->time.count(), 1u);
  EXPECT_EQ(held->time.max(), 490u);
}

TEST_F(StationOrder, OnAnUnorderedEdgeItOvertakes) {
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn, Order::Unordered);
  relay->accept(kIn, write(0, begin_span(0), kSlow), 0, 0);
  relay->accept(kIn, write(1, begin_span(10)), 10, 0);
  engine.run();
  EXPECT_EQ(out.carried, (std::vector<Carried>{{600, 0, 0}, {110, 1, 0}}));
  EXPECT_EQ(engine.ledger().hop(0, Event::HeldForOrder), nullptr);
}

TEST_F(StationOrder, LanesOfAnOrderedEdgeDoNotHoldEachOther) {
  auto relay = make<Relay>(1, TieClass::Bridge, 2);
  const Direct& out = join(*relay, kOut, nullptr, kIn, Order::Ordered);
  relay->accept(kIn, write(0, kNoSpan, kSlow, 0), 0, 0);
  relay->accept(kIn, write(1, kNoSpan, kPlain, 1), 10, 0);
  engine.run();
  EXPECT_EQ(out.times(), (Times{600, 110}));
}

TEST_F(StationOrder, LeavingTogetherIsNotBeingHeld) {
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn, Order::Ordered);
  relay->accept(kIn, write(0, begin_span(0)), 0, 0);
  relay->accept(kIn, write(1, begin_span(0)), 0, 0);
  engine.run();
  EXPECT_EQ(out.times(), (Times{100, 100}));
  EXPECT_EQ(engine.ledger().hop(0, Event::HeldForOrder), nullptr);
}

TEST_F(StationOrder, WhatWasHeldHoldsTheNext) {
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn, Order::Ordered);
  relay->accept(kIn, write(0, kNoSpan, kSlow), 0, 0);
  relay->accept(kIn, write(1), 10, 0);
  relay->accept(kIn, write(2), 20, 0);
  relay->accept(kIn, write(3), 700, 0);
  engine.run();
  EXPECT_EQ(out.carried,
            (std::vector<Carried>{{600, 0, 0}, {600, 1, 0}, {600, 2, 0}, {800, 3, 0}}));
}

// ---- credits ----------------------------------------------------------------------------------

/// A sender without prices before a receiver that serves one write every 100 ps.
class StationCredits : public StationTest {
 protected:
  void build(unsigned depth, Duration sender_latency = 0) {
    price(Event::BridgeForwarded, sender_latency, 0);
    sender = make<Relay>(1);
    price(Event::BridgeForwarded, 10, 100);
    receiver = make<Relay>(2);
    link = &join(*sender, kOut, receiver.get(), kIn, Order::Ordered, depth);
    out = &join(*receiver, kOut, nullptr, kIn);
  }
  std::size_t waiting_at_receiver() const {
    std::vector<SpanId> spans;
    receiver->held_spans(spans);
    return spans.size();
  }
  SpanId send(std::uint64_t data, Time time) {
    const SpanId span = begin_span(time);
    sender->accept(kIn, write(data, span), time, 0);
    return span;
  }

  std::unique_ptr<Station<Relay>> sender;
  std::unique_ptr<Station<Relay>> receiver;
  const Direct* link = nullptr;
  const Direct* out = nullptr;
};

TEST_F(StationCredits, AFullQueueStallsTheSender) {
  build(2);
  for (std::uint64_t i = 0; i < 6; ++i) send(i, 0);
  engine.run();
  // Three go at once: one is served and two wait. Each service start then lets one more go.
  EXPECT_EQ(link->times(), (Times{0, 0, 0, 100, 200, 300}));
  EXPECT_EQ(times(Event::Stalled, NodeId{1}), (Times{100, 200, 300}));
  EXPECT_EQ(times(Event::Pended, NodeId{2}), (Times{0, 100, 200, 300, 400, 500}));
  EXPECT_EQ(out->data(), (Data{0, 1, 2, 3, 4, 5}));
}

TEST_F(StationCredits, AStalledSenderStartsNoOtherRequest) {
  build(2);
  for (std::uint64_t i = 0; i < 6; ++i) send(i, 0);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{0, 0, 0, 0, 100, 200}));
}

TEST_F(StationCredits, TheReceiverNeverHoldsMoreThanItsDepth) {
  build(2);
  for (std::uint64_t i = 0; i < 20; ++i) send(i, i * 3);
  std::size_t most = 0;
  for (Time time = 0; time < 2500; time += 5) {
    engine.run(time);
    most = std::max(most, waiting_at_receiver());
  }
  EXPECT_EQ(most, 2u);
  EXPECT_EQ(out->carried.size(), 20u);
}

TEST_F(StationCredits, WithoutADepthNobodyStalls) {
  build(0);
  for (std::uint64_t i = 0; i < 6; ++i) send(i, 0);
  engine.run();
  EXPECT_EQ(link->times(), Times(6, 0));
  EXPECT_TRUE(times(Event::Stalled, NodeId{1}).empty());
}

TEST_F(StationCredits, StallingIsTimeOfTheSpanAndNoWaitBeside) {
  build(1);
  send(0, 0);
  send(1, 0);
  const SpanId span = send(2, 0);
  engine.run();
  EXPECT_EQ(records.life_of(span), (Life{{0, Event::Pended},
                                 {0, Event::BridgeForwarded},
                                 {100, Event::Stalled},
                                 {200, Event::Waited},
                                 {200, Event::Pended},
                                 {210, Event::BridgeForwarded}}));
}

TEST_F(StationCredits, ACreditThatComesBeforeTheMessageIsReadyStallsNothing) {
  build(1, 500);
  send(0, 0);    // arrives at 500 and is served
  send(1, 400);  // without a credit; ready at 900
  engine.run();
  EXPECT_EQ(link->times(), (Times{500, 900}));
  EXPECT_TRUE(times(Event::Stalled, NodeId{1}).empty());
}

TEST_F(StationCredits, WhatHasNoCreditIsHeldByTheSender) {
  build(1);
  std::vector<SpanId> sent;
  for (std::uint64_t i = 0; i < 4; ++i) sent.push_back(send(i, 0));
  engine.run(50);
  std::vector<SpanId> at_sender;
  sender->held_spans(at_sender);
  std::sort(at_sender.begin(), at_sender.end());
  EXPECT_EQ(at_sender, (std::vector<SpanId>{sent[2], sent[3]}));
}

TEST_F(StationCredits, AnswersReachAStalledSender) {
  build(1);
  sender->accept(kIn, write(9, kNoSpan, kLater), 0, 0);  // Elapsed at 1000
  for (std::uint64_t i = 0; i < 20; ++i) sender->accept(kIn, write(i), 10, 0);
  engine.run(1050);
  EXPECT_EQ(sender->core().delayed.size(), 0u);
  engine.run();
  EXPECT_EQ(out->carried.size(), 21u);
}

TEST_F(StationCredits, WhatIsSentWhileACreditComesBackGoesBehindWhatIsHeld) {
  build(1);
  for (std::uint64_t i = 0; i < 3; ++i) sender->accept(kIn, write(i), 0, 0);  // 2 is held
  engine.run(50);
  sender->core().delayed.push_back(write(3));
  // At 100 the receiver gives its credit back, and this is served before the sender sees it.
  sender->accept(kIn, Elapsed{Tag{0}, 0}, 100, 1);
  engine.run();
  EXPECT_EQ(link->data(), (Data{0, 1, 2, 3}));
  EXPECT_EQ(link->times(), (Times{0, 0, 100, 200}));  // a credit each
}

TEST_F(StationCredits, SeveralCreditsAtOnceReleaseTheSenderOnce) {
  price(Event::BridgeForwarded, 0, 0);
  sender = make<Relay>(1);
  price(Event::BridgeForwarded, 10, 100);
  receiver = make<Relay>(2, TieClass::Bridge, 2);
  link = &join(*sender, kOut, receiver.get(), kIn, Order::Ordered, 2);
  out = &join(*receiver, kOut, nullptr, kIn);
  for (std::uint64_t i = 0; i < 20; ++i) {
    // The sender has one lane; the receiver's two start services at the same times.
    sender->accept(kIn, write(i, kNoSpan, kPlain, i % 2), 0, 0);
  }
  engine.run();
  EXPECT_EQ(out->carried.size(), 20u);
}

/// A sender of several lanes, each of which has something to send all the time.
class StationTurns : public StationCredits {
 protected:
  void build_lanes(std::uint32_t lanes) {
    price(Event::BridgeForwarded, 0, 0);
    sender = make<Relay>(1, TieClass::Device, lanes);
    price(Event::BridgeForwarded, 10, 100);
    receiver = make<Relay>(1 + lanes);
    link = &join(*sender, kOut, receiver.get(), kIn, Order::Ordered, 1);
    out = &join(*receiver, kOut, nullptr, kIn);
  }
  /// `data` says who sent it.
  void send_from(std::uint64_t lane, Time time) {
    sender->accept(kIn, write(lane, kNoSpan, kPlain, lane), time, 0);
  }
};

TEST_F(StationTurns, LanesThatWaitForACreditAreServedInTheOrderInWhichTheyBeganToWait) {
  build_lanes(4);
  send_from(0, 0);
  send_from(0, 0);
  send_from(0, 0);  // is held, and blocks the others
  send_from(3, 20);
  send_from(1, 30);
  send_from(2, 40);
  send_from(0, 50);
  engine.run();
  EXPECT_EQ(link->data(), (Data{0, 0, 0, 3, 1, 2, 0}));
}

TEST_F(StationTurns, ALaneThatAlwaysHasMoreLeavesTheOthersTheirTurns) {
  build_lanes(3);
  for (int i = 0; i < 10; ++i) send_from(0, 0);
  for (int i = 0; i < 3; ++i) send_from(2, 5);
  for (int i = 0; i < 3; ++i) send_from(1, 10);
  engine.run();
  EXPECT_EQ(link->data(), (Data{0, 0, 0, 0, 2, 1, 0, 2, 1, 0, 2, 1, 0, 0, 0, 0}));
}

TEST_F(StationTurns, WhatArrivesWhenACreditComesBackGoesBehindThoseThatWait) {
  build_lanes(3);
  for (int i = 0; i < 3; ++i) send_from(0, 0);
  send_from(2, 20);
  send_from(2, 25);
  send_from(1, 100);  // the receiver's next service start
  engine.run();
  EXPECT_EQ(link->data(), (Data{0, 0, 0, 2, 1, 2}));
}

TEST_F(StationCredits, AChainOfBoundedQueuesLosesAndReordersNothing) {
  for (const unsigned depth : {1u, 2u, 5u}) {
    SCOPED_TRACE(depth);
    records.clear();
    price(Event::BridgeForwarded, 30, 7);
    auto a = make<Relay>(1, TieClass::Device);
    auto b = make<Relay>(2, TieClass::Bridge);
    price(Event::BridgeForwarded, 40, 90);
    auto c = make<Relay>(3, TieClass::Controller);
    join(*a, kOut, b.get(), kIn, Order::Ordered, depth);
    join(*b, kOut, c.get(), kIn, Order::Ordered, depth);
    const Direct& end = join(*c, kOut, nullptr, kIn);
    Random random(1, depth);
    Data expected;
    const Time start = engine.now() + 1;
    for (std::uint64_t i = 0; i < 400; ++i) {
      const Time time = start + i * 80;
      const std::uint64_t kind = random.below(4) == 0 ? kSlow : kPlain;
      a->accept(kIn, write(i, begin_span(time), kind), time, 0);
      expected.push_back(i);
    }
    engine.run();
    EXPECT_EQ(end.data(), expected);
    EXPECT_FALSE(times(Event::Stalled, NodeId{1}).empty());
    EXPECT_FALSE(times(Event::Stalled, NodeId{2}).empty());
  }
  // Relays end no span: all are in flight, and every picosecond of theirs lies in one hop.
  Uint128 sum = 0;
  for (std::uint16_t e = 0; e < kEventCount; ++e) {
    const HopStat* hop = engine.ledger().hop(0, static_cast<Event>(e));
    if (hop != nullptr) sum += hop->time.sum();
  }
  EXPECT_EQ(engine.ledger().in_flight(), 1200u);
  EXPECT_TRUE(sum == engine.ledger().time_in_flight());
}

TEST_F(StationCredits, TwoSendersHaveCreditsOfTheirOwn) {
  price(Event::BridgeForwarded, 0, 0);
  auto first = make<Relay>(1);
  auto second = make<Relay>(2);
  price(Event::BridgeForwarded, 10, 100);
  auto sink = make<Relay>(3);
  const Direct& from_first = join(*first, kOut, sink.get(), port_of(0, 0), Order::Ordered, 1);
  const Direct& from_second = join(*second, kOut, sink.get(), port_of(0, 1), Order::Ordered, 1);
  join(*sink, kOut, nullptr, kIn);
  for (std::uint64_t i = 0; i < 3; ++i) first->accept(kIn, write(i), 0, 0);
  second->accept(kIn, write(9), 0, 0);
  engine.run();
  EXPECT_EQ(from_first.times(), (Times{0, 0, 200}));  // the other one waits ahead of it
  EXPECT_EQ(from_second.times(), Times{0});
}

}  // namespace
}  // namespace irqfab::station_test
