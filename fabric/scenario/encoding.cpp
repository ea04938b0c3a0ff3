#include "fabric/scenario/encoding.hpp"

namespace irqfab::scenario {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

unsigned byte_at(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// Bytes of the UTF-8 character at `at`, 0 if there is none (RFC 3629, section 4).
std::size_t character_length(std::string_view text, std::size_t at) {
  const unsigned first = byte_at(text, at);
  const unsigned second = byte_at(text, at + 1);
  const auto continues = [&](std::size_t i) { return (byte_at(text, at + i) & 0xC0) == 0x80; };
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool beyond = first == 0xF4 && second > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

bool is_control(unsigned c) {
  return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
}

}  // namespace

std::optional<EncodingFault> find_encoding_fault(std::string_view text) {
  using namespace std::string_view_literals;
  const bool utf16_or_32 = starts_with(text, "\xFF\xFE"sv) || starts_with(text, "\xFE\xFF"sv) ||
                           starts_with(text, "\0\0\xFE\xFF"sv) ||
                           (text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0'));
  if (utf16_or_32) return EncodingFault{0, "the file is encoded in UTF-16 or UTF-32"};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_length(text, at);
    if (length == 0) return EncodingFault{at, "this byte is not UTF-8"};
    if (text[at] == '\0') return EncodingFault{at, "a NUL byte stands here"};
    if (is_control(byte_at(text, at))) return EncodingFault{at, "a control character stands here"};
    at += length;
  }
  return std::nullopt;
}

}  // namespace irqfab::scenario
