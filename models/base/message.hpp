// What travels between models: a closed set of small values, copied, never allocated.
//   bus     BusWrite (an MSI is one), BusRead, PostInterrupt, BusData, Marker, MarkerDone
//   wire    PinChange
//   cpu     CpuLineChange, Inta, IntaAnswer, RegisterWrite, RegisterRead, BusData, CpuHalted
//   fabric  EoiMessage
//   inside one model or from outside all of them: Raise, Elapsed, HostCall
#pragma once

#include <array>
#include <cstdint>
#include <variant>

#include "models/base/ids.hpp"
#include "models/base/time.hpp"

namespace irqfab {

using Bytes16 = std::array<std::uint8_t, 16>;

/// A posted memory write of up to 8 bytes. A message-signalled interrupt is one whose address lies
/// in the interrupt window.
struct BusWrite {
  std::uint64_t address;
  std::uint64_t data;
  SpanId span;  // kNoSpan unless the write is an interrupt
  Requester requester;
  std::uint8_t size;  // bytes: 1, 2, 4, 8
};
/// A memory read; BusData with the same tag answers it.
struct BusRead {
  std::uint64_t address;
  Tag tag;
  SpanId span;  // whose walk this is, or kNoSpan
  Requester requester;
  std::uint8_t size;  // bytes: 1, 2, 4, 8, 16
};
enum class Urgency : std::uint8_t { Normal, Urgent };
/// An atomic update of a posted-interrupt descriptor in memory, in the order of all accesses to it;
/// PostAnswer in BusData with the same tag answers it. The interrupt rests in the descriptor then.
struct PostInterrupt {
  std::uint64_t address;  // of the descriptor
  Tag tag;
  SpanId span;
  Requester requester;
  Vector vector;
  Urgency urgency;
};
enum class BusStatus : std::uint8_t { Ok, NoDecode, Error };
struct BusData {
  Bytes16 data;
  Tag tag;
  BusStatus status;
  SpanId span = kNoSpan;  // of the read
};
/// Follows older messages down an ordered edge; the receiver answers once they have landed.
struct Marker {
  Tag tag;
};
struct MarkerDone {
  Tag tag;
};

/// A level on a wire. `driver` tells the contributors of a wired OR apart.
struct PinChange {
  Pin pin;
  Level level;
  std::uint32_t driver;
  SpanId span;  // of the assertion, when it rises
};

enum class CpuLine : std::uint8_t {
  Intr,
  Nmi,
  Init,
  Sipi,
  Smi,
  Run,  // of a virtual CPU: high while it is in the guest, low while the host keeps it out
};
/// The controller tells a CPU; the level may fall again before the CPU looks.
struct CpuLineChange {
  CpuId cpu;
  CpuLine line;
  Level level;
  SpanId span;                 // for lines that are messages of their own (NMI, INIT, SIPI)
  Vector vector{};             // of a SIPI: the page that the CPU starts at
  SpanId raised_by = kNoSpan;  // INTR: the interrupt that raised it, if one arrived; it stays where
                               // it is, pending in the controller
};
/// The CPU asks which interrupt to take; the controller decides when the question arrives. Asking
/// lowers the CPU's INTR line at both ends: whatever may interrupt the answer's handler raises it
/// again.
struct Inta {
  CpuId cpu;
};
struct IntaAnswer {
  CpuId cpu;
  Vector vector;
  bool spurious;
  SpanId span;
};
/// A CPU's access to a register of its own interrupt interface (the LAPIC page, GICC, ICP): it
/// never leaves the package, so it is no bus access. EOI is one of them.
struct RegisterWrite {
  CpuId cpu;
  std::uint32_t offset;
  std::uint64_t value;
};
/// BusData with the same tag answers it.
struct RegisterRead {
  CpuId cpu;
  std::uint32_t offset;
  Tag tag;
};
/// A CPU executed HLT; for whoever runs it as a virtual one.
struct CpuHalted {
  CpuId cpu;
};
/// A controller tells another that a level interrupt has ended.
struct EoiMessage {
  Vector vector;
};

enum class RaiseKind : std::uint8_t {
  Message,  // by MSI-X or MSI, whichever is enabled
  IntxHigh,
  IntxLow,
  IntxPulse,
};
/// The world outside asks a function for an interrupt.
struct Raise {
  FunctionRow row;
  VectorIndex vector;
  RaiseKind kind;
};
/// A delay that a model asked for with Env::after has passed.
struct Elapsed {
  Tag tag;
  std::uint32_t lane;
};
/// A call into modelled software: which, and two operands whose meaning the callee defines.
struct HostCall {
  std::uint16_t call;
  TaskId task;
  std::uint64_t a;
  std::uint64_t b;
};

using Message = std::variant<BusWrite, BusRead, PostInterrupt, BusData, Marker, MarkerDone,
                             PinChange, CpuLineChange, Inta, IntaAnswer, RegisterWrite,
                             RegisterRead, CpuHalted, EoiMessage, Raise, Elapsed, HostCall>;
static_assert(sizeof(Message) <= 40, "messages are copied through every queue: keep them small");

/// The span a message carries, or kNoSpan.
SpanId span_of(const Message& message);

}  // namespace irqfab
