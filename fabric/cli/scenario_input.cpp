#include "fabric/cli/scenario_input.hpp"

#include "fabric/scenario/option_place.hpp"
#include "fabric/scenario/reader.hpp"

namespace irqfab::cli {
namespace {

Diagnostic unknown_mutant(const std::string& name) {
  std::string names;
  for (const MutantRow& row : kMutants) {
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return {Severity::Error,           "unknown-mutant",   scenario::of_option("--mutant", name),
          "there is no such mutant", "one of: " + names, ""};
}

}  // namespace

Result<run::Prepared> prepared_from(const Options& options) {
  run::Settings settings;
  settings.profile = options.profile;
  settings.behaviour = options.behaviour;
  settings.seed = options.seed;
  if (options.engine == "fast") settings.engine = run::EngineKind::Fast;
  for (const std::string& name : options.mutants) {
    const auto mutant = mutant_named(name);
    if (!mutant) return unknown_mutant(name);
    settings.mutants.add(*mutant);
  }
  auto scenario = scenario::read_file(options.input, {options.arch, options.path});
  if (!scenario) return scenario.errors();
  return run::prepare(std::move(*scenario), settings);
}

}  // namespace irqfab::cli
