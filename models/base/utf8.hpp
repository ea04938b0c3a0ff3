// Characters of a text in UTF-8 (RFC 3629), and what a terminal makes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace irqfab {

struct Character {
  char32_t code = 0;     // Unicode scalar value
  std::size_t size = 0;  // bytes; 0: there is no character here
};

/// The character that starts at `at`, which must be within the text.
Character character_at(std::string_view text, std::size_t at);

/// How far the bytes at `at` are from the start of their character.
std::size_t bytes_into_character(std::string_view text, std::size_t at);

enum class OnTerminal : std::uint8_t { Shown, Control, TurnsText };

/// Is it shown, or does a terminal act on it: control characters (ISO 6429, C0 and C1, tab and line
/// ends among them), and those that turn the direction of text (UAX #9, embeddings, overrides and
/// isolates)?
OnTerminal on_terminal(char32_t code);

/// Columns that a character takes on a terminal: 0 for combining marks, 2 for wide ones (UAX #11,
/// by blocks), 1 for others.
int width_of(char32_t code);

/// The same text with a '?' for each byte that is not UTF-8 and each character that is not shown,
/// tabs excepted.
std::string shown(std::string_view text);

}  // namespace irqfab
