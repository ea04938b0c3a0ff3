// A set of interrupt vectors: the 256 bits of an IRR, ISR or TMR (SDM vol. 3, 11.8.4), by priority
// class: bits 7:4 of a vector are its class, and classes are what is compared most.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/base/ids.hpp"

namespace irqfab::x86 {

class VectorSet {
 public:
  bool has(Vector vector) const { return (of_class_[class_of(vector)] >> member(vector)) & 1; }
  void add(Vector vector) {
    of_class_[class_of(vector)] |= static_cast<std::uint16_t>(1u << member(vector));
    classes_ |= 1u << class_of(vector);
  }
  void remove(Vector vector) {
    std::uint16_t& members = of_class_[class_of(vector)];
    members &= static_cast<std::uint16_t>(~(1u << member(vector)));
    if (members == 0) classes_ &= ~(1u << class_of(vector));
  }
  bool empty() const { return classes_ == 0; }
  std::optional<Vector> highest() const {
    if (empty()) return std::nullopt;
    return Vector(highest_class() | highest_bit(of_class_[highest_class() >> 4]));
  }
  /// Bits 7:4 of the highest vector, in place; 0 for an empty set.
  std::uint8_t highest_class() const {
    return empty() ? 0 : static_cast<std::uint8_t>(highest_bit(classes_) << 4);
  }
  /// Vectors 32 * `index` and up, as one of the eight registers shows them. `index` is 0..7.
  std::uint32_t register_word(unsigned index) const {
    return of_class_[2 * index] | std::uint32_t{of_class_[2 * index + 1]} << 16;
  }

  friend bool operator==(const VectorSet& a, const VectorSet& b) {
    return a.of_class_ == b.of_class_;
  }

 private:
  static unsigned class_of(Vector vector) { return raw(vector) >> 4; }
  static unsigned member(Vector vector) { return raw(vector) & 0xF; }
  static unsigned highest_bit(std::uint32_t bits) {
    return 31 - static_cast<unsigned>(__builtin_clz(bits));
  }

  std::array<std::uint16_t, 16> of_class_{};
  std::uint32_t classes_ = 0;  // bit c: of_class_[c] is not 0
};

}  // namespace irqfab::x86
