// What moving interrupts costs at the remapping unit: how long each invalidation that software
// queues takes, from the write of the queue's tail to the completion of its wait. It stands before
// the run's sink and passes every record on.
//
// For drivers that end what they queue with one wait each, as those of `during` do: the waits
// complete in the order of the writes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "models/base/event.hpp"
#include "models/sim/histogram.hpp"
#include "models/sim/ledger.hpp"

namespace irqfab::run {

class InvalidationLog final : public RecordSink {
 public:
  /// `unit`, `bus`: the nodes of the remapping unit and of the system bus. `tail`: where software
  /// writes the tail of its queue. `next` may be null.
  InvalidationLog(NodeId unit, NodeId bus, std::uint64_t tail, RecordSink* next)
      : unit_(unit), bus_(bus), tail_(tail), next_(next) {}

  void take(const Key& key, const TraceRecord& record) override {
    const bool at_tail = record.event == Event::BusRouted && record.detail == tail_;
    if (at_tail && record.node == bus_) queued_.push_back(key.time);
    if (record.node == unit_) note(key.time, record.event);
    if (next_ != nullptr) next_->take(key, record);
  }

  /// Invalidations of the interrupt entry cache.
  std::uint64_t count() const { return count_; }
  /// How long each wait took.
  Histogram waits() const {
    std::vector<Time> from = queued_;
    std::vector<Time> to = completed_;
    // Engines may hand over records of two components in another order than that of time.
    std::sort(from.begin(), from.end());
    std::sort(to.begin(), to.end());
    Histogram times;
    for (std::size_t i = 0; i < std::min(from.size(), to.size()); ++i)
      times.record(to[i] - from[i]);
    return times;
  }

 private:
  void note(Time time, Event event) {
    if (event == Event::IecInvalidated) ++count_;
    if (event == Event::InvalidationWaited) completed_.push_back(time);
  }

  NodeId unit_, bus_;
  std::uint64_t tail_;
  RecordSink* next_;
  std::uint64_t count_ = 0;
  std::vector<Time> queued_, completed_;
};

}  // namespace irqfab::run
