// Why a machine stands still: what each task waits for, and whom.
#pragma once

#include <string>
#include <vector>

#include "models/host/task.hpp"

namespace irqfab::host {

struct Waiting {
  TaskId task = kNoTask;
  SpanId span = kNoSpan;  // whose interrupt it works on
  WaitKind kind = WaitKind::None;
  std::string what;        // the name of the lock, of the readers' domain, or of the work
  std::vector<TaskId> on;  // who has to act before it can go on; of kworkers that are all busy, any
};

}  // namespace irqfab::host
