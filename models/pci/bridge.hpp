// A bridge below a host bridge: a root port or switch port of PCI Express, or a PCI Express to PCI
// bridge. Posted writes of what is below go up in order, INTx messages go up on the wire that
// device and pin give, register accesses go down.
//
// Models: PCI-to-PCI Bridge Architecture 1.2, 3.2 (type 1 header: Command, bus numbers), 4 (posted
// writes are forwarded in order), 9.1 (INTx); PCI Express Base 2.4.1 (ordering) and 2.2.8.1 (INTx
// messages); PCI Express to PCI/PCI-X Bridge 1.0, 2.3 (the requester id of what it forwards is its
// secondary bus, device 0, function 0, whoever wrote it).
//
// Not modelled: moving bus numbers and memory windows (both are fixed; the registers of the windows
// read 0), interrupts of the bridge itself, secondary bus reset, reads by functions (refused as an
// Unsupported Request is), relaxed ordering.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/pci/below.hpp"
#include "models/pci/config_space.hpp"

namespace irqfab::pci {

enum class BridgeKind : std::uint8_t { RootPort, PcieToPci };

class Bridge final {
 public:
  struct Config {
    BridgeKind kind = BridgeKind::RootPort;
    RequesterId rid{};
    std::uint8_t secondary = 1;    // the bus below it
    std::uint8_t subordinate = 1;  // the last bus below it
    std::uint64_t ecam_base = 0;   // of the segment: bus b's configuration space is at + b * 1 MiB
    DevicesBelow below;
    std::vector<Route> routes;
  };

  static constexpr PortId kSecondary = port_of(0);
  static constexpr PortId kIntx = port_of(1);
  static constexpr PortId kUpstream = port_of(2);
  static constexpr PortId kIntxUp = port_of(3);
  static constexpr PortId kPrimary = port_of(4);
  static constexpr PortId kDownstream = port_of(5);
  static constexpr std::array<PortSpec, 6> kPorts = {{
      {"secondary", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1024},
      {"intx", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, 1024},
      {"upstream", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
      {"intx_up", EdgeKind::Wire, Direction::Initiator, Order::Ordered, 0, 1},
      {"primary", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"downstream", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1024},
  }};

  explicit Bridge(const Config& config) : config_(config) {}

  /// One lane: nothing overtakes anything, in either direction.
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);

  /// The 16-bit Command register: without Bus Master nothing is forwarded up, without Memory Space
  /// no access of memory down.
  void write_command(std::uint16_t value) { command_ = value & (kMemorySpace | kBusMaster | 1); }
  /// A dword of its own configuration space; `offset` is a multiple of 4.
  std::uint32_t config_dword(std::uint64_t offset) const;

  void held_spans(std::vector<SpanId>&) const {}
  friend bool operator==(const Bridge& a, const Bridge& b) { return a.command_ == b.command_; }

 private:
  enum class Down : std::uint8_t { Own, Forwarded, Nobody };

  void on_upstream_write(BusWrite write, Env& env);
  void refuse_read(PortId port, const BusRead& read, Env& env);
  void on_intx(PortId port, const PinChange& change, Env& env);
  Down meaning_of(std::uint64_t address) const;
  void on_write_down(const BusWrite& write, Env& env);
  void on_read_down(const BusRead& read, Env& env);
  PortId way_to(std::uint64_t address) const;
  std::uint64_t own_space() const {
    return config_.ecam_base + raw(config_.rid) * kConfigSpaceBytes;
  }

  Config config_;
  std::uint16_t command_ = kMemorySpace | kBusMaster;
};

}  // namespace irqfab::pci
