#include "models/pci/host_bridge.hpp"

#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::pci {
namespace {

using test::RecordingEnv;

constexpr Requester kDevice{HostBridgeId{1}, RequesterId{0x0208}};

SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

class HostBridgeTest : public ::testing::Test {
 protected:
  void upstream(std::uint64_t address, std::uint64_t data, SpanId s, unsigned edge = 0) {
    bridge.receive(port_of(spec_of(HostBridge::kSecondary), edge),
                   BusWrite{address, data, s, kDevice, 4}, env);
  }
  PortId port_of_only_message() const {
    EXPECT_EQ(env.sent.size(), 1u);
    return env.sent.at(0).port;
  }
  PinChange forwarded(std::uint32_t row, Intx pin, Level level, SpanId s) {
    env.clear();
    bridge.receive(HostBridge::kIntx,
                   PinChange{Pin{static_cast<std::uint16_t>(pin)}, level, row, s}, env);
    EXPECT_EQ(port_of_only_message(), HostBridge::kPins);
    return env.messages<PinChange>().at(0);
  }

  RecordingEnv env;
  HostBridge bridge{[] {
    HostBridge::Config config;
    config.interrupt_base = 0xFEE00000;
    config.interrupt_size = 0x100000;
    config.intx_pins = {Pin{16}, Pin{17}, Pin{18}, Pin{19}};
    config.below.of_row = {0, 1, 2, 31};
    return config;
  }()};
};

TEST_F(HostBridgeTest, AWriteInTheInterruptWindowGoesToTheInterruptFabricUnchanged) {
  upstream(0xFEE01234, 0x4041, span(1));
  EXPECT_EQ(port_of_only_message(), HostBridge::kInterrupts);
  const auto write = env.messages<BusWrite>().at(0);
  EXPECT_EQ(write.address, 0xFEE01234u);
  EXPECT_EQ(write.data, 0x4041u);
  EXPECT_EQ(write.span, span(1));
  EXPECT_EQ(write.requester, kDevice);
  EXPECT_EQ(write.size, 4);
  ASSERT_EQ(env.notes.size(), 1u);
  EXPECT_EQ(env.notes[0].event, Event::BridgeForwarded);
  EXPECT_EQ(env.notes[0].span, span(1));
  EXPECT_EQ(env.notes[0].detail, 0xFEE01234u);
}

TEST_F(HostBridgeTest, TheWindowEndsWhereItsSizeSays) {
  const std::pair<std::uint64_t, PortId> cases[] = {
      {0xFEDFFFFF, HostBridge::kMemory},     {0xFEE00000, HostBridge::kInterrupts},
      {0xFEEFFFFC, HostBridge::kInterrupts}, {0xFEF00000, HostBridge::kMemory},
      {0x1'FEE00000, HostBridge::kMemory},   {0, HostBridge::kMemory},
  };
  for (const auto& [address, port] : cases) {
    env.clear();
    upstream(address, 0, span(1));
    EXPECT_EQ(port_of_only_message(), port) << std::hex << address;
  }
}

TEST_F(HostBridgeTest, EveryLinkBelowIsForwarded) {
  upstream(0xFEE00000, 1, span(1), 5);
  EXPECT_EQ(port_of_only_message(), HostBridge::kInterrupts);
}

TEST_F(HostBridgeTest, PostedWritesLeaveInTheOrderInWhichTheyCame) {
  upstream(0x1000, 1, kNoSpan);
  upstream(0xFEE00000, 2, span(1));
  upstream(0x1000, 3, kNoSpan);
  upstream(0xFEE00000, 4, span(2));
  const auto writes = env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(writes[i].data, i + 1);
  EXPECT_EQ(bridge.lane_of(HostBridge::kSecondary, writes[0]),
            bridge.lane_of(HostBridge::kSecondary, writes[1]));
}

TEST_F(HostBridgeTest, AnInterruptWithoutASpanBeginsOneHere) {
  upstream(0xFEE00000, 0x51, kNoSpan);
  const auto write = env.messages<BusWrite>().at(0);
  EXPECT_NE(write.span, kNoSpan);
  ASSERT_EQ(env.notes.size(), 2u);
  EXPECT_EQ(env.notes[0].event, Event::Asserted);
  EXPECT_EQ(env.notes[0].span, write.span);
  EXPECT_EQ(env.notes[0].detail, static_cast<std::uint64_t>(Cause::Device));
  EXPECT_EQ(env.notes[1].span, write.span);
}

TEST_F(HostBridgeTest, AnOrdinaryWriteBeginsNoSpan) {
  upstream(0x1000, 0x51, kNoSpan);
  EXPECT_FALSE(env.noted(Event::Asserted));
  EXPECT_EQ(env.messages<BusWrite>().at(0).span, kNoSpan);
}

TEST_F(HostBridgeTest, IntxIsSwizzledByDeviceNumber) {
  // PCI-to-PCI Bridge Architecture 1.2, table 9-1: wire = (device + pin) mod 4.
  EXPECT_EQ(forwarded(0, Intx::A, Level::High, span(1)).pin, Pin{16});
  EXPECT_EQ(forwarded(0, Intx::D, Level::High, span(1)).pin, Pin{19});
  EXPECT_EQ(forwarded(1, Intx::A, Level::High, span(1)).pin, Pin{17});
  EXPECT_EQ(forwarded(1, Intx::D, Level::High, span(1)).pin, Pin{16});
  EXPECT_EQ(forwarded(2, Intx::B, Level::High, span(1)).pin, Pin{19});
  EXPECT_EQ(forwarded(3, Intx::A, Level::High, span(1)).pin, Pin{19});
  EXPECT_EQ(forwarded(3, Intx::B, Level::High, span(1)).pin, Pin{16});
}

TEST_F(HostBridgeTest, IntxKeepsLevelSpanAndTheFunctionAsItsDriver) {
  const PinChange high = forwarded(1, Intx::C, Level::High, span(3));
  EXPECT_EQ(high.level, Level::High);
  EXPECT_EQ(high.driver, 1u);
  EXPECT_EQ(high.span, span(3));
  EXPECT_EQ(env.notes.at(0).event, Event::IntxForwarded);
  EXPECT_EQ(env.notes.at(0).span, span(3));
  EXPECT_EQ(env.notes.at(0).detail, 19u);
  const PinChange low = forwarded(1, Intx::C, Level::Low, kNoSpan);
  EXPECT_EQ(low.level, Level::Low);
  EXPECT_EQ(low.pin, high.pin);
}

TEST_F(HostBridgeTest, IntxOfAFunctionThatNobodyDescribedIsThatOfDeviceZero) {
  EXPECT_EQ(forwarded(99, Intx::B, Level::High, span(1)).pin, Pin{17});
}

TEST_F(HostBridgeTest, RegisterAccessesGoDownAndTheirCompletionsUp) {
  bridge.receive(HostBridge::kPrimary, BusRead{0xC0000000, Tag{4}, span(1), {}, 4}, env);
  EXPECT_EQ(port_of_only_message(), HostBridge::kDownstream);
  const auto read = env.messages<BusRead>().at(0);
  EXPECT_EQ(read.address, 0xC0000000u);
  EXPECT_EQ(read.tag, Tag{4});
  EXPECT_EQ(env.notes.at(0).event, Event::BusRouted);
  EXPECT_EQ(env.notes.at(0).span, span(1));
  env.clear();
  BusData data{{}, Tag{4}, BusStatus::Ok, span(1)};
  data.data[0] = 0x5A;
  bridge.receive(HostBridge::kDownstream, data, env);
  EXPECT_EQ(port_of_only_message(), HostBridge::kPrimary);
  EXPECT_EQ(env.messages<BusData>().at(0).data[0], 0x5A);
  EXPECT_EQ(env.messages<BusData>().at(0).tag, Tag{4});
  EXPECT_EQ(env.notes.at(0).event, Event::CompletionForwarded);
  EXPECT_EQ(env.notes.at(0).span, span(1));
  env.clear();
  bridge.receive(HostBridge::kPrimary, BusWrite{0xC0000000, 1, kNoSpan, {}, 4}, env);
  EXPECT_EQ(port_of_only_message(), HostBridge::kDownstream);
}

TEST_F(HostBridgeTest, ACompletionQueuesBehindTheDeassertThatTheFunctionSentFirst) {
  const PinChange deassert{Pin{0}, Level::Low, 0, kNoSpan};
  const BusData completion{{}, Tag{4}, BusStatus::Ok, span(1)};
  EXPECT_EQ(bridge.lane_of(HostBridge::kIntx, deassert),
            bridge.lane_of(HostBridge::kDownstream, completion));
}

TEST_F(HostBridgeTest, AReadByAFunctionIsRefusedWithAllOnes) {
  const PortId link = port_of(spec_of(HostBridge::kSecondary), 3);
  bridge.receive(link, BusRead{0x1000, Tag{8}, span(2), kDevice, 16}, env);
  EXPECT_EQ(port_of_only_message(), link);
  const auto data = env.messages<BusData>().at(0);
  EXPECT_EQ(data.status, BusStatus::NoDecode);
  EXPECT_EQ(data.tag, Tag{8});
  EXPECT_EQ(data.span, span(2));
  for (const auto byte : data.data) EXPECT_EQ(byte, 0xFF);
  EXPECT_TRUE(env.noted(Event::GuestError));
}

TEST_F(HostBridgeTest, NoInterruptRestsInTheBridge) {
  upstream(0xFEE00000, 0x51, span(1));
  forwarded(0, Intx::A, Level::High, span(2));
  EXPECT_TRUE(test::held_by(bridge).empty());
}

}  // namespace
}  // namespace irqfab::pci
