#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/report/explain.hpp"
#include "fabric/scenario/reader.hpp"

namespace irqfab::cli {

int explain_source(const Options& options) {
  const auto prepared = prepared_from(options);
  if (!prepared) return fail(prepared.errors());
  const auto caches = options.cold ? report::Caches::Cold : report::Caches::Warm;
  const auto explanation = report::explain(*prepared, options.source, caches);
  if (!explanation) {
    return fail(scenario::with_lines(explanation.errors(), prepared->scenario));
  }
  if (options.quiet) return kHeld;
  fail(explanation->notes);
  const std::string text =
      options.json ? report::explain_json(*explanation) : report::explain_text(*explanation);
  return print(text) ? kHeld : kCannot;
}

}  // namespace irqfab::cli
