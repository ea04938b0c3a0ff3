// The `during` rows of a scenario that are about the VMM: what it is told to do, and when.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric/topology/x86_plan.hpp"

namespace irqfab::topology {

enum class VmmChangeKind : std::uint8_t {
  UpdateRoute,
  ReleaseIrqfd,
  AssignIrqfd,
  MoveHostInterrupt,
};

struct VmmChange {
  Time at = 0;
  std::uint32_t source = 0;  // of a vector
  VmmChangeKind kind = VmmChangeKind::UpdateRoute;
  std::uint32_t to = 0;  // MoveHostInterrupt: the host's CPU
};

/// Ascending by time, then source, then kind. Errors: more than a million, changes of an INTx, CPUs
/// that the host does not have.
Result<std::vector<VmmChange>> vmm_changes(const scenario::Scenario& scenario, const X86Plan& plan,
                                           unsigned host_cpus);

}  // namespace irqfab::topology
