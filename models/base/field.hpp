// Bit fields of registers and table entries, as types: no shift appears in the logic of a model.
#pragma once

#include <cstdint>

namespace irqfab {

/// Bits High..Low of a word of type Word.
template <unsigned High, unsigned Low, class Word = std::uint64_t>
struct Field {
  static_assert(High >= Low && High < sizeof(Word) * 8, "the field lies outside its word");
  static constexpr unsigned kWidth = High - Low + 1;
  static constexpr Word kMask = static_cast<Word>(
      (kWidth == sizeof(Word) * 8 ? ~Word{0} : ((Word{1} << (kWidth % (sizeof(Word) * 8))) - 1))
      << Low);

  static constexpr Word get(Word word) { return static_cast<Word>((word & kMask) >> Low); }
  static constexpr Word set(Word word, Word value) {
    return static_cast<Word>((word & ~kMask) | ((value << Low) & kMask));
  }
  static constexpr bool is_set(Word word) { return (word & kMask) != 0; }
};

template <unsigned Bit, class Word = std::uint64_t>
using Flag = Field<Bit, Bit, Word>;

}  // namespace irqfab
