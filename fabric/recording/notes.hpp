// What a person should know about an import: what the recording does not show, and what was
// therefore assumed or left out.
#pragma once

#include <string>

#include "fabric/recording/replay.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

/// Notes only, none an error; `file` is the recording's name.
Diagnostics notes_on(const Recording& recording, const std::string& file);

}  // namespace irqfab::recording
