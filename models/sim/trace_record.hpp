// One line of a trace: 32 bytes, the same in memory and on disk (little-endian).
#pragma once

#include <cstdint>
#include <type_traits>

#include "models/base/event.hpp"
#include "models/base/ids.hpp"
#include "models/base/time.hpp"

namespace irqfab {

struct TraceRecord {
  Time time = 0;             // ps: when the event's price had passed
  SpanId span = kNoSpan;     // kNoSpan for bookkeeping of a component
  std::uint64_t detail = 0;  // see the event's row
  NodeId node{};
  Event event{};
  std::uint16_t round = 0;  // zero-price hops before it within this time

  friend bool operator==(const TraceRecord& a, const TraceRecord& b) {
    return a.time == b.time && a.span == b.span && a.detail == b.detail && a.node == b.node &&
           a.event == b.event && a.round == b.round;
  }
};
static_assert(sizeof(TraceRecord) == 32 && std::is_trivially_copyable_v<TraceRecord>);

}  // namespace irqfab
