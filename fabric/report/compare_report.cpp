#include "fabric/report/compare_report.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "fabric/report/format.hpp"
#include "fabric/report/outcome_json.hpp"
#include "fabric/report/tables.hpp"
#include "fabric/topology/markup.hpp"
#include "fabric/version.hpp"

namespace irqfab::report {
namespace {

using run::Outcome;
using Columns = std::vector<Outcome>;

constexpr const char* kNothing = "-";
constexpr std::size_t kMostPaths = 8;  // in the text; the JSON has them all

Table table_of(const Columns& columns, std::size_t names) {
  std::vector<Column> sides(names, Column::Left);
  sides.insert(sides.end(), columns.size(), Column::Right);
  return Table(std::move(sides));
}

/// By its path; by fabric and path, where fabrics differ.
std::vector<std::string> heads_of(const Columns& columns) {
  bool one_fabric = true;
  for (const Outcome& column : columns) one_fabric = one_fabric && column.arch == columns[0].arch;
  std::vector<std::string> heads;
  for (const Outcome& column : columns) {
    heads.push_back(one_fabric ? column.path : column.arch + ' ' + column.path);
  }
  return heads;
}

const run::PathRow* find_path(const Outcome& column, const std::string& name) {
  for (const run::PathRow& path : column.paths) {
    if (path.name == name) return &path;
  }
  return nullptr;
}

struct TimeRow {
  const char* what;
  Duration (*of)(const run::PathRow& path);
};
constexpr TimeRow kTimes[] = {
    {"p50", [](const run::PathRow& path) { return path.to_end.p50; }},
    {"p99", [](const run::PathRow& path) { return path.to_end.p99; }},
    {"max", [](const run::PathRow& path) { return path.to_end.max; }},
    {"to handler, p50", [](const run::PathRow& path) { return path.to_handler.p50; }},
    {"to handler, p99", [](const run::PathRow& path) { return path.to_handler.p99; }},
};

/// Percentiles of the interrupts of each path of devices.
Table times(const Columns& columns, const std::vector<std::string>& heads) {
  Table table = table_of(columns, 2);
  std::vector<std::string> head = {"path", ""};
  head.insert(head.end(), heads.begin(), heads.end());
  table.add(std::move(head));
  std::vector<std::string> names;
  for (const Outcome& column : columns) {
    for (const run::PathRow& path : column.paths) {
      const bool known = std::find(names.begin(), names.end(), path.name) != names.end();
      if (!known) names.push_back(path.name);
    }
  }
  if (names.size() > kMostPaths) names.resize(kMostPaths);
  for (const std::string& name : names) {
    for (const TimeRow& row : kTimes) {
      std::vector<std::string> cells = {&row == kTimes ? name : "", row.what};
      for (const Outcome& column : columns) {
        const run::PathRow* path = find_path(column, name);
        cells.push_back(path == nullptr ? kNothing : duration(row.of(*path)));
      }
      table.add(std::move(cells));
    }
  }
  return table;
}

using HopKey = std::pair<Role, Event>;

std::map<HopKey, std::vector<Duration>> totals_of(const Columns& columns) {
  std::map<HopKey, std::vector<Duration>> totals;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (const run::HopRow& hop : columns[c].hops) {
      auto& row = totals[{irqfab::row_of(hop.event).role, hop.event}];
      row.resize(columns.size());
      row[c] += hop.total;
    }
  }
  return totals;
}

Table hops(const Columns& columns, const std::vector<std::string>& heads) {
  Table table = table_of(columns, 2);
  std::vector<std::string> head = {"role", "event"};
  head.insert(head.end(), heads.begin(), heads.end());
  table.add(std::move(head));
  const auto totals = totals_of(columns);
  const Role* last = nullptr;
  for (const auto& [key, row] : totals) {
    std::vector<std::string> cells = {
        last != nullptr && *last == key.first ? "" : std::string(name_of(key.first)),
        std::string(name_of(key.second))};
    bool any = false;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::uint64_t handled = columns[c].accounting.handled;
      const bool has = row[c] > 0 && handled > 0;
      cells.push_back(has ? duration(row[c] / handled) : kNothing);
      any = any || has;
    }
    if (!any) continue;  // free hops are in the JSON
    table.add(std::move(cells));
    last = &key.first;
  }
  return table;
}

Table counts(const Columns& columns, const std::vector<std::string>& heads) {
  Table table = table_of(columns, 1);
  std::vector<std::string> head = {"count"};
  head.insert(head.end(), heads.begin(), heads.end());
  table.add(std::move(head));
  const auto add = [&](const char* name, auto&& count) {
    std::vector<std::string> cells = {name};
    for (const Outcome& column : columns) cells.push_back(count(column));
    table.add(std::move(cells));
  };
  const auto of = [](std::uint64_t Accounting::*member) {
    return [member](const Outcome& column) { return std::to_string(column.accounting.*member); };
  };
  add("asserted", of(&Accounting::asserted));
  add("handled", of(&Accounting::handled));
  add("coalesced", of(&Accounting::coalesced));
  add("dropped", of(&Accounting::dropped));
  add("cancelled", of(&Accounting::cancelled));
  add("in flight", [](const Outcome& column) { return std::to_string(column.in_flight); });
  const auto exits = [](std::uint64_t run::ExitCounts::*member) {
    return [member](const Outcome& column) -> std::string {
      return column.software.exits ? std::to_string((*column.software.exits).*member) : kNothing;
    };
  };
  add("exits to the kernel", exits(&run::ExitCounts::kernel));
  add("exits to the VMM", exits(&run::ExitCounts::user));
  add("assumed", [](const Outcome& column) { return percent(column.assumed, column.hop_total); });
  return table;
}

/// What failed, and where.
std::vector<std::string> failures(const Columns& columns, const std::vector<std::string>& heads) {
  std::vector<std::string> lines;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    for (const run::ExpectationRow& row : columns[c].expect) {
      if (!row.held) lines.push_back(heads[c] + ": " + row.text + found(row));
    }
    if (columns[c].stuck) lines.push_back(heads[c] + ": time stands still");
    if (columns[c].deadlock.empty()) continue;
    lines.push_back(heads[c] + ": tasks of the host wait for each other for ever");
  }
  return lines;
}

std::string settings(const Columns& columns) {
  return settings_of(columns[0]) + ", seed " + std::to_string(columns[0].seed) +
         "; of hops the mean of an interrupt";
}

constexpr const char* kStyle =
    "body { font-family: sans-serif; margin: 2em }\n"
    "table { border-collapse: collapse; margin: 1em 0 }\n"
    "th, td { padding: 0.15em 0.8em; text-align: left; border-bottom: 1px solid #ccc }\n"
    ".right { text-align: right; font-variant-numeric: tabular-nums }\n";

}  // namespace

std::string compare_text(const Columns& columns) {
  const std::vector<std::string> heads = heads_of(columns);
  std::string text = columns[0].title.empty() ? "" : columns[0].title + '\n';
  text += settings(columns) + "\n\n" + times(columns, heads).text() + '\n' +
          hops(columns, heads).text() + '\n' + counts(columns, heads).text();
  const std::vector<std::string> failed = failures(columns, heads);
  if (!failed.empty()) text += '\n';
  for (const std::string& line : failed) text += "FAILED  " + line + '\n';
  return text;
}

std::string compare_html(const Columns& columns) {
  const std::vector<std::string> heads = heads_of(columns);
  const std::string title =
      topology::escaped(columns[0].title.empty() ? columns[0].scenario : columns[0].title);
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n";
  page += "<title>" + title + "</title>\n<style>\n" + kStyle + "</style>\n</head>\n<body>\n";
  page += "<h1>" + title + "</h1>\n<p>" + topology::escaped(settings(columns)) + "</p>\n";
  page +=
      times(columns, heads).html() + hops(columns, heads).html() + counts(columns, heads).html();
  for (const std::string& line : failures(columns, heads)) {
    page += "<p>FAILED: " + topology::escaped(line) + "</p>\n";
  }
  return page + "<p>irqfab " + kVersion + "</p>\n</body>\n</html>\n";
}

std::string compare_json(const Columns& columns) {
  nlohmann::ordered_json document = {{"schema", "irqfab.compare/1"}, {"irqfab", kVersion}};
  auto& list = document["columns"] = nlohmann::ordered_json::array();
  for (const Outcome& column : columns) {
    list.push_back({{"arch", column.arch}, {"path", column.path}, {"run", run_document(column)}});
  }
  return document.dump(2) + '\n';
}

}  // namespace irqfab::report
