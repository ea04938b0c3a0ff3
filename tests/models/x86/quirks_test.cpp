#include "models/x86/quirks.hpp"

#include <gtest/gtest.h>

namespace irqfab::x86 {
namespace {

TEST(Quirks, EachIsFoundByItsName) {
  for (const QuirkRow& row : kQuirks) {
    EXPECT_EQ(quirk_named(row.name), row.quirk) << row.name;
  }
  EXPECT_EQ(quirk_named("no-such-quirk"), std::nullopt);
}

TEST(Quirks, AddingOneAddsNoOther) {
  for (const QuirkRow& added : kQuirks) {
    Quirks quirks;
    quirks.add(added.quirk);
    for (const QuirkRow& row : kQuirks) {
      EXPECT_EQ(quirks.has(row.quirk), row.quirk == added.quirk) << row.name;
    }
  }
}

}  // namespace
}  // namespace irqfab::x86
