// What a run that came to its end left behind: where the interrupts in flight are, and which tasks
// of a modelled host wait for each other.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fabric/run/machine.hpp"
#include "fabric/run/outcome.hpp"
#include "models/host/host_machine.hpp"

namespace irqfab::run {

/// The component that is a modelled host.
struct HostView {
  std::size_t component = 0;
  const host::HostMachine& machine;
  /// Empty for a task that its software does not know: then it is the host's own.
  std::function<std::string(TaskId)> name_of;
  /// What it consists of besides tasks, and the interrupts there.
  std::vector<std::pair<std::string, std::vector<SpanId>>> parts;
};

/// Fills in Outcome::rests and Outcome::deadlock. `host` is null for a machine without one.
void describe_standstill(Machine& machine, const topology::Topology& topology, const HostView* host,
                         Outcome& outcome);

}  // namespace irqfab::run
