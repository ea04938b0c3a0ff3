// Reads the fields of one event from left to right. The first thing that does not fit is remembered
// with its place, and everything after it is answered with zero, so that a reader of fields need
// not look at each answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace irqfab::recording {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
std::string_view trimmed(std::string_view text);
/// The value of a hexadecimal digit, or -1.
int hex_digit(char c);

class FieldScanner {
 public:
  explicit FieldScanner(std::string_view text) : text_(text) {}

  /// Blanks, then exactly this.
  void expect(std::string_view literal);
  /// As expect, if it is there.
  bool accept(std::string_view literal);
  /// Blanks, then a number of at most `max`.
  std::uint64_t decimal(std::uint64_t max);
  std::uint64_t hexadecimal(std::uint64_t max);
  /// Blanks, then a number that may be negative.
  std::int64_t signed_decimal();
  /// One of the words, as its index; the longest that fits.
  template <std::size_t N>
  std::size_t one_of(const std::array<std::string_view, N>& words) {
    return one_of(words.data(), N);
  }

  bool ok() const { return expected_.empty(); }
  std::size_t at() const { return at_; }  // of the failure, or of what comes next; from 0
  const std::string& expected() const { return expected_; }
  std::string_view rest() const { return trimmed(text_.substr(at_)); }

 private:
  void skip_blanks();
  void fail(std::string expected);
  std::uint64_t number(unsigned base, std::uint64_t max);
  std::size_t one_of(const std::string_view* words, std::size_t count);

  std::string_view text_;
  std::size_t at_ = 0;
  std::string expected_;  // empty: all fitted
};

}  // namespace irqfab::recording
