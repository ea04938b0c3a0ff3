#include "models/x86/apic_bus.hpp"

#include <gtest/gtest.h>

#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::x86 {
namespace {

using test::RecordingEnv;

PortId input(unsigned edge) { return port_of(spec_of(ApicBus::kInputs), edge); }

class ApicBusTest : public ::testing::Test {
 protected:
  RecordingEnv env;
  ApicBus bus{ApicBus::Config{}};
};

TEST_F(ApicBusTest, AMessageGoesOnUnchanged) {
  const SpanId span = make_span(SourceId{7}, 1);
  const Requester requester{HostBridgeId{1}, RequesterId{0x108}};
  bus.receive(input(2), BusWrite{0xFEE01000, 0x4041, span, requester, 4}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, ApicBus::kOutput);
  const auto write = env.messages<BusWrite>().at(0);
  EXPECT_EQ(write.address, 0xFEE01000u);
  EXPECT_EQ(write.data, 0x4041u);
  EXPECT_EQ(write.span, span);
  EXPECT_EQ(write.requester, requester);
  ASSERT_EQ(env.notes.size(), 1u);
  EXPECT_EQ(env.notes[0].event, Event::MessageRouted);
  EXPECT_EQ(env.notes[0].span, span);
  EXPECT_EQ(env.notes[0].detail, 0xFEE01000u);
}

TEST_F(ApicBusTest, AMessageWithoutASpanBeginsOneHere) {
  bus.receive(input(0), BusWrite{0xFEE01000, 0x41, kNoSpan, {}, 4}, env);
  const SpanId span = env.messages<BusWrite>().at(0).span;
  EXPECT_NE(span, kNoSpan);
  ASSERT_EQ(env.notes.size(), 2u);
  EXPECT_EQ(env.notes[0].event, Event::Asserted);
  EXPECT_EQ(env.notes[0].span, span);
  EXPECT_EQ(env.notes[1].event, Event::MessageRouted);
  EXPECT_EQ(env.notes[1].span, span);
}

TEST_F(ApicBusTest, InputsShareOneLaneSoTheirMessagesKeepTheirOrder) {
  const BusWrite write{0xFEE01000, 0x41, kNoSpan, {}, 4};
  EXPECT_EQ(bus.lane_of(input(0), write), bus.lane_of(input(9), Marker{Tag{1}}));
}

TEST_F(ApicBusTest, AMarkerFollowsTheMessagesAndItsAnswerGoesBackToItsOrigin) {
  bus.receive(input(1), Marker{Tag{10}}, env);
  bus.receive(input(2), Marker{Tag{10}}, env);
  ASSERT_EQ(env.messages<Marker>().size(), 2u);
  EXPECT_EQ(env.sent[0].port, ApicBus::kOutput);
  env.clear();
  bus.receive(ApicBus::kOutput, MarkerDone{Tag{10}}, env);
  ASSERT_EQ(env.messages<MarkerDone>().size(), 1u);
  EXPECT_EQ(env.sent[0].port, input(1));
  EXPECT_EQ(env.messages<MarkerDone>()[0].tag, Tag{10});
  bus.receive(ApicBus::kOutput, MarkerDone{Tag{10}}, env);
  ASSERT_EQ(env.sent.size(), 2u);
  EXPECT_EQ(env.sent[1].port, input(2));
}

TEST_F(ApicBusTest, AnAnswerWithoutAMarkerIsIgnored) {
  bus.receive(ApicBus::kOutput, MarkerDone{Tag{10}}, env);
  EXPECT_TRUE(env.sent.empty());
}

TEST_F(ApicBusTest, TheWindowTakesWritesOnly) {
  const SpanId span = make_span(SourceId{7}, 1);
  bus.receive(input(4), BusRead{0xFEE00000, Tag{3}, span, {}, 4}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(env.sent[0].port, input(4));
  const auto data = env.messages<BusData>().at(0);
  EXPECT_EQ(data.status, BusStatus::NoDecode);
  EXPECT_EQ(data.tag, Tag{3});
  EXPECT_EQ(data.span, span);
  EXPECT_TRUE(env.noted(Event::GuestError));
}

TEST_F(ApicBusTest, EqualIfTheSameMarkersAreUnderWay) {
  ApicBus other = bus;
  bus.receive(input(1), Marker{Tag{10}}, env);
  EXPECT_FALSE(bus == other);
  other.receive(input(1), Marker{Tag{10}}, env);
  EXPECT_EQ(bus, other);
  EXPECT_TRUE(test::held_by(bus).empty());
}

}  // namespace
}  // namespace irqfab::x86
