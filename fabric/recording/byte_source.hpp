// The bytes of a file that may be compressed, in bounded memory.
//
// Models: gzip members one after the other (RFC 1952), recognised by their magic.
#pragma once

#include <cstddef>
#include <istream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace irqfab::recording {

class ByteSource {
 public:
  /// `in` must outlive the source.
  explicit ByteSource(std::istream& in);
  ~ByteSource();
  ByteSource(ByteSource&&) noexcept;
  ByteSource& operator=(ByteSource&&) = delete;

  /// The next bytes, which last until the next call; empty at the end of the input and after a
  /// failure.
  std::string_view next();
  /// The bytes that next() will give, which are at least `size` unless the input is shorter.
  std::string_view peek(std::size_t size);

  /// Once something was peeked or given.
  bool is_compressed() const { return gunzip_ != nullptr; }

  const std::string& failure() const { return failure_; }    // empty: none
  const std::string& expected() const { return expected_; }  // what would have been right

 private:
  class Gunzip;

  std::string_view fill();
  std::string_view read_input();
  std::string_view fail(std::string failure, std::string expected);

  std::istream* in_;
  std::vector<char> chunk_;  // as it was read
  std::vector<char> text_;   // as it is meant, when that differs
  std::unique_ptr<Gunzip> gunzip_;
  std::string peeked_;  // not given yet
  std::string given_;   // what was peeked, once it is given
  std::string failure_;
  std::string expected_;
  bool started_ = false;
};

}  // namespace irqfab::recording
