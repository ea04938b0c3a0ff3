#include "fabric/scenario/encoding.hpp"

#include <utility>

#include "models/base/utf8.hpp"

namespace irqfab::scenario {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

std::string fault_at(std::string_view text, std::size_t at, char32_t code) {
  if (code == 0) return "a NUL byte stands here";
  if (code == '\r') {
    const bool ends_line = at + 1 < text.size() && text[at + 1] == '\n';
    return ends_line ? "" : "a carriage return without a line feed stands here";
  }
  if (code == '\t' || code == '\n') return "";
  switch (on_terminal(code)) {
    case OnTerminal::Control:
      return "a control character stands here";
    case OnTerminal::TurnsText:
      return "a character that turns the direction of text stands here";
    case OnTerminal::Shown:
      break;
  }
  return "";
}

}  // namespace

std::optional<EncodingFault> find_encoding_fault(std::string_view text) {
  using namespace std::string_view_literals;
  const bool utf16_or_32 = starts_with(text, "\xFF\xFE"sv) || starts_with(text, "\xFE\xFF"sv) ||
                           starts_with(text, "\0\0\xFE\xFF"sv) ||
                           (text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0'));
  if (utf16_or_32) return EncodingFault{0, "the file is encoded in UTF-16 or UTF-32"};
  for (std::size_t at = 0; at < text.size();) {
    const Character character = character_at(text, at);
    if (character.size == 0) return EncodingFault{at, "this byte is not UTF-8"};
    if (std::string fault = fault_at(text, at, character.code); !fault.empty()) {
      return EncodingFault{at, std::move(fault)};
    }
    at += character.size;
  }
  return std::nullopt;
}

}  // namespace irqfab::scenario
