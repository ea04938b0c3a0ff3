// Durations as people read them.
#include "fabric/report/format.hpp"

#include <gtest/gtest.h>

namespace irqfab::report {
namespace {

TEST(ExactDuration, HasTheLargestUnitThatFitsAndEveryDigit) {
  EXPECT_EQ(exact_duration(0), "0");
  EXPECT_EQ(exact_duration(1), "1 ps");
  EXPECT_EQ(exact_duration(999), "999 ps");
  EXPECT_EQ(exact_duration(1'000), "1 ns");
  EXPECT_EQ(exact_duration(900'400), "900.4 ns");
  EXPECT_EQ(exact_duration(1'280'123), "1.280123 us");
  EXPECT_EQ(exact_duration(3'050'000'000), "3.05 ms");
  EXPECT_EQ(exact_duration(2'000'000'000'001), "2.000000000001 s");
  EXPECT_EQ(exact_duration(10'000'000), "10 us");
}

}  // namespace
}  // namespace irqfab::report
