// The state of one CPU as far as interrupts are about it: its flags, what is latched at it, and a
// stack of what it was interrupted in.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <tuple>

#include "models/base/message.hpp"
#include "models/cpu/program.hpp"

namespace irqfab::cpu {

/// IF (SDM vol. 3, 6.8.1).
enum class Interrupts : std::uint8_t { Disabled, Enabled };

/// The instruction before this boundary, which keeps interrupts out for one more (SDM vol. 2, STI
/// and MOV; vol. 3, 6.8.3).
enum class Shadow : std::uint8_t { None, Sti, MovSs };

enum class FrameKind : std::uint8_t {
  Interrupt,     // a handler, ended by EOI and IRET
  Nmi,           // a handler, ended by IRET
  Stretch,       // not a handler: the CPU's own work with interrupts disabled
  Notification,  // a handler that has those of posted vectors called, ended by EOI and IRET
  Posted,        // a handler that a Notification called, ended by its return
};

/// What the handler of the notification vector does next.
enum class Demultiplexing : std::uint8_t {
  Look,   // it takes what is set in the PIR
  Call,   // it calls the handler of the next vector taken
  Clear,  // it clears ON
  Done,
};

/// Something under way, until the CPU returns from it.
struct Frame {
  FrameKind kind = FrameKind::Interrupt;
  Vector vector{};
  Interrupts outer = Interrupts::Enabled;  // IF of what it interrupted
  bool acknowledged = false;
  bool in_step = false;  // the step has begun, and `left` of it was left when the CPU last
                         // began it or left it
  bool preempted = false;
  SpanId span = kNoSpan;      // kNoSpan once it is acknowledged
  Served served;              // what the vector serves
  std::uint32_t source = 0;   // which of that is being served
  std::uint32_t program = 0;  // by which program
  std::uint32_t step = 0;     // and at which of its steps
  Duration left = 0;
  Demultiplexing next = Demultiplexing::Look;  // Notification
  std::uint32_t looks = 0;                     // Notification: at the PIR so far
  bool cleared = false;                        // Notification: ON; one look is left
  friend bool operator==(const Frame& a, const Frame& b) {
    const auto all = [](const Frame& f) {
      return std::tie(f.kind, f.vector, f.outer, f.acknowledged, f.in_step, f.preempted, f.span,
                      f.served.first, f.served.count, f.source, f.program, f.step, f.left, f.next,
                      f.looks, f.cleared);
    };
    return all(a) == all(b);
  }
};

/// One frame for each of the 15 priority classes that vectors have, and one for an ExtINT, which
/// has none. Software that acknowledges early could nest without end; its stack is this deep.
constexpr std::uint32_t kMostInterruptFrames = 16;
/// A posted handler and NMIs find room always.
constexpr std::uint32_t kMostFrames = kMostInterruptFrames + 3;

struct CpuState {
  enum class Doing : std::uint8_t {
    Runs,
    Asks,              // INTA is under way
    Answered,          // INTA was answered while the CPU was outside of the guest
    AwaitsData,        // a read is under way, and no instruction ends before its answer
    AwaitsDescriptor,  // the same of an access to its posted-interrupt descriptor
    Wakes,
    Halted,
    WaitsForSipi,
  };

  Doing doing = Doing::Runs;
  Interrupts interrupts = Interrupts::Enabled;
  Shadow shadow = Shadow::None;
  bool intr = false;         // the controller's line
  bool nmi_blocked = false;  // from an NMI's delivery to the next IRET (SDM vol. 3, 6.7.1)
  bool stopping = false;     // it takes nothing more; what is under way ends first
  bool will_look = false;    // a delay until `boundary` is under way
  bool stretch_due = false;  // a stretch with interrupts disabled is to begin
  bool accepting = false;    // a call made it ask: no handler follows
  bool outside = false;      // of the guest, which the host keeps it out of: it executes nothing
  IntaAnswer answer{};       // Answered: what
  SpanId nmi = kNoSpan;      // latched, one deep (SDM vol. 3, 6.7.1)
  SpanId smi = kNoSpan;      // latched while it waits for a SIPI
  Code code;                 // what it executes outside of handlers
  Time boundary = 0;         // when what cannot be interrupted is over
  Time due = 0;              // when the step under way ends
  Time stretches_end = 0;
  std::uint32_t generation = 0;  // of its delay and its read: those of an earlier one mean nothing
  std::uint64_t handled = 0;
  std::optional<Vector> accepted;  // what the last call of Accept took
  std::uint32_t depth = 0;
  std::array<Frame, kMostFrames> frames{};  // the first `depth` of them

  Frame& top() { return frames[depth - 1]; }
  const Frame& top() const { return frames[depth - 1]; }
  friend bool operator==(const CpuState& a, const CpuState& b) {
    const auto all = [](const CpuState& c) {
      return std::tie(c.doing, c.interrupts, c.shadow, c.intr, c.nmi_blocked, c.stopping,
                      c.will_look, c.stretch_due, c.accepting, c.outside, c.answer.vector,
                      c.answer.spurious, c.answer.span, c.nmi, c.smi, c.code, c.boundary, c.due,
                      c.stretches_end, c.generation, c.handled, c.accepted, c.depth);
    };
    if (all(a) != all(b)) return false;
    for (std::uint32_t i = 0; i < a.depth; ++i) {
      if (!(a.frames[i] == b.frames[i])) return false;
    }
    return true;
  }
};

}  // namespace irqfab::cpu
