// The two 8259As of a PC: sixteen pins to one INT line, and the vector that INTA asks for.
//
// Models: Intel 8259A data sheet (231468), "Cascade Mode" and "Interrupt Sequence"; what one chip
// does is in pic_chip.hpp. Ports and ELCR: PIIX (290550) and ICH data sheets. Pin n is input n of
// the master, pin 8 + n input n of the slave, whose INT is wired to the master's input 2; pin 2 may
// be driven besides. Not modelled: accesses of more than a byte, which do nothing; a third chip.
//
// What nobody drives reads 0xFF: a vector that the master leaves to a slave that has another
// address.
//
// Where a span is. An input that asserts brings one. It rests at the IRR bit, then at the ISR bit
// until the EOI, or ends at the INTA with automatic EOI. Masked or not, an edge rests at its IRR
// bit until the line falls: then it is cancelled, and an INTA that comes all the same finds
// nothing. The slave's request has no span of its own at the master. Further drivers that assert a
// line that is high already:
//   level   merge into the assertion that waits. If none waits, theirs begins to wait, as in
//           ioapic.hpp, for the same reason.
//   edge    cause no edge: they merge into the interrupt that the line's rise began.
// A level line that is high, unmasked and not in service with nothing waiting (after EOI,
// unmasking, or a change to level) opens a span of its own, with cause resample.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/x86/io_ports.hpp"
#include "models/x86/pic_chip.hpp"
#include "models/x86/wired_or.hpp"

namespace irqfab::x86 {

class Pic final {
 public:
  struct Config {
    PicTrigger trigger = PicTrigger::Elcr;
    std::vector<Pin> intr = {Pin{0}};  // for each edge of kIntr, the pin at its other end
    Quirks quirks{};
  };

  static constexpr PortId kPins = port_of(0);
  static constexpr PortId kRegisters = port_of(1);
  static constexpr PortId kInta = port_of(2);
  static constexpr PortId kIntr = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"pins", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"inta", EdgeKind::Cpu, Direction::Target, Order::Ordered, 0, 1},
      {"intr", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 0, 8},
  }};

  static constexpr std::size_t kPinCount = 2 * kIrCount;
  static constexpr Pin kCascade{2};

  // I/O ports. A chip's data register is at the next one.
  static constexpr std::uint16_t kMasterCommand = 0x20;
  static constexpr std::uint16_t kSlaveCommand = 0xA0;
  static constexpr std::uint16_t kMasterElcr = 0x4D0;
  static constexpr std::uint16_t kSlaveElcr = 0x4D1;

  explicit Pic(const Config& config);

  /// One INT line, one server.
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  /// A driver's contribution to a pin changed. Drivers on different edges of kPins are told apart
  /// by receive; here `driver` alone names one.
  void on_pin(const PinChange& change, Env& env);
  /// Both INTA pulses. INT falls with the first; it rises again if more may interrupt.
  IntaAnswer on_inta(CpuId cpu, Env& env);
  /// Byte accesses to I/O ports. The read that follows a poll command acknowledges.
  void write(std::uint16_t port, std::uint8_t value, Env& env);
  std::uint8_t read(std::uint16_t port, Env& env);
  /// A hypervisor restores the state of a chip.
  void restore(PicRole role, const PicChip::Settings& settings, Env& env);

  const PicChip& chip(PicRole role) const { return chips_[static_cast<std::size_t>(role)]; }
  Level intr() const { return intr_; }

  /// Spans whose only home is here: those of IRR and ISR bits.
  void held_spans(std::vector<SpanId>& out) const;

  friend bool operator==(const Pic& a, const Pic& b);

 private:
  struct Input {
    WiredOr line;               // without the slave's INT
    SpanId waiting = kNoSpan;   // at the IRR bit
    SpanId latest = kNoSpan;    // of the line's rise, or of a later assertion that began to wait
    SpanId serviced = kNoSpan;  // at the ISR bit
    bool operator==(const Input& other) const;
  };
  struct Taken {
    Ir ir{};
    SpanId span = kNoSpan;  // none if its end is behind it, or if a slave has it
  };

  PicChip& at(PicRole role) { return chips_[static_cast<std::size_t>(role)]; }
  PicChip& master() { return at(PicRole::Master); }
  PicChip& slave() { return at(PicRole::Slave); }
  Level level_of(Pin pin) const;

  void assert_input(Pin pin, Level before, SpanId span, Env& env);
  void wait(Pin pin, SpanId span, Env& env);
  void withdraw(PicRole role, CancelOp op, Env& env);
  IntaAnswer acknowledge(CpuId cpu, Env& env);
  std::optional<Taken> take(PicRole role, CpuId cpu, Env& env);
  std::uint8_t poll(PicRole role, Env& env);
  void write_chip(PicRole role, PicAddress address, std::uint8_t value, Env& env);
  void end(PicRole role, std::uint8_t isr_bits, Env& env);
  void reset(PicRole role, Env& env);
  void write_elcr(PicRole role, std::uint8_t value, Env& env);

  void settle(Env& env);
  void resample(PicRole role, Env& env);
  void carry_request();
  void drive_cascade(Level level);
  void set_intr(Level level, Env& env);

  Config config_;
  std::array<PicChip, 2> chips_;
  Indexed<Pin, Input> inputs_;
  Level cascade_ = Level::Low;  // the slave's INT as the master's input sees it
  Level intr_ = Level::Low;
};

}  // namespace irqfab::x86
