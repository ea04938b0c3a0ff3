// A topology as text for Graphviz.
#pragma once

#include <string>

#include "fabric/topology/topology.hpp"

namespace irqfab::topology {

/// A digraph in the DOT language: components grouped by role, devices as rows inside the functions
/// of their host bridge, edges labelled by kind. The same topology always gives the same text.
std::string dot(const Topology& topology);

}  // namespace irqfab::topology
