// Where a diagnostic stands that is about the command line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "models/base/result.hpp"

namespace irqfab::scenario {

/// An option and what it was given, or how that begins, in the place of a file:
/// "--source 'nvme0:9'".
inline SourceRange of_option(std::string_view name, std::string_view value) {
  constexpr std::size_t kLongest = 100;
  SourceRange range;
  range.file = std::string(name) + " '" + std::string(value.substr(0, kLongest)) +
               (value.size() > kLongest ? "...'" : "'");
  return range;
}

}  // namespace irqfab::scenario
