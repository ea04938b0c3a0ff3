// The spans of a trace between their first record and their last, in memory that grows with how
// many are in flight at one time and not with how many there are.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/event.hpp"
#include "models/base/ids.hpp"
#include "models/base/time.hpp"

namespace irqfab::analysis {

/// One hop of one span.
struct Step {
  Duration took = 0;    // ps, waiting included
  Duration waited = 0;  // of that
  NodeId node{};
  Event event{};
};

/// The hops of a span; of more than kMost, those that took longest.
class Steps {
 public:
  static constexpr std::size_t kMost = 64;

  void add(const Step& step);
  void clear() { steps_.clear(); }
  auto begin() const { return steps_.begin(); }
  auto end() const { return steps_.end(); }

 private:
  std::vector<Step> steps_;
};

struct Flight {
  SpanId span = kNoSpan;
  Time opened = 0;
  Time last = 0;                          // end of the latest hop
  Duration waited = 0;                    // ps of the hop that is under way
  std::optional<Time> entered;            // the handler's first instruction
  std::optional<std::uint64_t> accepted;  // CPU << 8 | vector
  Steps steps;
};

class Flights {
 public:
  Flights();

  /// Null if the span is not in flight. Valid until the next open() or close().
  Flight* find(SpanId span);
  /// The span must not be in flight.
  Flight& open(SpanId span);
  void close(Flight& flight);
  std::uint64_t size() const { return flights_.size() - free_.size(); }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Slot {
    SpanId span = kNoSpan;
    std::uint32_t flight = kNone;
  };

  std::size_t home_of(SpanId span) const;
  std::size_t slot_of(SpanId span) const;
  void grow();

  std::uint64_t multiplier_;
  unsigned bits_;            // of an index into slots_
  std::vector<Slot> slots_;  // open addressing, linear probing
  std::vector<Flight> flights_;
  std::vector<std::uint32_t> free_;  // places in flights_; their memory is used again
};

}  // namespace irqfab::analysis
