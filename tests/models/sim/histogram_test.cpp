#include "models/sim/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "models/base/random.hpp"

namespace irqfab {
namespace {

TEST(Histogram, AnEmptyOneAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.mean(), 0u);
  EXPECT_EQ(histogram.quantile(1, 2), 0u);
}

TEST(Histogram, CountSumLeastAndGreatestAreExact) {
  Histogram histogram;
  for (const Duration duration : {Duration{1'000'003}, Duration{77}, Duration{123'456'789}}) {
    histogram.record(duration);
  }
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_TRUE(histogram.sum() == 124'456'869u);
  EXPECT_EQ(histogram.mean(), 41'485'623u);
  EXPECT_EQ(histogram.min(), 77u);
  EXPECT_EQ(histogram.max(), 123'456'789u);
  EXPECT_EQ(histogram.quantile(0, 1), 77u);
  EXPECT_EQ(histogram.quantile(1, 1), 123'456'789u);
}

TEST(Histogram, TheSumIsWiderThanADuration) {
  Histogram histogram;
  for (int i = 0; i < 3; ++i) histogram.record(~Duration{0});
  EXPECT_TRUE(histogram.sum() == Uint128{~Duration{0}} * 3);
  EXPECT_EQ(histogram.mean(), ~Duration{0});
  EXPECT_EQ(histogram.quantile(1, 2), ~Duration{0});
}

TEST(Histogram, QuantilesBelow256PsAreExact) {
  Histogram histogram;
  for (Duration duration = 0; duration < 256; ++duration) histogram.record(duration);
  for (std::uint64_t rank = 1; rank <= 256; ++rank) {
    EXPECT_EQ(histogram.quantile(rank, 256), rank - 1);
  }
}

TEST(Histogram, AQuantileIsTheLeastThatEnoughDoNotExceed) {
  Histogram histogram;
  for (const Duration duration : {10, 20, 30, 40}) histogram.record(duration);
  EXPECT_EQ(histogram.quantile(1, 4), 10u);
  EXPECT_EQ(histogram.quantile(26, 100), 20u);
  EXPECT_EQ(histogram.quantile(1, 2), 20u);
  EXPECT_EQ(histogram.quantile(501, 1000), 30u);
  EXPECT_EQ(histogram.quantile(3, 4), 30u);
  EXPECT_EQ(histogram.quantile(999, 1000), 40u);
}

TEST(Histogram, QuantilesAreWithinOnePart256AtEveryMagnitude) {
  Random random(1, hash_of("histogram_test"));
  for (unsigned bits = 9; bits <= 64; ++bits) {
    Histogram histogram;
    std::vector<Duration> all;
    for (int i = 0; i < 500; ++i) {
      all.push_back(random.next() >> (64 - bits));
      histogram.record(all.back());
    }
    std::sort(all.begin(), all.end());
    for (const std::uint64_t per_mille : {10u, 250u, 500u, 750u, 990u, 998u}) {
      const Duration exact = all[(all.size() * per_mille + 999) / 1000 - 1];
      const Duration got = histogram.quantile(per_mille, 1000);
      const Duration off = got > exact ? got - exact : exact - got;
      EXPECT_LE(off, exact / 256 + 1) << bits << " bits, " << per_mille << " per mille";
    }
  }
}

TEST(Histogram, AQuantileNeverLiesOutsideWhatWasRecorded) {
  // The middle of the bucket of 1000..1003 is 1002.
  Histogram low;
  for (int i = 0; i < 3; ++i) low.record(1000);
  EXPECT_EQ(low.quantile(1, 2), 1000u);
  Histogram high;
  for (int i = 0; i < 3; ++i) high.record(1003);
  EXPECT_EQ(high.quantile(1, 2), 1003u);
}

TEST(Histogram, MergingIsRecordingBoth) {
  Random random(2, hash_of("histogram_test"));
  Histogram a;
  Histogram b;
  Histogram both;
  for (int i = 0; i < 1000; ++i) {
    const Duration duration = random.exponential(kPsPerUs);
    (random.below(3) == 0 ? a : b).record(duration);
    both.record(duration);
  }
  EXPECT_NE(a, both);
  a.merge(b);
  EXPECT_EQ(a, both);
  a.merge(Histogram());
  EXPECT_EQ(a, both) << "an empty one adds nothing, not even a least duration of 0";
}

TEST(Histogram, OrderAndDistanceOfWhatIsRecordedDoNotMatter) {
  const Duration durations[] = {0, 3, 1'000'000'000'000, 5'000, 4'900'000, ~Duration{0}};
  Histogram up, down;
  for (std::size_t i = 0; i < 6; ++i) {
    up.record(durations[i]);
    down.record(durations[5 - i]);
    Histogram one;
    one.record(durations[i]);
    EXPECT_EQ(one.quantile(1, 2), durations[i]);
  }
  EXPECT_EQ(up, down);
  for (unsigned rank = 1; rank <= 6; ++rank) {
    EXPECT_EQ(up.quantile(rank, 6), down.quantile(rank, 6)) << rank;
  }
  EXPECT_NEAR(static_cast<double>(up.quantile(4, 6)), 4'900'000, 4'900'000 / 256.0);
  Histogram merged = down;
  merged.merge(Histogram());
  EXPECT_EQ(merged, down) << "an empty one adds nothing";
  Histogram from_nothing;
  from_nothing.merge(up);
  EXPECT_EQ(from_nothing, up);
}

TEST(Histogram, EqualityIsThatOfEverythingRecorded) {
  Histogram a;
  Histogram b;
  a.record(1000);
  EXPECT_NE(a, b);
  b.record(1001);  // the same bucket
  EXPECT_NE(a, b);
  a.record(1001);
  b.record(1000);
  EXPECT_EQ(a, b);
}

}  // namespace
}  // namespace irqfab
