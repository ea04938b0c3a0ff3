#include <algorithm>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/report/compare_report.hpp"
#include "fabric/run/mutants.hpp"
#include "fabric/scenario/reader.hpp"

namespace irqfab::cli {
namespace {

/// Names between commas; one empty name where nothing was given.
std::vector<std::string> names_in(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at != std::string::npos;) {
    const std::size_t comma = list.find(',', at);
    names.push_back(list.substr(at, comma == std::string::npos ? comma : comma - at));
    at = comma == std::string::npos ? comma : comma + 1;
  }
  return names;
}

/// What is wrong with the names of an option, or empty.
std::string refusal_of(const char* option, const std::string& list) {
  if (list.empty()) return "";
  const std::vector<std::string> names = names_in(list);
  for (auto name = names.begin(); name != names.end(); ++name) {
    if (name->empty()) return std::string(option) + ": a name between two commas is empty";
    if (std::find(names.begin(), name, *name) != name) {
      return std::string(option) + ": '" + *name + "' stands there twice, for two equal columns";
    }
  }
  return "";
}

/// SystemC elaborates once a process, so machines that stand side by side do without it. Their
/// records are the same.
Result<run::Outcome> outcome_of(const Options& options) {
  const auto prepared = prepared_from(options);
  if (!prepared) return prepared.errors();
  auto session = run::Session::create(*prepared, nullptr);
  if (!session) return scenario::with_lines(session.errors(), prepared->scenario);
  if (!options.quiet) fail(run::notes_on_mutants(*prepared, (*session)->topology()));
  auto outcome = (*session)->run();
  if (!outcome) return scenario::with_lines(outcome.errors(), prepared->scenario);
  return outcome;
}

/// A column each, in their order.
Result<std::vector<run::Outcome>> columns_of(const Options& options) {
  std::vector<run::Outcome> columns;
  for (const std::string& arch : names_in(options.arch)) {
    for (const std::string& path : names_in(options.path)) {
      Options column = options;
      column.arch = arch;
      column.path = path;
      column.engine = "fast";
      auto outcome = outcome_of(column);
      if (!outcome) return outcome.errors();
      columns.push_back(std::move(*outcome));
    }
  }
  return columns;
}

/// What is wrong with the options, or empty.
std::string refusal_of(const Options& options) {
  if (options.input == "-") {
    return "'compare' reads its scenario once a column: it cannot be standard input";
  }
  if (options.output == "-" && !options.quiet) {
    return "'--html -' needs '--quiet': standard output is for one of page and report";
  }
  const std::string archs = refusal_of("--arch", options.arch);
  return archs.empty() ? refusal_of("--path", options.path) : archs;
}

}  // namespace

int compare_machines(const Options& options) {
  const std::string refusal = refusal_of(options);
  if (!refusal.empty()) return fail(kWrong, refusal);
  if (!options.output.empty() && is_input(options.output, options.input)) return kWrong;
  const auto columns = columns_of(options);
  if (!columns) return fail(columns.errors());
  if (!options.output.empty()) {
    const int written = write_whole(options.output, report::compare_html(*columns));
    if (written != kHeld) return written;
  }
  if (!options.quiet &&
      !print(options.json ? report::compare_json(*columns) : report::compare_text(*columns))) {
    return kCannot;
  }
  const bool held = std::all_of(columns->begin(), columns->end(),
                                [](const run::Outcome& column) { return column.held(); });
  return held ? kHeld : kFailed;
}

}  // namespace irqfab::cli
