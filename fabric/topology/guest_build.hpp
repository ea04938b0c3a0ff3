// The machine of a guest whose host has a VMM: vCPUs that are threads of a modelled host, KVM's
// routing layer, the VMM, and the functions, each where its interrupts begin: those that the VMM
// models stand right beside it, those that the guest was given behind host bridges of the host.
#pragma once

#include <string_view>

#include "fabric/topology/x86_build.hpp"

namespace irqfab::topology {

/// `scenario` must have been read without errors and must outlive the result. CPUs of the plan are
/// vCPUs. Errors: those of build_x86 and of refuse_guest.
Result<X86Machine> build_guest(const scenario::Scenario& scenario, std::string_view path,
                               Mutants mutants, x86::Quirks quirks);

}  // namespace irqfab::topology
