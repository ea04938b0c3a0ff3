// The PCI interrupt router of a south bridge: PIRQ wires to inputs of the 8259s, by registers in
// its configuration space, and straight to the IOAPIC.
//
// Models: PIIX4 (290562), "PIRQRC[A:D], PIRQ Route Control Registers", function 0 of the bridge,
// 0x60 to 0x63; ICH9 (316972), 13.1.17 and 13.1.19 "PIRQ[n]_ROUT", D31:F0, 0x60 to 0x63 and 0x68 to
// 0x6B. PIRQ n also reaches pin 16 + n of the IOAPIC, whatever its register says, and only that
// pin: the IOAPIC does not see the IRQ that it is routed to. Not modelled: the rest of the
// configuration space, which reads 0 and is written in vain; chips that share PIRQs with the serial
// interrupt stream.
//
// PIRQs are active low on the board; here a wire is high while it is asserted. A route to a
// reserved IRQ (0, 1, 2, 8, 13) leads nowhere.
//
// Where a span is: nowhere here. It goes to the 8259s while the PIRQ is routed there, and the
// IOAPIC sees the level alone; otherwise to the IOAPIC. A route that changes under a high wire
// takes nothing along: the old input falls, and the new one rises on its own account.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/x86/wired_or.hpp"

namespace irqfab::x86 {

enum class SouthBridge : std::uint8_t {
  Piix,  // PIRQ A to D
  Ich,   // PIRQ A to H
};

/// A PIRQ wire: 0 is PIRQA.
enum class Pirq : std::uint8_t {};

class PirqRouter final {
 public:
  struct Config {
    SouthBridge chip = SouthBridge::Ich;
  };

  static constexpr PortId kWires = port_of(0);
  static constexpr PortId kRegisters = port_of(1);
  static constexpr PortId kPic = port_of(2);
  static constexpr PortId kIoapic = port_of(3);
  static constexpr std::array<PortSpec, 4> kPorts = {{
      {"wires", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"registers", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"pic", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 1, 1},
      {"ioapic", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 1, 1},
  }};

  static constexpr unsigned kMostPirqs = 8;
  /// Of the IOAPIC, where PIRQA arrives.
  static constexpr unsigned kFirstPin = 16;
  /// Bit 7 of a route control register: the PIRQ does not reach the 8259s.
  static constexpr std::uint8_t kNotRouted = 0x80;
  /// Offset of a route control register in configuration space.
  static constexpr std::uint32_t register_of(Pirq pirq) {
    const std::uint32_t n = raw(pirq);
    return n < 4 ? 0x60 + n : 0x68 + n - 4;
  }

  explicit PirqRouter(const Config& config);

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  /// A driver's contribution to a wire changed; `pin` is the PIRQ. Drivers on different edges of
  /// kWires are told apart by receive; here `driver` alone names one.
  void on_wire(const PinChange& change, Env& env);
  /// Byte accesses to configuration space; `offset` is 0..0xFFF.
  void write(std::uint32_t offset, std::uint8_t value, Env& env);
  std::uint8_t read(std::uint32_t offset, Env& env) const;

  unsigned pirqs() const { return config_.chip == SouthBridge::Ich ? 8 : 4; }
  Level level(Pirq pirq) const { return wires_[raw(pirq)].level(); }
  /// The input of the 8259s that a PIRQ drives, if any.
  std::optional<Pin> irq_of(Pirq pirq) const;

  void held_spans(std::vector<SpanId>&) const {}

  friend bool operator==(const PirqRouter& a, const PirqRouter& b) {
    return a.wires_ == b.wires_ && a.routes_ == b.routes_;
  }

 private:
  std::optional<Pirq> pirq_at(std::uint32_t offset) const;
  void drive_pic(Pirq pirq, Level level, SpanId span, Env& env);

  Config config_;
  std::array<WiredOr, kMostPirqs> wires_;
  std::array<std::uint8_t, kMostPirqs> routes_;  // the route control registers
};

}  // namespace irqfab::x86
