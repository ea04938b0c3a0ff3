#include "fabric/conform/locate.hpp"

namespace irqfab::conform {
namespace {

std::size_t skip_space(std::string_view json, std::size_t at) {
  while (at < json.size() && (json[at] == ' ' || json[at] == '\t' || json[at] == '\r')) ++at;
  return at;
}

std::size_t skip_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

std::size_t skip_value(std::string_view json, std::size_t at) {
  std::size_t depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (c == '"') {
      at = skip_string(json, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') {
      if (depth == 0) return at;
      --depth;
      if (depth == 0) return at + 1;
    }
    if (c == ',' && depth == 0) return at;
    ++at;
  }
  return at;
}

}  // namespace

std::size_t value_of_member(std::string_view json, std::size_t key) {
  const std::size_t colon = skip_space(json, skip_string(json, key));
  return skip_space(json, colon + 1);
}

std::optional<std::size_t> find_member(std::string_view json, std::size_t object,
                                       std::string_view key) {
  std::size_t at = skip_space(json, object + 1);
  while (at < json.size() && json[at] == '"') {
    if (json.substr(at + 1, skip_string(json, at) - at - 2) == key) return at;
    at = skip_space(json, skip_value(json, value_of_member(json, at)));
    if (at >= json.size() || json[at] != ',') return std::nullopt;
    at = skip_space(json, at + 1);
  }
  return std::nullopt;
}

std::optional<std::size_t> find_element(std::string_view json, std::size_t list,
                                        std::size_t index) {
  std::size_t at = skip_space(json, list + 1);
  for (; index > 0 && at < json.size(); --index) {
    at = skip_space(json, skip_value(json, at));
    if (at >= json.size() || json[at] != ',') return std::nullopt;
    at = skip_space(json, at + 1);
  }
  return at < json.size() ? std::optional<std::size_t>(at) : std::nullopt;
}

}  // namespace irqfab::conform
