// Reading the arguments of a step. The reader has checked them: what is required is there, and of the
// right kind.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fabric/scenario/scenario.hpp"

namespace irqfab::run {

inline std::optional<std::uint64_t> optional_number(const scenario::ValueMap& args,
                                                    std::string_view name) {
  for (const auto& [key, value] : args) {
    if (key != name) continue;
    if (const auto* number = std::get_if<std::uint64_t>(&value.held)) return *number;
    if (const auto* flag = std::get_if<bool>(&value.held)) return *flag ? 1 : 0;
    if (const auto* negative = std::get_if<std::int64_t>(&value.held)) {
      return static_cast<std::uint64_t>(*negative);
    }
  }
  return std::nullopt;
}
inline std::uint64_t number(const scenario::ValueMap& args, std::string_view name) {
  return optional_number(args, name).value_or(0);
}
inline bool has(const scenario::ValueMap& args, std::string_view name) {
  for (const auto& item : args) {
    if (item.first == name) return true;
  }
  return false;
}
inline std::string text(const scenario::ValueMap& args, std::string_view name) {
  for (const auto& [key, value] : args) {
    const auto* held = std::get_if<std::string>(&value.held);
    if (key == name && held != nullptr) return *held;
  }
  return {};
}
inline const scenario::ValueMap* map(const scenario::ValueMap& args, std::string_view name) {
  for (const auto& [key, value] : args) {
    if (key == name) return std::get_if<scenario::ValueMap>(&value.held);
  }
  return nullptr;
}
inline const scenario::ValueList* list(const scenario::ValueMap& args, std::string_view name) {
  for (const auto& [key, value] : args) {
    if (key == name) return std::get_if<scenario::ValueList>(&value.held);
  }
  return nullptr;
}

}  // namespace irqfab::run
