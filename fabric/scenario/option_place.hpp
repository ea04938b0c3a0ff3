// Where a diagnostic stands that is about the command line.
#pragma once

#include <string>
#include <string_view>

#include "models/base/result.hpp"

namespace irqfab::scenario {

/// An option and what it was given: "--source 'nvme0:9'" in the place of a file.
inline SourceRange of_option(std::string_view name, std::string_view value) {
  SourceRange range;
  range.file = std::string(name) + " '" + std::string(value) + "'";
  return range;
}

}  // namespace irqfab::scenario
