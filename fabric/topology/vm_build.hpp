// The machine of a guest whose devices are the host's own, given to it: the x86 machine with
// remapping, whose unit posts to vCPUs, and vCPUs that are threads of a modelled host.
#pragma once

#include "fabric/topology/x86_build.hpp"

namespace irqfab::topology {

/// `scenario` must have been read without errors and must outlive the result. CPUs of the plan are
/// vCPUs. Errors: those of build_x86, INTx that would have to be delivered, devices that are not
/// assigned.
Result<X86Machine> build_vm(const scenario::Scenario& scenario, Mutants mutants,
                            x86::Quirks quirks);

/// CPUs of the host that its vCPUs share.
unsigned host_cpus_of(const scenario::Machine& machine);

}  // namespace irqfab::topology
