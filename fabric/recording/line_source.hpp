// The lines of a text file that may be compressed, one at a time, in bounded memory.
//
// Models: LF and CR LF; a UTF-8 byte order mark at the very start; compression as byte_source.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/recording/byte_source.hpp"

namespace irqfab::recording {

constexpr std::size_t kLongestLine = 64 * 1024;  // bytes

class LineSource {
 public:
  explicit LineSource(ByteSource bytes);

  /// The next line without its end; it lasts until the next call. Nothing at the end of the input
  /// and after a failure.
  std::optional<std::string_view> next();

  std::uint64_t number() const { return number_; }           // of the last line, from 1
  const std::string& failure() const { return failure_; }    // empty: none
  const std::string& expected() const { return expected_; }  // what would have been right

 private:
  bool fill();
  void fail(std::string failure, std::string expected);

  ByteSource bytes_;
  std::string_view rest_;  // of the bytes
  std::string line_;
  std::uint64_t number_ = 0;
  std::string failure_;
  std::string expected_;
  bool started_ = false;
};

}  // namespace irqfab::recording
