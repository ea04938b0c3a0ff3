// Finds what a misspelt name was probably meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace irqfab::scenario {

/// `, did you mean 'workload'?`, or nothing when no name is near enough.
std::string did_you_mean(std::string_view wrong, const std::vector<std::string_view>& names);

}  // namespace irqfab::scenario
