// May this scenario run on a guest whose vCPUs are threads of a modelled host? And has it a host
// where that means anything?
#pragma once

#include <string_view>
#include <vector>

#include "fabric/scenario/path_check.hpp"

namespace irqfab::scenario {

/// The keys of `host` that mean something where the scenario runs, beside those that every path
/// takes. `path` is a name of paths().
std::vector<std::string_view> host_keys(const Scenario& scenario, std::string_view path);

void check_guest(const Scenario& scenario, MachineKind kind, std::string_view path,
                 Diagnostics& found);

}  // namespace irqfab::scenario
