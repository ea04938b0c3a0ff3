#include "fabric/analysis/analysis.hpp"
#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/trace_input.hpp"
#include "fabric/report/analysis_report.hpp"

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
  if (!count) fail({as_note(count.errors().front())});
  analysis.end(count ? Ended::Whole : Ended::Damaged);
  return {};
}

}  // namespace

int analyze_traces(const Options& options) {
  const By by = by_named(options.by);
  Analysis analysis({by, options.worst});
  for (const std::string& path : options.inputs) {
    const Diagnostics wrong = read(path, options, analysis);
    if (!wrong.empty()) return fail(wrong);
  }
  const analysis::Findings findings = analysis.findings();
  fail(findings.notes);
  if (options.quiet) return kHeld;
  const std::string text =
      options.json ? report::analysis_json(findings, by) : report::analysis_text(findings, by);
  return print(text) ? kHeld : kCannot;
}

}  // namespace irqfab::cli
