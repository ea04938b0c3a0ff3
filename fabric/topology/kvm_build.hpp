// A VM on a modelled host as a topology: the KVM component and the vCPUs behind it.
#pragma once

#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "fabric/topology/pic_ends.hpp"
#include "fabric/topology/topology.hpp"

namespace irqfab::topology {

/// What the calls of a scenario need to exist.
struct KvmNeeds {
  unsigned threads = 1;
  std::vector<kvm::Irqfd> irqfds;
  std::vector<Gsi> lines;               // ascending
  std::vector<PicVectors> pic_vectors;  // that the guest gives its 8259s
};

/// Lanes of a component that is a machine with vCPUs: its CPUs, whoever acts from outside, and the
/// exits of each vCPU.
Names host_lanes(unsigned host_cpus, std::size_t vcpus);

/// Such a machine: whatever vCPUs and irqchip the two say.
Topology join_kvm(cpu::Cpus::Config vcpus, kvm::KvmHost::Config host);

/// Error: more vCPUs than xAPIC ids.
Result<Topology> build_kvm(const scenario::Scenario& scenario, const KvmNeeds& needs,
                           Mutants mutants, x86::Quirks quirks = {});

}  // namespace irqfab::topology
