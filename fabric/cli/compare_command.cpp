#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/report/compare_report.hpp"
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

/// SystemC elaborates once a process, so machines that stand side by side do without it. Their
/// records are the same.
Result<run::Outcome> outcome_of(const Options& options) {
  const auto prepared = prepared_from(options);
  if (!prepared) return prepared.errors();
  auto session = run::Session::create(*prepared, nullptr);
  if (!session) return scenario::with_lines(session.errors(), prepared->scenario);
  auto outcome = (*session)->run();
  if (!outcome) return scenario::with_lines(outcome.errors(), prepared->scenario);
  return outcome;
}

}  // namespace

int compare_machines(const Options& options) {
  if (options.input == "-") {
    return fail(kWrong, "'compare' reads its scenario once a column: it cannot be standard input");
  }
  if (!options.output.empty()) return fail(kWrong, "'--html' is not supported yet");
  std::vector<run::Outcome> columns;
  bool held = true;
  for (const std::string& arch : names_in(options.arch)) {
    for (const std::string& path : names_in(options.path)) {
      const bool lists = options.arch.find(',') != std::string::npos ||
                         options.path.find(',') != std::string::npos;
      if (lists &&
          ((arch.empty() && !options.arch.empty()) || (path.empty() && !options.path.empty()))) {
        return fail(kWrong, "a name between two commas is empty");
      }
      Options column = options;
      column.arch = arch;
      column.path = path;
      column.engine = "fast";
      auto outcome = outcome_of(column);
      if (!outcome) return fail(outcome.errors());
      held = held && outcome->held();
      columns.push_back(std::move(*outcome));
    }
  }
  if (options.quiet) return held ? kHeld : kFailed;
  if (!print(options.json ? report::compare_json(columns) : report::compare_text(columns))) {
    return kCannot;
  }
  return held ? kHeld : kFailed;
}

}  // namespace irqfab::cli
