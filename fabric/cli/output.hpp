// What commands print, and how they fail.
#pragma once

#include <string>

#include "models/base/result.hpp"

namespace irqfab::cli {

/// True, with the error, if `output` is the file `input`: writing the one would destroy the other.
bool is_input(const std::string& output, const std::string& input);
/// Prints all of it to standard output; a write error is reported on standard error.
bool print(const std::string& text);
/// Writes the file whole or not at all; `path` may be "-". kHeld, or kCannot and the reason on
/// standard error.
int write_whole(const std::string& path, const std::string& text);
/// Prints the diagnostics to standard error; kCannot if one says that the host refused, else
/// kWrong.
int fail(const Diagnostics& diagnostics);
/// `irqfab: error: message`; returns `exit`.
int fail(int exit, const std::string& message);

}  // namespace irqfab::cli
