// Random numbers that any compiler and machine draws alike: integers only, no libm, no
// std::*_distribution, whose results the standard leaves open.
//
// The generator is xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
// generators"), its state filled by SplitMix64 from the seed and the id of a stream. Everything
// that draws has a stream of its own, named after what it is, so that no draw depends on who else
// draws.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <string_view>

#include "models/base/time.hpp"
#include "models/base/wide.hpp"

namespace irqfab {

/// A bijection of 64-bit words in which every input bit moves every output bit (the finaliser of
/// SplitMix64).
constexpr std::uint64_t mix(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9u;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
  return word ^ (word >> 31);
}

/// The same value for the same text, in every build and for good: FNV-1a, mixed.
constexpr std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mix(hash);
}

/// The id of part `part` of stream `stream`; the order of the two matters.
constexpr std::uint64_t combine(std::uint64_t stream, std::uint64_t part) {
  return mix(mix(stream + 0x9E3779B97F4A7C15u) ^ part);
}

/// The length below which an exponentially distributed one with this mean lies with the probability
/// uniform / 2^64: mean * -ln(1 - uniform / 2^64), to 3 parts in a million and half a picosecond.
/// Never falls as `uniform` or `mean` rises; the greatest Duration where the range ends.
Duration exponential_quantile(std::uint64_t uniform, Duration mean);

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t stream) {
    std::uint64_t state = combine(seed, stream);
    for (std::uint64_t& word : words_) word = mix(state += 0x9E3779B97F4A7C15u);
  }

  /// Uniform over all 64-bit words.
  std::uint64_t next() {
    const std::uint64_t result = rotate(words_[1] * 5, 7) * 9;
    const std::uint64_t shifted = words_[1] << 17;
    words_[2] ^= words_[0];
    words_[3] ^= words_[1];
    words_[1] ^= words_[2];
    words_[0] ^= words_[3];
    words_[2] ^= shifted;
    words_[3] = rotate(words_[3], 45);
    return result;
  }

  /// Uniform over 0 .. bound - 1, without bias; bound is at least 1.
  std::uint64_t below(std::uint64_t bound) {
    assert(bound > 0);
    // Of the 2^64 words, bound * k + j with k < 2^64 / bound give each result equally often; the
    // 2^64 % bound words left over are drawn again (Lemire, "Fast random integer generation").
    Uint128 product = Uint128{next()} * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t left_over = (0 - bound) % bound;
      while (static_cast<std::uint64_t>(product) < left_over) product = Uint128{next()} * bound;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// The gap to the next event of a Poisson process with this mean gap, ps.
  Duration exponential(Duration mean) { return exponential_quantile(next(), mean); }

  friend bool operator==(const Random& a, const Random& b) { return a.words_ == b.words_; }
  friend bool operator!=(const Random& a, const Random& b) { return !(a == b); }

 private:
  static constexpr std::uint64_t rotate(std::uint64_t word, unsigned by) {
    return (word << by) | (word >> (64 - by));
  }

  std::array<std::uint64_t, 4> words_{};
};

}  // namespace irqfab
