// What `irqfab analyze` prints: the tables of `irqfab run`, and the interrupts that took longest.
#pragma once

#include <string>

#include "fabric/analysis/findings.hpp"

namespace irqfab::report {

std::string analysis_text(const analysis::Findings& findings, analysis::By by);
std::string analysis_json(const analysis::Findings& findings, analysis::By by);

}  // namespace irqfab::report
