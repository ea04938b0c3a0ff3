#include "models/base/utf8.hpp"

#include <algorithm>
#include <array>

namespace irqfab {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

template <std::size_t N>
bool is_within(const std::array<Range, N>& ranges, char32_t code) {
  return std::any_of(ranges.begin(), ranges.end(), [code](const Range& range) {
    return range.first <= code && code <= range.last;
  });
}

constexpr std::array<Range, 2> kControls = {{{0x00, 0x1F}, {0x7F, 0x9F}}};
constexpr std::array<Range, 2> kTurns = {{{0x202A, 0x202E}, {0x2066, 0x2069}}};
constexpr std::array<Range, 5> kCombining = {
    {{0x300, 0x36F}, {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}};
constexpr std::array<Range, 9> kWide = {{{0x1100, 0x115F},
                                         {0x2E80, 0xA4CF},
                                         {0xAC00, 0xD7A3},
                                         {0xF900, 0xFAFF},
                                         {0xFE30, 0xFE6F},
                                         {0xFF00, 0xFF60},
                                         {0xFFE0, 0xFFE6},
                                         {0x1F300, 0x1F9FF},
                                         {0x20000, 0x3FFFD}}};

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

}  // namespace

Character character_at(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xC2 || first > 0xF4) return {};
  char32_t code = first & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const unsigned next = byte_at(text, at + i);
    if ((next & 0xC0) != 0x80) return {};
    code = code << 6 | (next & 0x3F);
  }
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast[size] || surrogate || code > 0x10FFFF) return {};
  return {code, size};
}

std::size_t bytes_into_character(std::string_view text, std::size_t at) {
  std::size_t into = 0;
  while (into < 3 && into < at && (byte_at(text, at - into) & 0xC0) == 0x80) ++into;
  return into;
}

OnTerminal on_terminal(char32_t code) {
  if (is_within(kControls, code)) return OnTerminal::Control;
  return is_within(kTurns, code) ? OnTerminal::TurnsText : OnTerminal::Shown;
}

int width_of(char32_t code) {
  if (is_within(kCombining, code)) return 0;
  return is_within(kWide, code) ? 2 : 1;
}

std::string shown(std::string_view text) {
  std::string safe;
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    const bool as_it_is = character.size > 0 && (character.code == '\t' ||
                                                 on_terminal(character.code) == OnTerminal::Shown);
    const std::size_t size = std::max<std::size_t>(1, character.size);
    safe += as_it_is ? text.substr(at, size) : std::string_view("?");
    at += size;
  }
  return safe;
}

}  // namespace irqfab
