// The system interconnect as register accesses see it: CPUs, bridges and driver software on one
// side, address windows on the other.
//
// Models: positional decode by windows; an access that no window takes is a master abort: writes
// are lost, reads return all ones (PCI 3.0, 3.7.4.3). Answers go back to whoever asked. Not
// modelled: coherence, arbitration among initiators beyond the queue in front.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"

namespace irqfab::mem {

struct Window {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::uint32_t target = 0;  // edge of kTargets
};

class SystemBus final {
 public:
  struct Config {
    std::vector<Window> windows;  // disjoint
  };

  static constexpr PortId kInitiators = port_of(0);
  static constexpr PortId kTargets = port_of(1);
  static constexpr std::array<PortSpec, 2> kPorts = {{
      {"initiators", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1024},
      {"targets", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1024},
  }};

  explicit SystemBus(const Config& config);

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env);
  void held_spans(std::vector<SpanId>&) const {}
  friend bool operator==(const SystemBus& a, const SystemBus& b) {
    return a.outstanding_ == b.outstanding_;
  }

 private:
  /// A read whose answer is under way; its index is the tag the target sees.
  struct Read {
    PortId from{};
    Tag tag{};
    bool used = false;
    friend bool operator==(const Read& a, const Read& b) {
      return a.used == b.used && (!a.used || (a.from == b.from && a.tag == b.tag));
    }
  };

  const Window* find(std::uint64_t address) const;
  Tag remember(PortId from, Tag tag);
  /// A BusRead or a PostInterrupt.
  template <class Question>
  void on_question(PortId port, const Question& question, Env& env);
  void on_answer(const BusData& data, Env& env);

  std::vector<Window> windows_;  // ascending by base
  std::vector<Read> outstanding_;
};

}  // namespace irqfab::mem
