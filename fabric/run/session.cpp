#include "fabric/run/session.hpp"

#include "fabric/run/kvm_session.hpp"
#include "fabric/run/mutants.hpp"
#include "fabric/run/vm_session.hpp"
#include "fabric/run/x86_session.hpp"
#include "fabric/scenario/document.hpp"
#include "fabric/scenario/option_place.hpp"
#include "fabric/scenario/path_check.hpp"
#include "fabric/scenario/paths.hpp"

namespace irqfab::run {
namespace {

using scenario::MachineKind;

Diagnostic refuse(SourceRange where, const char* code, std::string message, std::string expected) {
  return {Severity::Error, code, std::move(where), std::move(message), std::move(expected), ""};
}

/// Of a name that the command line may have given, or else the scenario.
SourceRange place_of(const scenario::Scenario& scenario, std::string_view option,
                     std::string_view given) {
  return given.empty() ? scenario::whole_file(scenario.file) : scenario::of_option(option, given);
}

std::string profile_names() {
  std::string names;
  for (const Profile& profile : built_in_profiles()) {
    names += (names.empty() ? "" : ", ") + profile.name;
  }
  return names;
}

}  // namespace

Result<Prepared> prepare(scenario::Scenario scenario, const Settings& settings) {
  Prepared prepared;
  prepared.arch =
      scenario.machine.arch.empty() ? std::string(scenario::kDefaultArch) : scenario.machine.arch;
  prepared.path = scenario.machine.path.empty() ? std::string(scenario::default_path(prepared.arch))
                                                : scenario.machine.path;
  if (settings.seed) scenario.seed = *settings.seed;
  if (!settings.profile.empty()) scenario.profile = settings.profile;
  if (scenario.profile.empty()) scenario.profile = built_in_profiles().front().name;
  if (!settings.behaviour.empty()) scenario.behaviour = settings.behaviour;
  if (scenario.behaviour.empty()) scenario.behaviour = "spec";
  prepared.engine = settings.engine;
  const auto quirks = x86::quirks_of(scenario.behaviour);
  if (!quirks) {
    return refuse(place_of(scenario, "--behaviour", settings.behaviour), "unknown-behaviour",
                  "there is no behaviour '" + scenario.behaviour + "'",
                  "spec, kvm or qemu, and '+' with the name of a quirk; see 'list behaviours'");
  }
  prepared.quirks = *quirks;
  prepared.mutants = settings.mutants;
  for (const Profile& profile : built_in_profiles()) {
    if (profile.name == scenario.profile) prepared.profile = profile;
  }
  if (prepared.profile.name.empty()) {
    return refuse(place_of(scenario, "--profile", settings.profile), "unknown-profile",
                  "there is no profile '" + scenario.profile + "'", "one of: " + profile_names());
  }
  prepared.scenario = std::move(scenario);
  return prepared;
}

void describe(const Prepared& prepared, Outcome& outcome) {
  outcome.scenario = prepared.scenario.file;
  outcome.title = prepared.scenario.title;
  outcome.arch = prepared.arch;
  outcome.path = prepared.path;
  outcome.profile = prepared.profile.name;
  outcome.behaviour = prepared.scenario.behaviour;
  outcome.mutants = names_of(prepared.mutants);
  outcome.seed = prepared.scenario.seed;
}

Result<topology::Topology> topology_of(const Prepared& prepared) {
  switch (machine_kind(prepared.scenario, prepared.path)) {
    case MachineKind::DirectGuest:
    case MachineKind::Guest:
      return vm_topology(prepared);
    case MachineKind::Calls:
      return kvm_topology(prepared);
    case MachineKind::BareMetal:
      break;
  }
  return x86_topology(prepared);
}

Result<std::unique_ptr<Session>> Session::create(const Prepared& prepared, RecordSink* sink) {
  switch (machine_kind(prepared.scenario, prepared.path)) {
    case MachineKind::DirectGuest:
    case MachineKind::Guest:
      return create_vm(prepared, sink);
    case MachineKind::Calls:
      return create_kvm(prepared, sink);
    case MachineKind::BareMetal:
      break;
  }
  return create_x86(prepared, sink);
}

}  // namespace irqfab::run
