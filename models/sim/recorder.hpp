// Puts trace records into canonical order, the order of their keys. An engine learns of a record as
// soon as it knows when its event ends, which may be long before other records with earlier times;
// the records wait here until nothing earlier can come.
//
// A value: the sink is an argument of the call that needs it, so a run can be copied and continued.
#pragma once

#include <cassert>
#include <cstddef>

#include "models/sim/timeline.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab {

class Reorder {
 public:
  /// Makes room for `count` waiting records, so that no add allocates before there are more.
  void reserve(std::size_t count) { waiting_.reserve(count); }

  /// key.time is the record's, and not before a time that was flushed. Records of equal keys keep
  /// the order in which they were added.
  void add(const Key& key, const TraceRecord& record) {
    assert(key.time == record.time && key.time >= flushed_);
    waiting_.push(key, record);
  }

  /// Calls sink(const TraceRecord&) for every record before `time`, in order. From now on, none may
  /// be added that is.
  template <class Sink>
  void flush_before(Time time, Sink&& sink) {
    while (!waiting_.empty() && waiting_.next().time < time) sink(waiting_.pop());
    if (time > flushed_) flushed_ = time;
  }

  /// Calls sink(const TraceRecord&) for every record left, in order. Later ones may still follow.
  template <class Sink>
  void flush_all(Sink&& sink) {
    while (!waiting_.empty()) {
      flushed_ = waiting_.next().time;
      sink(waiting_.pop());
    }
  }

  std::size_t size() const { return waiting_.size(); }

  friend bool operator==(const Reorder& a, const Reorder& b) {
    return a.flushed_ == b.flushed_ && a.waiting_ == b.waiting_;
  }
  friend bool operator!=(const Reorder& a, const Reorder& b) { return !(a == b); }

 private:
  Timeline<TraceRecord> waiting_;
  Time flushed_ = 0;
};

}  // namespace irqfab
