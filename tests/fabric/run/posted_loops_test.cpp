// What the bound on the looks of one notification is worth: scenarios/x86-pi/posted-loops.yaml. The
// shape is checked, not the figures.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fabric/run/scenario_run.hpp"

namespace irqfab::test {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), by);
    at += by.size();
  }
  return text;
}

std::string saturated(unsigned loops) {
  std::ifstream file(IRQFAB_SOURCE_DIR "/scenarios/x86-pi/posted-loops.yaml");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return replaced(text, "loops: 3", "loops: " + std::to_string(loops));
}

/// Six sources that ask 150,000 times a second each.
std::string below_a_million(unsigned loops) {
  return replaced(saturated(loops), "closed-loop: { depth: 1, think: 100ns }", "poisson: 6.7us");
}

struct Rate {
  std::uint64_t handled = 0;  // of devices, in a simulated second
  unsigned notifications = 0;
};

Rate rate_of(const std::string& text) {
  const RunResult result = run_apart(text);
  Rate rate;
  std::uint64_t handled = 0;
  std::uint64_t notifications = 0;
  for (const TraceRecord& record : result.records) {
    handled += record.event == Event::Handled;
    notifications += record.event == Event::NotificationSent;
  }
  EXPECT_GT(handled, notifications);
  rate.notifications = static_cast<unsigned>(notifications);
  const Time end = result.records.back().time;
  rate.handled = (handled - notifications) * 1'000'000 / (end / 1'000'000);
  return rate;
}

TEST(PostedLoops, EveryFurtherLookGainsLessThanTheOneBefore) {
  std::vector<std::uint64_t> rates;
  for (unsigned loops = 2; loops <= 6; ++loops) rates.push_back(rate_of(saturated(loops)).handled);
  for (std::size_t i = 1; i < rates.size(); ++i) {
    EXPECT_GT(rates[i], rates[i - 1]) << "rising, " << i;
    if (i < 2) continue;
    EXPECT_LT(rates[i] - rates[i - 1], rates[i - 1] - rates[i - 2]) << "concave, " << i;
  }
  EXPECT_GT(rates.back(), rates.front() + rates.front() / 50) << "more than 2 %";
  EXPECT_LT(rates.back(), rates.front() + rates.front() / 8) << "less than 12.5 %";
}

TEST(PostedLoops, FurtherLooksSaveNotifications) {
  EXPECT_LT(rate_of(saturated(6)).notifications, rate_of(saturated(2)).notifications * 2 / 3);
}

TEST(PostedLoops, BelowAMillionASecondTheyChangeNothing) {
  const std::uint64_t few = rate_of(below_a_million(2)).handled;
  const std::uint64_t many = rate_of(below_a_million(6)).handled;
  EXPECT_LT(few, 1'000'000u);
  EXPECT_GT(few, 800'000u);
  EXPECT_NEAR(static_cast<double>(few), static_cast<double>(many), 5'000.0);
}

}  // namespace
}  // namespace irqfab::test
