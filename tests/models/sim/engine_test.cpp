#include "models/sim/engine.hpp"

#include <gtest/gtest.h>

#include "models/base/random.hpp"
#include "tests/models/sim/station_rig.hpp"

namespace irqfab::station_test {
namespace {

using EngineRounds = StationTest;
using EngineTies = StationTest;
using EngineRecords = StationTest;
using EngineSnapshot = StationTest;

// ---- rounds -----------------------------------------------------------------------------------

TEST_F(EngineRounds, ZeroPriceHopsWithinOneTimeAreCounted) {
  auto a = make<Relay>(1), b = make<Relay>(2), c = make<Relay>(3);
  join(*a, kOut, b.get(), kIn);
  join(*b, kOut, c.get(), kIn);
  const Direct& end = join(*c, kOut, nullptr, kIn);
  const SpanId span = begin_span(50);
  a->accept(kIn, write(0, span), 50, 0);
  engine.run();
  EXPECT_EQ(end.carried, (std::vector<Carried>{{50, 0, 3}}));
  std::vector<unsigned> rounds;
  for (const TraceRecord& r : records.in_order()) rounds.push_back(r.round);
  EXPECT_EQ(rounds, (std::vector<unsigned>{0, 0, 1, 1, 2, 2}));
}

TEST_F(EngineRounds, APriceBeginsATimeWithRoundsOfItsOwn) {
  auto a = make<Relay>(1);
  price(Event::BridgeForwarded, 5, 0);
  auto b = make<Relay>(2);
  price(Event::BridgeForwarded, 0, 0);
  auto c = make<Relay>(3);
  join(*a, kOut, b.get(), kIn);
  join(*b, kOut, c.get(), kIn);
  const Direct& end = join(*c, kOut, nullptr, kIn);
  a->accept(kIn, write(0), 50, 0);
  engine.run();
  EXPECT_EQ(end.carried, (std::vector<Carried>{{55, 0, 1}}));
}

TEST_F(EngineRounds, AnEndlessLoopOfNoPriceGetsStuckAndEnds) {
  auto a = make<Relay>(1), b = make<Relay>(2);
  join(*a, kOut, b.get(), kIn);
  join(*b, kOut, a.get(), kIn);
  a->accept(kIn, write(0), 50, 0);
  b->accept(kIn, write(1), 70, 0);
  engine.run();
  EXPECT_TRUE(engine.stuck());
  EXPECT_TRUE(engine.idle());
  EXPECT_EQ(engine.now(), 50u);
}

TEST_F(EngineRounds, ALoopThatTakesTimeIsNotStuck) {
  price(Event::BridgeForwarded, 1, 0);
  auto a = make<Relay>(1), b = make<Relay>(2);
  join(*a, kOut, b.get(), kIn);
  join(*b, kOut, a.get(), kIn);
  a->accept(kIn, write(0), 0, 0);
  engine.run(Time{2} * Engine::kMaxRounds);
  EXPECT_FALSE(engine.stuck());
  EXPECT_EQ(engine.now(), Time{2} * Engine::kMaxRounds);
}

// ---- ties -------------------------------------------------------------------------------------

TEST_F(EngineTies, ATimeIsSettledByRoundClassNodePortAndArrival) {
  auto device = make<Relay>(1, TieClass::Device);
  auto bridge = make<Relay>(2, TieClass::Bridge);
  auto controller = make<Relay>(5, TieClass::Controller);
  auto other = make<Relay>(4, TieClass::Controller);
  for (auto* s : {device.get(), bridge.get(), controller.get(), other.get()}) {
    join(*s, kOut, nullptr, kIn);
  }
  // Each is put in before the one that goes before it.
  device->accept(kIn, write(10, kNoSpan, kSilent), 60, 0);
  controller->accept(kIn, write(9, kNoSpan, kSilent), 50, 1);
  device->accept(kIn, write(8, kNoSpan, kSilent), 50, 0);
  bridge->accept(kIn, write(7, kNoSpan, kSilent), 50, 0);
  controller->accept(port_of(2), write(6, kNoSpan, kSilent), 50, 0);
  controller->accept(port_of(1, 1), write(4, kNoSpan, kSilent), 50, 0);
  controller->accept(port_of(1, 1), write(5, kNoSpan, kSilent), 50, 0);
  controller->accept(port_of(1, 0), write(3, kNoSpan, kSilent), 50, 0);
  other->accept(port_of(7), write(2, kNoSpan, kSilent), 50, 0);
  device->accept(kIn, write(1, kNoSpan, kSilent), 40, 9);
  Data order;
  std::uint64_t before = 0;
  while (!engine.idle()) {
    engine.step();
    for (const std::uint64_t detail : details(Event::Pended)) {
      if (detail > before) order.push_back(detail);
      before = std::max(before, detail);
    }
  }
  EXPECT_EQ(order, (Data{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

/// Notes the kind of every message.
struct Listener {
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId, const Message& message, Env& env) {
    heard.push_back(message.index());
    env.note(Event::GuestError, kNoSpan, message.index());
  }
  void held_spans(std::vector<SpanId>&) const {}
  std::vector<std::size_t> heard;
};

TEST_F(EngineTies, WhereCpusAskEndsGoFirstThenNewInterruptsThenQuestions) {
  auto lapics = make<Listener>(1, TieClass::SetPending);
  const std::vector<Message> messages = {RegisterWrite{CpuId{0}, 0xB0, 0}, write(0),
                                         Inta{CpuId{0}}};
  for (auto m = messages.rbegin(); m != messages.rend(); ++m) lapics->accept(kIn, *m, 50, 0);
  engine.run();
  EXPECT_EQ(
      lapics->core().heard,
      (std::vector<std::size_t>{messages[0].index(), messages[1].index(), messages[2].index()}));
}

TEST_F(EngineTies, AtAControllerEndsOfInterruptsGoBeforeNewOnes) {
  auto ioapic = make<Listener>(1, TieClass::Controller);
  ioapic->accept(port_of(0), PinChange{Pin{0}, Level::High, 0, kNoSpan}, 50, 0);
  ioapic->accept(port_of(9), EoiMessage{Vector{0x41}}, 50, 0);
  engine.run();
  EXPECT_EQ(ioapic->core().heard.front(), Message{EoiMessage{}}.index());
}

TEST_F(EngineTies, ElsewhereNoMessageIsPreferred) {
  auto bridge = make<Listener>(1, TieClass::Bridge);
  bridge->accept(port_of(0), write(0), 50, 0);
  bridge->accept(port_of(9), RegisterWrite{CpuId{0}, 0xB0, 0}, 50, 0);
  engine.run();
  EXPECT_EQ(bridge->core().heard.front(), Message{BusWrite{}}.index());
}

// ---- records ----------------------------------------------------------------------------------

TEST_F(EngineRecords, InCanonicalOrderWhatHappenedComesBeforeWhatItCaused) {
  // The device's price ends when the controller, whose class goes first, pends the interrupt.
  price(Event::BridgeForwarded, 100, 0);
  auto device = make<Relay>(1, TieClass::Device);
  price(Event::BridgeForwarded, 0, 0);
  auto controller = make<Relay>(2, TieClass::SetPending);
  join(*device, kOut, controller.get(), kIn);
  join(*controller, kOut, nullptr, kIn);
  const SpanId span = begin_span(10);
  device->accept(kIn, write(0, span), 10, 0);
  engine.run();
  EXPECT_EQ(records.life_of(span), (Life{{10, Event::Pended},
                                 {110, Event::BridgeForwarded},
                                 {110, Event::Pended},
                                 {110, Event::BridgeForwarded}}));
}

TEST_F(EngineRecords, OnlyWhatIsDueIsDone) {
  auto relay = make<Relay>(1);
  join(*relay, kOut, nullptr, kIn);
  for (const Time time : {10u, 20u, 30u}) relay->accept(kIn, write(time), time, 0);
  engine.run(20);
  EXPECT_EQ(relay->core().served, 2u);
  EXPECT_EQ(engine.next_time(), 30u);
  EXPECT_FALSE(engine.idle());
  engine.run();
  EXPECT_TRUE(engine.idle());
}

// ---- snapshots --------------------------------------------------------------------------------

TEST_F(EngineSnapshot, SavedRestoredAndContinuedARunGivesTheSameRecords) {
  price(Event::BridgeForwarded, 30, 20);
  price(Event::MemoryRead, 170, 60);
  auto a = make<Relay>(1, TieClass::Device, 2);
  price(Event::BridgeForwarded, 40, 55);
  auto b = make<Walker>(3, TieClass::Bridge, 2);
  auto c = make<Relay>(5, TieClass::Controller, 2);
  auto memory = make<Answerer>(7, TieClass::Controller);
  join(*a, kOut, b.get(), kIn, Order::Ordered, 2);
  join(*b, kOut, c.get(), kIn, Order::Ordered, 1);
  join_answers(*b, kAsk, *memory, kIn);
  join(*c, kOut, nullptr, kIn);
  Random random(9, 9);
  for (std::uint64_t i = 0; i < 300; ++i) {
    const Time time = i * 40;
    const std::uint64_t kind = random.below(3);
    const auto lane = static_cast<unsigned>(random.below(2));
    a->accept(kIn, write(i, begin_span(time), kind, lane), time, 0);
  }
  engine.run(6000);
  const std::vector<StationBase*> stations = {a.get(), b.get(), c.get(), memory.get()};
  const Engine::Saved saved = engine.save();
  std::vector<std::unique_ptr<StationBase::Saved>> parts;
  for (const StationBase* s : stations) parts.push_back(s->save());

  records.clear();
  engine.run();
  const auto first = records.in_order();
  const Time end = engine.now();
  const std::uint64_t in_flight = engine.ledger().time_in_flight();
  const std::uint64_t served = c->core().served;
  ASSERT_GT(first.size(), 500u);
  EXPECT_EQ(served, 300u);

  engine.restore(saved);
  for (std::size_t i = 0; i < stations.size(); ++i) stations[i]->restore(*parts[i]);
  EXPECT_LT(c->core().served, served);
  EXPECT_LE(engine.now(), 6000u);
  records.clear();
  engine.run();
  EXPECT_EQ(records.in_order(), first);
  EXPECT_EQ(engine.now(), end);
  EXPECT_EQ(engine.ledger().time_in_flight(), in_flight);
  EXPECT_EQ(c->core().served, served);
}

}  // namespace
}  // namespace irqfab::station_test
