// May this scenario run on that fabric and path?
#pragma once

#include <string_view>

#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// What a scenario runs on.
enum class MachineKind : std::uint8_t {
  BareMetal,
  DirectGuest,  // vCPUs that are threads of a host, and devices that were given to them
  Guest,        // vCPUs that are threads of a host, and a VMM
  Calls,        // a VM that is called: by steps, or as it was recorded
};
/// `path` is a name of paths(). On paths through KVM that run both, what the scenario has decides:
/// devices, and a load for them, or calls.
MachineKind machine_kind(const Scenario& scenario, std::string_view path);

/// Empty if it may. The names are those that the run will use; empty means the default. Errors
/// about a pair that the file itself names stand where it names it, others have line 0. They carry
/// no text of a line.
Diagnostics check_path(const Scenario& scenario, std::string_view arch, std::string_view path);

}  // namespace irqfab::scenario
