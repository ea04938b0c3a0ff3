// The book of spans: where each interrupt is, how long each hop took, how each ended. It is kept
// while the simulation runs, so that the accounting can be checked at any quiescent point:
//   asserted = handled + coalesced + dropped + cancelled + in flight.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "models/base/outcome.hpp"
#include "models/sim/histogram.hpp"
#include "models/sim/key.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab {

/// Takes the records of a run; `key.time` is the record's time.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void take(const Key& key, const TraceRecord& record) = 0;
};

struct Accounting {
  std::uint64_t asserted = 0;
  std::uint64_t handled = 0;
  std::uint64_t coalesced = 0;
  std::uint64_t dropped = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t spurious = 0;    // acknowledges that found nothing
  std::uint64_t duplicated = 0;  // ends of spans that had ended
  std::uint64_t guest_errors = 0;
  std::array<std::uint64_t, kDropReasonNames.size()> drops{};
  std::array<std::uint64_t, kCancelOpNames.size()> cancels{};

  std::uint64_t ended() const { return handled + coalesced + dropped + cancelled; }
  friend bool operator==(const Accounting& a, const Accounting& b);
};

/// One kind of event at one component, over all spans.
struct HopStat {
  Histogram time;           // queueing and price together
  std::uint64_t queue = 0;  // ps of it spent waiting
};

/// Interrupts of one group of sources (a device's vectors, say).
struct PathStat {
  Histogram to_end;      // assertion to end of interrupt, handled spans
  Histogram to_handler;  // assertion to the handler's first instruction
  Accounting accounting;
};

class Ledger {
 public:
  struct Config {
    std::vector<std::uint16_t> component_of_node;  // by NodeId
    std::uint16_t components = 0;
    std::vector<std::uint32_t> path_of_source;  // by SourceId
    std::uint32_t paths = 0;
  };

  explicit Ledger(const Config& config);

  /// When what led to a record began, and what the time is while it is made.
  struct When {
    Time begin;
    Time now;
  };
  /// `record` happened at `key`. Time between the span's last record and `when.begin` was spent
  /// waiting; unless the record itself says what was waited for, it becomes a record of its own, at
  /// `when.begin`, or together with `record` if that lies in the past.
  void note(When when, const Key& key, const TraceRecord& record, RecordSink* sink);

  /// When the latest record of a span without outcome is, which may be later than now; else 0.
  Time last_of(SpanId span) const { return span == kNoSpan ? 0 : slots_[slot_of(span)].last; }

  const Accounting& accounting() const { return accounting_; }
  std::uint64_t in_flight() const { return live_; }
  /// Spans without an outcome, ascending.
  std::vector<SpanId> in_flight_spans() const;
  /// Null if the event never happened there.
  const HopStat* hop(std::uint16_t component, Event event) const;
  const PathStat& path(std::uint32_t path) const { return paths_[path]; }
  std::uint32_t paths() const { return config_.paths; }
  /// Sum over all spans of (last record - first record), ps: equals the sum of all hop times.
  std::uint64_t time_in_flight() const { return time_in_flight_; }

  Ledger(const Ledger& other);
  Ledger& operator=(const Ledger& other);
  Ledger(Ledger&&) = default;
  Ledger& operator=(Ledger&&) = default;

 private:
  struct Live {
    SpanId span = kNoSpan;
    Time opened = 0;
    Time last = 0;
    Time entered = kNever;
  };

  /// Where a span is, or would be. What happens to a span comes in a row, so it is mostly the one
  /// that was asked for last.
  std::size_t slot_of(SpanId span) const {
    return slots_[recent_].span == span ? recent_ : search(span);
  }
  std::size_t search(SpanId span) const;
  Live* find(SpanId span);
  Live& insert(SpanId span);
  void erase(SpanId span);
  void grow();
  HopStat& hop_at(NodeId node, Event event);
  static void trace_wait(Time at, Duration waited, Key key, TraceRecord record, RecordSink& sink);
  void note_without_span(const TraceRecord& record);
  void end(Live& live, const TraceRecord& record);

  Config config_;
  Accounting accounting_;
  std::vector<Live> slots_;         // open addressing, a power of two
  mutable std::size_t recent_ = 0;  // where the latest search ended; a hint, no state
  std::uint64_t live_ = 0;
  std::uint64_t time_in_flight_ = 0;
  std::vector<std::unique_ptr<HopStat>> hops_;  // component * kEventCount + event
  std::vector<PathStat> paths_;
};

}  // namespace irqfab
