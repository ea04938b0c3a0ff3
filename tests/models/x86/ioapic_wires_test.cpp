// Wires of the IOAPIC that lead to the 8259s as well, and inputs with a polarity: what becomes of
// spans.

#include <gtest/gtest.h>

#include "tests/support/ioapic_board.hpp"

namespace irqfab::x86 {
namespace {

using rules::IoApicBoard;
using rules::kLevel;
using rules::kMask;
using rules::kPin;

constexpr PortId kOwn = port_of(spec_of(IoApic::kPins), 0);
constexpr PortId kShared = port_of(spec_of(IoApic::kPins), 3);

class IoApicSharedWire : public testing::Test {
 protected:
  void drive(PortId port, Level level, SpanId span = kNoSpan) {
    board.chip.receive(port, PinChange{kPin, level, 0, span}, board.env);
  }
  std::size_t opened(Cause cause) const {
    std::size_t count = 0;
    for (const auto& note : board.env.notes) {
      count += note.event == Event::Asserted && note.detail == static_cast<std::uint64_t>(cause);
    }
    return count;
  }
  std::size_t held() const {
    std::vector<SpanId> spans;
    board.chip.held_spans(spans);
    return spans.size();
  }

  IoApicBoard board{[] {
    IoApic::Config config;
    config.shared = {3};
    return config;
  }()};
};

TEST_F(IoApicSharedWire, MaskedInputBeginsNoSpan) {
  for (const std::uint64_t trigger : {std::uint64_t{0}, kLevel}) {
    board.program(kMask | trigger | 0x41);
    drive(kShared, Level::High);
    EXPECT_EQ(held(), 0u);
    drive(kShared, Level::Low);
  }
  EXPECT_TRUE(board.env.notes.empty());
}

TEST_F(IoApicSharedWire, MessageThatIsSentIsAForkOfWhatRestsElsewhere) {
  board.program(kLevel | 0x41);
  drive(kShared, Level::High);
  EXPECT_EQ(opened(Cause::Fork), 1u);
  EXPECT_EQ(board.sent(), 1u);
  drive(kShared, Level::Low);
  drive(kShared, Level::High);
  EXPECT_EQ(opened(Cause::Fork), 1u) << "it waits for the EOI";
  board.end(0x41);
  EXPECT_EQ(opened(Cause::Resample), 1u);
  EXPECT_EQ(board.sent(), 1u);
}

TEST_F(IoApicSharedWire, UnmaskedEdgeForks) {
  board.program(0x41);
  drive(kShared, Level::High);
  EXPECT_EQ(opened(Cause::Fork), 1u);
  EXPECT_EQ(board.sent(), 1u);
}

TEST_F(IoApicSharedWire, NamedSpanStaysWhatItIs) {
  board.program(kLevel | kMask | 0x41);
  drive(kShared, Level::High, make_span(SourceId{1}, 0));
  EXPECT_EQ(held(), 1u);
}

TEST_F(IoApicSharedWire, OtherEdgesBeginSpansAsEver) {
  board.program(kLevel | kMask | 0x41);
  drive(kOwn, Level::High);
  EXPECT_EQ(opened(Cause::Device), 1u);
  EXPECT_EQ(held(), 1u);
}

TEST(IoApicPolarity, AssertionThatTheEntryTakesForItsEndIsDropped) {
  IoApicBoard board = IoApicBoard::wired({kPin});
  board.program(kLevel | 0x41);
  board.env.clear();
  board.raise();
  ASSERT_EQ(board.env.count(Event::Dropped), 1u);
  EXPECT_EQ(board.env.notes.back().detail, static_cast<std::uint64_t>(DropReason::WrongPolarity));
}

TEST(IoApicPolarity, EntryThatGetsItRightWithdrawsWhatItHadTaken) {
  IoApicBoard board = IoApicBoard::wired({kPin});
  board.program(kLevel | kMask | 0x41);
  board.lower();
  board.raise();
  board.lower();  // the end of an assertion begins one here
  std::vector<SpanId> held;
  board.chip.held_spans(held);
  EXPECT_EQ(held.size(), 1u);
  board.program(kLevel | kMask | rules::kActiveLow | 0x41);
  held.clear();
  board.chip.held_spans(held);
  EXPECT_TRUE(held.empty());
  EXPECT_TRUE(board.env.noted(Event::Cancelled));
}

}  // namespace
}  // namespace irqfab::x86
