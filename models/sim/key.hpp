// Where an event stands in simulated time, and the one rule for ties.
//
// Events at one time are ordered by (time, round, class, node, port, arrival index on that port).
// `round` counts zero-price hops within one time. Node ids are canonical (they come from what a
// component is, never from the order of declaration), so neither an engine nor the order of a scenario
// file can change the order of events.
#pragma once

#include <cstdint>
#include <tuple>

#include "models/base/ids.hpp"
#include "models/base/time.hpp"

namespace irqfab {

/// Classes at one time and round, in order.
enum class TieClass : std::uint8_t {
  PriceEnds,  // of records only: what a price led up to precedes all that is done at its end
  EndOfInterrupt,
  SetPending,
  Accept,
  Controller,  // controllers and remappers
  Bridge,
  Device,
  Stimulus,
};

struct Key {
  Time time = 0;
  std::uint16_t round = 0;
  TieClass tie = TieClass::Stimulus;
  PortId port{};
  NodeId node{};
  std::uint64_t arrival = 0;  // index of the arrival on that port

  friend bool operator<(const Key& a, const Key& b) {
    return std::tie(a.time, a.round, a.tie, a.node, a.port, a.arrival) <
           std::tie(b.time, b.round, b.tie, b.node, b.port, b.arrival);
  }
  friend bool operator==(const Key& a, const Key& b) {
    return std::tie(a.time, a.round, a.tie, a.node, a.port, a.arrival) ==
           std::tie(b.time, b.round, b.tie, b.node, b.port, b.arrival);
  }
};

}  // namespace irqfab
