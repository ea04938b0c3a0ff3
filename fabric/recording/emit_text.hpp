// The text of a scenario that replays a recording.
#pragma once

#include <string>

#include "fabric/recording/emit.hpp"

namespace irqfab::recording {

std::string scenario_text(const Recording& recording, const EmitOptions& options);
/// How the records and people call a thread; printable ASCII.
std::string node_name(const Thread& thread);
/// The eventfd that a record of this act names.
std::uint64_t eventfd_of(const IrqfdSignalled& act);

}  // namespace irqfab::recording
