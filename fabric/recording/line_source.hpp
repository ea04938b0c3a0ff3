// The lines of a text file that may be compressed, one at a time, in bounded memory.
//
// Models: gzip members one after the other (RFC 1952), recognised by their magic; LF and CR LF;
// a UTF-8 byte order mark at the very start.
#pragma once

#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace irqfab::recording {

constexpr std::size_t kLongestLine = 64 * 1024;  // bytes

class LineSource {
 public:
  explicit LineSource(std::istream& in);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  /// The next line without its end; it lasts until the next call. Nothing at the end of the input
  /// and after a failure.
  std::optional<std::string_view> next();

  std::uint64_t number() const { return number_; }           // of the last line, from 1
  const std::string& failure() const { return failure_; }    // empty: none
  const std::string& expected() const { return expected_; }  // what would have been right

 private:
  class Gunzip;

  bool fill();
  bool read_input();
  bool fail(std::string failure, std::string expected);

  std::istream& in_;
  std::vector<char> chunk_;  // as it was read
  std::vector<char> text_;   // as it is meant, when that differs
  std::unique_ptr<Gunzip> gunzip_;
  std::string_view rest_;  // of chunk_ or text_
  std::string line_;
  std::uint64_t number_ = 0;
  std::string failure_;
  std::string expected_;
  bool started_ = false;
};

}  // namespace irqfab::recording
