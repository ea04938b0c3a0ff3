#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/run/filled.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/scenario/printer.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/topology/checks.hpp"
#include "fabric/topology/x86_build.hpp"
#include "fabric/version.hpp"

namespace irqfab::cli {
namespace {

using Json = nlohmann::ordered_json;

void append(Diagnostics& to, const Diagnostics& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void check_prices(const run::Prepared& prepared, const topology::Topology& topology,
                  Diagnostics& found) {
  const auto prices = run::prices_of(prepared.scenario, prepared.profile, topology);
  if (!prices) append(found, prices.errors());
}

/// Everything that can be said without running it.
Diagnostics findings_of(const run::Prepared& prepared) {
  if (prepared.path != "bare-metal") {
    const auto topology = run::topology_of(prepared);
    if (!topology) return topology.errors();
    Diagnostics found = topology::check_graph(*topology, prepared.scenario);
    check_prices(prepared, *topology, found);
    return found;
  }
  const auto machine = topology::build_x86(prepared.scenario, topology::remapping_of(prepared.arch),
                                           prepared.mutants, prepared.quirks);
  if (!machine) return machine.errors();
  Diagnostics found = topology::check(machine->topology, machine->plan, prepared.scenario);
  check_prices(prepared, machine->topology, found);
  return found;
}

std::size_t count(const Diagnostics& found, Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(found.begin(), found.end(),
                    [severity](const Diagnostic& d) { return d.severity == severity; }));
}

std::string counted(std::size_t number, const char* noun) {
  return std::to_string(number) + ' ' + noun + (number == 1 ? "" : "s");
}

/// "0 errors, 1 note".
std::string summary(const Diagnostics& found) {
  std::string text = counted(count(found, Severity::Error), "error");
  const std::size_t warnings = count(found, Severity::Warning);
  if (warnings > 0) text += ", " + counted(warnings, "warning");
  return text + ", " + counted(count(found, Severity::Note), "note") + '\n';
}

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return "error";
    case Severity::Warning:
      return "warning";
    case Severity::Note:
      break;
  }
  return "note";
}

std::string json_of(const Diagnostics& found, const std::string& filled) {
  Json findings = Json::array();
  for (const Diagnostic& d : found) {
    findings.push_back({{"severity", name_of(d.severity)},
                        {"code", d.code},
                        {"file", d.where.file},
                        {"line", d.where.line},
                        {"column", d.where.column},
                        {"message", d.message},
                        {"expected", d.expected}});
  }
  Json document = {{"schema", "irqfab.check/1"},
                   {"irqfab", kVersion},
                   {"errors", count(found, Severity::Error)},
                   {"warnings", count(found, Severity::Warning)},
                   {"notes", count(found, Severity::Note)},
                   {"findings", std::move(findings)}};
  if (!filled.empty()) document["filled"] = filled;
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

/// Findings to standard error, of each code the first few.
void print_findings(const Options& options, const Diagnostics& found) {
  constexpr std::size_t kMostOfACode = 10;
  std::map<std::string, std::size_t> seen;
  for (const Diagnostic& d : found) {
    if (options.quiet && d.severity != Severity::Error) continue;
    if (++seen[d.code] <= kMostOfACode) fail(Diagnostics{d});
  }
  for (const auto& [code, number] : seen) {
    if (number <= kMostOfACode) continue;
    std::fprintf(stderr, "... and %zu more '%s' (--json has them all)\n", number - kMostOfACode,
                 code.c_str());
  }
}

/// The filled scenario alone is on standard output, so that it can be read as one.
bool print_text(const Options& options, const Diagnostics& found, const std::string& filled) {
  print_findings(options, found);
  if (!filled.empty()) {
    std::fputs(summary(found).c_str(), stderr);
    return print(filled);
  }
  return options.quiet || print(summary(found));
}

}  // namespace

int check_scenario(const Options& options) {
  const auto prepared = prepared_from(options);
  Diagnostics found;
  std::string filled;
  if (!prepared) {
    found = prepared.errors();
  } else {
    found = scenario::with_lines(findings_of(*prepared), prepared->scenario);
    if (options.filled) filled = scenario::fill(run::with_host(*prepared));
  }
  const bool printed =
      options.json ? print(json_of(found, filled)) : print_text(options, found, filled);
  if (!printed) return kCannot;
  return count(found, Severity::Error) == 0 ? kHeld : kWrong;
}

}  // namespace irqfab::cli
