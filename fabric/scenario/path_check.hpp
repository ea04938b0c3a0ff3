// May this scenario run on that fabric and path?
#pragma once

#include <string_view>

#include "fabric/scenario/scenario.hpp"

namespace irqfab::scenario {

/// Empty if it may. The names are those that the run will use; empty means the default. Errors
/// about a pair that the file itself names stand where it names it, others have line 0. They carry
/// no text of a line.
Diagnostics check_path(const Scenario& scenario, std::string_view arch, std::string_view path);

}  // namespace irqfab::scenario
