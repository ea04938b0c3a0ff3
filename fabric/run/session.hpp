// One run of one scenario: prepared, run, and told.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/topology.hpp"
#include "models/base/mutant.hpp"
#include "models/base/result.hpp"

namespace irqfab::run {

/// What the command line says over the scenario. Empty or absent: nothing.
struct Settings {
  std::string profile;
  std::string behaviour;  // which may name single quirks, see x86::quirks_of
  std::optional<std::uint64_t> seed;
  EngineKind engine = EngineKind::Tlm;
  Mutants mutants;
};

/// A scenario with its names resolved: what a run, a drawing and a check start from.
struct Prepared {
  scenario::Scenario scenario;
  std::string arch;
  std::string path;
  Profile profile;
  x86::Quirks quirks;
  EngineKind engine = EngineKind::Tlm;
  Mutants mutants;
};
Result<Prepared> prepare(scenario::Scenario scenario, const Settings& settings);

/// Fills in what a run is called.
void describe(const Prepared& prepared, Outcome& outcome);

/// The scenario's machine as a graph, without bringing it to life.
Result<topology::Topology> topology_of(const Prepared& prepared);

class Session {
 public:
  /// `sink` may be null; it and `prepared` must outlive the session. With EngineKind::Tlm one
  /// session a process.
  static Result<std::unique_ptr<Session>> create(const Prepared& prepared, RecordSink* sink);
  virtual ~Session() = default;

  /// Runs the scenario to its end. An error is one of the scenario that only running can show.
  virtual Result<Outcome> run() = 0;

  virtual Machine& machine() = 0;
  virtual const topology::Topology& topology() const = 0;
};

}  // namespace irqfab::run
