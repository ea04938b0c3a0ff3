#include "fabric/analysis/longest.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace irqfab::analysis {
namespace {

/// What hops usually take, each looked up once.
class Medians {
 public:
  explicit Medians(const Hops& hops) : hops_(hops) {}

  Duration of(const NamedStep& step) {
    const auto key = std::make_pair(step.component, step.step.event);
    const auto known = medians_.find(key);
    if (known != medians_.end()) return known->second;
    const Hop* hop = hops_.find(step.component, step.step.event);
    const Duration median = hop == nullptr ? 0 : hop->time.histogram().quantile(1, 2);
    return medians_.emplace(key, median).first->second;
  }

 private:
  const Hops& hops_;
  std::map<std::pair<std::uint32_t, Event>, Duration> medians_;
};

Duration excess(Duration took, Duration usual) { return took > usual ? took - usual : 0; }

}  // namespace

void Longest::consider(const Flight& flight) {
  const Duration total = flight.last - flight.opened;
  if (candidates_.size() == most_ && (most_ == 0 || total <= candidates_.back().total)) return;
  if (candidates_.size() == most_) candidates_.pop_back();
  const auto place = std::upper_bound(candidates_.begin(), candidates_.end(), total,
                                      [](Duration t, const Candidate& c) { return t > c.total; });
  Candidate candidate;
  candidate.total = total;
  candidate.flight = flight;
  candidates_.insert(place, std::move(candidate));
}

std::vector<WorstRow> Longest::rows(const Hops& hops) const {
  Medians medians(hops);
  std::vector<WorstRow> rows;
  for (const Candidate& candidate : candidates_) {
    WorstRow row = candidate.row;
    const NamedStep* reason = nullptr;
    for (const NamedStep& named : candidate.steps) {
      const Duration beyond = excess(named.step.took, medians.of(named));
      if (reason == nullptr || beyond > excess(row.took, row.usual)) {
        reason = &named;
        row.took = named.step.took;
        row.usual = medians.of(named);
      }
    }
    if (reason != nullptr) {
      row.node = reason->node;
      row.event = reason->step.event;
      row.waited = reason->step.waited;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace irqfab::analysis
