#include "models/sim/station.hpp"

#include <gtest/gtest.h>

#include "tests/models/sim/station_rig.hpp"

namespace irqfab::station_test {
namespace {

using StationService = StationTest;
using StationAnswers = StationTest;
using StationEnv = StationTest;

// ---- when a core is called --------------------------------------------------------------------

TEST_F(StationService, AnIdleCoreIsCalledWhenItsMessageArrives) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(7), 25, 0);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), Times{25});
  EXPECT_EQ(out.carried, (std::vector<Carried>{{125, 7, 0}}));
}

TEST_F(StationService, ACoreIsCalledWhenItsServiceStartsNotWhenTheMessageArrives) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  for (std::uint64_t i = 0; i < 3; ++i) relay->accept(kIn, write(i), 10, 0);
  engine.run(10);
  EXPECT_EQ(relay->core().served, 1u);
  engine.run(49);
  EXPECT_EQ(relay->core().served, 1u);
  engine.run(50);
  EXPECT_EQ(relay->core().served, 2u);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{10, 50, 90}));
  EXPECT_EQ(out.times(), (Times{110, 150, 190}));
}

TEST_F(StationService, WhatSomebodyOutsideDoesIsTheCoresOwn) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(1), 10, 0);
  engine.run();
  relay->act(LaneId{0}, [](Relay& core, Env& env) { core.receive(kIn, write(2), env); });
  EXPECT_EQ(relay->core().served, 2u);
  EXPECT_EQ(out.carried, (std::vector<Carried>{{110, 1, 0}, {110, 2, 0}}));
  relay->accept(kIn, write(3), 10, 0);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{10, 10, 90}))
      << "the lane was busy for both intervals";
}

TEST_F(StationService, WhatWaitsIsServedInOrderOfArrival) {
  price(Event::BridgeForwarded, 10, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  for (std::uint64_t i = 0; i < 50; ++i) relay->accept(kIn, write(i), i, 0);
  engine.run();
  Data expected;
  for (std::uint64_t i = 0; i < 50; ++i) expected.push_back(i);
  EXPECT_EQ(out.data(), expected);
  EXPECT_EQ(out.times().back(), 49u * 40 + 10);
}

TEST_F(StationService, WhatComesWhenTheLaneGetsFreeGoesBehindWhatWaits) {
  price(Event::BridgeForwarded, 10, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  relay->accept(kOut, write(0), 960, 0);
  relay->accept(kOut, write(1), 970, 0);
  relay->accept(kIn, write(2), 1000, 0);  // its port precedes that of the service due at 1000
  engine.run();
  EXPECT_EQ(out.data(), (Data{0, 1, 2}));
}

TEST_F(StationService, WithoutAnIntervalServicesOverlap) {
  price(Event::BridgeForwarded, 100, 0);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(0), 10, 0);
  relay->accept(kIn, write(1), 11, 0);
  engine.run();
  EXPECT_EQ(out.times(), (Times{110, 111}));
}

TEST_F(StationService, LanesDoNotQueueBehindEachOther) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1, TieClass::Bridge, 3);
  join(*relay, kOut, nullptr, kIn);
  for (unsigned lane : {0u, 0u, 1u, 2u, 2u})
    relay->accept(kIn, write(0, kNoSpan, kPlain, lane), 10, 0);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{10, 50}));
  EXPECT_EQ(times(Event::Pended, NodeId{2}), (Times{10}));
  EXPECT_EQ(times(Event::Pended, NodeId{3}), (Times{10, 50}));
}

TEST_F(StationService, ALaneThatDoesNotExistIsTheFirst) {
  auto relay = make<Relay>(1, TieClass::Bridge, 2);
  join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(0, kNoSpan, kPlain, 9), 10, 0);
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), Times{10});
}

TEST_F(StationService, EveryPriceOfACallIsPaid) {
  price(Event::BridgeForwarded, 100, 40);
  price(Event::MemoryRead, 200, 30);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  const SpanId span = begin_span(10);
  relay->accept(kIn, write(0, span, kSlow), 10, 0);
  relay->accept(kIn, write(1), 10, 0);
  engine.run();
  EXPECT_EQ(records.life_of(span),
            (Life{{10, Event::Pended}, {210, Event::MemoryRead}, {310, Event::BridgeForwarded}}));
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{10, 80}));
  EXPECT_EQ(out.data(), (Data{0, 1}));
}

TEST_F(StationService, WaitingInTheQueueIsRecordedForTheSpan) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1);
  join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(0), 10, 0);
  const SpanId span = begin_span(10);
  relay->accept(kIn, write(1, span), 10, 0);
  engine.run();
  EXPECT_EQ(records.life_of(span),
            (Life{{50, Event::Waited}, {50, Event::Pended}, {150, Event::BridgeForwarded}}));
}

TEST_F(StationService, OneLanesPriceMayDiffer) {
  price(Event::BridgeForwarded, 100, 0);
  auto relay = make<Relay>(1, TieClass::Bridge, 2);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  Price dear;
  dear.latency = 900;
  relay->override_price(LaneId{1}, LaneId{1}, Event::BridgeForwarded, dear);
  relay->accept(kIn, write(0, kNoSpan, kPlain, 0), 0, 0);
  relay->accept(kIn, write(1, kNoSpan, kPlain, 1), 0, 0);
  engine.run();
  EXPECT_EQ(out.times(), (Times{100, 900}));
}

TEST_F(StationService, WhatWaitsIsHeld) {
  price(Event::BridgeForwarded, 100, 40);
  auto relay = make<Relay>(1);
  join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(0), 10, 0);
  const SpanId a = begin_span(10), b = begin_span(10);
  relay->accept(kIn, write(1, a), 10, 0);
  relay->accept(kIn, write(2, b, kLater), 10, 0);
  const auto held = [&] {
    std::vector<SpanId> spans;
    relay->held_spans(spans);
    return spans;
  };
  engine.run(10);
  EXPECT_EQ(held(), (std::vector<SpanId>{a, b}));
  engine.run(50);
  EXPECT_EQ(held(), std::vector<SpanId>{b});
  engine.run(90);
  EXPECT_EQ(held(), std::vector<SpanId>{b});  // in the core
  engine.run();
  EXPECT_TRUE(held().empty());
}

// ---- answers and busy cores -------------------------------------------------------------------

TEST_F(StationAnswers, GoBeforeRequestsThatWait) {
  price(Event::BridgeForwarded, 10, 40);
  auto relay = make<Relay>(1);
  join(*relay, kOut, nullptr, kIn);
  relay->accept(kIn, write(0, kNoSpan, kLater), 0, 0);  // its Elapsed is due at 1000
  for (std::uint64_t i = 1; i < 6; ++i) relay->accept(kIn, write(i), 990, 0);
  engine.run();
  EXPECT_EQ(details(Event::BridgeForwarded), (Data{1, 0, 2, 3, 4, 5}));
  // Due while the first of the five kept the lane busy, until 1030.
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{0, 990, 1070, 1110, 1150, 1190}));
}

TEST_F(StationAnswers, KeepTheLaneBusyToo) {
  // The answer comes at the very time at which a request's service was to start, and goes first.
  price(Event::BridgeForwarded, 10, 40);
  auto relay = make<Relay>(1);
  join(*relay, kOut, nullptr, kIn);
  relay->accept(kOut, write(0), 960, 0);
  relay->accept(kOut, write(1), 970, 0);
  engine.run(970);
  relay->core().delayed.push_back(write(9));
  relay->accept(kIn, Elapsed{Tag{0}, 0}, 1000, 0);  // an earlier port, so ahead of the service
  engine.run();
  EXPECT_EQ(details(Event::BridgeForwarded), (Data{0, 9, 1}));
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{960, 1040}));
}

TEST_F(StationAnswers, ThatWaitGoBeforeARequestThatComesWhenTheLaneGetsFree) {
  price(Event::BridgeForwarded, 10, 40);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  relay->core().delayed.push_back(write(9));
  relay->accept(kOut, write(0), 960, 0);
  relay->accept(kOut, Elapsed{Tag{0}, 0}, 970, 0);
  relay->accept(kIn, write(1), 1000, 0);
  engine.run();
  EXPECT_EQ(out.data(), (Data{0, 9, 1}));
}

TEST_F(StationAnswers, ReachABusyCoreWhileRequestsWait) {
  price(Event::Remapped, 10, 0);
  auto walker = make<Walker>(1);
  const Direct& ask = join(*walker, kAsk, nullptr, kIn);
  const Direct& out = join(*walker, kOut, nullptr, kIn);
  walker->accept(kIn, write(0), 100, 0);
  walker->accept(kIn, write(1), 110, 0);
  engine.run();
  EXPECT_TRUE(walker->core().waiting);
  EXPECT_TRUE(out.carried.empty());
  walker->accept(kAsk, BusData{{}, Tag{0}, BusStatus::Ok}, 500, 0);
  engine.run();
  EXPECT_EQ(out.carried, (std::vector<Carried>{{510, 0, 0}}));
  EXPECT_EQ(times(Event::Pended, NodeId{1}), (Times{100, 500}));
  walker->accept(kAsk, BusData{{}, Tag{0}, BusStatus::Ok}, 700, 0);
  engine.run();
  EXPECT_EQ(out.times(), (Times{510, 710}));
  EXPECT_TRUE(ask.carried.empty());  // questions are no writes
}

TEST_F(StationAnswers, ABusyCoreHoldsTheRequestsOfEveryLane) {
  auto walker = make<Walker>(1, TieClass::Bridge, 3);
  join(*walker, kAsk, nullptr, kIn);
  join(*walker, kOut, nullptr, kIn);
  walker->accept(kIn, write(0, kNoSpan, kPlain, 0), 100, 0);
  walker->accept(kIn, write(1, kNoSpan, kPlain, 2), 110, 0);
  walker->accept(kIn, write(2, kNoSpan, kPlain, 1), 120, 0);
  for (const Time time : {500u, 600u, 700u}) {
    walker->accept(kAsk, BusData{{}, Tag{0}, BusStatus::Ok}, time, 0);
  }
  engine.run();
  EXPECT_EQ(times(Event::Pended, NodeId{1}), Times{100});
  EXPECT_EQ(times(Event::Pended, NodeId{3}), Times{500});  // it has waited longest
  EXPECT_EQ(times(Event::Pended, NodeId{2}), Times{600});
}

// ---- what a core asks for ---------------------------------------------------------------------

TEST_F(StationEnv, ADelayCountsOnTopOfThePricesAndIsNoWaiting) {
  price(Event::MemoryRead, 200, 0);
  price(Event::BridgeForwarded, 100, 0);
  auto relay = make<Relay>(1);
  const Direct& out = join(*relay, kOut, nullptr, kIn);
  const SpanId span = begin_span(10);
  relay->accept(kIn, write(0, span, kLater), 10, 0);
  engine.run();
  EXPECT_EQ(out.times(), Times{1110});
  EXPECT_EQ(records.life_of(span), (Life{{10, Event::Pended}, {1110, Event::BridgeForwarded}}));
  EXPECT_EQ(engine.ledger().hop(0, Event::BridgeForwarded)->queue, 0u);
}

/// Opens a span for each HostCall, on the lane that it names.
struct Opener {
  LaneId lane_of(PortId, const Message& message) const {
    return LaneId(std::get<HostCall>(message).a);
  }
  void receive(PortId, const Message& message, Env& env) {
    const auto& call = std::get<HostCall>(message);
    const SpanId span = env.open(Cause::Device, kNoSpan, static_cast<std::uint32_t>(call.b));
    env.send(kOut, BusWrite{0, raw(span), span, {}, 4});
  }
  void held_spans(std::vector<SpanId>&) const {}
};

TEST_F(StationEnv, SpansAreNumberedBySourceWhateverElseHappens) {
  StationPlan plan;
  plan.name = "opener";
  plan.lanes = 2;
  plan.first_source = {4, 6};  // two sources a lane
  plan.sources = 4;
  Station<Opener> opener(engine, plan, prices, Opener{});
  const Direct& out = join(opener, kOut, nullptr, kIn);
  const auto raise = [&](std::uint64_t lane, std::uint64_t source, Time time) {
    opener.accept(kIn, HostCall{0, {}, lane, source}, time, 0);
  };
  raise(0, 0, 1);
  raise(1, 1, 2);
  raise(0, 0, 3);
  raise(1, 0, 4);
  engine.run();
  EXPECT_EQ(out.data(), (Data{raw(make_span(SourceId{4}, 0)), raw(make_span(SourceId{7}, 0)),
                              raw(make_span(SourceId{4}, 1)), raw(make_span(SourceId{6}, 0))}));
  EXPECT_EQ(engine.ledger().accounting().asserted, 4u);
  EXPECT_EQ(details(Event::Asserted), Data(4, static_cast<std::uint64_t>(Cause::Device)));
}

TEST_F(StationEnv, AnInterruptThroughAPortThatNothingIsJoinedToIsDropped) {
  auto relay = make<Relay>(1);
  const SpanId span = begin_span(10);
  relay->accept(kIn, write(0, span), 10, 0);
  relay->accept(kIn, write(1), 10, 0);
  engine.run();
  EXPECT_EQ(engine.ledger().accounting().dropped, 1u);
  EXPECT_EQ(engine.ledger().accounting().drops[static_cast<std::size_t>(DropReason::NoDecode)], 1u);
  EXPECT_EQ(engine.ledger().in_flight(), 0u);
}

/// Sets lane 1 going when lane 0 is told to.
struct Starter {
  LaneId lane_of(PortId, const Message& message) const {
    const auto* elapsed = std::get_if<Elapsed>(&message);
    return LaneId{elapsed == nullptr ? 0 : elapsed->lane};
  }
  void receive(PortId, const Message& message, Env& env) {
    const auto* elapsed = std::get_if<Elapsed>(&message);
    env.note(Event::BridgeForwarded, kNoSpan, elapsed == nullptr ? 99 : elapsed->lane);
    if (elapsed == nullptr) env.after(50, Tag{3}, LaneId{1});
  }
  void held_spans(std::vector<SpanId>&) const {}
};

TEST_F(StationEnv, ADelayMayEndOnAnotherLane) {
  price(Event::BridgeForwarded, 100, 0);
  auto starter = make<Starter>(1, TieClass::Bridge, 2);
  starter->accept(kIn, HostCall{}, 10, 0);
  engine.run();
  EXPECT_EQ(times(Event::BridgeForwarded, NodeId{1}), Times{110});
  EXPECT_EQ(times(Event::BridgeForwarded, NodeId{2}), Times{260});
  EXPECT_EQ(details(Event::BridgeForwarded), (Data{99, 1}));
}

}  // namespace
}  // namespace irqfab::station_test
