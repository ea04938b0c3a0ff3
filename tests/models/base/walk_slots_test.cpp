#include "models/base/walk_slots.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace irqfab {
namespace {

using Slots = WalkSlots<unsigned, int>;
constexpr PortId kA{0};
constexpr PortId kB{1};
constexpr unsigned kKey = 40;
constexpr unsigned kOtherKey = 41;

std::vector<std::pair<int, Slots::Turn>> released(Slots& slots) {
  std::vector<std::pair<int, Slots::Turn>> items;
  slots.release([&](int item, Slots::Turn turn) { items.emplace_back(item, turn); });
  return items;
}
std::vector<int> items_released(Slots& slots) {
  std::vector<int> items;
  for (const auto& [item, turn] : released(slots)) items.push_back(item);
  return items;
}
Tag start(Slots& slots, unsigned key, PortId input, int item) {
  const Tag tag = slots.start(key);
  slots.wait(tag, input, item);
  return tag;
}
void land(Slots& slots, Tag tag) {
  slots.land(tag, [](int&) { return Slots::Next::ready(); });
}

TEST(WalkSlots, AWalkIsFoundByItsTagUntilItsDataHasLanded) {
  Slots slots(2, 4);
  const Tag tag = start(slots, kKey, kA, 1);
  ASSERT_NE(slots.find(tag), nullptr);
  EXPECT_EQ(slots.find(tag)->key, kKey);
  land(slots, tag);
  EXPECT_EQ(slots.find(tag), nullptr);
}

TEST(WalkSlots, ATagThatNobodyGaveFindsNothing) {
  Slots slots(2, 4);
  start(slots, kKey, kA, 1);
  EXPECT_EQ(slots.find(Tag{1}), nullptr);
  EXPECT_EQ(slots.find(Tag{2}), nullptr);
  EXPECT_EQ(slots.find(Tag{~0u}), nullptr);
}

TEST(WalkSlots, NothingStartsWithAllSlotsInUse) {
  Slots slots(2, 4);
  const Tag first = start(slots, kKey, kA, 1);
  EXPECT_TRUE(slots.can_start());
  const Tag second = start(slots, kOtherKey, kA, 2);
  EXPECT_NE(first, second);
  EXPECT_FALSE(slots.can_start());
  land(slots, first);
  EXPECT_TRUE(slots.can_start());
}

TEST(WalkSlots, AMissOnAKeyUnderWayJoinsAndIsServedInOrder) {
  Slots slots(1, 4);
  const Tag tag = start(slots, kKey, kA, 1);
  EXPECT_EQ(slots.joinable(kOtherKey), nullptr);
  ASSERT_NE(slots.joinable(kKey), nullptr);
  slots.wait(slots.joinable(kKey)->tag, kB, 2);
  slots.wait(slots.joinable(kKey)->tag, kA, 3);
  std::vector<int> served;
  slots.land(tag, [&](int& item) {
    served.push_back(item);
    item += 10;
    return Slots::Next::ready();
  });
  EXPECT_EQ(served, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(items_released(slots), (std::vector<int>{11, 12, 13}));
}

TEST(WalkSlots, LandingServesTheMessagesOfThatWalkOnly) {
  Slots slots(2, 4);
  const Tag first = start(slots, kKey, kA, 1);
  const Tag second = start(slots, kOtherKey, kB, 2);
  land(slots, second);
  EXPECT_EQ(items_released(slots), (std::vector<int>{2}));
  land(slots, first);
  EXPECT_EQ(items_released(slots), (std::vector<int>{1}));
}

TEST(WalkSlots, TheListIsBoundedAndEmptiesAgain) {
  Slots slots(1, 2);
  const Tag tag = start(slots, kKey, kA, 1);
  EXPECT_TRUE(slots.has_room());
  slots.hold(kA, 2);
  EXPECT_FALSE(slots.has_room());
  land(slots, tag);
  EXPECT_FALSE(slots.has_room());
  EXPECT_EQ(items_released(slots), (std::vector<int>{1, 2}));
  EXPECT_TRUE(slots.has_room());
}

TEST(WalkSlots, NothingOvertakesAnOlderMessageOfItsInput) {
  Slots slots(2, 4);
  const Tag first = start(slots, kKey, kA, 1);
  const Tag second = start(slots, kOtherKey, kA, 2);
  slots.hold(kA, 3);
  EXPECT_TRUE(slots.holds_any_of(kA));
  EXPECT_FALSE(slots.holds_any_of(kB));
  land(slots, second);
  EXPECT_TRUE(released(slots).empty());
  land(slots, first);
  const auto items = released(slots);
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0], std::make_pair(1, Slots::Turn::AtOnce));
  EXPECT_EQ(items[1], std::make_pair(2, Slots::Turn::HeldForOrder));
  EXPECT_EQ(items[2], std::make_pair(3, Slots::Turn::HeldForOrder));
  EXPECT_FALSE(slots.holds_any_of(kA));
}

TEST(WalkSlots, InputsDoNotWaitForEachOther) {
  Slots slots(2, 4);
  start(slots, kKey, kA, 1);
  const Tag second = start(slots, kOtherKey, kB, 2);
  land(slots, second);
  EXPECT_EQ(released(slots), (std::vector<std::pair<int, Slots::Turn>>{{2, Slots::Turn::AtOnce}}));
}

TEST(WalkSlots, AMessageThatIsGoneHoldsNobodyBack) {
  Slots slots(1, 4);
  const Tag tag = start(slots, kKey, kA, 1);
  slots.hold(kA, 2);
  slots.land(tag, [](int&) { return Slots::Next::gone(); });
  EXPECT_EQ(items_released(slots), (std::vector<int>{2}));
}

TEST(WalkSlots, AMessageGoesOnToTheNextStageInTheSlotJustFreed) {
  Slots slots(1, 2);
  const Tag stage_one = start(slots, kKey, kA, 1);
  slots.wait(stage_one, kA, 2);
  Tag stage_two{};
  slots.land(stage_one, [&](int& item) {
    if (item == 1) stage_two = slots.start(kOtherKey);
    return Slots::Next::walk(stage_two);
  });
  EXPECT_TRUE(released(slots).empty());
  EXPECT_EQ(slots.find(stage_two)->key, kOtherKey);
  land(slots, stage_two);
  EXPECT_EQ(items_released(slots), (std::vector<int>{1, 2}));
}

TEST(WalkSlots, NobodyJoinsAStaleWalk) {
  Slots slots(2, 4);
  const Tag tag = start(slots, kKey, kA, 1);
  const Tag other = start(slots, kOtherKey, kB, 2);
  slots.invalidate([](unsigned key) { return key == kKey; });
  EXPECT_TRUE(slots.find(tag)->stale);
  EXPECT_EQ(slots.joinable(kKey), nullptr);
  EXPECT_FALSE(slots.find(other)->stale);
  EXPECT_NE(slots.joinable(kOtherKey), nullptr);
}

TEST(WalkSlots, ASlotIsFreshWhenItIsTakenAgain) {
  Slots slots(1, 4);
  const Tag tag = start(slots, kKey, kA, 1);
  slots.invalidate([](unsigned) { return true; });
  land(slots, tag);
  start(slots, kKey, kA, 2);
  EXPECT_NE(slots.joinable(kKey), nullptr);
}

TEST(WalkSlots, AFenceSeparatesOlderFromYounger) {
  Slots slots(2, 4);
  const Epoch first = slots.fence();
  EXPECT_FALSE(slots.any_older_than(first));
  const Tag tag = start(slots, kKey, kA, 1);
  EXPECT_FALSE(slots.any_older_than(first));
  const Epoch second = slots.fence();
  start(slots, kOtherKey, kB, 2);
  EXPECT_TRUE(slots.any_older_than(second));
  land(slots, tag);
  EXPECT_TRUE(slots.any_older_than(second)) << "landed, but not out yet";
  released(slots);
  EXPECT_FALSE(slots.any_older_than(second));
}

TEST(WalkSlots, AFenceCoversMessagesThatOnlyWaitForTheirTurn) {
  Slots slots(2, 4);
  start(slots, kKey, kA, 1);
  slots.hold(kA, 2);
  const Epoch fence = slots.fence();
  slots.land(Tag{0}, [](int&) { return Slots::Next::ready(); });
  EXPECT_TRUE(slots.any_older_than(fence));
  released(slots);
  EXPECT_FALSE(slots.any_older_than(fence));
}

TEST(WalkSlots, VisitsWhatItHoldsOldestFirst) {
  Slots slots(2, 4);
  start(slots, kKey, kA, 1);
  slots.hold(kA, 2);
  std::vector<int> seen;
  slots.for_each([&](int item) { seen.push_back(item); });
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(WalkSlots, EqualityIgnoresWhatHasLeft) {
  Slots slots(2, 4);
  const Slots fresh = slots;
  const Tag tag = start(slots, kKey, kA, 1);
  EXPECT_FALSE(slots == fresh);
  land(slots, tag);
  EXPECT_FALSE(slots == fresh);
  released(slots);
  EXPECT_TRUE(slots == fresh);
  slots.fence();
  EXPECT_FALSE(slots == fresh);
}

// ---- deliveries --------------------------------------------------------------------------------

/// Offers everything; even items become deliveries. What left, in order.
std::vector<int> offered(Slots& slots, std::vector<Tag>* tags = nullptr) {
  std::vector<int> items;
  slots.offer([&](int& item, Slots::Turn, Slots::Ahead ahead) {
    if (item % 2 == 0) {
      const Tag tag = slots.next_delivery();
      if (tags != nullptr) tags->push_back(tag);
      items.push_back(item);
      return Slots::Departure::delivery(tag);
    }
    if (ahead == Slots::Ahead::Deliveries) return Slots::Departure::stays();
    items.push_back(item);
    return Slots::Departure::gone();
  });
  return items;
}

TEST(WalkSlots, ADeliveryKeepsItsPlaceUntilItIsAnswered) {
  Slots slots(2, 4);
  slots.ready(kA, 2);
  std::vector<Tag> tags;
  EXPECT_EQ(offered(slots, &tags), (std::vector<int>{2}));
  EXPECT_TRUE(slots.holds_any_of(kA));
  EXPECT_TRUE(offered(slots).empty()) << "only once";
  int finished = 0;
  EXPECT_TRUE(slots.finish(tags.at(0), [&](int& item) { finished = item; }));
  EXPECT_EQ(finished, 2);
  EXPECT_FALSE(slots.holds_any_of(kA));
  EXPECT_FALSE(slots.finish(tags.at(0), [](int&) { FAIL(); }));
}

TEST(WalkSlots, DeliveriesOfOneInputFollowEachOtherAndOthersWaitForThem) {
  Slots slots(2, 4);
  for (const int item : {2, 4, 5, 6}) slots.ready(kA, item);
  std::vector<Tag> tags;
  EXPECT_EQ(offered(slots, &tags), (std::vector<int>{2, 4})) << "6 waits for 5";
  EXPECT_TRUE(slots.finish(tags.at(1), [](int&) {}));
  EXPECT_TRUE(offered(slots, &tags).empty());
  EXPECT_TRUE(slots.finish(tags.at(0), [](int&) {}));
  EXPECT_EQ(offered(slots, &tags), (std::vector<int>{5, 6}));
}

TEST(WalkSlots, ADeliveryWaitsForAnOlderWalkOfItsInputOnly) {
  Slots slots(2, 4);
  const Tag walk = start(slots, kKey, kA, 1);
  slots.ready(kA, 2);
  slots.ready(kB, 4);
  EXPECT_EQ(offered(slots), (std::vector<int>{4}));
  land(slots, walk);
  EXPECT_EQ(offered(slots), (std::vector<int>{1, 2}));
}

TEST(WalkSlots, ReleaseLeavesWhatIsBehindADelivery) {
  Slots slots(2, 4);
  slots.ready(kA, 2);
  slots.ready(kA, 3);
  std::vector<Tag> tags;
  offered(slots, &tags);
  EXPECT_TRUE(released(slots).empty());
  slots.finish(tags.at(0), [](int&) {});
  const auto items = released(slots);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].first, 3);
  EXPECT_EQ(items[0].second, Slots::Turn::HeldForOrder);
}

TEST(WalkSlots, AReadyMessageThatLeavesAtOnceWasNotHeld) {
  Slots slots(2, 4);
  slots.ready(kA, 3);
  const auto items = released(slots);
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].second, Slots::Turn::AtOnce);
}

TEST(WalkSlots, AFenceSeesDeliveries) {
  Slots slots(2, 4);
  slots.ready(kA, 2);
  std::vector<Tag> tags;
  offered(slots, &tags);
  const Epoch fence = slots.fence();
  slots.ready(kB, 4);
  offered(slots, &tags);
  EXPECT_TRUE(slots.any_older_than(fence));
  slots.finish(tags.at(0), [](int&) {});
  EXPECT_FALSE(slots.any_older_than(fence)) << "the other is younger";
}

TEST(WalkSlots, TagsOfDeliveriesAreNoTagsOfWalks) {
  Slots slots(2, 4);
  EXPECT_FALSE(Slots::is_delivery(slots.start(kKey)));
  const Tag first = slots.next_delivery();
  EXPECT_TRUE(Slots::is_delivery(first));
  EXPECT_TRUE(Slots::is_delivery(slots.next_delivery()));
  EXPECT_NE(first, slots.next_delivery());
}

}  // namespace
}  // namespace irqfab
