// Targets that know nothing of irqfab, and platforms that call the fabric between two sc_starts.
#include <gtest/gtest.h>

#include "tests/models/tlm/foreign_rig.hpp"

namespace irqfab::tlm_test {
namespace {

using P = Platform;
using test::kIn;
using test::kOut;
using Times = std::vector<Time>;

SpanId foreign_span(std::uint64_t n) { return make_span(SourceId{0}, n); }

// ---- a foreign target -------------------------------------------------------------------------

void calls_are_made_at_their_time(RunAhead run_ahead) {
  Rig rig(run_ahead);
  rig.price(Event::MsiSent, 70'000);
  auto probe = rig.make("probe", TieClass::Device, Probe{});
  ForeignTarget target("target");
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  EXPECT_TRUE(probe->has_foreign());
  probe->core().script = {BusWrite{0x1000, 0x11, kNoSpan, {}, 4},
                          BusWrite{0x2000, 0x2222, kNoSpan, {}, 8}};
  rig.play(*probe, 0, kOut, 100'000);
  rig.play(*probe, 1, kOut, 130'000);
  sc_core::sc_start();
  ASSERT_EQ(target.calls.size(), 2u);
  EXPECT_EQ(target.times(), (Times{170'000, 200'000}));
  EXPECT_EQ(target.calls[0].delay, 0u);
  EXPECT_EQ(target.calls[0].address, 0x1000u);
  EXPECT_EQ(target.calls[0].data, 0x11u);
  EXPECT_EQ(target.calls[1].data, 0x2222u);
  EXPECT_FALSE(target.calls[1].is_read);
}
TEST(ForeignTarget, EachCallIsMadeAtItsOwnTimeWithoutADelay) {
  calls_are_made_at_their_time(RunAhead::Off);
}
TEST(ForeignTarget, AlsoWhenTheFabricRunsAhead) { calls_are_made_at_their_time(RunAhead::On); }

TEST(ForeignTarget, LanesThatAreAheadDoNotDelayOthers) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MsiSent, 500'000);
  auto probe = rig.make("probe", TieClass::Device, Probe{}, 2);
  Price cheap;
  cheap.latency = 100'000;
  probe->station().override_price(LaneId{1}, LaneId{1}, Event::MsiSent, cheap);
  ForeignTarget target("target");
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  probe->core().script = {test::write(1), test::write(2)};
  rig.play(*probe, 0, kOut, 1000, 0);  // leaves at 501 ns
  rig.play(*probe, 1, kOut, 2000, 1);  // leaves at 102 ns
  sc_core::sc_start();
  EXPECT_EQ(target.times(), (Times{102'000, 501'000}));
  EXPECT_EQ(target.calls.at(0).data, 2u);
}

TEST(ForeignTarget, MayWaitInsideItsCall) {
  Rig rig(RunAhead::On);
  auto probe = rig.make("probe", TieClass::Device, Probe{});
  auto other = rig.make("other", TieClass::Bridge, test::Relay{});
  join(*probe, port_of(3), *other, kIn, EdgeKind::Bus, Order::Ordered, 0);
  ForeignTarget target("target", 500'000);
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  probe->core().script = {test::write(1), test::write(2), test::write(3)};
  rig.play(*probe, 0, kOut, 100'000);
  rig.play(*probe, 1, kOut, 150'000);
  rig.play(*probe, 2, port_of(3), 300'000);
  sc_core::sc_start();
  EXPECT_EQ(target.times(), (Times{100'000, 600'000}));  // one call at a time
  EXPECT_EQ(rig.times(Event::Pended), Times{300'000});   // the fabric goes on
}

void a_read_has_its_effect_once(Time waits, Time annotates) {
  P p(RunAhead::On);
  ForeignTarget target("target", waits);
  target.annotates = annotates;
  p.window_port().bind(target.socket);
  ForeignInitiator device("device", [](ForeignInitiator& self) {
    sc_core::wait(ps(1'000'000));
    self.write(P::kMsi, P::kReader);
  });
  device.socket.bind(p.first_link());
  sc_core::sc_start();
  const Time read = 1'000'000 + P::kToHandler + P::kDecode;
  ASSERT_EQ(target.calls.size(), 1u);
  EXPECT_EQ(target.times(), Times{read});
  EXPECT_TRUE(target.calls[0].is_read);
  EXPECT_EQ(target.calls[0].address, P::kForeignWindow + 0x10);
  EXPECT_EQ(target.calls[0].delay, 0u);
  EXPECT_EQ(p.rig.times(Event::HandlerStep), Times{read + waits + annotates});
  EXPECT_EQ(p.rig.times(Event::Handled), Times{read + waits + annotates + P::kEoi});
  p.expect_all_handled(1);
}
TEST(ForeignTarget, AHandlersReadOfItHappensOnceAtItsTime) { a_read_has_its_effect_once(0, 0); }
TEST(ForeignTarget, AHandlerWaitsForATargetThatWaits) { a_read_has_its_effect_once(333'000, 0); }
TEST(ForeignTarget, ADelayThatTheTargetReturnsCounts) { a_read_has_its_effect_once(1000, 44'000); }

TEST(ForeignTarget, TheAnswerGoesToWhoAsked) {
  Rig rig(RunAhead::Off);
  auto probe = rig.make("probe", TieClass::Device, Probe{});
  ForeignTarget target("target", 10'000);
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  const SpanId span = make_span(SourceId{0}, 3);
  probe->core().script = {BusRead{0x10, Tag{8}, span, {}, 8}, BusRead{0x18, Tag{9}, kNoSpan, {}, 4},
                          Marker{Tag{10}}};
  for (unsigned i = 0; i < 3; ++i) rig.play(*probe, i, kOut, 1000);
  sc_core::sc_start();
  const auto answers = probe->core().all<BusData>();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].tag, Tag{8});
  EXPECT_EQ(answers[0].span, span);
  EXPECT_EQ(answers[0].data[0], 1);
  EXPECT_EQ(answers[1].tag, Tag{9});
  EXPECT_EQ(answers[1].data[0], 2);
  // A marker is answered once what came before it has landed.
  EXPECT_EQ(probe->core().all<MarkerDone>().at(0).tag, Tag{10});
  EXPECT_EQ(rig.times(Event::GuestError), (Times{11'000, 21'000, 21'000}));
}

TEST(ForeignTarget, RunningAheadWaitsForItsAnswer) {
  Rig rig(RunAhead::On);
  auto probe = rig.make("probe", TieClass::Device, Probe{});
  auto other = rig.make("other", TieClass::Bridge, test::Relay{});
  ForeignTarget target("target", 10'000);
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  probe->core().script = {BusRead{0x10, Tag{8}, kNoSpan, {}, 8}};
  rig.play(*probe, 0, kOut, 100'000);
  for (Time time = 50'000; time < 1'000'000; time += 7000) {
    rig.put(*other, kIn, test::write(time, kNoSpan, test::kSilent), time);
  }
  sc_core::sc_start();
  EXPECT_EQ(target.times(), Times{100'000});
  EXPECT_EQ(rig.times(Event::GuestError), Times{110'000});
  EXPECT_EQ(other->core().served, 136u);
}

TEST(ForeignTarget, ItsErrorsReachTheReader) {
  Rig rig(RunAhead::Off);
  auto probe = rig.make("probe", TieClass::Device, Probe{});
  ForeignTarget target("target");
  target.response = tlm::TLM_ADDRESS_ERROR_RESPONSE;
  probe->foreign_initiator_socket(kOut).bind(target.socket);
  probe->core().script = {BusRead{0x10, Tag{8}, kNoSpan, {}, 8}};
  rig.play(*probe, 0, kOut, 0);
  sc_core::sc_start();
  EXPECT_EQ(probe->core().all<BusData>().at(0).status, BusStatus::NoDecode);
}

TEST(ForeignTarget, OrdinaryWritesOfADeviceReachAForeignMemory) {
  P p(RunAhead::Off);
  ForeignTarget memory("memory");
  p.memory_port().bind(memory.socket);
  ForeignInitiator device("device", [](ForeignInitiator& self) {
    self.write(0x8000, 0x55);
    self.write(P::kMsi, P::kVector);
  });
  device.socket.bind(p.first_link());
  sc_core::sc_start();
  EXPECT_EQ(memory.times(), Times{P::kBridge});
  EXPECT_EQ(memory.calls.at(0).data, 0x55u);
  p.expect_all_handled(1);
}

// ---- a foreign module in the middle -----------------------------------------------------------

/// Takes a payload, thinks, and passes the same payload on, extensions and all.
struct SlowRouter : sc_core::sc_module {
  SlowRouter(sc_core::sc_module_name name, Time thinks)
      : sc_core::sc_module(name), in("in"), out("out"), thinks_(thinks) {
    in.register_b_transport(this, &SlowRouter::pass);
  }
  void pass(tlm::tlm_generic_payload& payload, sc_time& delay) {
    if (thinks_ > 0) sc_core::wait(ps(thinks_));
    out->b_transport(payload, delay);
  }
  tlm_utils::simple_target_socket<SlowRouter, 64> in;
  tlm_utils::simple_initiator_socket<SlowRouter, 64> out;

 private:
  Time thinks_;
};

void a_message_survives_a_router(RunAhead run_ahead, Time thinks) {
  Rig rig(run_ahead);
  rig.price(Event::MsiSent, 70'000);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Bridge, Probe{});
  SlowRouter router("router", thinks);
  from->foreign_initiator_socket(kOut).bind(router.in);
  router.out.bind(to->target_socket(kIn, {}));
  const SpanId span = make_span(SourceId{0}, 3);
  from->core().script = {BusWrite{P::kMsi, 0x41, span, P::kSecond, 4}};
  rig.play(*from, 0, kOut, 10'000);
  sc_core::sc_start();
  const auto writes = to->core().all<BusWrite>();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].span, span);
  EXPECT_EQ(writes[0].requester, P::kSecond);
  EXPECT_EQ(rig.times(Event::GuestError), Times{80'000 + thinks});
}
TEST(ForeignRouter, PassesSpanAndRequesterOnUnread) {
  a_message_survives_a_router(RunAhead::Off, 0);
}
TEST(ForeignRouter, MayTakeItsTime) { a_message_survives_a_router(RunAhead::Off, 25'000); }
TEST(ForeignRouter, MayTakeItsTimeWhenTheFabricRunsAhead) {
  a_message_survives_a_router(RunAhead::On, 25'000);
}

TEST(ForeignRouter, WhatItPassesOnAtOnceComesAfterWhatSentIt) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Bridge, Probe{});
  SlowRouter router("router", 0);
  from->foreign_initiator_socket(kOut).bind(router.in);
  router.out.bind(to->target_socket(kIn, {}));
  from->core().script = {test::write(1)};
  rig.play(*from, 0, kOut, 10'000);
  sc_core::sc_start();
  const auto records = rig.records.in_order();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].event, Event::MsiSent);
  EXPECT_EQ(records[0].round, 0);
  EXPECT_EQ(records[1].event, Event::GuestError);
  EXPECT_EQ(records[1].time, 10'000u);
  EXPECT_EQ(records[1].round, 1);
}

// ---- two sc_starts ----------------------------------------------------------------------------

/// No process of its own: the platform's main calls it.
ForeignInitiator::Body nothing() {
  return [](ForeignInitiator&) {};
}

TEST(ForeignPlatform, BetweenTwoStartsTheFabricIsNotInTheFuture) {
  P p(RunAhead::Off);
  ForeignInitiator device("device", nothing());
  device.socket.bind(p.first_link());
  sc_core::sc_start(ps(900'000));
  device.write(P::kMsi, P::kVector);
  sc_core::sc_start(ps(100'000));  // now 1 us, and the first message is still in the bridge
  EXPECT_EQ(sc_now(), 1'000'000u);
  EXPECT_LE(p.rig.engine.now(), sc_now());
  EXPECT_EQ(p.rig.engine.ledger().in_flight(), 1u);
  device.write(P::kMsi | 0x1000, 0x61);  // to CPU 1
  EXPECT_LE(p.rig.engine.now(), sc_now());
  sc_core::sc_start(ps(10'000'000));
  EXPECT_EQ(p.rig.times(Event::Asserted), (Times{900'000, 1'000'000}));
  EXPECT_EQ(p.rig.times(Event::BridgeForwarded), (Times{1'100'000, 1'200'000}));
  EXPECT_EQ(p.rig.times(Event::HandlerEntered),
            (Times{900'000 + P::kToHandler, 1'000'000 + P::kToHandler}));
  EXPECT_EQ(p.rig.times(Event::Handled), (Times{900'000 + P::kToEnd, 1'000'000 + P::kToEnd}));
  EXPECT_EQ(p.rig.records.life_of(foreign_span(1)).front().first, 1'000'000u);
  p.expect_all_handled(2);
}

TEST(ForeignPlatform, StepsOfAnySizeGiveTheSameRecords) {
  P p(RunAhead::Off);
  ForeignInitiator device("device", nothing());
  device.socket.bind(p.first_link());
  Times expected;
  for (unsigned i = 0; i < 40; ++i) {
    const Time called = sc_now();
    device.write(P::kMsi, P::kVector);
    expected.push_back(called + P::kToEnd);
    // Ends within the bridge, the routing, the handler and after the EOI, in turn.
    for (Time gone = 0; gone < 1'500'000; gone += 37'501) {
      sc_core::sc_start(ps(37'501));
      ASSERT_LE(p.rig.engine.now(), sc_now());
    }
  }
  EXPECT_EQ(p.rig.times(Event::Handled), expected);
  p.expect_all_handled(40);
}

TEST(ForeignPlatform, ACallAtTheVeryTimeOfAStopIsNotLate) {
  // At the end of sc_start(t) what is due at t is still to come; the call of then joins it.
  P p(RunAhead::Off);
  ForeignInitiator device("device", nothing());
  device.socket.bind(p.first_link());
  device.write(P::kMsi, P::kVector);
  sc_core::sc_start(ps(P::kBridge));
  device.write(P::kMsi | 0x1000, 0x61);
  sc_core::sc_start();
  EXPECT_EQ(p.rig.times(Event::Handled), (Times{P::kToEnd, P::kBridge + P::kToEnd}));
  p.expect_all_handled(2);
}

TEST(ForeignPlatform, AReadBetweenStartsIsRefusedBecauseNothingCanWait) {
  P p(RunAhead::Off);
  ForeignInitiator cpu("cpu", nothing());
  cpu.socket.bind(p.bus_port());
  sc_core::sc_report_handler::set_actions("irqfab/blocking-read", sc_core::SC_CACHE_REPORT);
  sc_core::sc_start(ps(1000));
  std::uint64_t data = 0;
  sc_time delay = sc_core::SC_ZERO_TIME;
  EXPECT_EQ(cpu.read(P::kDeviceWindow, data, 4, delay), tlm::TLM_GENERIC_ERROR_RESPONSE);
  EXPECT_NE(sc_core::sc_report_handler::get_cached_report(), nullptr);
  sc_core::sc_start(ps(1000));
  EXPECT_TRUE(p.rig.times(Event::BusRouted).empty());
}

}  // namespace
}  // namespace irqfab::tlm_test
