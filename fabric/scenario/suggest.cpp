#include "fabric/scenario/suggest.hpp"

#include <algorithm>
#include <numeric>

namespace irqfab::scenario {
namespace {

/// Letters to insert, delete, replace or swap with a neighbour to make `b` of `a`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + same});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view wrong, const std::vector<std::string_view>& names) {
  constexpr std::size_t kLongest = 64;
  constexpr std::size_t kMostNames =
      10'000;  // to compare with more takes longer than to look it up
  if (wrong.empty() || wrong.size() > kLongest || names.size() > kMostNames) return "";
  const std::size_t near = std::max<std::size_t>(1, wrong.size() / 3);
  std::string_view best;
  std::size_t best_distance = near + 1;
  for (const std::string_view name : names) {
    const std::size_t d = distance(wrong, name);
    if (d < best_distance && d < name.size()) {
      best = name;
      best_distance = d;
    }
  }
  return best.empty() ? "" : ", did you mean '" + std::string(best) + "'?";
}

}  // namespace irqfab::scenario
