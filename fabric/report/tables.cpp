#include "fabric/report/tables.hpp"

#include <algorithm>

#include "fabric/report/format.hpp"

namespace irqfab::report {
namespace {

using run::HopRow;
using run::Outcome;
using run::PathRow;
using run::Summary;

constexpr std::size_t kMostRows = 24;

std::vector<std::string> time_cells(const std::string& name, const Summary& s) {
  return {name,
          std::to_string(s.count),
          duration(s.min),
          duration(s.p50),
          duration(s.p90),
          duration(s.p99),
          duration(s.p999),
          duration(s.max)};
}

}  // namespace

std::string times_table(const std::string& what, const std::vector<TimesRow>& rows) {
  constexpr auto L = Column::Left;
  constexpr auto R = Column::Right;
  Table table({L, R, R, R, R, R, R, R});
  table.add({what, "count", "min", "p50", "p90", "p99", "p99.9", "max"});
  for (std::size_t i = 0; i < std::min(rows.size(), kMostRows); ++i) {
    table.add(time_cells(rows[i].name, rows[i].to_end));
    if (rows[i].to_handler.count > 0) table.add(time_cells("  to handler", rows[i].to_handler));
  }
  std::string text = table.text();
  if (rows.size() > kMostRows) {
    text += "... and " + std::to_string(rows.size() - kMostRows) + " more " + what +
            "s (--json has them all)\n";
  }
  return text;
}

std::string path_table(const Outcome& outcome) {
  std::vector<TimesRow> rows;
  for (const PathRow& path : outcome.paths) {
    rows.push_back({path.name, path.to_end, path.to_handler});
  }
  return times_table("path", rows);
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

std::string invalidation_table(const Outcome& outcome) {
  std::vector<TimesRow> rows;
  for (const run::InvalidationRow& row : outcome.invalidations) {
    rows.push_back({row.component, row.waits, {}});
  }
  return rows.empty() ? "" : times_table("invalidation", rows) + '\n';
}

std::string account(const Outcome& outcome) {
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
    line +=
        "\n  cancelled, " + std::string(kCancelOpNames[i]) + ": " + std::to_string(a.cancels[i]);
  }
  return line + '\n';
}

std::string standstill_lines(const Outcome& outcome) {
  std::string text;
  for (const run::RestRow& row : outcome.rests) {
    text += "  in flight, at " + row.place + ": " + std::to_string(row.count) + '\n';
  }
  for (const run::DeadlockRow& row : outcome.deadlock) {
    text += "deadlock: " + row.task + " waits for " + row.waits_for + " of ";
    for (const std::string& holder : row.held_by) {
      text += (&holder == &row.held_by.front() ? "" : ", ") + holder;
    }
    text += '\n';
  }
  return text;
}

std::string software_lines(const Outcome& outcome) {
  std::string text;
  if (const auto& exits = outcome.software.exits) {
    text += "exits: " + std::to_string(exits->kernel) + " to the kernel, " +
            std::to_string(exits->user) + " to the VMM\n";
  }
  if (const auto& routes = outcome.software.routes) {
    text += "routes: " + std::to_string(routes->hits) + " hits, " + std::to_string(routes->misses) +
            " misses, " + std::to_string(routes->flushes) + " flushes, " +
            std::to_string(routes->commits) + " commits, " +
            (routes->refused > 0 ? std::to_string(routes->refused) + " of them refused, " : "") +
            std::to_string(routes->peak) + " entries at most\n";
  }
  for (const run::FallbackRow& row : outcome.software.fallbacks) {
    text += "no route: " + std::to_string(row.vectors) + " of " + std::to_string(row.of) +
            " vectors of " + row.device + ", for whose messages the VMM makes calls\n";
  }
  if (!outcome.software.no_route.empty()) text += "  since " + outcome.software.no_route + '\n';
  if (outcome.software.faults > 0) {
    text += "faults: " + std::to_string(outcome.software.faults) +
            " times the host's software broke a rule of lifetime or of locks\n";
  }
  return text;
}

std::string found(const run::ExpectationRow& row) {
  return "   (found " + (row.found_time ? exact_duration(*row.found_time) : row.found) + ")";
}

std::string expectations(const Outcome& outcome) {
  std::string text;
  for (const auto& e : outcome.expect) {
    text += (e.held ? "held    " : "FAILED  ") + e.text;
    if (!e.held) text += found(e);
    text += '\n';
  }
  return text;
}

std::string assumed_line(const Outcome& outcome) {
  return percent(outcome.assumed, outcome.hop_total) + " of the time rests on assumed prices\n";
}

std::string settings_of(const Outcome& outcome) {
  return "profile " + outcome.profile + ", behaviour " + outcome.behaviour +
         mutants_text(outcome.mutants);
}

std::string machine_of(const Outcome& outcome) {
  return outcome.arch + ", " + outcome.path + ", " + settings_of(outcome);
}

}  // namespace irqfab::report
