#include "models/base/random.hpp"

namespace irqfab {
namespace {

// Logarithms to base 2 in fixed point with 56 fraction bits: 64 fits with room for a sum.
constexpr unsigned kFraction = 56;
constexpr unsigned kTableBits = 8;
constexpr unsigned kTableSize = 1u << kTableBits;

/// log2 of mantissa / 2^63, for a mantissa from 2^63 to 2^64 - 1, bit by bit: squaring doubles a
/// logarithm, so its next bit says whether the square reached 2.
constexpr std::uint64_t log2_of_mantissa(std::uint64_t mantissa) {
  std::uint64_t result = 0;
  for (unsigned bit = 0; bit < kFraction; ++bit) {
    const Uint128 square = Uint128{mantissa} * mantissa;  // 126 fraction bits, below 4
    const bool reached_two = (square >> 127) != 0;
    mantissa = static_cast<std::uint64_t>(square >> (reached_two ? 64 : 63));
    result = (result << 1) | static_cast<std::uint64_t>(reached_two);
  }
  return result;
}

constexpr std::array<std::uint64_t, kTableSize + 1> make_table() {
  std::array<std::uint64_t, kTableSize + 1> table{};
  for (std::uint64_t i = 0; i < kTableSize; ++i) {
    table[i] = log2_of_mantissa((std::uint64_t{1} << 63) + (i << (63 - kTableBits)));
  }
  table[kTableSize] = std::uint64_t{1} << kFraction;
  return table;
}
constexpr std::array<std::uint64_t, kTableSize + 1> kLog2 = make_table();

/// log2 of a word other than 0: a line between neighbours of the table, so it never falls.
std::uint64_t log2_of(std::uint64_t word) {
  const unsigned zeros = static_cast<unsigned>(__builtin_clzll(word));
  const std::uint64_t below_one = (word << zeros) << 1;  // the mantissa's fraction, 64 bits
  const std::uint64_t index = below_one >> (64 - kTableBits);
  const std::uint64_t rest = below_one << kTableBits;
  const std::uint64_t step = kLog2[index + 1] - kLog2[index];
  const auto between = static_cast<std::uint64_t>((Uint128{step} * rest) >> 64);
  return (std::uint64_t{63 - zeros} << kFraction) + kLog2[index] + between;
}

constexpr std::uint64_t kLn2 = 0xB17217F7D1CF79ACu;  // ln 2 in 64 fraction bits, rounded

}  // namespace

Duration exponential_quantile(std::uint64_t uniform, Duration mean) {
  if (uniform == 0) return 0;
  const std::uint64_t log2 = (std::uint64_t{64} << kFraction) - log2_of(0 - uniform);
  const auto log = static_cast<std::uint64_t>((Uint128{log2} * kLn2) >> 64);
  const Uint128 length = (Uint128{mean} * log + (Uint128{1} << (kFraction - 1))) >> kFraction;
  const Duration longest = ~Duration{0};
  return length > longest ? longest : static_cast<Duration>(length);
}

}  // namespace irqfab
