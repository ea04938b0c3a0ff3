// What the VMM of a guest is told of its machine: who raises the interrupts of each function, and
// how they are to reach the vCPUs. And what its host has no room for.
#pragma once

#include <string_view>

#include "fabric/topology/x86_plan.hpp"
#include "models/vmm/vm_plan.hpp"

namespace irqfab::topology {

/// Vectors of the host's own interrupts on each of its CPUs.
constexpr unsigned kFirstHostVector = 0x30, kLastHostVector = 0xEE;

/// Does the host's remapping unit post what assigned functions send?
bool posts(std::string_view path);

/// `path` is one of those of paths.hpp with a VMM; `plan` the guest's own.
vmm::VmPlan vm_plan_of(const scenario::Scenario& scenario, const X86Plan& plan,
                       std::string_view path, unsigned host_cpus);

/// Physical functions that the guest was given: where the unit posts, all that are not said to be
/// something else.
bool is_assigned(const scenario::Device& device, std::string_view path);
/// Are any of those behind the bridge?
bool has_assigned(const BridgePlan& bridge, std::string_view path);

/// Of a guest whose host's unit is to post: what it cannot post to.
Diagnostics refuse_posting(const scenario::Scenario& scenario, const X86Plan& plan,
                           std::string_view path);
/// Of the plan of a guest whose host has so many CPUs.
Diagnostics refuse_guest(const X86Plan& plan, std::string_view path, unsigned host_cpus);

/// The message that an assigned function holds, or the host's IOAPIC: it interrupts a CPU of the
/// host, by way of the host's remapping unit, if there is one, under entry `index` of its table.
pci::MsixEntry host_message(const vmm::HostInterrupt& interrupt, scenario::HostFabric fabric,
                            std::uint32_t index);

}  // namespace irqfab::topology
