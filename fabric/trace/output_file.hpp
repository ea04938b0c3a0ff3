// A file that is written whole or not at all: it grows without a name in the directory of its
// target (O_TMPFILE, open(2)) and takes the target's name once it is complete. What cannot be
// replaced, standard output, a device or a pipe, is written as it comes.
//
// The bytes are on the disk before the name is changed: otherwise a machine that loses its power
// may come up with the name and without the bytes, and of what we write only traces can tell. The
// change of the name itself may be lost, which leaves what was there before.
//
// A file without a name goes with its process, whatever ends that. To replace its target it needs a
// temporary name for the moment between complete() and publish(). On file systems that have no such
// files (NFS is one) it has that name from the start, and a process that is killed leaves it
// behind; no name of ours, and no pattern of a shell, begins with its dot.
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
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Removes what was written, unless it was published.
  ~OutputFile();

  /// Appends; the bytes written so far. After a failure the file is of no use any more.
  Result<std::uint64_t> write(const void* data, std::size_t size);
  /// Both of the next two; the bytes written. Nothing may be written afterwards.
  Result<std::uint64_t> commit();
  /// All bytes are on the disk, under the temporary name; the bytes written.
  Result<std::uint64_t> complete();
  /// Makes the file appear under its name.
  Result<std::uint64_t> publish();
  /// Removes what has the target's name so far. For files that belong together: while the new ones
  /// take their names, nothing old stands beside something new.
  Result<std::uint64_t> withdraw_old();

 private:
  OutputFile(std::string shown, Descriptor file)
      : shown_(std::move(shown)), file_(std::move(file)) {}

  std::string shown_;      // the path as the user gave it
  Descriptor file_;        // open until complete
  std::string target_;     // what is replaced; empty if written in place
  std::string temporary_;  // empty as long as there is none, and once published
  std::uint64_t written_ = 0;
};

}  // namespace irqfab::trace
