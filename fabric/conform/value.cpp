#include "fabric/conform/value.hpp"

#include <algorithm>

namespace irqfab::conform {
namespace {

std::optional<std::uint64_t> hex_digits(const std::string& digits) {
  constexpr std::size_t kMostDigits = 16;
  const std::size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  if (digits.empty() || digits.size() - first > kMostDigits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : digits) {
    const bool decimal = c >= '0' && c <= '9';
    const bool lower = c >= 'a' && c <= 'f';
    const bool upper = c >= 'A' && c <= 'F';
    if (!decimal && !lower && !upper) return std::nullopt;
    const int digit = decimal ? c - '0' : 10 + (lower ? c - 'a' : c - 'A');
    value = value << 4 | static_cast<unsigned>(digit);
  }
  return value;
}

std::optional<Number> hex_number(const std::string& text) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::size_t prefix = negative ? 1 : 0;
  if (text.compare(prefix, 2, "0x") != 0) return std::nullopt;
  const auto magnitude = hex_digits(text.substr(prefix + 2));
  if (!magnitude) return std::nullopt;
  return Number{negative && *magnitude != 0, *magnitude};
}

}  // namespace

std::optional<Number> number_in(const Json& value) {
  if (value.is_boolean()) return Number{false, value.get<bool>() ? 1u : 0u};
  if (value.is_number_unsigned()) return Number{false, value.get<std::uint64_t>()};
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    const std::uint64_t bits = static_cast<std::uint64_t>(number);
    return number < 0 ? Number{true, ~bits + 1} : Number{false, bits};
  }
  if (value.is_string()) return hex_number(value.get_ref<const std::string&>());
  return std::nullopt;
}

bool same(const Json& a, const Json& b) {
  if (a.is_array() && b.is_array()) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
  }
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a.items()) {
      if (!b.contains(key) || !same(value, b.at(key))) return false;
    }
    return true;
  }
  const auto left = number_in(a);
  const auto right = number_in(b);
  if (left && right) return *left == *right;
  return a == b;
}

std::string brief(const Json& value) {
  constexpr std::size_t kLongest = 120;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongest) {
    text.resize(kLongest);
    text += "...";
  }
  return text;
}

}  // namespace irqfab::conform
