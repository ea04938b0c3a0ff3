// Values of conformance cases: numbers as JSON numbers, booleans or hex strings, and what equals
// what.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace irqfab::conform {

using Json = nlohmann::json;

/// -2^64 < number < 2^64.
struct Number {
  bool negative = false;
  std::uint64_t magnitude = 0;
  friend bool operator==(const Number& a, const Number& b) {
    return a.negative == b.negative && a.magnitude == b.magnitude;
  }
};

/// A JSON integer or boolean, "0x1f" or "-0x3"; nothing for anything else.
std::optional<Number> number_in(const Json& value);

/// Numerically where both are numbers, in depth in lists and objects, otherwise as they stand.
bool same(const Json& a, const Json& b);

/// On one line, shortened if it is long: for messages.
std::string brief(const Json& value);

}  // namespace irqfab::conform
