// What an operating system has written into an AMD-Vi unit and its tables before time 0.
#pragma once

#include "fabric/run/machine.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

/// Device table, tables of interrupts, command buffer and event log; then the unit is enabled. Its
/// own interrupts stay off.
void program_amdvi(Machine& machine, const topology::X86Machine& x86, Env& env);

}  // namespace irqfab::run
