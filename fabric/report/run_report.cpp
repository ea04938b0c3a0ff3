#include "fabric/report/run_report.hpp"

#include "fabric/report/format.hpp"
#include "fabric/report/outcome_json.hpp"
#include "fabric/report/tables.hpp"

namespace irqfab::report {
namespace {

using run::Outcome;

/// Expectations, and that time has passed.
std::string verdicts(const Outcome& outcome) {
  std::string text = expectations(outcome);
  if (outcome.stuck) text += "FAILED  " + std::string(kStoodStill);
  if (!outcome.deadlock.empty()) text += "FAILED  tasks of the host wait for each other for ever\n";
  return text;
}

}  // namespace

std::string run_text(const Outcome& outcome) {
  std::string text;
  if (!outcome.title.empty()) text += outcome.title + '\n';
  text += machine_of(outcome) + ", seed " + std::to_string(outcome.seed) + ", " +
          duration(outcome.simulated) + " simulated\n\n";
  text += path_table(outcome) + '\n' + hop_table(outcome) + '\n' + invalidation_table(outcome) +
          account(outcome) + standstill_lines(outcome) + software_lines(outcome);
  text += assumed_line(outcome);
  if (!outcome.expect.empty() || !outcome.held()) text += '\n' + verdicts(outcome);
  return text;
}

std::string run_json(const Outcome& outcome) { return run_document(outcome).dump(2) + '\n'; }

}  // namespace irqfab::report
