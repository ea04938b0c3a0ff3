#include "models/x86/vector_set.hpp"

#include <gtest/gtest.h>

namespace irqfab::x86 {
namespace {

TEST(VectorSet, HighestOfEveryPair) {
  EXPECT_EQ(VectorSet().highest(), std::nullopt);
  for (unsigned high = 0; high < 256; ++high) {
    for (unsigned low = 0; low <= high; ++low) {
      VectorSet set;
      set.add(static_cast<Vector>(low));
      set.add(static_cast<Vector>(high));
      ASSERT_EQ(set.highest(), static_cast<Vector>(high));
      set.remove(static_cast<Vector>(high));
      ASSERT_EQ(set.highest().has_value(), low != high);
      ASSERT_EQ(set.has(static_cast<Vector>(low)), low != high);
    }
  }
}

TEST(VectorSet, RegistersShow32VectorsEach) {
  for (unsigned v = 0; v < 256; ++v) {
    VectorSet set;
    set.add(static_cast<Vector>(v));
    for (unsigned index = 0; index < 8; ++index) {
      ASSERT_EQ(set.register_word(index), index == v / 32 ? 1u << v % 32 : 0u) << v;
    }
  }
}

}  // namespace
}  // namespace irqfab::x86
