#include "fabric/report/run_report.hpp"

#include "fabric/report/format.hpp"
#include "fabric/report/outcome_json.hpp"
#include "fabric/report/tables.hpp"

namespace irqfab::report {
namespace {

using run::Outcome;

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

}  // namespace

std::string run_text(const Outcome& outcome) {
  std::string text;
  if (!outcome.title.empty()) text += outcome.title + '\n';
  text += machine_of(outcome) + ", seed " + std::to_string(outcome.seed) + ", " +
          duration(outcome.simulated) + " simulated\n\n";
  text += path_table(outcome) + '\n' + hop_table(outcome) + '\n' + account(outcome);
  text += assumed_line(outcome);
  if (!outcome.expect.empty() || outcome.stuck) text += '\n' + expectations(outcome);
  return text;
}

std::string run_json(const Outcome& outcome) {
  return outcome_json("irqfab.run/1", outcome).dump(2) + '\n';
}

}  // namespace irqfab::report
