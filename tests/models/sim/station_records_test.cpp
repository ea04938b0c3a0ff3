// Where records stand: those of one span never go back in time, though servers are pipelined, and
// those made at once stand in the order in which things were done.
#include <gtest/gtest.h>

#include "tests/models/sim/station_rig.hpp"

namespace irqfab::station_test {
namespace {

/// Latches the span of an assertion, which takes its price; an end takes the span back or sends it
/// on.
class Latch {
 public:
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId, const Message& message, Env& env) {
    const auto* change = std::get_if<PinChange>(&message);
    if (change == nullptr) return;
    if (change->level == Level::High) {
      waiting = change->span;
      return env.note(Event::PinLatched, waiting);
    }
    if (change->driver == kTakeBack) return env.cancel(waiting, CancelOp::LineLow);
    env.note(Event::IoapicSent, waiting);
    env.send(kOut, write(0, waiting));
  }
  void held_spans(std::vector<SpanId>& out) const { out.push_back(waiting); }

  static constexpr std::uint32_t kTakeBack = 1;
  static constexpr std::uint32_t kSendOn = 2;
  SpanId waiting = kNoSpan;
};

class StationRecords : public StationTest {
 protected:
  void latch_then(std::uint32_t what) {
    price(Event::PinLatched, 100, 10);
    price(Event::IoapicSent, 5, 0);
    latch = make<Latch>(1, TieClass::Controller);
    out = &join(*latch, kOut, nullptr, kIn);
    latch->accept(kIn, PinChange{Pin{0}, Level::High, 0, span}, 1000, 0);
    latch->accept(kIn, PinChange{Pin{0}, Level::Low, what, kNoSpan}, 1020, 0);
    engine.run();
  }
  SpanId span = begin_span(1000);
  std::unique_ptr<Station<Latch>> latch;
  Direct* out = nullptr;
};

TEST_F(StationRecords, AChangeInTheMiddleOfAPriceShowsAtItsEnd) {
  latch_then(Latch::kTakeBack);
  EXPECT_EQ(records.life_of(span), (Life{{1100, Event::PinLatched}, {1100, Event::Cancelled}}));
}

TEST_F(StationRecords, APriceBeginsWhenTheSpansLastOneHasPassed) {
  latch_then(Latch::kSendOn);
  EXPECT_EQ(records.life_of(span), (Life{{1100, Event::PinLatched}, {1105, Event::IoapicSent}}));
  ASSERT_EQ(out->carried.size(), 1u);
  EXPECT_EQ(out->carried[0].time, 1105u);
}

/// Notes that it was called, on the lane of the CPU.
class Counter {
 public:
  LaneId lane_of(PortId, const Message& message) const {
    if (const auto* w = std::get_if<RegisterWrite>(&message)) return LaneId{1 + raw(w->cpu)};
    if (const auto* i = std::get_if<Inta>(&message)) return LaneId{1 + raw(i->cpu)};
    return LaneId{0};
  }
  void receive(PortId, const Message& message, Env& env) {
    env.note(Event::GuestError, kNoSpan, message.index());
  }
  void held_spans(std::vector<SpanId>&) const {}
};

TEST_F(StationRecords, OfOneTimeStandInTheOrderOfWhatWasDone) {
  const auto counter = make<Counter>(1, TieClass::SetPending, 3);
  const std::vector<Message> in_order = {RegisterWrite{CpuId{1}, 0, 0}, write(0), Inta{CpuId{0}}};
  for (const Message& message : in_order) counter->accept(kIn, message, 1000, 0);
  engine.run();
  EXPECT_EQ(details(Event::GuestError),
            (Data{in_order[0].index(), in_order[1].index(), in_order[2].index()}));
}

}  // namespace
}  // namespace irqfab::station_test
