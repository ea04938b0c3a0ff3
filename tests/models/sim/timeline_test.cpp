#include "models/sim/timeline.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "models/base/random.hpp"
#include "tests/models/sim/heap_timeline.hpp"

namespace irqfab {
namespace {

struct Item {
  std::uint64_t id;
  std::uint64_t rest[7];
  friend bool operator==(const Item& a, const Item& b) { return a.id == b.id; }
};

Item item(std::uint64_t id) { return Item{id, {}}; }
Key at(Time time) {
  Key key;
  key.time = time;
  return key;
}

std::vector<std::uint64_t> drain(Timeline<Item> timeline) {
  std::vector<std::uint64_t> ids;
  while (!timeline.empty()) ids.push_back(timeline.pop().id);
  return ids;
}

using Ids = std::vector<std::uint64_t>;

TEST(Timeline, EachFieldOfTheKeyDecidesInItsTurn) {
  // Each key is the least in its own field and the greatest in all later ones.
  const PortId port{9};
  const NodeId node{9};
  Timeline<Item> timeline;
  timeline.push({5, 1, TieClass::Accept, PortId{2}, NodeId{3}, 7}, item(6));
  timeline.push({5, 1, TieClass::Accept, PortId{2}, NodeId{3}, 6}, item(5));
  timeline.push({5, 1, TieClass::Accept, PortId{1}, NodeId{3}, 9}, item(4));
  timeline.push({5, 1, TieClass::Accept, port, NodeId{2}, 9}, item(3));
  timeline.push({5, 1, TieClass::SetPending, port, node, 9}, item(2));
  timeline.push({5, 0, TieClass::Stimulus, port, node, 9}, item(1));
  timeline.push({4, 9, TieClass::Stimulus, port, node, 9}, item(0));
  EXPECT_EQ(drain(timeline), (Ids{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Timeline, EqualKeysKeepTheOrderOfTheirPushes) {
  for (const Time time : {Time{0}, Time{1000}, Time{1} << 40, kNever}) {
    Timeline<Item> timeline;
    for (std::uint64_t i = 0; i < 100; ++i) timeline.push(at(time), item(i));
    Ids expected(100);
    for (std::uint64_t i = 0; i < 100; ++i) expected[i] = i;
    EXPECT_EQ(drain(timeline), expected) << time;
  }
}

TEST(Timeline, AnEarlierPushAfterAPeekComesFirst) {
  Timeline<Item> timeline;
  timeline.push(at(10), item(0));
  timeline.pop();
  // The peeked item lies on every level in turn; the earlier ones on all the levels below it.
  for (unsigned bit = 4; bit < 64; ++bit) {
    const Time far = (Time{1} << bit) + 1;
    Timeline<Item> copy = timeline;
    copy.push(at(far), item(1));
    copy.push(at(far + 1), item(2));
    ASSERT_EQ(copy.next().time, far);
    copy.push(at(far - 1), item(3));
    ASSERT_EQ(copy.next().time, far - 1);
    copy.push(at(10), item(4));
    ASSERT_EQ(copy.next().time, 10u);
    EXPECT_EQ(drain(copy), (Ids{4, 3, 1, 2})) << bit;
  }
}

TEST(Timeline, AtTheTimeOfTheLatestPopALesserKeyIsAcceptedAndComesNext) {
  Timeline<Item> timeline;
  timeline.push({500, 3, TieClass::Device, PortId{1}, NodeId{1}, 1}, item(0));
  timeline.push({500, 4, TieClass::Device, PortId{1}, NodeId{1}, 2}, item(2));
  EXPECT_EQ(timeline.pop().id, 0u);
  timeline.push({500, 0, TieClass::EndOfInterrupt, PortId{0}, NodeId{0}, 0}, item(1));
  EXPECT_EQ(drain(timeline), (Ids{1, 2}));
}

TEST(Timeline, TheWholeRangeOfTimeIsInOrder) {
  Timeline<Item> timeline;
  timeline.push(at(kNever), item(66));
  timeline.push(at(kNever - 1), item(65));
  for (unsigned bit = 64; bit-- > 0;) timeline.push(at(Time{1} << bit), item(bit + 1));
  timeline.push(at(0), item(0));
  Ids expected(67);
  for (std::uint64_t i = 0; i < 67; ++i) expected[i] = i;
  EXPECT_EQ(drain(timeline), expected);
}

TEST(Timeline, PopTakesTheItemOfNextAndCounts) {
  Timeline<Item> timeline;
  EXPECT_TRUE(timeline.empty());
  timeline.push(at(7), item(70));
  timeline.push(at(3), item(30));
  EXPECT_EQ(timeline.size(), 2u);
  EXPECT_EQ(timeline.next(), at(3));
  EXPECT_EQ(timeline.pop().id, 30u);
  EXPECT_EQ(timeline.next(), at(7));
  EXPECT_EQ(timeline.size(), 1u);
  EXPECT_EQ(timeline.pop().id, 70u);
  EXPECT_TRUE(timeline.empty());
}

TEST(Timeline, ACopyGoesItsOwnWay) {
  Timeline<Item> timeline;
  for (std::uint64_t i = 0; i < 50; ++i) timeline.push(at(i * 1'000'003), item(i));
  Timeline<Item> copy = timeline;
  const Ids before = drain(timeline);
  while (!copy.empty()) copy.pop();
  copy.push(at(1'000'000'000'000), item(1000));
  EXPECT_EQ(drain(timeline), before);
  EXPECT_EQ(drain(copy), (Ids{1000}));
}

TEST(Timeline, EqualityIsThatOfTheItemsHoweverTheyGotIn) {
  Timeline<Item> a;
  Timeline<Item> b;
  a.push(at(10), item(1));
  a.push(at(2'000'000), item(2));
  b.push(at(5), item(9));
  b.push(at(2'000'000), item(2));
  EXPECT_NE(a, b);
  b.pop();
  EXPECT_NE(a, b);
  b.push(at(10), item(1));
  EXPECT_EQ(a, b);
  a.push(at(10), item(3));
  b.push(at(10), item(4));
  EXPECT_NE(a, b) << "another item at an equal key";
  a.pop();
  b.pop();
  EXPECT_NE(a, b);
  a.pop();
  b.pop();
  EXPECT_EQ(a, b);
  a.push(at(3'000'000), item(3));
  b.push(at(3'000'001), item(3));
  EXPECT_NE(a, b) << "an equal item at another key";
}

TEST(Timeline, ForEachVisitsEveryItemInOrderAndLeavesThemThere) {
  Timeline<Item> timeline;
  for (std::uint64_t i = 0; i < 200; ++i) timeline.push(at((i * 7919) % 200 * 12'345), item(i));
  for (int i = 0; i < 20; ++i) timeline.pop();
  Ids visited;
  timeline.for_each([&](const Key& key, const Item& each) {
    EXPECT_EQ(key.time, each.id * 7919 % 200 * 12'345);
    visited.push_back(each.id);
  });
  EXPECT_EQ(visited.size(), 180u);
  EXPECT_EQ(visited, drain(timeline));
}

/// A gap of one of the kinds that simulations make: none, ties on a clock, a few ns, up to 10 ms,
/// or the far future.
Duration random_gap(Random& random) {
  switch (random.below(8)) {
    case 0:
      return 0;
    case 1:
    case 2:
      return random.below(8) * 1000;
    case 3:
    case 4:
      return random.below(2'000'000);
    case 5:
    case 6:
      return random.below(10 * kPsPerMs);
    default:
      return random.next() >> random.below(64);
  }
}

Key random_key(Random& random, Time now) {
  const Duration gap = random_gap(random);
  Key key = at(gap < kNever - now ? now + gap : kNever - random.below(2));
  key.round = static_cast<std::uint16_t>(random.below(2));
  key.tie = static_cast<TieClass>(random.below(7));
  key.node = NodeId(random.below(3));
  key.port = PortId(random.below(2));
  key.arrival = random.below(4);
  return key;
}

/// `steps` random pushes, peeks and pops around `aim` pending items, the same on the oracle.
void compare_with_oracle(std::uint64_t seed, std::size_t steps, std::size_t aim) {
  Random random(seed, hash_of("timeline_test"));
  Timeline<Item> timeline;
  test::HeapTimeline<Item> oracle;
  Time now = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    const bool far_gone = now > kNever / 2;
    if (!far_gone && random.below(2 * aim) >= oracle.size()) {
      const std::uint64_t burst = random.below(64) == 0 ? 1 + random.below(64) : 1;
      const Key first = random_key(random, now);
      for (std::uint64_t i = 0; i < burst; ++i) {
        Key key = random_key(random, now);
        if (burst > 1) key.time = first.time;
        timeline.push(key, item(step * 64 + i));
        oracle.push(key, item(step * 64 + i));
      }
    } else if (!oracle.empty()) {
      now = oracle.next().time;
      ASSERT_EQ(timeline.next(), oracle.next());
      ASSERT_EQ(timeline.pop().id, oracle.pop().id);
    }
    ASSERT_EQ(timeline.size(), oracle.size());
    if (!oracle.empty() && random.below(4) == 0) {
      ASSERT_EQ(timeline.next(), oracle.next());
    }
    if (far_gone && oracle.empty()) {
      timeline = {};
      now = 0;
    }
  }
}

TEST(Timeline, AgreesWithTheOracleWithFewItems) { compare_with_oracle(1, 400'000, 3); }
TEST(Timeline, AgreesWithTheOracleWithAHundredItems) { compare_with_oracle(2, 400'000, 100); }
TEST(Timeline, AgreesWithTheOracleWithManyItems) { compare_with_oracle(3, 400'000, 5'000); }

TEST(Timeline, ManyItemsAtOneTimeInReverseComeOutInOrder) {
  Timeline<Item> timeline;
  constexpr std::uint64_t kMany = 100'000;
  for (std::uint64_t i = kMany; i-- > 0;) {
    Key key = at(123'456'789);
    key.arrival = i;
    timeline.push(key, item(i));
  }
  for (std::uint64_t i = 0; i < kMany; ++i) ASSERT_EQ(timeline.pop().id, i);
}

}  // namespace
}  // namespace irqfab
