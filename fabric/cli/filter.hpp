// Other people's programs, as filters.
#pragma once

#include <string>
#include <vector>

#include "models/base/result.hpp"

namespace irqfab::cli {

/// Runs `command`, a program to be found on PATH and its arguments, without a shell; what it prints
/// when `input` is its standard input. Its standard error is ours. Errors: it cannot be started, or
/// ends with another exit code than 0.
Result<std::string> filter(const std::vector<std::string>& command, const std::string& input);

}  // namespace irqfab::cli
