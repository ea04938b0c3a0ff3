#include "fabric/recording/field_scanner.hpp"

#include <limits>

namespace irqfab::recording {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void FieldScanner::skip_blanks() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
}

void FieldScanner::fail(std::string expected) {
  if (ok()) expected_ = std::move(expected);
}

bool FieldScanner::accept(std::string_view literal) {
  if (!ok()) return false;
  skip_blanks();
  if (text_.substr(at_, literal.size()) != literal) return false;
  at_ += literal.size();
  return true;
}

void FieldScanner::expect(std::string_view literal) {
  if (!accept(literal)) fail("'" + std::string(literal) + "'");
}

std::uint64_t FieldScanner::number(unsigned base, std::uint64_t max) {
  if (!ok()) return 0;
  skip_blanks();
  std::uint64_t value = 0;
  std::size_t end = at_;
  while (end < text_.size()) {
    const int digit = hex_digit(text_[end]);
    if (digit < 0 || static_cast<unsigned>(digit) >= base) break;
    if (value > (max - static_cast<unsigned>(digit)) / base) {
      fail("a number of at most " + std::to_string(max));
      return 0;
    }
    value = value * base + static_cast<unsigned>(digit);
    ++end;
  }
  if (end == at_) {
    fail(base == 16 ? "a hexadecimal number" : "a number");
    return 0;
  }
  at_ = end;
  return value;
}

std::uint64_t FieldScanner::decimal(std::uint64_t max) { return number(10, max); }
std::uint64_t FieldScanner::hexadecimal(std::uint64_t max) { return number(16, max); }

std::int64_t FieldScanner::signed_decimal() {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool negative = accept("-");
  const auto value = static_cast<std::int64_t>(decimal(kMax));
  return negative ? -value : value;
}

std::size_t FieldScanner::one_of(const std::string_view* words, std::size_t count) {
  if (!ok()) return 0;
  skip_blanks();
  std::size_t best = count;
  for (std::size_t i = 0; i < count; ++i) {
    const bool fits = text_.substr(at_, words[i].size()) == words[i];
    if (fits && (best == count || words[i].size() > words[best].size())) best = i;
  }
  if (best == count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += (i ? ", " : "") + std::string(words[i]);
    fail("one of " + list);
    return 0;
  }
  at_ += words[best].size();
  return best;
}

}  // namespace irqfab::recording
