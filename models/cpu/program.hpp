// What CPUs execute: the steps of handlers, and single instructions as far as interrupts are about
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/base/ids.hpp"
#include "models/base/time.hpp"

namespace irqfab::cpu {

enum class StepKind : std::uint8_t {
  Busy,        // the handler computes for `length`
  ReadDevice,  // it reads the device's register and waits for the answer, then computes for
               // `length`
  MaskSource,  // it sets the source's mask bit in the MSI-X table (posted)
  UnmaskSource,
  EnableInterrupts,   // from here on the handler can be preempted
  DisableInterrupts,  // from here on it cannot
  Acknowledge,        // it writes EOI here, and not at its end
};

struct HandlerStep {
  StepKind kind = StepKind::Busy;
  Duration length = 0;
};

/// A device that a vector serves. A shared vector's handler visits each.
struct ServedSource {
  std::uint64_t device_register = 0;  // address that acknowledges the device; 0: none
  std::uint64_t vector_control = 0;   // address of its MSI-X Vector Control; 0: none
  std::uint32_t program = 0;          // index into the programs
};

/// What a vector serves: sources `first` to `first + count` - 1.
struct Served {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

enum class Instruction : std::uint8_t { None, Nop, Sti, Cli, Hlt, MovSs };

/// A few instructions that follow each other, in one word.
class Code {
 public:
  static constexpr std::size_t kMost = 16;
  constexpr Code() = default;
  constexpr explicit Code(std::uint64_t word) : word_(word) {}

  /// The `index`-th of them, below kMost, is `instruction`.
  constexpr Code with(std::size_t index, Instruction instruction) const {
    return Code(word_ | static_cast<std::uint64_t>(instruction) << (4 * index));
  }
  constexpr bool empty() const { return word_ == 0; }
  constexpr std::uint64_t word() const { return word_; }
  /// The first of them, which is no longer among them.
  Instruction take() {
    const auto first = static_cast<Instruction>(word_ & 0xF);
    word_ >>= 4;
    return first;
  }
  friend constexpr bool operator==(Code a, Code b) { return a.word_ == b.word_; }

 private:
  std::uint64_t word_ = 0;
};

/// An access of a handler to the bus.
struct EndWrite {
  std::uint64_t address = 0;
  std::uint8_t data = 0;
};
/// How the handler of a vector that another controller than the CPU's own names tells that
/// controller of its end: byte by byte, instead of the usual EOI.
struct EndOverBus {
  Vector vector{};
  std::vector<EndWrite> writes;
  std::vector<EndWrite> writes_if_spurious;  // it ran for nothing
};

}  // namespace irqfab::cpu
