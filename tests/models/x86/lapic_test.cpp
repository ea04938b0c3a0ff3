#include "models/x86/lapic.hpp"

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

using Lapic = LapicFixture;
using LapicPorts = LapicFixture;

TEST_F(Lapic, FixedMessagePendsWithItsSpan) {
  const SpanId s = book.begin();
  EXPECT_EQ(send(fixed(2, 0x41), s), 1u);
  EXPECT_EQ(irr(2), (Vectors{0x41}));
  EXPECT_EQ(noted(Event::Pended, s), 0x241u);
  EXPECT_EQ(test::held_by(bank), (std::vector<SpanId>{s}));
}

TEST_F(Lapic, SecondArrivalMergesIntoThePendingOneAndCountsAsAccepted) {
  const SpanId first = book.begin();
  const SpanId second = book.begin();
  send(fixed(0, 0x41), first);
  EXPECT_EQ(send(fixed(0, 0x41), second), 1u);
  EXPECT_EQ(noted(Event::Coalesced, second), raw(first));
  EXPECT_EQ(test::held_by(bank), (std::vector<SpanId>{first}));
}

TEST_F(Lapic, ArrivalDuringServiceIsAnInterruptOfItsOwn) {
  put_in_service(0, 0x41);
  const SpanId second = book.begin();
  send(fixed(0, 0x41), second);
  EXPECT_EQ(irr(0), (Vectors{0x41}));
  EXPECT_EQ(isr(0), (Vectors{0x41}));
  EXPECT_TRUE(noted(Event::Pended, second));
  eoi(0);
  EXPECT_EQ(inta(0).span, second);
}

TEST_F(Lapic, IntaMovesTheHighestVectorFromIrrToIsr) {
  const SpanId low = book.begin();
  const SpanId high = book.begin();
  send(fixed(0, 0x42), low);
  send(fixed(0, 0x47), high);
  const IntaAnswer answer = inta(0);
  EXPECT_EQ(answer.cpu, CpuId{0});
  EXPECT_EQ(answer.vector, Vector{0x47});
  EXPECT_EQ(answer.span, high);
  EXPECT_FALSE(answer.spurious);
  EXPECT_EQ(noted(Event::Accepted, high), 0x047u);
  EXPECT_EQ(irr(0), (Vectors{0x42}));
  EXPECT_EQ(isr(0), (Vectors{0x47}));
}

TEST_F(Lapic, IntaWithNothingDeliverableGivesTheSpuriousVector) {
  write(1, Register::kSvr, 0x1EF);
  const IntaAnswer answer = inta(1);
  EXPECT_TRUE(answer.spurious);
  EXPECT_EQ(answer.vector, Vector{0xEF});
  EXPECT_EQ(answer.span, kNoSpan);
  EXPECT_EQ(noted(Event::SpuriousAnswered, kNoSpan), 0x1EFu);
  EXPECT_EQ(isr(1), Vectors{});
}

TEST_F(Lapic, ClassInServiceBlocksItsOwnClassAndBelow) {
  put_in_service(0, 0x57);
  send(fixed(0, 0x5D));
  send(fixed(0, 0x48));
  EXPECT_TRUE(inta(0).spurious);
  send(fixed(0, 0x60));
  EXPECT_EQ(inta(0).vector, Vector{0x60});
  EXPECT_EQ(isr(0), (Vectors{0x57, 0x60}));
}

TEST_F(Lapic, TprMasksItsClassAndBelow) {
  write(0, Register::kTpr, 0x40);
  send(fixed(0, 0x4F));
  EXPECT_TRUE(inta(0).spurious);
  write(0, Register::kTpr, 0x3F);
  EXPECT_EQ(inta(0).vector, Vector{0x4F});
}

TEST_F(Lapic, PprIsTprUnlessTheClassInServiceIsHigher) {
  put_in_service(0, 0x57);
  const struct {
    std::uint8_t tpr, ppr;
  } rows[] = {{0x00, 0x50}, {0x4F, 0x50}, {0x53, 0x53}, {0x68, 0x68}};
  for (const auto& row : rows) {
    write(0, Register::kTpr, row.tpr);
    EXPECT_EQ(bank.ppr(CpuId{0}), row.ppr) << unsigned{row.tpr};
    EXPECT_EQ(read(0, Register::kPpr), row.ppr);
  }
}

TEST_F(Lapic, IntrIsToldOnlyWhenItChanges) {
  send(fixed(0, 0x41));
  send(fixed(0, 0x51));
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, LapicBank::kCpu);
  auto change = env.messages<CpuLineChange>().at(0);
  EXPECT_EQ(change.cpu, CpuId{0});
  EXPECT_EQ(change.line, CpuLine::Intr);
  EXPECT_EQ(change.level, Level::High);
  EXPECT_EQ(change.span, kNoSpan);
  inta(0);  // 0x41 waits behind 0x51
  EXPECT_EQ(env.sent.size(), 1u);
  eoi(0);
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(env.messages<CpuLineChange>().at(1).level, Level::High);
}

TEST_F(Lapic, IntaLowersIntrAndOnlyAHigherClassRaisesItAgain) {
  send(fixed(0, 0x51));
  EXPECT_EQ(inta(0).vector, Vector{0x51});
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  env.clear();
  send(fixed(0, 0x5F));
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  send(fixed(0, 0x61));
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
  ASSERT_EQ(env.messages<CpuLineChange>().size(), 1u);
  EXPECT_EQ(env.messages<CpuLineChange>().at(0).level, Level::High);
}

TEST_F(Lapic, IntrIsWithdrawnWhenTprRises) {
  send(fixed(0, 0x41));
  write(0, Register::kTpr, 0x50);
  ASSERT_EQ(env.messages<CpuLineChange>().size(), 2u);
  EXPECT_EQ(env.messages<CpuLineChange>().at(1).level, Level::Low);
  EXPECT_TRUE(inta(0).spurious);
  write(0, Register::kTpr, 0);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::High);
}

TEST_F(Lapic, EoiEndsTheHighestInService) {
  const SpanId low = book.begin();
  const SpanId high = book.begin();
  send(fixed(0, 0x41), low);
  inta(0);
  send(fixed(0, 0x51), high);
  inta(0);
  eoi(0);
  EXPECT_EQ(noted(Event::Handled, high), 0x51u);
  EXPECT_FALSE(noted(Event::Handled, low));
  EXPECT_EQ(isr(0), (Vectors{0x41}));
  eoi(0);
  EXPECT_EQ(noted(Event::Handled, low), 0x41u);
  EXPECT_TRUE(test::held_by(bank).empty());
}

TEST_F(Lapic, EoiWithNothingInServiceIsNoted) {
  send(level(0, 0x41));
  eoi(0);
  EXPECT_EQ(noted(Event::GuestError, kNoSpan),
            static_cast<std::uint64_t>(GuestFault::EoiWithoutInterrupt));
  EXPECT_EQ(irr(0), (Vectors{0x41}));
  EXPECT_TRUE(env.messages<EoiMessage>().empty());
}

TEST_F(Lapic, EoiOfALevelVectorIsBroadcastToEveryIoApic) {
  send(level(0, 0x61));
  inta(0);
  env.clear();
  eoi(0);
  ASSERT_EQ(env.messages<EoiMessage>().size(), 2u);
  EXPECT_EQ(env.messages<EoiMessage>()[0].vector, Vector{0x61});
  EXPECT_EQ(env.sent[0].port, port_of(2, 0));
  EXPECT_EQ(env.sent[1].port, port_of(2, 1));
  EXPECT_EQ(env.count(Event::EoiBroadcast), 1u);
}

TEST_F(Lapic, EoiOfAnEdgeVectorIsNotBroadcast) {
  put_in_service(0, 0x61);
  eoi(0);
  EXPECT_TRUE(env.messages<EoiMessage>().empty());
  EXPECT_FALSE(env.noted(Event::EoiBroadcast));
}

TEST_F(Lapic, SuppressedEoiIsNotBroadcast) {
  write(0, Register::kSvr, 0x11FF);
  send(level(0, 0x61));
  inta(0);
  eoi(0);
  EXPECT_TRUE(env.messages<EoiMessage>().empty());
  EXPECT_EQ(isr(0), Vectors{});
}

TEST_F(Lapic, TmrIsWrittenAtAcceptanceAndKeptByTheEoi) {
  send(level(0, 0x41));
  EXPECT_EQ(tmr(0), (Vectors{0x41}));
  inta(0);
  eoi(0);
  EXPECT_EQ(tmr(0), (Vectors{0x41}));
  send(fixed(0, 0x41));
  EXPECT_EQ(tmr(0), Vectors{});
}

TEST_F(Lapic, TmrFollowsAnArrivalThatMerges) {
  send(level(0, 0x41));
  send(fixed(0, 0x41));
  EXPECT_EQ(tmr(0), Vectors{});
  send(level(0, 0x41));
  EXPECT_EQ(tmr(0), (Vectors{0x41}));
}

TEST_F(Lapic, LevelInterruptPendingBehindAnotherIsBroadcastToo) {
  send(level(0, 0x41));
  inta(0);
  send(level(0, 0x41));
  eoi(0);
  inta(0);
  eoi(0);
  EXPECT_EQ(env.messages<EoiMessage>().size(), 4u) << "each EOI, to two IOAPICs";
}

TEST_F(Lapic, MutantForgetsTheBroadcastOfALevelInterruptPendingBehindAnother) {
  LapicBank::Config config = config_of(1);
  config.mutants.add(Mutant::TmrClearedByEoi);
  rebuild(config);
  send(level(0, 0x41));
  inta(0);
  send(level(0, 0x41));
  eoi(0);
  inta(0);
  eoi(0);
  EXPECT_EQ(env.messages<EoiMessage>().size(), 2u);
}

TEST_F(Lapic, LevelMessageOfALowInputAssertsNothing) {
  ApicMessage m = level(0, 0x41);
  m.level = Level::Low;
  const SpanId s = book.begin();
  EXPECT_EQ(send(m, s), 0u);
  EXPECT_EQ(noted(Event::Cancelled, s), static_cast<std::uint64_t>(CancelOp::LineLow));
  EXPECT_EQ(irr(0), Vectors{});
  m.trigger_mode = TriggerMode::Edge;
  EXPECT_EQ(send(m), 1u);
}

TEST_F(Lapic, QuirkLevelMessageOfALowInputAssertsAllTheSame) {
  LapicBank::Config config = config_of(1);
  config.quirks.add(Quirk::MessageLevelIgnored);
  rebuild(config);
  ApicMessage m = level(0, 0x41);
  m.level = Level::Low;
  EXPECT_EQ(send(m), 1u);
  EXPECT_EQ(tmr(0), (Vectors{0x41}));
}

TEST_F(Lapic, IllegalVectorIsRefusedAndRecorded) {
  const SpanId s = book.begin();
  EXPECT_EQ(send(fixed(1, 15), s), 0u);
  EXPECT_TRUE(dropped(s, DropReason::IllegalVector));
  EXPECT_EQ(irr(1), Vectors{});
  EXPECT_EQ(errors(1), 1u << 6);
  EXPECT_EQ(errors(0), 0u);
  EXPECT_EQ(send(fixed(1, 16)), 1u);
}

TEST_F(Lapic, QuirkIllegalVectorPendsAndIsNeverDeliverable) {
  LapicBank::Config config = config_of(1);
  config.quirks.add(Quirk::IllegalVectorAccepted);
  rebuild(config);
  EXPECT_EQ(send(fixed(0, 5)), 1u);
  EXPECT_EQ(irr(0), (Vectors{5}));
  EXPECT_EQ(errors(0), 0u);
  EXPECT_EQ(bank.intr(CpuId{0}), Level::Low);
  EXPECT_TRUE(inta(0).spurious);
}

TEST_F(Lapic, InitResetsAllButTheIdAndCancelsWhatWasHeld) {
  const SpanId pending = book.begin();
  const SpanId serviced = book.begin();
  send(fixed(1, 0x51), serviced);
  inta(1);
  send(level(1, 0x61), pending);
  set_logical(1, 0x02);
  const SpanId init = book.begin();
  env.clear();
  EXPECT_EQ(send(of_mode(1, DeliveryMode::Init), init), 1u);
  const auto reset = static_cast<std::uint64_t>(CancelOp::Reset);
  EXPECT_EQ(noted(Event::Cancelled, pending), reset);
  EXPECT_EQ(noted(Event::Cancelled, serviced), reset);
  EXPECT_TRUE(test::held_by(bank).empty());
  EXPECT_EQ(read(1, Register::kSvr), 0xFFu);
  EXPECT_EQ(read(1, Register::kLdr), 0u);
  EXPECT_EQ(read(1, Register::kId), 0x01000000u);
  EXPECT_EQ(tmr(1), Vectors{});
  const auto changes = env.messages<CpuLineChange>();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].line, CpuLine::Intr);
  EXPECT_EQ(changes[0].level, Level::Low);
  EXPECT_EQ(changes[1].line, CpuLine::Init);
  EXPECT_EQ(changes[1].span, init);
}

TEST_F(LapicPorts, MessageInTheWindowIsDelivered) {
  const SpanId s = book.begin();
  bank.receive(LapicBank::kMessages, BusWrite{0xFEE02000, 0x4041, s, {}, 4}, env);
  EXPECT_EQ(noted(Event::Pended, s), 0x241u);
}

TEST_F(LapicPorts, MessageWithoutASpanBeginsOne) {
  bank.receive(LapicBank::kMessages, BusWrite{0xFEE02000, 0x41, kNoSpan, {}, 4}, env);
  EXPECT_EQ(env.count(Event::Asserted), 1u);
  EXPECT_EQ(test::held_by(bank).size(), 1u);
}

TEST_F(LapicPorts, WritesThatAreNoMessagesAreDroppedAndNoted) {
  for (const BusWrite& access : {BusWrite{0xFED00000, 0x41, book.begin(), {}, 4},
                                 BusWrite{0xFEE00000, 0x41, book.begin(), {}, 2}}) {
    env.clear();
    bank.receive(LapicBank::kMessages, access, env);
    EXPECT_TRUE(dropped(access.span, DropReason::NoDecode));
    EXPECT_TRUE(env.noted(Event::GuestError));
    EXPECT_EQ(irr(0), Vectors{});
  }
}

TEST_F(LapicPorts, ReadOfTheWindowIsNotDecoded) {
  bank.receive(LapicBank::kMessages, BusRead{0xFEE00000, Tag{3}, kNoSpan, {}, 4}, env);
  ASSERT_EQ(env.messages<BusData>().size(), 1u);
  EXPECT_EQ(env.messages<BusData>()[0].status, BusStatus::NoDecode);
  EXPECT_EQ(env.messages<BusData>()[0].tag, Tag{3});
}

TEST_F(LapicPorts, MarkerIsAnsweredOnItsEdge) {
  bank.receive(port_of(0, 3), Marker{Tag{9}}, env);
  ASSERT_EQ(env.messages<MarkerDone>().size(), 1u);
  EXPECT_EQ(env.messages<MarkerDone>()[0].tag, Tag{9});
  EXPECT_EQ(env.sent[0].port, port_of(0, 3));
}

TEST_F(LapicPorts, IntaIsAnsweredAndTheLineNeedsNoMessageToFall) {
  send(fixed(0, 0x41));
  env.clear();
  bank.receive(LapicBank::kCpu, Inta{CpuId{0}}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, LapicBank::kCpu);
  EXPECT_EQ(std::get<IntaAnswer>(env.sent[0].message).vector, Vector{0x41});
}

TEST_F(LapicPorts, RegistersAreReadAndWrittenByMessages) {
  bank.receive(LapicBank::kCpu, RegisterWrite{CpuId{2}, Register::kTpr, 0x35}, env);
  bank.receive(LapicBank::kCpu, RegisterRead{CpuId{2}, Register::kTpr, Tag{4}}, env);
  ASSERT_EQ(env.messages<BusData>().size(), 1u);
  EXPECT_EQ(env.messages<BusData>()[0].data[0], 0x35);
  EXPECT_EQ(env.messages<BusData>()[0].tag, Tag{4});
}

TEST_F(LapicPorts, LanesAreTheInterconnectAndOneForEachCpu) {
  EXPECT_EQ(bank.lane_of(LapicBank::kMessages, BusWrite{}), LaneId{0});
  EXPECT_EQ(bank.lane_of(LapicBank::kCpu, Inta{CpuId{0}}), LaneId{1});
  EXPECT_EQ(bank.lane_of(LapicBank::kCpu, RegisterWrite{CpuId{3}, 0, 0}), LaneId{4});
  EXPECT_EQ(bank.lane_of(LapicBank::kCpu, RegisterRead{CpuId{2}, 0, Tag{}}), LaneId{3});
  EXPECT_EQ(bank.lane_of(LapicBank::kCpu, Inta{CpuId{4}}), LaneId{0});
}

TEST_F(LapicPorts, CpuThatDoesNotExistIsNotedAndAnswered) {
  bank.receive(LapicBank::kCpu, Inta{CpuId{4}}, env);
  bank.receive(LapicBank::kCpu, RegisterRead{CpuId{4}, Register::kTpr, Tag{4}}, env);
  bank.receive(LapicBank::kCpu, RegisterWrite{CpuId{4}, Register::kTpr, 0}, env);
  EXPECT_EQ(env.count(Event::GuestError), 3u);
  EXPECT_TRUE(env.messages<IntaAnswer>().at(0).spurious);
  EXPECT_EQ(env.messages<BusData>().size(), 1u);
}

TEST_F(LapicPorts, CopiesAreEqualUntilOneChanges) {
  LapicBank copy = bank;
  EXPECT_TRUE(copy == bank);
  send(fixed(0, 0x41));
  EXPECT_FALSE(copy == bank);
  inta(0);
  eoi(0);
  EXPECT_TRUE(copy == bank);
}

}  // namespace
}  // namespace irqfab::x86
