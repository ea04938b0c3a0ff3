#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/report/run_report.hpp"
#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"

namespace irqfab::cli {

int run_scenario(const Options& options) {
  auto scenario = scenario::read_file(options.input, {options.arch, options.path});
  if (!scenario) return fail(scenario.errors());
  run::Settings settings;
  settings.profile = options.profile;
  settings.seed = options.seed;
  auto prepared = run::prepare(std::move(*scenario), settings);
  if (!prepared) return fail(prepared.errors());
  auto session = run::Session::create(*prepared, nullptr);
  if (!session) return fail(session.errors());
  const auto outcome = (*session)->run();
  if (!outcome) return fail(outcome.errors());
  if (!options.quiet && !print(options.json ? report::run_json(*outcome) : report::run_text(*outcome))) {
    return kCannot;
  }
  return outcome->held() ? kHeld : kFailed;
}

}  // namespace irqfab::cli
