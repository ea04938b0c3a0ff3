// Where a member of a JSON object or an element of a list begins in the text, for messages.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace irqfab::conform {

/// `json` must be valid. Offset of the key of member `key` in the object that begins at `object`.
std::optional<std::size_t> find_member(std::string_view json, std::size_t object,
                                       std::string_view key);
/// Offset of the value that belongs to the key at `key`.
std::size_t value_of_member(std::string_view json, std::size_t key);
/// Offset of element `index` of the list that begins at `list`.
std::optional<std::size_t> find_element(std::string_view json, std::size_t list, std::size_t index);

}  // namespace irqfab::conform
