#include "fabric/run/outcome.hpp"

#include <algorithm>

namespace irqfab::run {
namespace {

HopRow hop_row(const HopStat& stat, const std::string& component, Event event) {
  HopRow hop;
  hop.component = component;
  hop.event = event;
  hop.count = stat.time.count();
  hop.total = static_cast<Duration>(stat.time.sum());
  hop.p50 = stat.time.quantile(1, 2);
  hop.p99 = stat.time.quantile(99, 100);
  hop.queue = stat.queue;
  return hop;
}

}  // namespace

PriceLabel price_label(const Profile& profile, Event event) {
  if (is_of_handler(event)) return {"the scenario's handler", "scenario"};
  const PriceRow* row = profile.find(event);
  if (row == nullptr) return {"free: no row in the timing table", "none"};
  return {row->source, std::string(name_of(row->kind))};
}

Summary summarize(const Histogram& h) {
  return {h.count(),
          h.min(),
          h.quantile(1, 2),
          h.quantile(9, 10),
          h.quantile(99, 100),
          h.quantile(999, 1000),
          h.max(),
          h.mean()};
}

bool Outcome::held() const {
  return !stuck && deadlock.empty() &&
         std::all_of(expect.begin(), expect.end(), [](const auto& e) { return e.held; });
}

void collect(const Ledger& ledger, const topology::Topology& topology, const Profile& profile,
             Outcome& outcome) {
  outcome.accounting = ledger.accounting();
  outcome.in_flight = ledger.in_flight();
  for (std::uint32_t path = 0; path < ledger.paths(); ++path) {
    const PathStat& stat = ledger.path(path);
    if (stat.to_end.count() == 0) continue;
    outcome.paths.push_back(
        {topology.paths[path], summarize(stat.to_end), summarize(stat.to_handler)});
  }
  for (std::uint16_t c = 0; c < topology.components.size(); ++c) {
    for (std::uint16_t e = 0; e < kEventCount; ++e) {
      const HopStat* stat = ledger.hop(c, Event(e));
      if (stat == nullptr) continue;
      HopRow hop = hop_row(*stat, topology.components[c].name, Event(e));
      PriceLabel price = price_label(profile, Event(e));
      hop.price_source = std::move(price.source);
      hop.price_kind = std::move(price.kind);
      outcome.hop_total += hop.total;
      if (hop.price_kind == name_of(PriceKind::Assumed)) outcome.assumed += hop.total - hop.queue;
      outcome.hops.push_back(std::move(hop));
    }
  }
  std::stable_sort(outcome.hops.begin(), outcome.hops.end(), [](const auto& a, const auto& b) {
    return row_of(a.event).role < row_of(b.event).role;
  });
}

}  // namespace irqfab::run
