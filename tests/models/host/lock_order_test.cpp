#include "models/host/lock_order.hpp"

#include <gtest/gtest.h>

namespace irqfab::host {
namespace {

constexpr Site site(std::uint16_t pc) { return {ProgramId{1}, pc}; }

Chain holding(std::initializer_list<LockClassId> classes) {
  Chain chain;
  for (const LockClassId cls : classes) chain.add({cls, Site{}});
  return chain;
}

class LockOrderTest : public ::testing::Test {
 protected:
  LockOrder order;
  LockClassId a = order.add(ClassKind::Lock, "a");
  LockClassId b = order.add(ClassKind::Lock, "b");
  LockClassId c = order.add(ClassKind::Lock, "c");
};

TEST_F(LockOrderTest, OneOrderIsFine) {
  EXPECT_FALSE(order.learn(holding({a}), b, site(1)));
  EXPECT_FALSE(order.learn(holding({a, b}), c, site(2)));
  EXPECT_FALSE(order.learn(holding({a}), c, site(3)));
}

TEST_F(LockOrderTest, TheOtherOrderClosesACycle) {
  order.learn(holding({a}), b, site(1));
  const auto known = order.learn(holding({b}), a, site(2));
  ASSERT_TRUE(known);
  ASSERT_EQ(known->size(), 2u);
  EXPECT_EQ((*known)[0].cls, a);
  EXPECT_EQ((*known)[1], (ChainLink{b, site(1)}));
}

TEST_F(LockOrderTest, ALongerCycleIsFoundWithItsWholePath) {
  order.learn(holding({a}), b, site(1));
  order.learn(holding({b}), c, site(2));
  const auto known = order.learn(holding({c}), a, site(3));
  ASSERT_TRUE(known);
  ASSERT_EQ(known->size(), 3u);
  EXPECT_EQ((*known)[0].cls, a);
  EXPECT_EQ((*known)[1], (ChainLink{b, site(1)}));
  EXPECT_EQ((*known)[2], (ChainLink{c, site(2)}));
}

TEST_F(LockOrderTest, AKnownCycleIsReportedOnce) {
  order.learn(holding({a}), b, site(1));
  EXPECT_TRUE(order.learn(holding({b}), a, site(2)));
  EXPECT_FALSE(order.learn(holding({b}), a, site(2)));
  EXPECT_FALSE(order.learn(holding({a}), b, site(1)));
}

TEST_F(LockOrderTest, TwoOfOneClassMayNest) { EXPECT_FALSE(order.learn(holding({a}), a, site(1))); }

TEST_F(LockOrderTest, EveryThingHeldCounts) {
  order.learn(holding({c}), a, site(1));
  EXPECT_TRUE(order.learn(holding({a, b}), c, site(2)));
}

TEST_F(LockOrderTest, TheInterruptRuleNeedsBothHalvesOfOneKind) {
  order.learn(a, Usage::InHardIrq);
  order.learn(a, Usage::UnderEnabledSoftIrq);
  EXPECT_FALSE(order.new_interrupt_hazard());
  order.learn(a, Usage::UnderEnabledHardIrq);
  EXPECT_TRUE(order.new_interrupt_hazard());
  EXPECT_FALSE(order.new_interrupt_hazard());
  order.learn(b, Usage::UnderEnabledSoftIrq);
  EXPECT_FALSE(order.new_interrupt_hazard());
  order.learn(b, Usage::InSoftIrq);
  EXPECT_TRUE(order.new_interrupt_hazard());
}

TEST_F(LockOrderTest, TheInterruptRuleFollowsEdgesForwardsOnly) {
  order.learn(c, Usage::UnderEnabledHardIrq);
  order.learn(a, Usage::InHardIrq);
  order.learn(holding({c}), a, site(1));  // an ordinary lock over one of interrupts: fine
  EXPECT_FALSE(order.new_interrupt_hazard());

  LockOrder other;
  for (const char* name : {"a", "b", "c"}) other.add(ClassKind::Lock, name);
  other.learn(c, Usage::UnderEnabledHardIrq);
  other.learn(a, Usage::InHardIrq);
  other.learn(holding({b}), c, site(2));
  EXPECT_FALSE(other.new_interrupt_hazard());
  other.learn(holding({a}), b, site(3));
  const auto hazard = other.new_interrupt_hazard();
  ASSERT_TRUE(hazard);
  ASSERT_EQ(hazard->size(), 3u);
  EXPECT_EQ((*hazard)[0].cls, a);
  EXPECT_EQ((*hazard)[1], (ChainLink{b, site(3)}));
  EXPECT_EQ((*hazard)[2], (ChainLink{c, site(2)}));
}

TEST(ChainTest, RemovesTheLatestOfAClass) {
  Chain chain;
  const LockClassId a{0};
  const LockClassId b{1};
  chain.add({a, site(1)});
  chain.add({b, site(2)});
  chain.add({a, site(3)});
  EXPECT_TRUE(chain.remove(a));
  ASSERT_EQ(chain.size(), 2u);
  EXPECT_EQ(chain[0], (ChainLink{a, site(1)}));
  EXPECT_EQ(chain[1], (ChainLink{b, site(2)}));
  EXPECT_TRUE(chain.remove(a));
  EXPECT_EQ(chain[0], (ChainLink{b, site(2)}));
  EXPECT_FALSE(chain.remove(a));
}

TEST(LockOrderGraph, FindsACycleExactlyWhenAPathLeadsBack) {
  // Against transitive closure by brute force, on many small random graphs.
  std::uint64_t state = 1;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (int graph = 0; graph < 300; ++graph) {
    constexpr std::size_t kNodes = 7;
    LockOrder order;
    for (std::size_t i = 0; i < kNodes; ++i) order.add(ClassKind::Lock, "n");
    bool reaches[kNodes][kNodes] = {};
    bool edge[kNodes][kNodes] = {};
    for (int step = 0; step < 15; ++step) {
      const auto from = random(kNodes);
      const auto to = random(kNodes);
      if (from == to) continue;
      const bool expected = !edge[from][to] && reaches[to][from];
      EXPECT_EQ(order.learn(holding({LockClassId(from)}), LockClassId(to), site(1)).has_value(),
                expected);
      edge[from][to] = true;
      for (std::size_t x = 0; x < kNodes; ++x) {
        for (std::size_t y = 0; y < kNodes; ++y) {
          const bool left = x == from || reaches[x][from];
          const bool right = y == to || reaches[to][y];
          if (left && right) reaches[x][y] = true;
        }
      }
    }
  }
}

}  // namespace
}  // namespace irqfab::host
