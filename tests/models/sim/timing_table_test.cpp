#include "models/sim/timing_table.hpp"

#include <gtest/gtest.h>

#include <set>

#include "models/base/random.hpp"
#include "models/base/wide.hpp"

namespace irqfab {
namespace {

constexpr std::uint64_t kThreeGHz = 3'000'000'000;

Profile one_clock(std::uint64_t hertz) {
  Profile profile;
  profile.clocks = {{"core", hertz}};
  return profile;
}
Price cycles(std::uint64_t count, std::uint64_t hertz, Align align) {
  PriceRow row;
  row.latency = {count, "core"};
  row.align = align;
  return resolve(one_clock(hertz), row);
}

// ---- edges ------------------------------------------------------------------------------------

TEST(ClockEdges, LieAtTheWholePicosecondBelow) {
  EXPECT_EQ(edge_time(0, kThreeGHz), 0u);
  EXPECT_EQ(edge_time(1, kThreeGHz), 333u);
  EXPECT_EQ(edge_time(2, kThreeGHz), 666u);
  EXPECT_EQ(edge_time(3, kThreeGHz), 1000u);
  EXPECT_EQ(edge_time(7, kThreeGHz), 2333u);
  EXPECT_EQ(edge_time(5, 2'500'000'000), 2000u);
}

TEST(ClockEdges, DoNotDriftInADayOfCycles) {
  const std::uint64_t day = 86'400 * kThreeGHz;  // the product needs more than 64 bits
  EXPECT_EQ(edge_time(day, kThreeGHz), 86'400 * kPsPerSecond);
  EXPECT_EQ(edge_time(day + 1, kThreeGHz), 86'400 * kPsPerSecond + 333);
}

TEST(ClockEdges, TheFirstEdgeAtOrAfterATime) {
  EXPECT_EQ(edge_at_or_after(0, kThreeGHz), 0u);
  EXPECT_EQ(edge_at_or_after(1, kThreeGHz), 1u);
  EXPECT_EQ(edge_at_or_after(333, kThreeGHz), 1u);
  EXPECT_EQ(edge_at_or_after(334, kThreeGHz), 2u);
  EXPECT_EQ(edge_at_or_after(1000, kThreeGHz), 3u);
  EXPECT_EQ(edge_at_or_after(1001, kThreeGHz), 4u);
}

TEST(ClockEdges, TheFirstEdgeIsTheFirstForAnyClock) {
  Random random(5, 1);
  for (unsigned i = 0; i < 100'000; ++i) {
    const std::uint64_t hertz = 1 + random.below(kPsPerSecond);
    const Time time = random.below(i % 2 == 0 ? 10'000 : kPsPerSecond);
    const std::uint64_t k = edge_at_or_after(time, hertz);
    ASSERT_GE(edge_time(k, hertz), time) << hertz;
    ASSERT_TRUE(k == 0 || edge_time(k - 1, hertz) < time) << hertz;
  }
}

// ---- prices -----------------------------------------------------------------------------------

TEST(Prices, APriceInPicosecondsIsAddedAsItStands) {
  PriceRow row;
  row.latency = {1234, ""};
  const Price price = resolve(one_clock(kThreeGHz), row);
  EXPECT_EQ(price.after(1), 1235u);
}

TEST(Prices, AnUnalignedPriceInCyclesTakesTheSameFromAnywhere) {
  const Price price = cycles(10, kThreeGHz, Align::None);
  EXPECT_EQ(price.after(0), 3333u);
  EXPECT_EQ(price.after(100), 3433u);
}

TEST(Prices, AnAlignedPriceEndsOnAnEdge) {
  const Price price = cycles(2, kThreeGHz, Align::Edge);
  EXPECT_EQ(price.after(0), 666u);
  EXPECT_EQ(price.after(1), 1000u);  // from edge 1 at 333
  EXPECT_EQ(price.after(333), 1000u);
  EXPECT_EQ(price.after(334), 1333u);  // from edge 2 at 666
}

TEST(Prices, AnAlignedPriceOfNoCyclesWaitsForTheEdge) {
  const Price price = cycles(0, kThreeGHz, Align::Edge);
  EXPECT_EQ(price.after(333), 333u);
  EXPECT_EQ(price.after(334), 666u);
}

TEST(Prices, AlignedHopsOfAClockAddUpExactly) {
  const Price one = cycles(1, kThreeGHz, Align::Edge);
  Time time = 0;
  Duration sum = 0;
  for (unsigned i = 0; i < 3'000'000; ++i) {
    const Time next = one.after(time);
    sum += next - time;
    time = next;
  }
  EXPECT_EQ(sum, kPsPerMs);
  EXPECT_EQ(cycles(3'000'000, kThreeGHz, Align::Edge).after(0), kPsPerMs);
}

TEST(Prices, HopsOfAnyLengthsEndWhereOneOfTheirSumEnds) {
  Random random(5, 2);
  for (const std::uint64_t hertz : {kThreeGHz, std::uint64_t{2'100'000'000}, std::uint64_t{7}}) {
    Time time = 0;
    std::uint64_t total = 0;
    for (unsigned i = 0; i < 1000; ++i) {
      const std::uint64_t count = random.below(50);
      total += count;
      time = cycles(count, hertz, Align::Edge).after(time);
    }
    EXPECT_EQ(time, edge_time(total, hertz));
  }
}

TEST(Prices, IntervalAndQueueDepthAreResolvedToo) {
  PriceRow row;
  row.latency = {20, ""};
  row.interval = {3, "core"};
  row.queue_depth = 32;
  const Price price = resolve(one_clock(kThreeGHz), row);
  EXPECT_EQ(price.interval, 1000u);
  EXPECT_EQ(price.queue_depth, 32u);
}

TEST(Prices, AnEventWithoutARowIsFree) {
  Profile profile = one_clock(kThreeGHz);
  profile.rows.push_back({Event::MsiSent, {70, ""}, {}, 0, Align::None, PriceKind::Assumed, "s"});
  const PriceList prices = resolve(profile);
  EXPECT_EQ(prices[static_cast<std::size_t>(Event::MsiSent)].after(5), 75u);
  EXPECT_EQ(prices[static_cast<std::size_t>(Event::Remapped)].after(5), 5u);
  EXPECT_EQ(profile.find(Event::Remapped), nullptr);
  EXPECT_EQ(profile.find(Event::MsiSent), &profile.rows[0]);
}

TEST(Prices, AClockIsFoundByItsName) {
  const Profile profile = one_clock(kThreeGHz);
  EXPECT_EQ(profile.hertz_of("core"), kThreeGHz);
  EXPECT_EQ(profile.hertz_of("bus"), std::nullopt);
}

// ---- the profiles that come with the program --------------------------------------------------

TEST(BuiltInProfiles, EveryRowSaysWhereItComesFrom) {
  ASSERT_FALSE(built_in_profiles().empty());
  for (const Profile& profile : built_in_profiles()) {
    EXPECT_FALSE(profile.summary.empty());
    EXPECT_FALSE(profile.rows.empty()) << profile.name;
    for (const PriceRow& row : profile.rows) {
      EXPECT_FALSE(row.source.empty()) << profile.name << ": " << name_of(row.event);
    }
  }
}

TEST(BuiltInProfiles, NoChangeOfStateHasAPrice) {
  for (const Profile& profile : built_in_profiles()) {
    for (const PriceRow& row : profile.rows) {
      EXPECT_FALSE(is_instant(row.event)) << profile.name << ": " << name_of(row.event);
    }
  }
}

TEST(BuiltInProfiles, AnEventHasOneRow) {
  for (const Profile& profile : built_in_profiles()) {
    std::set<Event> seen;
    for (const PriceRow& row : profile.rows) {
      EXPECT_TRUE(seen.insert(row.event).second) << profile.name << ": " << name_of(row.event);
    }
  }
}

TEST(BuiltInProfiles, EveryClockExistsAndIsOneThatPicosecondsCanTell) {
  for (const Profile& profile : built_in_profiles()) {
    for (const Clock& clock : profile.clocks) {
      EXPECT_GE(clock.hertz, 1u);
      EXPECT_LE(clock.hertz, kPsPerSecond);
    }
    for (const PriceRow& row : profile.rows) {
      for (const Length* length : {&row.latency, &row.interval}) {
        EXPECT_TRUE(length->clock.empty() || profile.hertz_of(length->clock))
            << profile.name << ": " << name_of(row.event);
      }
      EXPECT_TRUE(row.align == Align::None || !row.latency.clock.empty())
          << profile.name << ": " << name_of(row.event) << " aligns to no clock";
    }
  }
}

TEST(BuiltInProfiles, NamesAreDifferent) {
  std::set<std::string> names;
  for (const Profile& profile : built_in_profiles()) {
    EXPECT_TRUE(names.insert(profile.name).second) << profile.name;
  }
}

}  // namespace
}  // namespace irqfab
