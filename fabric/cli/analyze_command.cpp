#include <algorithm>
#include <utility>

#include "fabric/analysis/analysis.hpp"
#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/trace_input.hpp"
#include "fabric/report/analysis_report.hpp"
#include "fabric/scenario/phrases.hpp"

namespace irqfab::cli {
namespace {

using analysis::Analysis;
using analysis::By;
using analysis::Ended;

By by_named(const std::string& name) {
  if (name == "source") return By::Source;
  if (name == "vector") return By::Vector;
  if (name == "cpu") return By::Cpu;
  return name == "hop" ? By::Hop : By::Path;
}

Diagnostic as_note(Diagnostic damage) {
  damage.severity = Severity::Note;
  damage.message += "; only what comes before is analyzed";
  return damage;
}

/// What is wrong with the trace, or nothing; with --partial, damage is said and no more.
Diagnostics read(const std::string& path, const Options& options, Analysis& analysis) {
  auto reader = open_trace(path);
  if (!reader) return reader.errors();
  if (auto other = analysis.begin(path, reader->header())) return {*other};
  const auto count = reader->for_each([&analysis](const TraceRecord& r) { analysis.take(r); });
  if (!count && !options.partial) return count.errors();
  if (!count && !options.quiet) fail({as_note(count.errors().front())});
  analysis.end(count ? Ended::Whole : Ended::Damaged);
  return {};
}

Diagnostic wrong_bound(const std::string& bound, std::string code, std::string message) {
  Diagnostic wrong;
  wrong.code = std::move(code);
  wrong.where.file = "--slo '" + bound + '\'';
  wrong.message = std::move(message);
  return wrong;
}

/// Expectations of the command line, with their words checked.
Result<std::vector<scenario::Expectation>> bounds_of(const Options& options) {
  std::vector<scenario::Expectation> bounds;
  for (const std::string& text : options.slo) {
    const auto bound = scenario::parse_expectation(text);
    if (!bound) {
      Diagnostic wrong = wrong_bound(text, bound.fault().code, bound.fault().message);
      wrong.expected = "such as p99 < 5us, nvme0.lost == 0 or handler.max < 10us";
      return wrong;
    }
    if (scenario::kind_of_metric(bound->metric) == scenario::MetricKind::Software) {
      return wrong_bound(text, "not-in-traces",
                         '\'' + bound->metric + "' is counted in a run, and is not in its trace");
    }
    bounds.push_back(*bound);
  }
  return bounds;
}

/// Error: a bound is for a device that no trace has.
Result<std::vector<run::ExpectationRow>> judged(const std::vector<scenario::Expectation>& bounds,
                                                const Analysis& analysis) {
  std::vector<run::ExpectationRow> rows;
  for (const scenario::Expectation& bound : bounds) {
    const auto pool = analysis.pool(bound.device);
    if (!pool) {
      return wrong_bound(bound.text, "unknown-device",
                         "no path of the traces is, or is of, '" + bound.device + '\'');
    }
    rows.push_back(run::judge(bound, *pool));
  }
  return rows;
}

}  // namespace

int analyze_traces(const Options& options) {
  const auto bounds = bounds_of(options);
  if (!bounds) return fail(bounds.errors());
  const By by = by_named(options.by);
  Analysis analysis({by, options.worst});
  for (const std::string& path : options.inputs) {
    const Diagnostics wrong = read(path, options, analysis);
    if (!wrong.empty()) return fail(wrong);
  }
  analysis::Findings findings = analysis.findings();
  auto verdicts = judged(*bounds, analysis);
  if (!verdicts) return fail(verdicts.errors());
  findings.outcome.expect = std::move(*verdicts);
  const bool held = std::all_of(findings.outcome.expect.begin(), findings.outcome.expect.end(),
                                [](const run::ExpectationRow& row) { return row.held; });
  if (options.quiet) return held ? kHeld : kFailed;
  fail(findings.notes);
  const std::string text =
      options.json ? report::analysis_json(findings, by) : report::analysis_text(findings, by);
  if (!print(text)) return kCannot;
  return held ? kHeld : kFailed;
}

}  // namespace irqfab::cli
