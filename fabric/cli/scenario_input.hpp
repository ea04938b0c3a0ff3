// From the options of a command to a scenario that is ready to run.
#pragma once

#include "fabric/cli/commands.hpp"
#include "fabric/run/session.hpp"

namespace irqfab::cli {

/// Reads the scenario and resolves its names; the command line wins over the file.
Result<run::Prepared> prepared_from(const Options& options);

}  // namespace irqfab::cli
