#include "models/mem/memory.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/recording_env.hpp"

namespace irqfab::mem {
namespace {

using test::RecordingEnv;

constexpr std::uint64_t kBase = 0x100000;
constexpr std::uint64_t kSize = 0x4000;
constexpr SpanId kSpan = make_span(SourceId{1}, 0);

class MemoryTest : public testing::Test {
 protected:
  void write(std::uint64_t address, std::uint64_t data, std::uint8_t size, SpanId span = kNoSpan) {
    memory_.receive(Memory::kBus, BusWrite{address, data, span, {}, size}, env_);
  }
  BusData read(std::uint64_t address, std::uint8_t size, PortId port = Memory::kBus) {
    env_.clear();
    memory_.receive(port, BusRead{address, Tag{7}, kSpan, {}, size}, env_);
    EXPECT_EQ(env_.sent.size(), 1u);
    EXPECT_EQ(env_.sent.at(0).port, port);
    return std::get<BusData>(env_.sent.at(0).message);
  }
  std::uint64_t low(const BusData& answer) const {
    std::uint64_t value = 0;
    std::memcpy(&value, answer.data.data(), sizeof value);
    return value;
  }

  Memory memory_{{kBase, kSize}};
  RecordingEnv env_;
};

TEST_F(MemoryTest, ReadsBackWhatWasWritten) {
  write(kBase + 8, 0x1122334455667788, 8);
  const BusData answer = read(kBase + 8, 8);
  EXPECT_EQ(low(answer), 0x1122334455667788u);
  EXPECT_EQ(answer.status, BusStatus::Ok);
  EXPECT_EQ(answer.tag, Tag{7});
}

TEST_F(MemoryTest, IsLittleEndianAndKeepsTheBytesBesideAWrite) {
  write(kBase, 0x1122334455667788, 8);
  write(kBase + 1, 0xFFFF, 1);
  EXPECT_EQ(low(read(kBase, 8)), 0x112233445566FF88u);
  EXPECT_EQ(low(read(kBase + 4, 2)), 0x3344u);
}

TEST_F(MemoryTest, ReadsZeroWhereNobodyWrote) {
  write(kBase + 0x1000, ~std::uint64_t{0}, 8);
  EXPECT_EQ(read(kBase + 0x1008, 16).data, Bytes16{});
  EXPECT_EQ(read(kBase + 0x2000, 16).data, Bytes16{});
}

TEST_F(MemoryTest, AnAccessMayCrossAPage) {
  write(kBase + 0xFFC, 0x1122334455667788, 8);
  EXPECT_EQ(low(read(kBase + 0xFFC, 8)), 0x1122334455667788u);
  EXPECT_EQ(low(read(kBase + 0x1000, 4)), 0x11223344u);
}

TEST_F(MemoryTest, AnswersOnTheEdgeThatAsked) { read(kBase, 4, port_of(0, 5)); }

TEST_F(MemoryTest, NotesEachAccessWithItsAddress) {
  write(kBase + 4, 1, 4);
  ASSERT_EQ(env_.notes.size(), 1u);
  EXPECT_EQ(env_.notes[0].event, Event::MemoryWritten);
  EXPECT_EQ(env_.notes[0].detail, kBase + 4);
  read(kBase + 4, 4);
  ASSERT_EQ(env_.notes.size(), 1u);
  EXPECT_EQ(env_.notes[0].event, Event::MemoryRead);
  EXPECT_EQ(env_.notes[0].span, kSpan);
  EXPECT_EQ(env_.notes[0].detail, kBase + 4);
}

TEST_F(MemoryTest, RefusesWhatLiesOutside) {
  for (const std::uint64_t address :
       {kBase - 1, kBase + kSize, kBase + kSize - 3, ~std::uint64_t{0}}) {
    const BusData answer = read(address, 4);
    EXPECT_EQ(answer.status, BusStatus::NoDecode) << address;
    EXPECT_EQ(answer.data, Bytes16{});
    EXPECT_TRUE(env_.noted(Event::GuestError));
    EXPECT_FALSE(env_.noted(Event::MemoryRead));
    const Memory before = memory_;
    env_.clear();
    write(address, ~std::uint64_t{0}, 4);
    ASSERT_EQ(env_.notes.size(), 1u);
    EXPECT_EQ(env_.notes[0].detail, static_cast<std::uint64_t>(GuestFault::UnclaimedAddress));
    EXPECT_TRUE(before == memory_);
  }
  EXPECT_EQ(read(kBase + kSize - 4, 4).status, BusStatus::Ok);
}

TEST_F(MemoryTest, MayReachTheEndOfTheAddressSpace) {
  const Memory top({~std::uint64_t{0} - 0xFFF, 0x1000});
  EXPECT_TRUE(top.contains(~std::uint64_t{0}, 1));
  EXPECT_FALSE(top.contains(~std::uint64_t{0}, 2));
}

TEST_F(MemoryTest, RefusesSizesThatTheMessagesDoNotHave) {
  EXPECT_EQ(read(kBase, 0).status, BusStatus::Error);
  EXPECT_EQ(read(kBase, 17).status, BusStatus::Error);
  env_.clear();
  const Memory before = memory_;
  write(kBase, 1, 9);
  EXPECT_TRUE(env_.noted(Event::GuestError));
  EXPECT_TRUE(before == memory_);
}

TEST_F(MemoryTest, AnInterruptThatIsWrittenToMemoryEndsThere) {
  write(kBase, 0x41, 4, kSpan);
  ASSERT_EQ(env_.notes.size(), 2u);
  EXPECT_EQ(env_.notes[1].event, Event::Dropped);
  EXPECT_EQ(env_.notes[1].span, kSpan);
  EXPECT_EQ(env_.notes[1].detail, static_cast<std::uint64_t>(DropReason::NoDecode));
  EXPECT_EQ(low(read(kBase, 4)), 0x41u);
}

TEST_F(MemoryTest, EqualityIsAboutBytesNotAboutPages) {
  Memory other({kBase, kSize});
  write(kBase, 0, 8);
  EXPECT_TRUE(memory_ == other);
  EXPECT_TRUE(other == memory_);
  write(kBase, 1, 8);
  EXPECT_FALSE(memory_ == other);
  EXPECT_FALSE(other == memory_);
}

}  // namespace
}  // namespace irqfab::mem
