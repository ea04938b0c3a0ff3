#include "fabric/report/run_report.hpp"

#include <nlohmann/json.hpp>

#include "fabric/report/format.hpp"
#include "fabric/version.hpp"

namespace irqfab::report {
namespace {

using Json = nlohmann::ordered_json;
using run::HopRow;
using run::Outcome;
using run::PathRow;
using run::Summary;

constexpr std::size_t kMostPathRows = 24;

std::vector<std::string> path_cells(const std::string& name, const Summary& s) {
  return {name,           std::to_string(s.count), duration(s.min),  duration(s.p50),
          duration(s.p90), duration(s.p99),        duration(s.p999), duration(s.max)};
}

std::string path_table(const Outcome& outcome) {
  constexpr auto L = Column::Left;
  constexpr auto R = Column::Right;
  Table table({L, R, R, R, R, R, R, R});
  table.add({"path", "count", "min", "p50", "p90", "p99", "p99.9", "max"});
  std::size_t shown = 0;
  for (const PathRow& path : outcome.paths) {
    if (shown++ == kMostPathRows) break;
    table.add(path_cells(path.name, path.to_end));
    if (path.to_handler.count > 0) table.add(path_cells("  to handler", path.to_handler));
  }
  std::string text = table.text();
  if (outcome.paths.size() > kMostPathRows) {
    text += "... and " + std::to_string(outcome.paths.size() - kMostPathRows) +
            " more paths (--json has them all)\n";
  }
  return text;
}

std::string hop_table(const Outcome& outcome) {
  constexpr auto L = Column::Left;
  constexpr auto R = Column::Right;
  Table table({L, L, L, R, R, R, R, R, L});
  table.add({"hop", "event", "role", "count", "p50", "p99", "waiting", "share", "price"});
  for (const HopRow& hop : outcome.hops) {
    if (hop.total == 0) continue;  // free hops are in the JSON
    table.add({hop.component, std::string(name_of(hop.event)),
               std::string(name_of(row_of(hop.event).role)), std::to_string(hop.count),
               duration(hop.p50), duration(hop.p99), percent(hop.queue, outcome.hop_total),
               percent(hop.total, outcome.hop_total), hop.price_kind});
  }
  return table.text();
}

std::string count_line(const Outcome& outcome) {
  const Accounting& a = outcome.accounting;
  std::string line = std::to_string(a.asserted) + " asserted = " + std::to_string(a.handled) +
                     " handled + " + std::to_string(a.coalesced) + " coalesced + " +
                     std::to_string(a.dropped) + " dropped + " + std::to_string(a.cancelled) +
                     " cancelled + " + std::to_string(outcome.in_flight) + " in flight";
  if (a.spurious + a.duplicated > 0) {
    line += "; " + std::to_string(a.spurious) + " spurious, " + std::to_string(a.duplicated) +
            " duplicated";
  }
  for (std::size_t i = 0; i < a.drops.size(); ++i) {
    if (a.drops[i] == 0) continue;
    line += "\n  dropped, " + std::string(kDropReasonNames[i]) + ": " + std::to_string(a.drops[i]);
  }
  for (std::size_t i = 0; i < a.cancels.size(); ++i) {
    if (a.cancels[i] == 0) continue;
    line += "\n  cancelled, " + std::string(kCancelOpNames[i]) + ": " + std::to_string(a.cancels[i]);
  }
  return line + '\n';
}

std::string expectations(const Outcome& outcome) {
  std::string text;
  for (const auto& e : outcome.expect) {
    text += (e.held ? "held    " : "FAILED  ") + e.text;
    if (!e.held) text += "   (found " + e.found + ")";
    text += '\n';
  }
  if (outcome.stuck) text += "FAILED  time stands still: a chain of zero-price hops did not end\n";
  return text;
}

Json summary_json(const std::string& name, const Summary& s) {
  return {{"name", name},       {"count", s.count},    {"min_ps", s.min},
          {"p50_ps", s.p50},    {"p90_ps", s.p90},     {"p99_ps", s.p99},
          {"p999_ps", s.p999},  {"max_ps", s.max},     {"mean_ps", s.mean}};
}

Json interrupts_json(const Outcome& outcome) {
  const Accounting& a = outcome.accounting;
  return {{"asserted", a.asserted},   {"handled", a.handled},
          {"coalesced", a.coalesced}, {"dropped", a.dropped},
          {"cancelled", a.cancelled}, {"in_flight", outcome.in_flight},
          {"spurious", a.spurious},   {"duplicated", a.duplicated}};
}

Json drops_json(const Accounting& a) {
  Json drops = Json::array();
  for (std::size_t i = 0; i < a.drops.size(); ++i) {
    if (a.drops[i] > 0) drops.push_back({{"reason", kDropReasonNames[i]}, {"count", a.drops[i]}});
  }
  return drops;
}

Json hop_json(const HopRow& hop) {
  return {{"component", hop.component},
          {"event", name_of(hop.event)},
          {"role", name_of(row_of(hop.event).role)},
          {"count", hop.count},
          {"total_ps", hop.total},
          {"p50_ps", hop.p50},
          {"p99_ps", hop.p99},
          {"queue_ps", hop.queue},
          {"price_source", hop.price_source},
          {"price_kind", hop.price_kind}};
}

}  // namespace

std::string run_text(const Outcome& outcome) {
  std::string text;
  if (!outcome.title.empty()) text += outcome.title + '\n';
  text += outcome.arch + ", " + outcome.path + ", profile " + outcome.profile + ", behaviour " +
          outcome.behaviour + ", seed " + std::to_string(outcome.seed) + ", " +
          duration(outcome.simulated) + " simulated\n\n";
  text += path_table(outcome) + '\n' + hop_table(outcome) + '\n' + count_line(outcome);
  text += percent(outcome.assumed, outcome.hop_total) + " of the time rests on assumed prices\n";
  if (!outcome.expect.empty() || outcome.stuck) text += '\n' + expectations(outcome);
  return text;
}

std::string run_json(const Outcome& outcome) {
  Json paths = Json::array();
  for (const PathRow& path : outcome.paths) {
    Json row = summary_json(path.name, path.to_end);
    row["to_handler"] = summary_json(path.name, path.to_handler);
    paths.push_back(std::move(row));
  }
  Json hops = Json::array();
  for (const HopRow& hop : outcome.hops) hops.push_back(hop_json(hop));
  Json expect = Json::array();
  for (const auto& e : outcome.expect) {
    expect.push_back({{"text", e.text}, {"held", e.held}, {"found", e.found}});
  }
  const Json document = {{"schema", "irqfab.run/1"},
                         {"irqfab", kVersion},
                         {"scenario", outcome.scenario},
                         {"arch", outcome.arch},
                         {"path", outcome.path},
                         {"profile", outcome.profile},
                         {"behaviour", outcome.behaviour},
                         {"seed", outcome.seed},
                         {"interrupts", interrupts_json(outcome)},
                         {"drops", drops_json(outcome.accounting)},
                         {"paths", std::move(paths)},
                         {"hops", std::move(hops)},
                         {"assumed_share", outcome.assumed_share()},
                         {"expect", std::move(expect)},
                         {"simulated_ps", outcome.simulated}};
  return document.dump(2) + '\n';
}

}  // namespace irqfab::report
