// What the firmware and the operating system of a guest, and those of its host, have written before
// time 0.
#pragma once

#include "fabric/run/machine.hpp"
#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {

/// Of a machine of build_guest: local APICs, pins of INTx, messages, and on the host the entries of
/// assigned functions, which hold messages of the host's.
void program_guest(Machine& machine, const topology::X86Machine& x86,
                   const scenario::Scenario& scenario);

}  // namespace irqfab::run
