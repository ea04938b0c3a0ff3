#include "models/mem/system_bus.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "tests/support/recording_env.hpp"
#include "tests/support/span_book.hpp"

namespace irqfab::mem {
namespace {

using test::RecordingEnv;

PortId initiator(unsigned edge) { return port_of(spec_of(SystemBus::kInitiators), edge); }
PortId target(unsigned edge) { return port_of(spec_of(SystemBus::kTargets), edge); }
SpanId span(std::uint64_t n) { return make_span(SourceId{7}, n); }

class SystemBusTest : public ::testing::Test {
 protected:
  BusRead read(unsigned from, std::uint64_t address, Tag tag, SpanId s = kNoSpan) {
    bus.receive(initiator(from), BusRead{address, tag, s, {}, 4}, env);
    return env.messages<BusRead>().back();
  }
  void answer(unsigned from_target, Tag tag, std::uint8_t value) {
    BusData data{{}, tag, BusStatus::Ok, span(value)};
    data.data[0] = value;
    bus.receive(target(from_target), data, env);
  }
  PortId last_port() const { return env.sent.back().port; }

  RecordingEnv env;
  SystemBus bus{SystemBus::Config{{
      {0xFEC00000, 0x1000, 2},  // not in order of address
      {0x1000, 0x1000, 0},
      {0x2000, 0x10, 1},
      {~std::uint64_t{0} - 0xFF, 0x100, 3},
  }}};
};

TEST_F(SystemBusTest, AWriteGoesToTheWindowThatHoldsItsAddress) {
  const std::pair<std::uint64_t, unsigned> cases[] = {
      {0x1000, 0},     {0x1FFF, 0},     {0x2000, 1},           {0x200F, 1},
      {0xFEC00000, 2}, {0xFEC00FFF, 2}, {~std::uint64_t{0}, 3}};
  for (const auto& [address, edge] : cases) {
    env.clear();
    bus.receive(initiator(0), BusWrite{address, 0xAB, span(1), {}, 4}, env);
    ASSERT_EQ(env.sent.size(), 1u) << std::hex << address;
    EXPECT_EQ(last_port(), target(edge)) << std::hex << address;
    const auto write = env.messages<BusWrite>().at(0);
    EXPECT_EQ(write.address, address);
    EXPECT_EQ(write.data, 0xABu);
    EXPECT_EQ(write.span, span(1));
    ASSERT_EQ(env.notes.size(), 1u);
    EXPECT_EQ(env.notes[0].event, Event::BusRouted);
    EXPECT_EQ(env.notes[0].span, span(1));
    EXPECT_EQ(env.notes[0].detail, address);
  }
}

TEST_F(SystemBusTest, AWriteInAHoleIsLost) {
  for (const std::uint64_t address : {0x0ull, 0xFFFull, 0x2010ull, 0xFEC01000ull}) {
    env.clear();
    bus.receive(initiator(0), BusWrite{address, 0, kNoSpan, {}, 4}, env);
    EXPECT_TRUE(env.sent.empty()) << std::hex << address;
    EXPECT_EQ(env.count(Event::GuestError), 1u);
    EXPECT_FALSE(env.noted(Event::Dropped));
  }
}

TEST_F(SystemBusTest, AnInterruptInAHoleIsDropped) {
  test::SpanBook book;
  const SpanId s = book.begin();
  bus.receive(initiator(0), BusWrite{0x3000, 0, s, {}, 4}, env);
  EXPECT_EQ(env.notes.back().detail, static_cast<std::uint64_t>(DropReason::NoDecode));
  book.read(env);
  EXPECT_TRUE(book.live().empty());
  EXPECT_TRUE(book.faults().empty());
}

TEST_F(SystemBusTest, AReadInAHoleGivesAllOnesToWhoeverAsked) {
  bus.receive(initiator(3), BusRead{0x3000, Tag{9}, span(1), {}, 4}, env);
  ASSERT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(last_port(), initiator(3));
  const auto data = env.messages<BusData>().at(0);
  EXPECT_EQ(data.tag, Tag{9});
  EXPECT_EQ(data.status, BusStatus::NoDecode);
  EXPECT_EQ(data.span, span(1));
  for (const auto byte : data.data) EXPECT_EQ(byte, 0xFF);
  EXPECT_EQ(env.count(Event::GuestError), 1u);
}

TEST_F(SystemBusTest, AReadIsPassedOnUnderATagOfTheBus) {
  const BusRead passed = read(0, 0xFEC00010, Tag{1234}, span(5));
  EXPECT_EQ(last_port(), target(2));
  EXPECT_EQ(passed.address, 0xFEC00010u);
  EXPECT_EQ(passed.span, span(5));
  EXPECT_EQ(passed.size, 4);
  answer(2, passed.tag, 0x5A);
  EXPECT_EQ(last_port(), initiator(0));
  const auto data = env.messages<BusData>().at(0);
  EXPECT_EQ(data.tag, Tag{1234});
  EXPECT_EQ(data.data[0], 0x5A);
  EXPECT_EQ(data.span, span(0x5A));
}

TEST_F(SystemBusTest, SeveralOutstandingReadsAreAnsweredToTheirInitiators) {
  // Two initiators use the same tag; the answers come in another order than the questions.
  const Tag a = read(0, 0x1000, Tag{7}).tag;
  const Tag b = read(1, 0x1008, Tag{7}).tag;
  const Tag c = read(0, 0x2000, Tag{8}).tag;
  EXPECT_NE(a, b);
  EXPECT_NE(b, c);
  EXPECT_NE(a, c);
  env.clear();
  answer(1, c, 3);
  answer(0, b, 2);
  answer(0, a, 1);
  const auto data = env.messages<BusData>();
  ASSERT_EQ(data.size(), 3u);
  EXPECT_EQ(env.sent[0].port, initiator(0));
  EXPECT_EQ(data[0].tag, Tag{8});
  EXPECT_EQ(data[0].data[0], 3);
  EXPECT_EQ(env.sent[1].port, initiator(1));
  EXPECT_EQ(data[1].tag, Tag{7});
  EXPECT_EQ(data[1].data[0], 2);
  EXPECT_EQ(env.sent[2].port, initiator(0));
  EXPECT_EQ(data[2].tag, Tag{7});
  EXPECT_EQ(data[2].data[0], 1);
}

TEST_F(SystemBusTest, ATagIsFreeAgainOnceItsAnswerCame) {
  const Tag a = read(0, 0x1000, Tag{1}).tag;
  const Tag b = read(0, 0x1000, Tag{2}).tag;
  answer(0, a, 0);
  EXPECT_EQ(read(0, 0x1000, Tag{3}).tag, a);
  EXPECT_NE(read(0, 0x1000, Tag{4}).tag, b);
}

TEST_F(SystemBusTest, AnAnswerThatNobodyWaitsForIsIgnored) {
  answer(0, Tag{5}, 1);
  const Tag a = read(0, 0x1000, Tag{1}).tag;
  answer(0, a, 1);
  env.clear();
  answer(0, a, 2);
  EXPECT_TRUE(env.sent.empty());
}

TEST_F(SystemBusTest, AFailedAnswerStaysFailed) {
  const Tag a = read(0, 0x1000, Tag{1}).tag;
  bus.receive(target(0), BusData{{}, a, BusStatus::Error, kNoSpan}, env);
  EXPECT_EQ(env.messages<BusData>().back().status, BusStatus::Error);
}

TEST_F(SystemBusTest, BusesAreEqualIfTheSameReadsAreUnderWay) {
  SystemBus other = bus;
  const Tag a = read(0, 0x1000, Tag{1}).tag;
  EXPECT_FALSE(bus == other);
  other.receive(initiator(0), BusRead{0x1000, Tag{1}, kNoSpan, {}, 4}, env);
  EXPECT_EQ(bus, other);
  answer(0, a, 1);
  EXPECT_FALSE(bus == other);
  EXPECT_TRUE(test::held_by(bus).empty());
}

}  // namespace
}  // namespace irqfab::mem
