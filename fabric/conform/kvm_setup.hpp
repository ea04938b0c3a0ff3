// The VM of a kvm_x86 case: its topology, and how the case's operands and answers translate into
// those of the modelled ioctls.
#pragma once

#include <string>
#include <vector>

#include "fabric/conform/case.hpp"
#include "fabric/topology/kvm_build.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::conform {

// Components of the topology.
constexpr std::size_t kVcpus = 0;  // components of the topology
constexpr std::size_t kKvm = 1;

topology::Topology topology_of(const Case& test, x86::Quirks quirks);

/// Names of eventfds, in the order in which ops make them: the order of KvmHost's configuration.
std::vector<std::string> eventfds_of(const Case& test);
/// Does KVM_CAP_X2APIC_API know the flags of this create_vm?
bool accepts_x2apic_api(const Op& create);
kvm::Route route_of(const Json& json);

/// A number, or the name of the error.
Json ret_of(kvm::Answer answer);

/// What an op's 32-bit operand is, once the reader has bounded it.
constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace irqfab::conform
