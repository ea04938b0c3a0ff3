#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/models/pci/msi_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

TEST_F(MsiTest, AnEventWritesTheMessageAsItsOwnRequester) {
  program(kEdu, kEduId, 0x4041);
  raise(kEdu, 0);
  const SpanId span = opened();
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, PciFunctions::kLink);
  const BusWrite message = sent().at(0);
  EXPECT_EQ(message.address, kMsiAt);
  EXPECT_EQ(message.data, 0x4041u);
  EXPECT_EQ(message.size, 4);
  EXPECT_EQ(message.span, span);
  EXPECT_EQ(message.requester, (Requester{HostBridgeId{1}, kEduId}));
  EXPECT_EQ(noted(Event::MsiSent, span), 0x4041u);
  EXPECT_TRUE(held().empty());
}

TEST_F(MsiTest, WithNeitherMsiNorMsixEnabledAnEventIsDropped) {
  raise(kWide, 3);
  EXPECT_TRUE(dropped(opened(), DropReason::MessagesOff));
  EXPECT_TRUE(sent().empty());
}

TEST_F(MsiTest, AVectorThatTheFunctionDoesNotHaveIsNoSource) {
  program(kPlain, kPlainId, 0, 2);
  raise(kPlain, 4);
  EXPECT_TRUE(faulted(GuestFault::TableIndexOutOfRange));
  EXPECT_FALSE(env.noted(Event::Asserted));
}

TEST_F(MsiTest, SeveralVectorsAreTheLowBitsOfTheData) {
  program(kPlain, kPlainId, 0x4F, 2);
  for (const unsigned vector : {0u, 1u, 2u, 3u}) raise(kPlain, vector);
  EXPECT_EQ(data_sent(), (Data{0x4C, 0x4D, 0x4E, 0x4F}));
}

TEST_F(MsiTest, FewerVectorsThanAskedForAreShared) {
  program(kPlain, kPlainId, 0x4F, 1);
  for (const unsigned vector : {0u, 1u, 2u, 3u}) raise(kPlain, vector);
  EXPECT_EQ(data_sent(), (Data{0x4E, 0x4F, 0x4E, 0x4F}));
  program(kPlain, kPlainId, 0x4F, 0);
  for (const unsigned vector : {0u, 3u}) raise(kPlain, vector);
  EXPECT_EQ(data_sent(), (Data{0x4F, 0x4F}));
}

TEST_F(MsiTest, EveryVectorIsASourceOfItsOwnAlsoWhenItIsShared) {
  program(kPlain, kPlainId, 0x40);
  raise(kPlain, 0);
  const SpanId first = opened();
  raise(kPlain, 3);
  EXPECT_EQ(raw(source_of(opened())) - raw(source_of(first)), 3u);
}

TEST_F(MsiTest, AMaskedVectorPendsAndSendsWhenItIsUnmasked) {
  program(kWide, kWideId, 0x40, 3);
  functions.write_msi_mask(kWide, 0x20, env);
  raise(kWide, 5);
  const SpanId span = opened();
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(noted(Event::MsiPended, span), 5u);
  EXPECT_EQ(functions.msi_pending(kWide), 0x20u);
  EXPECT_EQ(held(), std::vector<SpanId>{span});
  functions.write_msi_message(kWide, kMsiAt, 0x60);
  functions.write_msi_mask(kWide, 0, env);
  EXPECT_EQ(data_sent(), (Data{0x65}));
  EXPECT_EQ(functions.msi_pending(kWide), 0u);
  EXPECT_TRUE(held().empty());
}

TEST_F(MsiTest, UnmaskingOneVectorLeavesTheOthersPending) {
  program(kWide, kWideId, 0x40, 3);
  functions.write_msi_mask(kWide, 0xFF, env);
  for (const unsigned vector : {1u, 2u, 7u}) raise(kWide, vector);
  functions.write_msi_mask(kWide, 0xFF & ~(1u << 2), env);
  EXPECT_EQ(data_sent(), (Data{0x42}));
  EXPECT_EQ(functions.msi_pending(kWide), 1u << 1 | 1u << 7);
}

TEST_F(MsiTest, EventsOfAPendingVectorCoalesce) {
  program(kWide, kWideId, 0x40, 3);
  functions.write_msi_mask(kWide, 1, env);
  raise(kWide, 0);
  const SpanId first = opened();
  raise(kWide, 0);
  EXPECT_EQ(noted(Event::Coalesced, opened()), raw(first));
  functions.write_msi_mask(kWide, 0, env);
  EXPECT_EQ(sent().size(), 1u);
}

TEST_F(MsiTest, DisablingMsiTakesBackWhatPends) {
  program(kWide, kWideId, 0x40, 3);
  functions.write_msi_mask(kWide, 1, env);
  raise(kWide, 0);
  const SpanId span = opened();
  disable(kWideId);
  EXPECT_EQ(noted(Event::Cancelled, span), static_cast<std::uint64_t>(CancelOp::PbaCleared));
  functions.write_msi_mask(kWide, 0, env);
  enable(kWideId, 3);
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(held().empty());
}

TEST_F(MsiTest, WhatBusMasterSuppressesIsNotRemembered) {
  program(kEdu, kEduId, 0x41);
  set_command(kEduId, kMemorySpace);
  raise(kEdu, 0);
  EXPECT_TRUE(dropped(opened(), DropReason::BusMasterOff));
  set_command(kEduId, kMemorySpace | kBusMaster);
  EXPECT_TRUE(sent().empty());
  raise(kEdu, 0);
  EXPECT_EQ(data_sent(), (Data{0x41}));
}

TEST_F(MsiTest, EnablingMsiTakesIntxOffTheWireAndDisablingGivesItBack) {
  intx(kEdu, RaiseKind::IntxHigh);
  EXPECT_TRUE(functions.intx_asserted(kEdu));
  enable(kEduId);
  EXPECT_FALSE(functions.intx_asserted(kEdu));
  EXPECT_EQ(wire().back().level, Level::Low);
  intx(kEdu, RaiseKind::IntxLow);
  intx(kEdu, RaiseKind::IntxHigh);
  EXPECT_TRUE(wire().empty());
  disable(kEduId);
  EXPECT_EQ(wire().back().level, Level::High);
  EXPECT_TRUE(functions.intx_asserted(kEdu));
}

TEST_F(MsiTest, IntxIsTheSourceBehindTheVectors) {
  intx(kWide, RaiseKind::IntxHigh);
  const SpanId wire_span = opened();
  program(kWide, kWideId, 0x40, 3);
  raise(kWide, 0);
  EXPECT_EQ(raw(source_of(wire_span)) - raw(source_of(opened())), 8u);
}

TEST_F(MsiTest, WithBothEnabledMsixSendsAndSoftwareWasWrong) {
  program(kBoth, kBothId, 0x50, 1);
  set_entry(kBoth, 1, 0xFEE00000, 0x77, Mask::Off);
  set_control(kBothId, kMsixEnable);
  EXPECT_TRUE(faulted(GuestFault::ForbiddenValue));
  raise(kBoth, 1);
  EXPECT_EQ(data_sent(), (Data{0x77}));
  set_control(kBothId, 0);
  raise(kBoth, 1);
  EXPECT_EQ(data_sent(), (Data{0x51}));
}

TEST_F(MsiTest, EnablingMsiBesideMsixIsWrongToo) {
  set_control(kBothId, kMsixEnable);
  EXPECT_FALSE(env.noted(Event::GuestError));
  enable(kBothId);
  EXPECT_TRUE(faulted(GuestFault::ForbiddenValue));
}

TEST_F(MsiTest, WhatPendsInMsiWaitsWhileMsixIsEnabled) {
  program(kBoth, kBothId, 0x50, 1);
  functions.write_msi_mask(kBoth, 2, env);
  raise(kBoth, 1);
  set_control(kBothId, kMsixEnable);
  functions.write_msi_mask(kBoth, 0, env);
  EXPECT_TRUE(sent().empty());
  set_control(kBothId, 0);
  EXPECT_EQ(data_sent(), (Data{0x51}));
}

TEST_F(MsiTest, DriversOfIntxCountOnFromWhereTheLinkIsTold) {
  PciFunctions::Config config = msi_config();
  config.first_driver = 40;
  functions = PciFunctions(config);
  intx(kEdu, RaiseKind::IntxPulse);
  const auto changes = wire();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].driver, 40 + raw(kEdu));
  EXPECT_EQ(changes[1].driver, 40 + raw(kEdu));
}

}  // namespace
}  // namespace irqfab::pci::functions_test
