// A file that is written whole or not at all: it grows under a temporary name in the directory of
// its target and takes the target's name once it is complete. What cannot be replaced, standard
// output, a device or a pipe, is written as it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "fabric/trace/descriptor.hpp"
#include "models/base/result.hpp"

namespace irqfab::trace {

class OutputFile {
 public:
  /// `path` may be "-", standard output. A symbolic link is followed.
  static Result<OutputFile> create(const std::string& path);
  OutputFile(OutputFile&&) = default;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Removes what was written, unless it was committed.
  ~OutputFile();

  /// Appends; the bytes written so far. After a failure the file is of no use any more.
  Result<std::uint64_t> write(const void* data, std::size_t size);
  /// Makes the file appear under its name; the bytes written. Nothing may be written afterwards.
  Result<std::uint64_t> commit();

 private:
  OutputFile(std::string shown, Descriptor file)
      : shown_(std::move(shown)), file_(std::move(file)) {}

  std::string shown_;      // the path as the user gave it
  Descriptor file_;        // open until committed
  std::string target_;     // what is replaced
  std::string temporary_;  // empty if written in place
  std::uint64_t written_ = 0;
};

}  // namespace irqfab::trace
