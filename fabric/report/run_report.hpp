// What `irqfab run` prints: tables for people, one JSON document for scripts.
#pragma once

#include <string>

#include "fabric/run/outcome.hpp"

namespace irqfab::report {

std::string run_text(const run::Outcome& outcome);
std::string run_json(const run::Outcome& outcome);

}  // namespace irqfab::report
