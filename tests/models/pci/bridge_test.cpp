#include "models/pci/bridge.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "models/pci/functions.hpp"
#include "models/pci/host_bridge.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::pci {
namespace {

using test::RecordingEnv;

constexpr Requester kDevice{HostBridgeId{2}, RequesterId{0x0508}};
constexpr std::uint64_t kEcam = 0xE0000000;
constexpr std::uint64_t kWindows = 0x4000000000;

SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

/// At 00:1c.0, with buses 05 to 07 below it: functions on 05, and a bridge at 05:02.0.
class BridgeTest : public ::testing::Test {
 protected:
  static Bridge::Config config(BridgeKind kind) {
    Bridge::Config config;
    config.kind = kind;
    config.rid = RequesterId{0x00E0};
    config.secondary = 5;
    config.subordinate = 7;
    config.ecam_base = kEcam;
    config.below.first_row = FunctionRow{10};
    config.below.of_row = {1, 1, 3};
    config.below.of_edge = {0, 2};
    config.routes = {{kWindows + 0x100000, 0x20000, 1}, {kEcam + (6u << 20), 2u << 20, 1}};
    return config;
  }
  void upstream(std::uint64_t address, std::uint64_t data, SpanId s, unsigned edge = 0) {
    bridge.receive(port_of(spec_of(Bridge::kSecondary), edge),
                   BusWrite{address, data, s, kDevice, 4}, env);
  }
  void down(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
    bridge.receive(Bridge::kPrimary, BusWrite{address, value, kNoSpan, {}, size}, env);
  }
  std::uint64_t read(std::uint64_t address, std::uint8_t size) {
    env.clear();
    bridge.receive(Bridge::kPrimary, BusRead{address, Tag{9}, kNoSpan, {}, size}, env);
    const auto answers = env.messages<BusData>();
    EXPECT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers.at(0).tag, Tag{9});
    std::uint64_t value = 0;
    std::memcpy(&value, answers.at(0).data.data(), size);
    return value;
  }
  std::uint16_t wire_of(std::uint32_t row, std::uint16_t pin, unsigned edge = 0) {
    env.clear();
    bridge.receive(port_of(spec_of(Bridge::kIntx), edge),
                   PinChange{Pin{pin}, Level::High, row, span(1)}, env);
    EXPECT_EQ(env.sent.at(0).port, Bridge::kIntxUp);
    const PinChange change = env.messages<PinChange>().at(0);
    EXPECT_EQ(change.driver, row) << "the OR over functions is taken at the pin";
    return raw(change.pin);
  }
  std::uint64_t own(std::uint64_t offset) const {
    return kEcam + 0xE0 * kConfigSpaceBytes + offset;
  }

  RecordingEnv env;
  Bridge bridge{config(BridgeKind::RootPort)};
};

TEST_F(BridgeTest, ARootPortPassesAWriteOnAsItIs) {
  upstream(0xFEE01000, 0x4041, span(1));
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, Bridge::kUpstream);
  const BusWrite write = env.messages<BusWrite>().at(0);
  EXPECT_EQ(write.address, 0xFEE01000u);
  EXPECT_EQ(write.data, 0x4041u);
  EXPECT_EQ(write.span, span(1));
  EXPECT_EQ(write.size, 4);
  EXPECT_EQ(write.requester, kDevice);
  ASSERT_EQ(env.notes.size(), 1u);
  EXPECT_EQ(env.notes[0].event, Event::RootPortForwarded);
  EXPECT_EQ(env.notes[0].detail, 0xFEE01000u);
}

TEST_F(BridgeTest, APcieToPciBridgeWritesUnderARequesterIdOfItsSecondaryBus) {
  bridge = Bridge(config(BridgeKind::PcieToPci));
  upstream(0xFEE01000, 0x4041, span(1));
  const BusWrite write = env.messages<BusWrite>().at(0);
  EXPECT_EQ(write.requester, (Requester{HostBridgeId{2}, RequesterId{0x0500}}));
  EXPECT_EQ(write.address, 0xFEE01000u);
  EXPECT_EQ(write.data, 0x4041u);
  EXPECT_EQ(env.notes.at(0).event, Event::PciBridgeForwarded);
}

TEST_F(BridgeTest, WhatComesFromBelowABridgeBelowIsForwardedToo) {
  upstream(0xFEE01000, 1, span(1), 1);
  EXPECT_EQ(env.sent.at(0).port, Bridge::kUpstream);
}

TEST_F(BridgeTest, PostedWritesLeaveInTheOrderInWhichTheyCame) {
  for (unsigned i = 0; i < 4; ++i) upstream(i % 2 == 0 ? 0x1000 : 0xFEE00000, i, span(i), i % 2);
  const auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 4u);
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(writes[i].data, i);
  EXPECT_EQ(bridge.lane_of(port_of(spec_of(Bridge::kSecondary), 0), writes[0]),
            bridge.lane_of(port_of(spec_of(Bridge::kSecondary), 1), writes[1]));
}

TEST_F(BridgeTest, WithoutBusMasterNothingIsForwardedUp) {
  down(own(kConfigCommand), kMemorySpace, 2);
  upstream(0xFEE01000, 1, span(1));
  EXPECT_TRUE(env.messages<BusWrite>().empty());
  ASSERT_TRUE(env.noted(Event::Dropped));
  EXPECT_EQ(env.notes.back().span, span(1));
  EXPECT_EQ(env.notes.back().detail, static_cast<std::uint64_t>(DropReason::BusMasterOff));
  upstream(0x1000, 1, kNoSpan);
  EXPECT_EQ(env.count(Event::GuestError), 1u);
  EXPECT_TRUE(env.messages<BusWrite>().empty());
}

TEST_F(BridgeTest, BusMasterDoesNotGateIntx) {
  down(own(kConfigCommand), 0, 2);
  EXPECT_EQ(wire_of(10, 0), 1u);
}

TEST_F(BridgeTest, IntxGoesUpOnTheWireOfDeviceAndPin) {
  EXPECT_EQ(wire_of(10, 0), 1u);
  EXPECT_EQ(wire_of(11, 1), 2u);
  EXPECT_EQ(wire_of(12, 0), 3u);
  EXPECT_EQ(wire_of(12, 1), 0u);
  EXPECT_EQ(wire_of(12, 3), 2u);
}

TEST_F(BridgeTest, IntxOfABridgeBelowGoesByThatBridgesDevice) {
  EXPECT_EQ(wire_of(10, 0, 1), 2u);
  EXPECT_EQ(wire_of(10, 3, 1), 1u);
}

TEST_F(BridgeTest, ADeassertionGoesTheSameWay) {
  bridge.receive(Bridge::kIntx, PinChange{Pin{1}, Level::Low, 12, kNoSpan}, env);
  const PinChange change = env.messages<PinChange>().at(0);
  EXPECT_EQ(change.level, Level::Low);
  EXPECT_EQ(change.pin, Pin{0});
  EXPECT_EQ(env.notes.at(0).event, Event::IntxSwizzled);
}

TEST_F(BridgeTest, AccessesGoDownByTheirRoute) {
  const std::pair<std::uint64_t, unsigned> cases[] = {
      {kWindows, 0},
      {kWindows + 0xFFFFC, 0},
      {kWindows + 0x100000, 1},
      {kWindows + 0x11FFFC, 1},
      {kWindows + 0x120000, 0},
      {kEcam + (5u << 20), 0},
      {kEcam + (6u << 20), 1},
      {kEcam + (8u << 20) - 4, 1},
  };
  for (const auto& [address, edge] : cases) {
    env.clear();
    down(address, 1, 4);
    EXPECT_EQ(env.sent.at(0).port, port_of(spec_of(Bridge::kDownstream), edge))
        << std::hex << address;
  }
}

TEST_F(BridgeTest, AnswersGoUp) {
  bridge.receive(port_of(spec_of(Bridge::kDownstream), 1), BusData{{}, Tag{3}, BusStatus::Ok}, env);
  EXPECT_EQ(env.sent.at(0).port, Bridge::kPrimary);
  EXPECT_EQ(env.notes.at(0).event, Event::CompletionForwarded);
}

TEST_F(BridgeTest, WithoutMemorySpaceOnlyConfigurationGoesDown) {
  down(own(kConfigCommand), kBusMaster, 2);
  env.clear();
  down(kWindows, 1, 4);
  EXPECT_TRUE(env.sent.empty());
  EXPECT_EQ(env.count(Event::GuestError), 1u);
  EXPECT_EQ(read(kWindows, 4), 0xFFFFFFFFu);
  for (const std::uint64_t inside : {std::uint64_t{5} << 20, (std::uint64_t{8} << 20) - 4}) {
    env.clear();
    down(kEcam + inside, 1, 4);
    EXPECT_EQ(env.sent.size(), 1u);
  }
  for (const std::uint64_t outside : {(std::uint64_t{5} << 20) - 4, std::uint64_t{8} << 20}) {
    env.clear();
    down(kEcam + outside, 1, 4);
    EXPECT_TRUE(env.sent.empty());
  }
}

TEST_F(BridgeTest, ItsOwnHeaderIsOfType1) {
  EXPECT_EQ(read(own(0x0E), 1), 1u);
  EXPECT_EQ(read(own(0x0A), 2), 0x0604u);
  EXPECT_EQ(read(own(0x18), 4), 0x00070500u);
  EXPECT_EQ(read(own(kConfigCommand), 4), kMemorySpace | kBusMaster);
  EXPECT_EQ(read(own(0x20), 4), 0u);
}

TEST_F(BridgeTest, ItsCommandTakesBytesAndWords) {
  down(own(kConfigCommand), 0, 1);
  EXPECT_EQ(read(own(kConfigCommand), 2), 0u);
  down(own(kConfigCommand), 0xFFFF, 2);
  EXPECT_EQ(read(own(kConfigCommand), 2), 7u);
  down(own(kConfigCommand + 1), 0, 1);
  EXPECT_EQ(read(own(kConfigCommand), 2), 7u);
  env.clear();
  down(own(kConfigCommand + 1), 0, 2);
  EXPECT_EQ(env.count(Event::GuestError), 1u);
  EXPECT_EQ(read(own(kConfigCommand), 2), 7u);
}

TEST_F(BridgeTest, ItsCommandIsState) {
  const Bridge before = bridge;
  down(own(kConfigCommand), 0, 2);
  EXPECT_FALSE(bridge == before);
}

TEST_F(BridgeTest, ReadsFromBelowAreRefused) {
  const PortId port = port_of(spec_of(Bridge::kSecondary), 1);
  bridge.receive(port, BusRead{0x1000, Tag{4}, kNoSpan, kDevice, 4}, env);
  EXPECT_EQ(env.sent.at(0).port, port);
  EXPECT_EQ(env.messages<BusData>().at(0).status, BusStatus::NoDecode);
  EXPECT_EQ(env.count(Event::GuestError), 1u);
}

TEST(HostBridgeWithBridgesTest, IntxAndAccessesFindTheBridgeBelow) {
  RecordingEnv env;
  HostBridge::Config config;
  config.below.of_row = {1, 5};
  config.below.of_edge = {0, 28};
  config.routes = {{kWindows, 0x10000, 1}};
  HostBridge bridge(config);
  bridge.receive(port_of(spec_of(HostBridge::kIntx), 1), PinChange{Pin{1}, Level::High, 1, span(1)},
                 env);
  EXPECT_EQ(env.messages<PinChange>().at(0).pin, Pin{17});
  bridge.receive(HostBridge::kIntx, PinChange{Pin{1}, Level::High, 1, span(1)}, env);
  EXPECT_EQ(env.messages<PinChange>().at(1).pin, Pin{18});
  env.clear();
  bridge.receive(HostBridge::kPrimary, BusWrite{kWindows + 0xFFFC, 0, kNoSpan, {}, 4}, env);
  bridge.receive(HostBridge::kPrimary, BusWrite{kWindows + 0x10000, 0, kNoSpan, {}, 4}, env);
  EXPECT_EQ(env.sent.at(0).port, port_of(spec_of(HostBridge::kDownstream), 1));
  EXPECT_EQ(env.sent.at(1).port, port_of(spec_of(HostBridge::kDownstream), 0));
  bridge.receive(port_of(spec_of(HostBridge::kDownstream), 1), BusData{{}, Tag{3}, BusStatus::Ok},
                 env);
  EXPECT_EQ(env.sent.at(2).port, HostBridge::kPrimary);
}

}  // namespace
}  // namespace irqfab::pci
