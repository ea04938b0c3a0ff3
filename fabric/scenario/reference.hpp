// The tables of docs/scenarios.md, written from the table of the language.
#pragma once

#include <string>

namespace irqfab::scenario {

/// Everything that stands between the markers `<!-- tables -->` and `<!-- end of tables -->`.
std::string write_reference();

}  // namespace irqfab::scenario
