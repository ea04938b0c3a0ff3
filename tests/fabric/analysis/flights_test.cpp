#include "fabric/analysis/flights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "models/base/random.hpp"

namespace irqfab::analysis {
namespace {

SpanId span(std::uint32_t source, std::uint64_t sequence) {
  return make_span(SourceId{source}, sequence);
}

TEST(Flights, ASpanIsFoundFromItsOpeningToItsEnd) {
  Flights flights;
  EXPECT_EQ(flights.find(span(1, 0)), nullptr);
  flights.open(span(1, 0)).opened = 7;
  ASSERT_NE(flights.find(span(1, 0)), nullptr);
  EXPECT_EQ(flights.find(span(1, 0))->opened, 7u);
  EXPECT_EQ(flights.find(span(0, 0)), nullptr);
  EXPECT_EQ(flights.size(), 1u);
  flights.close(*flights.find(span(1, 0)));
  EXPECT_EQ(flights.find(span(1, 0)), nullptr);
  EXPECT_EQ(flights.size(), 0u);
}

TEST(Flights, ASpanBeginsWithNothingOfTheOneBefore) {
  Flights flights;
  Flight& old = flights.open(span(1, 0));
  old.opened = old.last = old.waited = 5;
  old.entered = 6;
  old.accepted = 7;
  old.steps.add({1, 0, NodeId{0}, Event::MsiSent});
  flights.close(old);
  const Flight& next = flights.open(span(1, 1));
  EXPECT_EQ(next.span, span(1, 1));
  EXPECT_EQ(next.opened + next.last + next.waited, 0u);
  EXPECT_FALSE(next.entered);
  EXPECT_FALSE(next.accepted);
  EXPECT_EQ(next.steps.begin(), next.steps.end());
}

TEST(Flights, AnyOrderOfOpeningAndClosingLeavesTheOthers) {
  Flights flights;
  std::map<SpanId, Time> model;
  Random random(1, 1);
  for (Time step = 0; step < 200'000; ++step) {
    const SpanId id = span(static_cast<std::uint32_t>(random.below(5000)), random.below(2));
    Flight* flight = flights.find(id);
    const auto known = model.find(id);
    ASSERT_EQ(flight != nullptr, known != model.end());
    if (flight == nullptr) {
      flights.open(id).opened = model[id] = step;
    } else {
      ASSERT_EQ(flight->opened, known->second);
      flights.close(*flight);
      model.erase(known);
    }
    ASSERT_EQ(flights.size(), model.size());
  }
  EXPECT_GT(model.size(), 2000u);
  for (const auto& [id, opened] : model) {
    ASSERT_NE(flights.find(id), nullptr);
    EXPECT_EQ(flights.find(id)->opened, opened);
  }
}

TEST(Steps, OfVeryManyTheLongestAreKept) {
  Steps steps;
  for (Duration took = 1; took <= Steps::kMost; ++took) steps.add({took, 0, NodeId{0}, {}});
  steps.add({1, 0, NodeId{0}, {}});     // no longer than the shortest
  steps.add({1000, 0, NodeId{0}, {}});  // takes the place of 1
  steps.add({500, 0, NodeId{0}, {}});   // takes the place of 2
  std::multiset<Duration> kept;
  for (const Step& step : steps) kept.insert(step.took);
  EXPECT_EQ(kept.size(), Steps::kMost);
  EXPECT_EQ(*kept.begin(), 3u);
  EXPECT_EQ(*kept.rbegin(), 1000u);
  EXPECT_EQ(kept.count(500), 1u);
}

}  // namespace
}  // namespace irqfab::analysis
