// A PCI host bridge (PHB, root complex): posted writes of its functions go up in order, those in
// the interrupt window to the interrupt fabric and the rest to memory; register accesses of CPUs go
// down; INTx messages become levels on interrupt controller pins.
//
// Models: PCI Express Base 2.4.1 (posted writes of one link never pass each other), 2.2.8.1 (INTx
// messages) and the usual swizzle of device and pin to four wires (PCI-to-PCI Bridge
// Architecture 1.2, 9.1). Every function's change is passed on under its own driver id: the OR over
// functions is taken at the pin, where it is known whether an interrupt is waiting or already in
// service.
//
// Bridges may be below it (bridge.hpp); what they send comes on links of their own.
//
// Not modelled: reads by functions (refused as an Unsupported Request is), relaxed ordering.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/pci/below.hpp"

namespace irqfab::pci {

class HostBridge final {
 public:
  struct Config {
    std::uint64_t interrupt_base = 0xFEE00000;  // writes in here are interrupts (SDM vol. 3, 11.11)
    std::uint64_t interrupt_size = 0x100000;
    std::array<Pin, 4> intx_pins{Pin{16}, Pin{17}, Pin{18}, Pin{19}};
    DevicesBelow below;
    std::vector<Route> routes;
  };

  static constexpr PortId kSecondary = port_of(0);
  static constexpr PortId kIntx = port_of(1);
  static constexpr PortId kInterrupts = port_of(2);
  static constexpr PortId kMemory = port_of(3);
  static constexpr PortId kPins = port_of(4);
  static constexpr PortId kPrimary = port_of(5);
  static constexpr PortId kDownstream = port_of(6);
  static constexpr std::array<PortSpec, 7> kPorts = {{
      {"secondary", EdgeKind::Bus, Direction::Target, Order::Ordered, 1, 1024},
      {"intx", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"interrupts", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"memory", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1},
      {"pins", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 0, 1},
      {"primary", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"downstream", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1024},
  }};

  explicit HostBridge(const Config& config) : config_(config) {}

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  void held_spans(std::vector<SpanId>&) const {}

  friend bool operator==(const HostBridge&, const HostBridge&) { return true; }

 private:
  void on_upstream_write(const Message& message, Env& env);
  void begin_interrupt(BusWrite write, Env& env);
  void refuse_read(PortId port, const BusRead& read, Env& env);
  void on_intx(PortId port, const PinChange& change, Env& env);
  void send_down(const Message& message, Env& env);

  Config config_;
};

}  // namespace irqfab::pci
