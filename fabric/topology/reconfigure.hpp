// The `during` rows of a scenario as bus accesses of driver software: masking, and moving a source
// to another CPU the way operating systems do it.
#pragma once

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/handlers.hpp"
#include "fabric/topology/x86_plan.hpp"
#include "models/base/mutant.hpp"
#include "models/cpu/driver.hpp"
#include "models/x86/irte.hpp"

namespace irqfab::topology {

/// Episodes ascending by time, at one time in canonical order. Takes further slots of the plan for
/// new targets and lets `handlers` serve them. Error: more than a million changes.
Result<cpu::Driver::Config> driver_of(const scenario::Scenario& scenario, X86Plan& plan,
                                      HandlerTable& handlers, Mutants mutants);

/// The entry of the remapping table that sends `requester`'s interrupt to `slot`: what comes over
/// wires to the local APIC of its CPU, since a posted request has no trigger mode; messages to the
/// CPU's descriptor, if the plan posts them.
x86::Irte irte_for(const X86Plan& plan, Slot slot, RequesterId requester, x86::TriggerMode trigger);

}  // namespace irqfab::topology
