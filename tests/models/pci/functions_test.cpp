#include "models/pci/functions.hpp"

#include <gtest/gtest.h>

#include "tests/models/pci/functions_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

TEST_F(MsixTest, AnUnmaskedVectorSendsItsEntrysMessageAsItsOwnRequester) {
  raise(kNic, 1);
  const SpanId span = opened();
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, PciFunctions::kLink);
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].address, 0xFEE01000u);
  EXPECT_EQ(messages[0].data, 0x41u);
  EXPECT_EQ(messages[0].size, 4);
  EXPECT_EQ(messages[0].span, span);
  EXPECT_EQ(messages[0].requester, (Requester{HostBridgeId{3}, kNicId}));
  ASSERT_EQ(env.notes.size(), 2u);
  EXPECT_EQ(env.notes[0].event, Event::Asserted);
  EXPECT_EQ(env.notes[0].detail, static_cast<std::uint64_t>(Cause::Device));
  EXPECT_EQ(env.notes[1].event, Event::MsiSent);
  EXPECT_EQ(env.notes[1].detail, 0x41u);
  EXPECT_TRUE(held().empty());
}

TEST_F(MsixTest, EveryVectorIsASourceOfItsOwn) {
  set_entry(kNic, 5, 0xFEE00000, 0x55, Mask::Off);
  raise(kNic, 1);
  const SpanId first = opened();
  raise(kNic, 5);
  EXPECT_EQ(raw(source_of(opened())) - raw(source_of(first)), 4u);
}

TEST_F(MsixTest, VectorsAreMaskedAtReset) {
  raise(kNic, 2);
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(functions.pending(kNic, VectorIndex{2}));
}

TEST_F(MsixTest, AMaskedVectorsEventSetsItsPendingBitAndSendsNothing) {
  const SpanId span = pend();
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(functions.pending(kNic, VectorIndex{1}));
  EXPECT_FALSE(functions.pending(kNic, VectorIndex{2}));
  EXPECT_EQ(functions.pba_word(kNic, 0), 0x2u);
  EXPECT_EQ(held(), std::vector<SpanId>{span});
}

TEST_F(MsixTest, ThePendingBitIsNotedWithItsVector) {
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
  raise(kNic, 1);
  EXPECT_EQ(noted(Event::MsixPended, opened()), 1u);
  EXPECT_FALSE(env.noted(Event::MsiSent));
}

TEST_F(MsixTest, UnmaskingSendsTheEntrysCurrentMessage) {
  const SpanId span = pend();
  set_entry(kNic, 1, 0xFEE0F000, 0x99, Mask::Off);
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].address, 0xFEE0F000u);
  EXPECT_EQ(messages[0].data, 0x99u);
  EXPECT_EQ(messages[0].span, span);
  EXPECT_FALSE(functions.pending(kNic, VectorIndex{1}));
  EXPECT_TRUE(held().empty());
}

TEST_F(MsixTest, OneQwordThatChangesTheDataAndUnmasksSendsTheNewData) {
  pend();
  write(window_of(kNic, 16 + 8), 0x77, 8);  // data 0x77, Vector Control 0
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].data, 0x77u);
}

TEST_F(MsixTest, WritingAMaskedEntrySendsNothing) {
  pend();
  set_entry(kNic, 1, 0xFEE0F000, 0x99, Mask::On);
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(functions.pending(kNic, VectorIndex{1}));
}

TEST_F(MsixTest, UnmaskingWithNothingPendingSendsNothing) {
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_TRUE(sent().empty());
}

TEST_F(MsixTest, APendingVectorIsSentOnce) {
  pend();
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_EQ(sent().size(), 1u);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_TRUE(sent().empty());
}

TEST_F(MsixTest, ASecondEventWhilePendingCoalesces) {
  const SpanId first = pend();
  raise(kNic, 1);
  EXPECT_EQ(noted(Event::Coalesced, opened()), raw(first));
  EXPECT_EQ(held(), std::vector<SpanId>{first});
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].span, first);
}

TEST_F(MsixTest, TheFunctionMaskMasksEveryVector) {
  set_control(kNicId, kMsixEnable | kFunctionMask);
  raise(kNic, 1);
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(functions.pending(kNic, VectorIndex{1}));
}

TEST_F(MsixTest, ClearingTheFunctionMaskSendsThoseThatTheirOwnMaskDoesNotHold) {
  set_entry(kNic, 65, 0xFEE00000, 0x65, Mask::Off);
  set_control(kNicId, kMsixEnable | kFunctionMask);
  raise(kNic, 65);
  raise(kNic, 1);
  raise(kNic, 2);  // masked by itself as well
  set_control(kNicId, kMsixEnable);
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].data, 0x41u);  // in order of the table
  EXPECT_EQ(messages[1].data, 0x65u);
  EXPECT_TRUE(functions.pending(kNic, VectorIndex{2}));
}

TEST_F(MsixTest, UnmaskingAVectorUnderTheFunctionMaskSendsNothing) {
  const SpanId span = pend();
  set_control(kNicId, kMsixEnable | kFunctionMask);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(held(), std::vector<SpanId>{span});
}

TEST_F(MsixTest, OneFunctionsMaskLeavesAnotherAlone) {
  set_control(kOtherId, kMsixEnable);
  set_entry(kOther, 1, 0xFEE00000, 0x61, Mask::Off);
  set_control(kNicId, kMsixEnable | kFunctionMask);
  raise(kOther, 1);
  const auto messages = sent();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].requester.rid, kOtherId);
}

TEST_F(MsixTest, WithoutBusMasterEnableAMessageIsDropped) {
  set_command(kNicId, 0);
  raise(kNic, 1);
  EXPECT_TRUE(dropped(opened(), DropReason::BusMasterOff));
  EXPECT_TRUE(sent().empty());
  set_command(kNicId, kBusMaster);
  raise(kNic, 1);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(MsixTest, WithoutBusMasterEnableAMaskedEventStillSetsItsPendingBit) {
  set_command(kNicId, 0);
  const SpanId span = pend();
  EXPECT_EQ(held(), std::vector<SpanId>{span});
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_TRUE(dropped(span, DropReason::BusMasterOff));
  EXPECT_TRUE(held().empty());
}

TEST_F(MsixTest, WithMsixDisabledAnEventIsDropped) {
  set_control(kNicId, 0);
  raise(kNic, 1);
  EXPECT_TRUE(dropped(opened(), DropReason::MessagesOff));
  EXPECT_FALSE(functions.pending(kNic, VectorIndex{1}));
}

TEST_F(MsixTest, DisablingMsixCancelsWhatIsPending) {
  const SpanId span = pend();
  set_control(kNicId, 0);
  EXPECT_EQ(noted(Event::Cancelled, span), static_cast<std::uint64_t>(CancelOp::PbaCleared));
  EXPECT_TRUE(held().empty());
  EXPECT_EQ(functions.pba_word(kNic, 0), 0u);
  set_control(kNicId, kMsixEnable);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::Off, env);
  EXPECT_TRUE(sent().empty());
}

TEST_F(MsixTest, DisablingAndClearingTheFunctionMaskAtOnceSendsNothing) {
  set_control(kNicId, kMsixEnable | kFunctionMask);
  raise(kNic, 1);
  const SpanId span = opened();
  set_control(kNicId, 0);
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(noted(Event::Cancelled, span), static_cast<std::uint64_t>(CancelOp::PbaCleared));
}

TEST_F(MsixTest, AVectorOutsideTheTableIsAGuestError) {
  raise(kNic, 70);
  EXPECT_TRUE(faulted(GuestFault::TableIndexOutOfRange));
  raise(kOld, 0);
  raise(kNobody, 0);
  intx(kNobody, RaiseKind::IntxHigh);
  EXPECT_EQ(env.count(Event::GuestError), 4u);
  EXPECT_FALSE(env.noted(Event::Asserted));
  EXPECT_TRUE(env.sent.empty());
}

TEST_F(PciFunctionsTest, AnAnswerCarriesTagAndSpanOfTheRead) {
  const SpanId span = make_span(SourceId{9}, 0);
  const BusData data = read(window_of(kOld, kDeviceRegisterOffset), 4, span);
  EXPECT_EQ(data.tag, Tag{77});
  EXPECT_EQ(data.span, span);
  EXPECT_EQ(data.status, BusStatus::Ok);
  EXPECT_EQ(env.sent.back().port, PciFunctions::kRegisters);
}

TEST_F(PciFunctionsTest, AnUnclaimedReadGivesAllOnes) {
  for (const std::uint64_t address :
       {kWindow - 4, window_of(kNobody, 0), config_of(RequesterId{0x0109}, 0)}) {
    env.clear();
    const BusData data = read(address, 16);
    for (const auto byte : data.data) EXPECT_EQ(byte, 0xFF);
    EXPECT_EQ(data.status, BusStatus::NoDecode);
    EXPECT_TRUE(faulted(GuestFault::UnclaimedAddress));
  }
}

TEST_F(PciFunctionsTest, AnUnclaimedWriteIsAGuestError) {
  const PciFunctions before = functions;
  write(window_of(kNobody, 0), 0, 4);
  EXPECT_TRUE(faulted(GuestFault::UnclaimedAddress));
  write(config_of(RequesterId{0x0109}, kConfigCommand), 0, 2);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
  EXPECT_EQ(functions, before);
}

TEST_F(PciFunctionsTest, ALaneIsAFunction) {
  const PortId port = PciFunctions::kRegisters;
  EXPECT_EQ(functions.lane_of(PciFunctions::kStimulus, Raise{kOther, VectorIndex{0}, {}}),
            LaneId{2});
  EXPECT_EQ(functions.lane_of(port, BusWrite{window_of(kOld, 8), 0, kNoSpan, {}, 4}), LaneId{1});
  EXPECT_EQ(functions.lane_of(port, BusRead{config_of(kOtherId, 4), {}, kNoSpan, {}, 2}),
            LaneId{2});
}

TEST_F(PciFunctionsTest, AFunctionIsFoundByItsRequesterId) {
  EXPECT_EQ(functions.row_of(kOldId), kOld);
  EXPECT_EQ(functions.row_of(RequesterId{0x0111}), std::nullopt);
  EXPECT_EQ(functions.row_of(RequesterId{0xFFFF}), std::nullopt);
}

TEST_F(MsixTest, ACopyIsEqualUntilOneOfThemChanges) {
  PciFunctions copy = functions;
  EXPECT_EQ(copy, functions);
  copy.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
  EXPECT_FALSE(copy == functions);
  functions.set_vector_mask(kNic, VectorIndex{1}, Mask::On, env);
  EXPECT_EQ(copy, functions);
  copy.set_intx(kOld, Level::High, env);
  EXPECT_FALSE(copy == functions);
}

}  // namespace
}  // namespace irqfab::pci::functions_test
