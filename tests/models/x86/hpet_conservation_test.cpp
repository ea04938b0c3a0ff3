// Random programs against an HPET: whatever is written, each interrupt that begins goes out once,
// with one message or one rising wire, and wires fall as often as they rose.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "models/base/random.hpp"
#include "tests/support/hpet_board.hpp"

namespace irqfab::x86 {
namespace {

using test::HpetBoard;

/// Everywhere, mostly near the counter, so that matches are frequent.
std::uint64_t any_value(Random& random, HpetBoard& board) {
  const std::uint64_t near = board.read(HpetRegister::kCounter) + random.below(40);
  return random.below(4) == 0 ? random.next() : near;
}

void write_something(Random& random, HpetBoard& board) {
  const auto n = static_cast<unsigned>(random.below(3));
  switch (random.below(8)) {
    case 0:
      return board.configure(n, random.next());
    case 1:
      return board.configure(n, random.next() | 0x4);
    case 2:
    case 3:
      return board.compare(n, any_value(random, board));
    case 4:
      return board.write(HpetRegister::kStatus, random.below(8));
    case 5:
      return board.write(HpetRegister::kConfiguration, random.below(4) > 0 ? 1 : 0);
    case 6:
      return board.write(static_cast<std::uint32_t>(random.below(0x80) * 8),
                         any_value(random, board));
    default:
      return board.write(static_cast<std::uint32_t>(random.below(0x400)), random.next(),
                         random.below(2) == 0 ? 4 : 8);
  }
}

class HpetConservation : public testing::TestWithParam<unsigned> {};

TEST_P(HpetConservation, EachInterruptThatBeginsGoesOutOnce) {
  HpetBoard board;
  Random random(GetParam(), 1);
  for (unsigned step = 0; step < 400; ++step) {
    write_something(random, board);
    board.pass(random.below(30));
  }
  std::multiset<SpanId> out;
  for (const BusWrite& message : board.messages()) out.insert(message.span);
  std::map<std::pair<Pin, std::uint32_t>, int> high;
  for (const PinChange& change : board.changes()) {
    int& level = high[{change.pin, change.driver}];
    level += change.level == Level::High ? 1 : -1;
    EXPECT_GE(level, 0);
    EXPECT_LE(level, 1);
    EXPECT_EQ(change.span != kNoSpan, change.level == Level::High);
    if (change.level == Level::High) out.insert(change.span);
  }
  std::multiset<SpanId> begun;
  for (const test::Noted& note : board.env.notes) {
    if (note.event == Event::Asserted) begun.insert(note.span);
  }
  EXPECT_EQ(out, begun);
  EXPECT_EQ(out.count(kNoSpan), 0u);
  EXPECT_GT(begun.size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, HpetConservation, testing::Range(1u, 21u));

}  // namespace
}  // namespace irqfab::x86
