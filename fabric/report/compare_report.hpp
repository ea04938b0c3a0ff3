// The same scenario on several fabrics and paths, side by side.
#pragma once

#include <string>
#include <vector>

#include "fabric/run/outcome.hpp"

namespace irqfab::report {

/// A column each, in their order. Hops are aligned by role, then by event; of each the time that it
/// took an interrupt on average, over all that were handled.
std::string compare_text(const std::vector<run::Outcome>& columns);
/// The same tables as one page that needs nothing else.
std::string compare_html(const std::vector<run::Outcome>& columns);
std::string compare_json(const std::vector<run::Outcome>& columns);

}  // namespace irqfab::report
