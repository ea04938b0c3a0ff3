#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/report/format.hpp"
#include "models/base/event.hpp"

namespace irqfab::cli {

int list_things(const Options& options) {
  return fail(kWrong, "nothing to list under '" + options.input + "'");
}

}  // namespace irqfab::cli
