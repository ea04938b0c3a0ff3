// Is a text input UTF-8 that a person could have written?
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace irqfab::scenario {

struct EncodingFault {
  std::size_t offset;  // of the first byte that is wrong
  std::string message;
};

/// The first byte that is not UTF-8, or the first character that would do something to a terminal
/// instead of showing it (utf8.hpp), tab and line ends excepted. A carriage return is none without
/// its line feed.
std::optional<EncodingFault> find_encoding_fault(std::string_view text);

}  // namespace irqfab::scenario
