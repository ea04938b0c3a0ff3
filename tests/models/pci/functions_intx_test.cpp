#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/models/pci/functions_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

using IntxTest = PciFunctionsTest;

TEST_F(IntxTest, TheStatusDrivesTheWireOfItsPin) {
  intx(kNic, RaiseKind::IntxHigh);
  const SpanId span = opened();
  EXPECT_EQ(env.sent[0].port, PciFunctions::kIntx);
  auto changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].pin, Pin{1});
  EXPECT_EQ(changes[0].level, Level::High);
  EXPECT_EQ(changes[0].driver, raw(kNic));
  EXPECT_EQ(changes[0].span, span);
  EXPECT_EQ(noted(Event::IntxAsserted, span), 1u);
  EXPECT_TRUE(functions.intx_asserted(kNic));
  intx(kNic, RaiseKind::IntxLow);
  changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].level, Level::Low);
  EXPECT_EQ(changes[0].span, kNoSpan);
  EXPECT_EQ(noted(Event::IntxDeasserted, kNoSpan), 1u);
  EXPECT_FALSE(functions.intx_asserted(kNic));
}

TEST_F(IntxTest, OnlyAChangeSendsAMessage) {
  intx(kOld, RaiseKind::IntxLow);
  EXPECT_TRUE(env.sent.empty());
  intx(kOld, RaiseKind::IntxHigh);
  intx(kOld, RaiseKind::IntxHigh);
  EXPECT_EQ(wire().size(), 1u);
  EXPECT_EQ(env.count(Event::Asserted), 1u);
  intx(kOld, RaiseKind::IntxLow);
  intx(kOld, RaiseKind::IntxLow);
  EXPECT_EQ(wire().size(), 1u);
}

TEST_F(IntxTest, APulseIsAnAssertAndADeassert) {
  intx(kOld, RaiseKind::IntxPulse);
  const auto changes = wire();
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].level, Level::High);
  EXPECT_EQ(changes[1].level, Level::Low);
  EXPECT_FALSE(functions.intx_asserted(kOld));
}

TEST_F(IntxTest, AnIntxIsTheSourceBehindTheFunctionsVectors) {
  set_control(kNicId, kMsixEnable);
  raise(kNic, 0);
  const SpanId msix = opened();
  set_control(kNicId, 0);
  intx(kNic, RaiseKind::IntxHigh);
  EXPECT_EQ(raw(source_of(opened())) - raw(source_of(msix)), 70u);
}

TEST_F(IntxTest, AFunctionWithoutAPinDrivesNoWire) {
  intx(kOther, RaiseKind::IntxHigh);
  EXPECT_TRUE(env.sent.empty());
  EXPECT_TRUE(env.notes.empty());
}

TEST_F(IntxTest, InterruptDisableTakesTheAssertionBackAndEnablingRenewsIt) {
  intx(kOld, RaiseKind::IntxHigh);
  wire();
  set_command(kOldId, kBusMaster | kInterruptDisable);
  auto changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].level, Level::Low);
  set_command(kOldId, kBusMaster);
  changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].level, Level::High);
  EXPECT_EQ(env.count(Event::Asserted), 2u);
}

TEST_F(IntxTest, WhileDisabledAStatusThatComesAndGoesIsNeverSeen) {
  set_command(kOldId, kInterruptDisable);
  intx(kOld, RaiseKind::IntxPulse);
  set_command(kOldId, 0);
  EXPECT_TRUE(env.sent.empty());
  EXPECT_FALSE(env.noted(Event::Asserted));
}

TEST_F(IntxTest, IntxNeedsNoBusMaster) {
  set_command(kOldId, 0);
  intx(kOld, RaiseKind::IntxHigh);
  EXPECT_EQ(wire().size(), 1u);
}

TEST_F(IntxTest, AnEnabledMsixSilencesTheWire) {
  intx(kNic, RaiseKind::IntxHigh);
  wire();
  set_control(kNicId, kMsixEnable);
  auto changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].level, Level::Low);
  set_control(kNicId, 0);
  changes = wire();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].level, Level::High);
}

TEST_F(IntxTest, ReadingTheDeviceAcknowledges) {
  intx(kOld, RaiseKind::IntxHigh);
  env.clear();
  const SpanId handler = make_span(SourceId{9}, 4);
  const BusData data = read(window_of(kOld, kDeviceRegisterOffset), 4, handler);
  EXPECT_EQ(data.data[0], 1);
  EXPECT_EQ(noted(Event::DeviceRead, handler), kDeviceRegisterOffset);
  EXPECT_FALSE(functions.intx_asserted(kOld));
  // The Deassert_INTx goes first: a completion does not pass posted messages.
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(std::get<PinChange>(env.sent[0].message).level, Level::Low);
  EXPECT_TRUE(std::holds_alternative<BusData>(env.sent[1].message));
}

TEST_F(IntxTest, ReadingAnIdleDeviceAnswersThatItWasNotTheOne) {
  const BusData data = read(window_of(kOld, kDeviceRegisterOffset), 4);
  EXPECT_EQ(data.data[0], 0);
  EXPECT_TRUE(env.messages<PinChange>().empty());
}

}  // namespace
}  // namespace irqfab::pci::functions_test
