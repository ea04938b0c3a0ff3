// The loads that are measured, as scenarios.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace irqfab::bench {

struct Load {
  std::string_view name;
  std::string_view summary;
};
const std::vector<Load>& loads();

/// The scenario of a load that asks for about `interrupts` of them in all; empty if there is none
/// of that name.
std::string scenario_of(std::string_view load, unsigned long interrupts);

}  // namespace irqfab::bench
