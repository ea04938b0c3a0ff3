// The interconnect that carries interrupt messages to the local APICs.
//
// Models: SDM vol. 3, 11.2: messages of I/O APICs, of devices and of remapping units reach the
// local APICs over the system interconnect, in order. It is a component of its own so that the time
// of the flight passes before the state of a local APIC changes, not after.
//
// Not modelled: IPIs, which the bank of local APICs delivers itself; topology between sockets.
#pragma once

#include <array>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"

namespace irqfab::x86 {

class ApicBus final {
 public:
  struct Config {};

  static constexpr PortId kInputs = port_of(0);
  static constexpr PortId kOutput = port_of(1);
  static constexpr std::array<PortSpec, 2> kPorts = {{
      {"inputs", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1024},
      {"output", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
  }};

  explicit ApicBus(const Config&) {}

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  /// Writes and markers go on; a marker's answer goes back to where the marker came from.
  void receive(PortId port, const Message& message, Env& env);
  void held_spans(std::vector<SpanId>&) const {}

  friend bool operator==(const ApicBus& a, const ApicBus& b) { return a.markers_ == b.markers_; }

 private:
  void begin_interrupt(BusWrite write, Env& env);
  void on_question(PortId port, const Message& message, Env& env);

  struct Asked {
    PortId from{};
    Tag tag{};
    friend bool operator==(const Asked& a, const Asked& b) {
      return a.from == b.from && a.tag == b.tag;
    }
  };
  std::vector<Asked> markers_;  // under way, oldest first: the output is ordered
};

}  // namespace irqfab::x86
