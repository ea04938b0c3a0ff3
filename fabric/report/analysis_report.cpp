#include "fabric/report/analysis_report.hpp"

#include "fabric/report/format.hpp"
#include "fabric/report/outcome_json.hpp"
#include "fabric/report/tables.hpp"

namespace irqfab::report {
namespace {

using analysis::By;
using analysis::Findings;
using analysis::HopDetail;
using analysis::KeyRow;
using analysis::TraceRow;
using analysis::WorstRow;
using Json = nlohmann::ordered_json;

std::string name_of(By by) {
  switch (by) {
    case By::Source:
      return "source";
    case By::Vector:
      return "vector";
    case By::Cpu:
      return "cpu";
    case By::Hop:
      return "hop";
    case By::Path:
      break;
  }
  return "path";
}

std::string head(const Findings& findings) {
  const run::Outcome& outcome = findings.outcome;
  if (findings.traces.size() > 1) {
    std::string text;
    for (const TraceRow& trace : findings.traces) {
      text += trace.file + ": " + trace.scenario + ", seed " + std::to_string(trace.seed) + ", " +
              duration(trace.simulated) + " simulated\n";
    }
    return text + std::to_string(findings.traces.size()) +
           " traces together: " + machine_of(outcome) + ", " + duration(outcome.simulated) +
           " simulated\n";
  }
  const std::string title = outcome.title.empty() ? "" : outcome.title + '\n';
  return title + machine_of(outcome) + ", seed " + std::to_string(outcome.seed) + ", " +
         duration(outcome.simulated) + " simulated\n";
}

std::string key_table(const Findings& findings, By by) {
  std::vector<TimesRow> rows;
  for (const KeyRow& row : findings.keys) rows.push_back({row.key, row.to_end, row.to_handler});
  return times_table(name_of(by), rows);
}

std::string full_hop_table(const Findings& findings) {
  constexpr auto L = Column::Left;
  constexpr auto R = Column::Right;
  Table table({L, L, L, R, R, R, R, R, R, R, R});
  table.add({"hop", "event", "role", "count", "min", "p50", "p90", "p99", "p99.9", "max", "share"});
  for (const HopDetail& hop : findings.hops) {
    if (hop.total == 0) continue;  // free hops are in the JSON
    const run::Summary& t = hop.time;
    table.add({hop.component, std::string(irqfab::name_of(hop.event)),
               std::string(irqfab::name_of(row_of(hop.event).role)), std::to_string(t.count),
               duration(t.min), duration(t.p50), duration(t.p90), duration(t.p99), duration(t.p999),
               duration(t.max), percent(hop.total, findings.outcome.hop_total)});
  }
  return table.text();
}

std::string reason_of(const WorstRow& row) {
  const Duration excess = row.took > row.usual ? row.took - row.usual : 0;
  if (excess <= row.total / 20) return "no hop took much longer than usual";
  const std::string event(irqfab::name_of(row.event));
  const std::string usually = ", usually " + duration(row.usual);
  if (row.event == Event::Stalled || row.event == Event::HeldForOrder) {
    return event + " at " + row.node + " for " + duration(row.took) + usually;
  }
  if (row.waited < excess / 2) {
    return event + " at " + row.node + " took " + duration(row.took) + usually;
  }
  const std::string in_all = row.waited < row.took ? ": " + duration(row.took) + " in all" : "";
  return "waited " + duration(row.waited) + " at " + row.node + " for " + event + in_all + usually;
}

std::string worst_table(const Findings& findings) {
  Table table({Column::Left, Column::Left, Column::Right, Column::Left});
  table.add({"longest", "cpu", "total", "why"});
  for (const WorstRow& row : findings.worst) {
    table.add(
        {row.span, row.cpu ? std::to_string(*row.cpu) : "-", duration(row.total), reason_of(row)});
  }
  return table.text();
}

Json worst_json(const WorstRow& row) {
  return {{"span", row.span},
          {"source", row.source},
          {"cpu", row.cpu ? Json(*row.cpu) : Json()},
          {"total_ps", row.total},
          {"reason", reason_of(row)}};
}

Json trace_json(const TraceRow& trace) {
  return {{"file", trace.file},
          {"scenario", trace.scenario},
          {"seed", trace.seed},
          {"records", trace.records},
          {"simulated_ps", trace.simulated}};
}

Json rows_json(const Findings& findings) {
  Json rows = Json::array();
  for (const KeyRow& row : findings.keys) {
    rows.push_back(summary_json(row.key, row.to_end));
    rows.back()["to_handler"] = summary_json(row.key, row.to_handler);
  }
  for (const HopDetail& hop : findings.hops) {
    Json row = {{"component", hop.component}, {"event", irqfab::name_of(hop.event)}};
    row.update(
        summary_json(hop.component + '.' + std::string(irqfab::name_of(hop.event)), hop.time));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::string analysis_text(const Findings& findings, By by) {
  std::string text = head(findings) + '\n';
  if (by == By::Hop) {
    text += full_hop_table(findings);
  } else {
    text += by == By::Path ? path_table(findings.outcome) : key_table(findings, by);
    text += '\n' + hop_table(findings.outcome);
  }
  text += '\n' + account(findings.outcome);
  if (findings.guest_errors > 0) {
    text += std::to_string(findings.guest_errors) + " broken rules of guests and devices\n";
  }
  text += assumed_line(findings.outcome);
  if (!findings.worst.empty()) text += '\n' + worst_table(findings);
  if (findings.outcome.stuck) text += '\n' + std::string(kStoodStill);
  if (!findings.outcome.expect.empty()) text += '\n' + expectations(findings.outcome);
  return text;
}

std::string analysis_json(const Findings& findings, By by) {
  Json document = outcome_json("irqfab.analyze/1", findings.outcome);
  document["interrupts"]["guest_errors"] = findings.guest_errors;
  document["traces"] = Json::array();
  for (const TraceRow& trace : findings.traces) document["traces"].push_back(trace_json(trace));
  document["worst"] = Json::array();
  for (const WorstRow& row : findings.worst) document["worst"].push_back(worst_json(row));
  if (by != By::Path) {
    document["by"] = name_of(by);
    document["rows"] = rows_json(findings);
  }
  return document.dump(2) + '\n';
}

}  // namespace irqfab::report
