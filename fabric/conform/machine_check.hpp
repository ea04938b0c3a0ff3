// Do the ops of a case fit its machine, and what was observed its ops?
#pragma once

#include <optional>
#include <vector>

#include "fabric/conform/case.hpp"
#include "fabric/conform/field_check.hpp"

namespace irqfab::conform {

/// The `machine` of a case of QEMU's. Those of vocabularies that are not supported yet are refused.
std::optional<Fault> fault_of_machine(const Json& machine);
std::optional<Fault> fault_of_ops(const Case& test);
std::optional<Fault> fault_of_observed(const Case& test);

/// How many CPUs the case's machine has.
std::size_t cpus_of(const Case& test);
/// Requester ids of the functions with INTA# and MSI, ascending.
std::vector<std::uint16_t> edu_rids_of(const Json& machine);
/// The function with MSI-X, which a machine has if an op is about it.
constexpr std::uint16_t kMsixRid = 0x30;
bool has_msix_function(const Case& test);

}  // namespace irqfab::conform
