// A piece of work on input that nobody trusts, in a process of its own.
//
// Models: a fork of this process that writes what it finds into a pipe, with limits on processor
// time, memory and file size, without core dumps, without a terminal to print to, killed with its
// parent, and killed when it is silent for too long. Whatever happens in it is one of Ending.
// Not modelled: a limit on system calls. Under AddressSanitizer, whose shadow needs an address
// space of its own, memory is not limited.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>

#include "fabric/trace/descriptor.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

struct ChildLimits {
  std::uint64_t cpu_seconds = 10;
  std::uint64_t silent_seconds = 30;                     // without a byte
  std::uint64_t memory_bytes = std::uint64_t{4} << 30;   // of address space
  std::uint64_t written_bytes = std::uint64_t{1} << 30;  // of one file
};

/// Where the work sends its bytes; it ends when nobody reads them any more.
class ChildOutput {
 public:
  explicit ChildOutput(int fd) : fd_(fd) {}
  void write(const void* data, std::size_t size);

 private:
  int fd_;
};

class ConfinedChild {
 public:
  using Work = std::function<void(ChildOutput&)>;
  enum class Ending : std::uint8_t {
    Done,       // the work returned
    Crashed,    // it was killed by a signal, or ended by itself
    OutOfTime,  // of the processor
    Silent,     // for longer than it may
    Oversized,  // it wrote a file larger than it may
  };

  /// Whether ChildLimits::memory_bytes has an effect: not under AddressSanitizer.
  static bool limits_memory();
  /// `work` runs in the child; an error if the host cannot start one.
  static Result<ConfinedChild> start(const Work& work, const ChildLimits& limits);
  ConfinedChild(ConfinedChild&& other) noexcept;
  ConfinedChild& operator=(ConfinedChild&&) = delete;
  /// Kills what still runs.
  ~ConfinedChild();

  /// Up to `size` bytes; 0 when the child has ended, or was ended for its silence.
  std::size_t read(void* data, std::size_t size);
  /// After read() has returned 0.
  Ending ending();

 private:
  ConfinedChild(pid_t pid, trace::Descriptor from, const ChildLimits& limits)
      : pid_(pid), from_(std::move(from)), limits_(limits) {}
  void kill_and_wait();

  pid_t pid_;  // 0: it has been waited for
  trace::Descriptor from_;
  ChildLimits limits_;
  int status_ = 0;
  bool silent_ = false;
};

}  // namespace irqfab::recording
