// Shells: cores on SystemC, joined by TLM-2.0 sockets, sc_ports and sc_exports.
#include "models/tlm/shell.hpp"

#include <gtest/gtest.h>

#include <set>

#include "models/base/random.hpp"
#include "tests/models/tlm/tlm_rig.hpp"

namespace irqfab::tlm_test {
namespace {

using test::kAsk;
using test::kIn;
using test::kOut;

constexpr Requester kSomebody{HostBridgeId{2}, RequesterId{0x0308}};

/// `probe`'s port kOut, through a Tap, into `target`'s port kIn.
struct Tapped : sc_core::sc_module {
  Tapped(sc_core::sc_module_name name, Rig& rig, ShellBase& probe, ShellBase& target)
      : sc_core::sc_module(name), end(rig.kernel, probe.station(), kOut, "end"), tap("tap") {
    end.socket.bind(tap.target);
    tap.initiator.bind(target.target_socket(kIn, {}));
    probe.station().connect(kOut, Order::Ordered, &end, &target.station(), 0);
  }
  BusInitiatorEnd end;
  Tap tap;
};

SpanId begin_span(Rig& rig) {
  const SpanId span = make_span(SourceId{0}, 5);
  const Key key{0, 0, TieClass::Stimulus, PortId{0}, NodeId{0}, 0};
  rig.engine.ledger().note({0, 0}, key, {0, span, 0, NodeId{0}, Event::Asserted, 0}, nullptr);
  return span;
}

// ---- what crosses between shells --------------------------------------------------------------

TEST(ShellBus, AWriteCrossesAsAPayloadWithItsDelayAnnotated) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MsiSent, 70'000);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Bridge, Probe{});
  Tapped edge("edge", rig, *from, *to);
  const SpanId span = begin_span(rig);
  from->core().script = {BusWrite{0xFEE01000, 0x4041, span, kSomebody, 4}};
  rig.play(*from, 0, kOut, 10'000);
  sc_core::sc_start();
  ASSERT_EQ(edge.tap.seen.size(), 1u);
  const Passed& call = edge.tap.seen[0];
  EXPECT_STREQ(call.call, "b_transport");
  EXPECT_EQ(call.made, 10'000u);  // when the core was called
  EXPECT_EQ(call.delay, 70'000u);
  EXPECT_EQ(call.payload->get_command(), tlm::TLM_WRITE_COMMAND);
  EXPECT_EQ(call.payload->get_response_status(), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(call.payload->get_streaming_width(), 4u);
  EXPECT_EQ(call.address, 0xFEE01000u);
  EXPECT_EQ(call.data, (std::vector<unsigned char>{0x41, 0x40, 0, 0}));
  EXPECT_EQ(call.span, span);
  EXPECT_EQ(call.requester, kSomebody);
  const auto writes = to->core().all<BusWrite>();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].address, 0xFEE01000u);
  EXPECT_EQ(writes[0].data, 0x4041u);
  EXPECT_EQ(writes[0].size, 4);
  EXPECT_EQ(writes[0].span, span);
  EXPECT_EQ(writes[0].requester, kSomebody);
  EXPECT_EQ(rig.times(Event::GuestError), std::vector<Time>{80'000});
}

TEST(ShellBus, AReadIsATransactionOfTheBaseProtocol) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MsiSent, 30'000);
  rig.price(Event::MemoryRead, 200'000);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  Tapped edge("edge", rig, *from, *to);
  const SpanId span = begin_span(rig);
  from->core().script = {BusRead{0x5000, Tag{42}, span, kSomebody, 16}};
  rig.play(*from, 0, kOut, 10'000);
  sc_core::sc_start();
  ASSERT_EQ(edge.tap.seen.size(), 2u);
  const Passed& begin = edge.tap.seen[0];
  EXPECT_STREQ(begin.call, "nb_transport_fw");
  EXPECT_EQ(begin.phase, tlm::BEGIN_REQ);
  EXPECT_EQ(begin.made + begin.delay, 40'000u);
  EXPECT_EQ(begin.answer, tlm::TLM_UPDATED);
  EXPECT_EQ(begin.phase_after, tlm::END_REQ);
  EXPECT_EQ(begin.address, 0x5000u);
  EXPECT_EQ(begin.length, 16u);
  EXPECT_EQ(begin.span, span);
  const Passed& end = edge.tap.seen[1];
  EXPECT_STREQ(end.call, "nb_transport_bw");
  EXPECT_EQ(end.phase, tlm::BEGIN_RESP);
  EXPECT_EQ(end.made, 40'000u);  // when the answering core was called
  EXPECT_EQ(end.delay, 200'000u);
  EXPECT_EQ(end.answer, tlm::TLM_COMPLETED);
  EXPECT_EQ(end.payload, begin.payload);
  const auto asked = to->core().all<BusRead>();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].requester, kSomebody);
  const auto answers = from->core().all<BusData>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].tag, Tag{42});
  EXPECT_EQ(answers[0].span, span);
  EXPECT_EQ(answers[0].status, BusStatus::Ok);
  EXPECT_EQ(answers[0].data[0], 0xA0);
  EXPECT_EQ(answers[0].data[15], 0xAF);
  EXPECT_EQ(rig.times(Event::GuestError), (std::vector<Time>{40'000, 240'000}));
}

TEST(ShellBus, AFailedReadStaysFailed) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  Tapped edge("edge", rig, *from, *to);
  from->core().script = {BusRead{0xBAD, Tag{1}, kNoSpan, kSomebody, 4}};
  rig.play(*from, 0, kOut, 0);
  sc_core::sc_start();
  EXPECT_EQ(edge.tap.seen.at(1).payload->get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(from->core().all<BusData>().at(0).status, BusStatus::NoDecode);
}

TEST(ShellBus, AMarkerIsAnsweredOnTheWayBack) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  Tapped edge("edge", rig, *from, *to);
  from->core().script = {test::write(1), Marker{Tag{77}}};
  rig.play(*from, 0, kOut, 5000);
  rig.play(*from, 1, kOut, 5000);
  sc_core::sc_start();
  EXPECT_EQ(edge.tap.seen.at(1).payload->get_command(), tlm::TLM_IGNORE_COMMAND);
  ASSERT_EQ(to->core().heard.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<BusWrite>(to->core().heard[0]));
  EXPECT_TRUE(std::holds_alternative<Marker>(to->core().heard[1]));
  ASSERT_EQ(from->core().all<MarkerDone>().size(), 1u);
  EXPECT_EQ(from->core().all<MarkerDone>()[0].tag, Tag{77});
}

TEST(ShellBus, AReadAfterAMarkerIsARead) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  join(*from, kOut, *to, kIn, EdgeKind::Bus, Order::Ordered, 0);
  from->core().script = {Marker{Tag{1}}, BusRead{0, Tag{2}, kNoSpan, {}, 8}};
  rig.play(*from, 0, kOut, 1000);
  rig.play(*from, 1, kOut, 2000);
  sc_core::sc_start();
  ASSERT_EQ(from->core().heard.size(), 2u);
  EXPECT_EQ(from->core().all<MarkerDone>().at(0).tag, Tag{1});
  EXPECT_EQ(from->core().all<BusData>().at(0).tag, Tag{2});
}

TEST(ShellBus, PayloadsAreReused) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  Tapped edge("edge", rig, *from, *to);
  from->core().script = {test::write(1), BusRead{0, Tag{1}, kNoSpan, {}, 8}};
  for (Time time = 0; time < 50'000; time += 1000) {
    rig.play(*from, 0, kOut, time);
    rig.play(*from, 1, kOut, time);
  }
  sc_core::sc_start();
  std::set<const tlm::tlm_generic_payload*> posted, asked;
  for (const Passed& call : edge.tap.seen) {
    (call.payload->is_write() ? posted : asked).insert(call.payload);
  }
  EXPECT_EQ(edge.tap.seen.size(), 150u);
  EXPECT_EQ(posted.size(), 1u);
  EXPECT_EQ(asked.size(), 1u);
  for (const BusRead& read : to->core().all<BusRead>()) EXPECT_EQ(read.tag, Tag{0});
}

TEST(ShellBus, SeveralReadsMayBeUnderWay) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MemoryRead, 200'000);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  join(*from, kOut, *to, kIn, EdgeKind::Bus, Order::Ordered, 0);
  for (std::uint32_t i = 0; i < 3; ++i) {
    from->core().script.push_back(BusRead{i == 1 ? 0xBADu : 0u, Tag{10 + i}, kNoSpan, {}, 8});
    rig.play(*from, i, kOut, i * 1000);
  }
  sc_core::sc_start();
  const auto answers = from->core().all<BusData>();
  ASSERT_EQ(answers.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answers[i].tag, Tag{10 + i});
    EXPECT_EQ(answers[i].status, i == 1 ? BusStatus::NoDecode : BusStatus::Ok);
  }
}

TEST(ShellMessages, WireCpuAndFabricEdgesCarryBothWays) {
  Rig rig(RunAhead::Off);
  rig.price(Event::MsiSent, 1000);
  auto a = rig.make("a", TieClass::Device, Probe{});
  auto b = rig.make("b", TieClass::Bridge, Probe{});
  join(*a, port_of(0), *b, port_of(5), EdgeKind::Wire, Order::Ordered, 0);
  join(*a, port_of(1), *b, port_of(6), EdgeKind::Cpu, Order::Ordered, 0);
  join(*a, port_of(2), *b, port_of(7), EdgeKind::Fabric, Order::Ordered, 0);
  a->core().script = {PinChange{Pin{3}, Level::High, 9, kNoSpan}, Inta{CpuId{2}},
                      EoiMessage{Vector{0x41}}};
  b->core().script = {IntaAnswer{CpuId{2}, Vector{0x41}, false, kNoSpan}};
  for (unsigned i = 0; i < 3; ++i) rig.play(*a, i, port_of(i), i * 100);
  rig.play(*b, 0, port_of(6), 300);
  sc_core::sc_start();
  ASSERT_EQ(b->core().heard.size(), 3u);
  EXPECT_EQ(b->core().all<PinChange>().at(0).pin, Pin{3});
  EXPECT_EQ(b->core().all<PinChange>().at(0).driver, 9u);
  EXPECT_EQ(b->core().all<Inta>().at(0).cpu, CpuId{2});
  EXPECT_EQ(b->core().all<EoiMessage>().at(0).vector, Vector{0x41});
  ASSERT_EQ(a->core().heard.size(), 1u);
  EXPECT_EQ(a->core().all<IntaAnswer>().at(0).vector, Vector{0x41});
  EXPECT_EQ(rig.times(Event::GuestError), (std::vector<Time>{1000, 1100, 1200, 1300}));
}

TEST(ShellMessages, AZeroPriceHopIsTheNextRoundAtEveryEdge) {
  Rig rig(RunAhead::Off);
  auto a = rig.make("a", TieClass::Device, test::Relay{});
  auto b = rig.make("b", TieClass::Bridge, test::Relay{});
  auto c = rig.make("c", TieClass::Controller, test::Relay{});
  join(*a, kOut, *b, kIn, EdgeKind::Bus, Order::Ordered, 0);
  join(*b, kOut, *c, kIn, EdgeKind::Fabric, Order::Ordered, 0);
  rig.put(*a, kIn, test::write(1), 700);
  sc_core::sc_start();
  std::vector<std::uint16_t> rounds;
  for (const TraceRecord& r : rig.records.in_order()) {
    if (r.event == Event::Pended) rounds.push_back(r.round);
  }
  EXPECT_EQ(rounds, (std::vector<std::uint16_t>{0, 1, 2}));
}

TEST(ShellBus, AnAnswerOfNoPriceIsTheNextRoundToo) {
  Rig rig(RunAhead::Off);
  auto from = rig.make("from", TieClass::Device, Probe{});
  auto to = rig.make("to", TieClass::Controller, Probe{});
  join(*from, kOut, *to, kIn, EdgeKind::Bus, Order::Ordered, 0);
  from->core().script = {BusRead{0, Tag{2}, kNoSpan, {}, 8}};
  rig.play(*from, 0, kOut, 1000);
  sc_core::sc_start();
  std::vector<std::uint16_t> rounds;
  for (const TraceRecord& r : rig.records.in_order()) rounds.push_back(r.round);
  EXPECT_EQ(rounds, (std::vector<std::uint16_t>{0, 1, 1, 2}));
}

// ---- the same run, however it is driven -------------------------------------------------------

/// A device behind a bridge that looks things up in memory before it passes them on, with bounded
/// queues: on shells, or on plain stations with links that deliver at once.
struct Chain {
  static void set_prices(PriceList& prices) {
    prices[static_cast<std::size_t>(Event::BridgeForwarded)].latency = 3000;
    prices[static_cast<std::size_t>(Event::BridgeForwarded)].interval = 2000;
    prices[static_cast<std::size_t>(Event::MemoryRead)].latency = 17'000;
    prices[static_cast<std::size_t>(Event::MemoryRead)].interval = 5000;
  }
  static void feed(StationBase& first, Engine& engine) {
    Random random(4, 4);
    for (std::uint64_t i = 0; i < 300; ++i) {
      const Time time = i * 11'000 + random.below(3) * 1000;
      const SpanId span = make_span(SourceId{0}, i);
      const Key key{time, 0, TieClass::Stimulus, PortId{0}, NodeId{0}, 0};
      engine.ledger().note({time, time}, key, {time, span, 0, NodeId{0}, Event::Asserted, 0},
                           nullptr);
      first.accept(kIn, test::write(i, span, random.below(2)), time, 0);
    }
  }
};

std::vector<TraceRecord> on_shells(RunAhead run_ahead) {
  Rig rig(run_ahead);
  Chain::set_prices(rig.prices);
  auto device = rig.make("device", TieClass::Device, test::Relay{});
  auto walker = rig.make("walker", TieClass::Controller, test::Walker{});
  auto end = rig.make("end", TieClass::SetPending, test::Relay{});
  auto memory = rig.make("memory", TieClass::Controller, test::Answerer{});
  join(*device, kOut, *walker, kIn, EdgeKind::Bus, Order::Ordered, 2);
  join(*walker, kOut, *end, kIn, EdgeKind::Bus, Order::Ordered, 1);
  join(*walker, kAsk, *memory, kIn, EdgeKind::Bus, Order::Unordered, 0);
  Chain::feed(device->station(), rig.engine);
  rig.kernel.disturb();
  sc_core::sc_start();
  return rig.records.in_order();
}

/// Delivers at once.
struct Direct final : Link {
  Direct(StationBase& to, PortId port) : to_(to), port_(port) {}
  void carry(const Message& message, Time departure, std::uint16_t round) override {
    to_.accept(port_, message, departure, round);
  }
  StationBase& to_;
  PortId port_;
};

std::vector<TraceRecord> on_stations() {
  Ledger::Config config;
  config.component_of_node.assign(8, 0);
  config.components = 1;
  config.path_of_source.assign(8, 0);
  config.paths = 1;
  test::Records records;
  Engine engine(config, &records);
  PriceList prices{};
  Chain::set_prices(prices);
  std::uint32_t nodes = 0;
  const auto plan = [&](TieClass tie) {
    StationPlan made;
    made.first_node = NodeId{nodes};
    made.tie = tie;
    made.first_source = {nodes++};
    made.sources = 1;
    return made;
  };
  Station<test::Relay> device(engine, plan(TieClass::Device), prices, {});
  Station<test::Walker> walker(engine, plan(TieClass::Controller), prices, {});
  Station<test::Relay> end(engine, plan(TieClass::SetPending), prices, {});
  Station<test::Answerer> memory(engine, plan(TieClass::Controller), prices, {});
  Direct to_walker(walker, kIn), to_end(end, kIn), to_memory(memory, kIn), back(walker, kAsk);
  device.connect(kOut, Order::Ordered, &to_walker, &walker, 2);
  walker.fed_by(kIn, &device, kOut);
  walker.connect(kOut, Order::Ordered, &to_end, &end, 1);
  end.fed_by(kIn, &walker, kOut);
  walker.connect(kAsk, Order::Unordered, &to_memory, &memory, 0);
  memory.connect(kIn, Order::Ordered, &back, &walker, 0);
  Chain::feed(device, engine);
  engine.run();
  return records.in_order();
}

TEST(ShellRuns, TheRecordsAreThoseOfStationsWithoutSystemC) {
  const auto expected = on_stations();
  ASSERT_GT(expected.size(), 1500u);
  EXPECT_EQ(on_shells(RunAhead::On), expected);
}

TEST(ShellRuns, RunningAheadChangesNoRecord) { EXPECT_EQ(on_shells(RunAhead::Off), on_stations()); }

// ---- the pump ---------------------------------------------------------------------------------

TEST(KernelPump, NothingBeyondTheHorizonIsDoneAndItIsDoneLater) {
  Rig rig(RunAhead::On);
  auto relay = rig.make("relay", TieClass::Bridge, test::Relay{});
  auto end = rig.make("end", TieClass::Bridge, test::Relay{});
  join(*relay, kOut, *end, kIn, EdgeKind::Bus, Order::Ordered, 0);
  for (const Time time : {1000u, 2000u, 3000u}) rig.put(*relay, kIn, test::write(time), time);
  rig.kernel.set_horizon(2000);
  sc_core::sc_start();
  EXPECT_EQ(relay->core().served, 2u);
  EXPECT_EQ(end->core().served, 2u);
  rig.kernel.set_horizon(kNever);
  rig.kernel.disturb();
  sc_core::sc_start();
  EXPECT_EQ(relay->core().served, 3u);
}

/// Looks at the fabric's clock every 100 ns.
struct Watch : sc_core::sc_module {
  Watch(sc_core::sc_module_name name, Rig& rig) : sc_core::sc_module(name), rig_(rig) {
    SC_HAS_PROCESS(Watch);
    SC_THREAD(look);
  }
  void look() {
    for (unsigned i = 0; i < 100; ++i) {
      sc_core::wait(ps(100'000));
      if (rig_.engine.now() > sc_now()) ++ahead;
      if (rig_.engine.now() + 10'000 < sc_now()) ++behind;
    }
  }
  unsigned ahead = 0;
  unsigned behind = 0;

 private:
  Rig& rig_;
};

void watch_a_fabric(RunAhead run_ahead) {
  Rig rig(run_ahead);
  rig.price(Event::BridgeForwarded, 7000);
  auto a = rig.make("a", TieClass::Device, test::Relay{});
  auto b = rig.make("b", TieClass::Bridge, test::Relay{});
  join(*a, kOut, *b, kIn, EdgeKind::Bus, Order::Ordered, 0);
  join(*b, kOut, *a, kIn, EdgeKind::Bus, Order::Ordered, 0);
  Watch watch("watch", rig);
  rig.put(*a, kIn, test::write(1), 0);
  rig.kernel.set_horizon(10'000'000);
  sc_core::sc_start(ps(10'000'001));
  EXPECT_EQ(watch.ahead, 0u);
  EXPECT_EQ(watch.behind, 0u);
  EXPECT_GT(a->core().served + b->core().served, 1400u);
}

TEST(KernelPump, NeverPassesThePendingActivityOfOthersWhenRunningAhead) {
  watch_a_fabric(RunAhead::On);
}

TEST(KernelPump, KeepsPaceWithOthersWhenNotRunningAhead) { watch_a_fabric(RunAhead::Off); }

TEST(KernelPump, WithoutRunAheadTheFabricIsNeverAheadOfTheKernel) {
  Rig rig(RunAhead::Off);
  rig.price(Event::BridgeForwarded, 7000);
  auto a = rig.make("a", TieClass::Device, test::Relay{});
  auto b = rig.make("b", TieClass::Bridge, test::Relay{});
  join(*a, kOut, *b, kIn, EdgeKind::Bus, Order::Ordered, 0);
  join(*b, kOut, *a, kIn, EdgeKind::Bus, Order::Ordered, 0);
  rig.put(*a, kIn, test::write(1), 0);
  for (unsigned i = 0; i < 50; ++i) {
    sc_core::sc_start(ps(10'001));
    EXPECT_LE(rig.engine.now(), sc_now());
    EXPECT_GT(rig.engine.now() + 7001, sc_now());
  }
}

TEST(KernelPump, AStuckFabricLetsTheSimulationEnd) {
  Rig rig(RunAhead::On);
  auto a = rig.make("a", TieClass::Device, test::Relay{});
  auto b = rig.make("b", TieClass::Bridge, test::Relay{});
  join(*a, kOut, *b, kIn, EdgeKind::Bus, Order::Ordered, 0);
  join(*b, kOut, *a, kIn, EdgeKind::Bus, Order::Ordered, 0);
  rig.put(*a, kIn, test::write(1), 500);
  sc_core::sc_start();
  EXPECT_TRUE(rig.engine.stuck());
}

TEST(KernelPump, InsistsOnPicoseconds) {
  sc_core::sc_set_time_resolution(1, sc_core::SC_FS);
  sc_core::sc_report_handler::set_actions(sc_core::SC_FATAL, sc_core::SC_THROW);
  EXPECT_THROW(Rig rig(RunAhead::Off), sc_core::sc_report);
}

}  // namespace
}  // namespace irqfab::tlm_test
