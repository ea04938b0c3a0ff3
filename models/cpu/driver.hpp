// The software that sets up and changes interrupts: an operating system's interrupt management as a
// script of bus accesses, each at its time or when it is told to.
//
// Not modelled: the time that the software itself takes between accesses.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"

namespace irqfab::cpu {

enum class AccessKind : std::uint8_t { Write, Read };

struct Access {
  AccessKind kind = AccessKind::Write;
  std::uint8_t size = 4;  // bytes: 1, 2, 4, 8
  std::uint64_t address = 0;
  std::uint64_t data = 0;  // Write
};

/// Accesses that follow each other at once.
struct Episode {
  Time at = 0;
  std::vector<Access> accesses;
};

class Driver final {
 public:
  struct Config {
    std::vector<Episode> episodes;  // ascending by time
  };

  static constexpr PortId kBus = port_of(0);
  static constexpr PortId kStart = port_of(1);  // called by the machine, no edge
  static constexpr std::array<PortSpec, 1> kPorts = {{
      {"bus", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 1, 1},
  }};

  explicit Driver(const Config& config) : config_(config) {}

  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  /// HostCall on kStart performs episode `a`; a BusWrite or BusRead on kStart is made as it stands.
  void receive(PortId port, const Message& message, Env& env);

  /// What the last read was answered.
  std::uint64_t last_answer() const { return last_answer_; }
  std::size_t episodes() const { return config_.episodes.size(); }
  Time time_of(std::size_t episode) const { return config_.episodes[episode].at; }

  void held_spans(std::vector<SpanId>&) const {}
  friend bool operator==(const Driver& a, const Driver& b) {
    return a.last_answer_ == b.last_answer_;
  }

 private:
  Config config_;
  std::uint64_t last_answer_ = 0;
};

}  // namespace irqfab::cpu
