#include "fabric/analysis/longest.hpp"

#include <gtest/gtest.h>

namespace irqfab::analysis {
namespace {

class LongestTest : public testing::Test {
 protected:
  /// A handled span with its hops; the first component has them all.
  static Flight flight(std::uint64_t sequence, const std::vector<Step>& steps) {
    Flight flight;
    flight.span = make_span(SourceId{0}, sequence);
    for (const Step& step : steps) {
      flight.steps.add(step);
      flight.last += step.took;
    }
    return flight;
  }
  static Step step(Duration took, Event event, Duration waited = 0) {
    return {took, waited, NodeId{0}, event};
  }
  void usually(Event event, Duration median) {
    for (int i = 0; i < 9; ++i) hops.at(0, event).time.record(median);
  }
  std::vector<WorstRow> rows(Longest& longest) const {
    longest.name(
        [](const Flight& f) {
          WorstRow row;
          row.span = std::to_string(sequence_of(f.span));
          row.total = f.last - f.opened;
          return row;
        },
        [](const Step& s) {
          return NamedStep{"here", 0, s};
        });
    return longest.rows(hops);
  }
  std::vector<std::string> spans(Longest& longest) const {
    std::vector<std::string> names;
    for (const WorstRow& row : rows(longest)) names.push_back(row.span);
    return names;
  }
  Hops hops;
};

TEST_F(LongestTest, TheLongestComeFirstAndOfEqualsTheEarliest) {
  Longest longest(3);
  const Duration totals[] = {10, 30, 20, 30, 5, 20};
  for (std::uint64_t i = 0; i < 6; ++i) {
    longest.consider(flight(i, {step(totals[i], Event::MsiSent)}));
  }
  EXPECT_EQ(spans(longest), (std::vector<std::string>{"1", "3", "2"}));
}

TEST_F(LongestTest, NoneAreKeptIfNoneAreWanted) {
  Longest longest(0);
  longest.consider(flight(0, {step(1, Event::MsiSent)}));
  EXPECT_TRUE(rows(longest).empty());
  EXPECT_FALSE(longest.wanted());
}

TEST_F(LongestTest, TheReasonIsTheHopThatTookMostBeyondItsMedian) {
  usually(Event::HandlerStep, 1000);
  usually(Event::Accepted, 0);
  usually(Event::BridgeForwarded, 193);
  Longest longest(1);
  longest.consider(flight(0, {step(200, Event::BridgeForwarded), step(120, Event::Accepted, 120),
                              step(1100, Event::HandlerStep)}));
  const WorstRow row = rows(longest).front();
  EXPECT_EQ(row.event, Event::Accepted);
  EXPECT_EQ(row.node, "here");
  EXPECT_EQ(row.took, 120u);
  EXPECT_EQ(row.waited, 120u);
  EXPECT_EQ(row.usual, 0u);
}

TEST_F(LongestTest, ASpanWithoutAnyExcessSaysSo) {
  usually(Event::HandlerStep, 1000);
  Longest longest(1);
  longest.consider(flight(0, {step(1000, Event::HandlerStep)}));
  const WorstRow row = rows(longest).front();
  EXPECT_EQ(row.took, row.usual);
}

TEST_F(LongestTest, NamesStayThoseOfTheirOwnTrace) {
  Longest longest(2);
  longest.consider(flight(1, {step(10, Event::MsiSent)}));
  rows(longest);  // the first trace ends
  longest.consider(flight(2, {step(20, Event::MsiSent)}));
  EXPECT_EQ(spans(longest), (std::vector<std::string>{"2", "1"}));
}

}  // namespace
}  // namespace irqfab::analysis
