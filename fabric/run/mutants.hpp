// Which machines a mutant can change: the part that it is a defect of, and whether a machine has
// that. `irqfab list mutants` and the notes of a run use this one table.
//
// Not said: whether a scenario brings the machine where the defect shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fabric/run/session.hpp"
#include "fabric/topology/topology.hpp"
#include "models/base/mutant.hpp"
#include "models/base/result.hpp"

namespace irqfab::run {

/// What the mutant is a defect of, as a part of machines: "irqfds", "a VT-d unit".
std::string_view part_of(Mutant mutant);

/// The names of those that are switched on, in the order of the list.
std::vector<std::string> names_of(Mutants mutants);

/// A note for each mutant that is switched on and whose part the machine does not have. `topology`
/// is that of `prepared`.
Diagnostics notes_on_mutants(const Prepared& prepared, const topology::Topology& topology);

}  // namespace irqfab::run
