// The list of calls that a `replay:` names: a trace of calls into the modelled host.
#pragma once

#include <string>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "models/base/result.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::run {

struct RecordedCalls {
  std::vector<TraceRecord> calls;    // by time
  std::vector<std::string> threads;  // names, by NodeId
};

/// Reads what every `replay` row of the workload names, relative to the scenario's own folder. Errors:
/// a file that cannot be read or is damaged, a record that is no call.
Result<RecordedCalls> load_calls(const scenario::Scenario& scenario);

}  // namespace irqfab::run
