// A set of interrupt vectors: the 256 bits of an IRR, ISR or TMR (SDM vol. 3, 11.8.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/base/ids.hpp"

namespace irqfab::x86 {

class VectorSet {
 public:
  bool has(Vector vector) const { return (word(vector) >> bit(vector)) & 1; }
  void add(Vector vector) { word(vector) |= std::uint64_t{1} << bit(vector); }
  void remove(Vector vector) { word(vector) &= ~(std::uint64_t{1} << bit(vector)); }
  std::optional<Vector> highest() const {
    for (unsigned i = kWords; i-- > 0;) {
      if (words_[i] == 0) continue;
      return Vector(i * 64 + 63 - static_cast<unsigned>(__builtin_clzll(words_[i])));
    }
    return std::nullopt;
  }
  /// Vectors 32 * `index` and up, as one of the eight registers shows them. `index` is 0..7.
  std::uint32_t register_word(unsigned index) const {
    return static_cast<std::uint32_t>(words_[index / 2] >> (index % 2 * 32));
  }

  friend bool operator==(const VectorSet& a, const VectorSet& b) { return a.words_ == b.words_; }

 private:
  static constexpr unsigned kWords = 4;
  static unsigned bit(Vector vector) { return raw(vector) % 64; }
  std::uint64_t& word(Vector vector) { return words_[raw(vector) / 64]; }
  const std::uint64_t& word(Vector vector) const { return words_[raw(vector) / 64]; }

  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace irqfab::x86
