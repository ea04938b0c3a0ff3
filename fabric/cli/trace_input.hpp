// Opening the trace that a command is about.
#pragma once

#include <string>

#include "fabric/trace/reader.hpp"

namespace irqfab::cli {

/// As Reader::open; what is no trace at all is told what would be one.
Result<trace::Reader> open_trace(const std::string& path);

}  // namespace irqfab::cli
