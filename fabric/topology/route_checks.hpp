// Vectors of a guest's devices that no route is left for.
//
// A VMM gives vectors GSIs and entries of KVM's routing table as long as there are any. What it
// cannot serve so it serves by its own handler, with a call for every message, which takes longer
// and is no error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fabric/topology/topology.hpp"
#include "models/vmm/vmm.hpp"

namespace irqfab::topology {

struct Fallback {
  std::string device;
  std::uint64_t vectors = 0;  // that fell back
  std::uint64_t of = 0;       // all of the device, and of its functions
};
/// As the VMM has it now; devices without any are left out.
std::vector<Fallback> fallbacks(const Topology& topology, const vmm::Vmm& vmm);

/// What has run out, as a clause: "the routing table has 32 entries, ...".
std::string why_no_route(const vmm::RouteTable& table);

}  // namespace irqfab::topology
