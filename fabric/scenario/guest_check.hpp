// May this scenario run on a guest whose vCPUs are threads of a modelled host? And has it a host
// where that means anything?
#pragma once

#include <string_view>

#include "fabric/scenario/path_check.hpp"

namespace irqfab::scenario {

void check_guest(const Scenario& scenario, MachineKind kind, std::string_view path,
                 Diagnostics& found);

}  // namespace irqfab::scenario
