// The `during` rows of a scenario as bus accesses of driver software: masking, and moving a source to
// another CPU the way operating systems do it.
#pragma once

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/handlers.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/cpu/driver.hpp"

namespace irqfab::topology {

/// Episodes ascending by time, at one time in canonical order. Takes further slots of the plan for new
/// targets and lets `handlers` serve them. Error: more than a million changes.
Result<cpu::Driver::Config> driver_of(const scenario::Scenario& scenario, X86Plan& plan,
                                      HandlerTable& handlers);

/// The entry of the remapping table that sends `requester`'s interrupt to `slot`.
struct IrteWords {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
enum class EntryTrigger : std::uint8_t { Edge, Level };
IrteWords irte_for(Slot slot, RequesterId requester, EntryTrigger trigger);

}  // namespace irqfab::topology
