#include "models/base/random.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace irqfab {
namespace {

// Published first outputs of SplitMix64 with seed 1234567 pin the constants of mix().
TEST(Random, MixIsTheFinaliserOfSplitMix64) {
  constexpr std::uint64_t kGamma = 0x9E3779B97F4A7C15u;
  EXPECT_EQ(mix(1234567 + kGamma), 6457827717110365317u);
  EXPECT_EQ(mix(1234567 + 2 * kGamma), 3203168211198807973u);
}

TEST(Random, DrawsAreTheSameInEveryBuild) {
  Random random(1, 2);
  EXPECT_EQ(random.next(), 1616373938809070510u);
  EXPECT_EQ(random.next(), 9013835436248551033u);
}

TEST(Random, HashesOfTextAreTheSameInEveryBuild) {
  static_assert(hash_of("") == mix(0xCBF29CE484222325u));
  // FNV-1a of "a", from its authors' test suite.
  static_assert(hash_of("a") == mix(0xAF63DC4C8601EC8Cu));
  EXPECT_NE(hash_of("nvme0:1"), hash_of("nvme0:2"));
  EXPECT_NE(combine(1, 2), combine(2, 1));
}

TEST(Random, SeedAndStreamBothChooseTheDraws) {
  EXPECT_EQ(Random(1, 2), Random(1, 2));
  EXPECT_NE(Random(1, 2), Random(1, 3));
  EXPECT_NE(Random(1, 2), Random(2, 2));
  EXPECT_NE(Random(1, 2), Random(2, 1));
}

TEST(Random, ACopyContinuesWithTheSameDraws) {
  Random random(3, 4);
  random.next();
  Random copy = random;
  EXPECT_EQ(random.next(), copy.next());
  copy.next();
  EXPECT_NE(random, copy);
}

TEST(Random, BelowStaysBelowAndReachesEveryValue) {
  Random random(5, 6);
  for (const std::uint64_t bound : {1u, 2u, 3u, 7u, 10u}) {
    std::array<unsigned, 10> counts{};
    for (unsigned i = 0; i < 10'000 * bound; ++i) {
      const std::uint64_t drawn = random.below(bound);
      ASSERT_LT(drawn, bound);
      ++counts[drawn];
    }
    for (std::uint64_t i = 0; i < bound; ++i) EXPECT_NEAR(counts[i], 10'000, 500) << bound;
  }
}

TEST(Random, BelowIsUnbiasedForABoundThatDoesNotDivideTheRange) {
  // Without rejection, results of a bound of 3/4 of the range that are multiples of 3 come up twice
  // as often as the others.
  Random random(7, 8);
  const std::uint64_t bound = std::uint64_t{3} << 62;
  unsigned multiples_of_3 = 0;
  for (unsigned i = 0; i < 30'000; ++i) multiples_of_3 += random.below(bound) % 3 == 0;
  EXPECT_NEAR(multiples_of_3, 10'000, 500);
}

TEST(Random, QuantilesOfTheExponentialDistributionAreRight) {
  // -ln(1 - p), in parts of 10^12.
  struct Known {
    std::uint64_t uniform;
    Duration expected;
  };
  const std::uint64_t one_tenth = 0x1999999999999999u;  // of 2^64
  const Known known[] = {{one_tenth, 105'360'515'658},
                         {std::uint64_t{1} << 62, 287'682'072'452},
                         {std::uint64_t{1} << 63, 693'147'180'560},
                         {0 - one_tenth, 2'302'585'092'994},
                         {0 - one_tenth / 10, 4'605'170'185'988},
                         {0 - one_tenth / 100, 6'907'755'278'982},
                         {~std::uint64_t{0}, 44'361'419'555'836}};
  for (const Known& k : known) {
    const Duration got = exponential_quantile(k.uniform, kPsPerSecond);
    EXPECT_LE(got > k.expected ? got - k.expected : k.expected - got, 2'000'000u) << k.expected;
  }
  EXPECT_EQ(exponential_quantile(0, kPsPerSecond), 0u);
  EXPECT_EQ(exponential_quantile(std::uint64_t{1} << 63, 10), 7u) << "rounded to the nearest ps";
}

TEST(Random, TheExponentialQuantileNeverFalls) {
  Duration last = 0;
  const std::uint64_t step = (std::uint64_t{1} << 46) - 1;
  for (std::uint64_t uniform = 0; uniform < ~step; uniform += step) {
    const Duration now = exponential_quantile(uniform, kPsPerMs);
    ASSERT_GE(now, last) << uniform;
    last = now;
  }
  // And across every seam of the table near its ends.
  for (unsigned bit = 0; bit < 64; ++bit) {
    const std::uint64_t seam = 0 - (std::uint64_t{1} << bit);
    EXPECT_LE(exponential_quantile(seam - 1, kPsPerSecond),
              exponential_quantile(seam, kPsPerSecond));
    EXPECT_LE(exponential_quantile(seam, kPsPerSecond),
              exponential_quantile(seam | 1, kPsPerSecond));
  }
}

TEST(Random, TheExponentialQuantileEndsAtTheGreatestDuration) {
  EXPECT_EQ(exponential_quantile(~std::uint64_t{0}, ~Duration{0}), ~Duration{0});
  EXPECT_EQ(exponential_quantile(~std::uint64_t{0}, 0), 0u);
}

TEST(Random, TheMeanOfTheExponentialDistributionIsWithinOneInAThousand) {
  // The mean over equally spaced uniform inputs is that of the distribution itself, without the
  // scatter of a sample.
  constexpr std::uint64_t kPoints = 1'000'000;
  for (const Duration mean : {Duration{100}, 37 * kPsPerNs, kPsPerMs}) {
    const std::uint64_t step = ~std::uint64_t{0} / kPoints;
    Uint128 sum = 0;
    for (std::uint64_t i = 0; i < kPoints; ++i) {
      sum += exponential_quantile(i * step + step / 2, mean);
    }
    const auto scaled = static_cast<std::uint64_t>(sum * 1'000 / kPoints);
    EXPECT_GT(scaled, mean * 999);
    EXPECT_LT(scaled, mean * 1'001);
  }
}

TEST(Random, ExponentialDrawsHaveTheirMean) {
  Random random(9, 10);
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 100'000; ++i) sum += random.exponential(kPsPerUs);
  EXPECT_GT(sum / 100'000, kPsPerUs * 98 / 100);
  EXPECT_LT(sum / 100'000, kPsPerUs * 102 / 100);
}

}  // namespace
}  // namespace irqfab
