// Cores that are just large enough to test what surrounds a core, and the records of a run.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "models/sim/station.hpp"

namespace irqfab::test {

constexpr PortId kIn = port_of(0);
constexpr PortId kOut = port_of(1);
constexpr PortId kAsk = port_of(2);

/// A write that says how it wants to be treated: its lane in the requester, its kind in the
/// address.
constexpr std::uint64_t kPlain = 0;
constexpr std::uint64_t kSlow = 1;    // is paid for with MemoryRead first
constexpr std::uint64_t kLater = 2;   // goes on after a delay of 1000 ps
constexpr std::uint64_t kSilent = 3;  // goes no further
inline BusWrite write(std::uint64_t data, SpanId span = kNoSpan, std::uint64_t kind = kPlain,
                      unsigned lane = 0) {
  return {kind, data, span, {HostBridgeId{0}, RequesterId(static_cast<std::uint16_t>(lane))}, 4};
}

/// Passes writes on. Notes Pended when it is called (no price), then what the write costs.
class Relay {
 public:
  LaneId lane_of(PortId, const Message& message) const {
    if (const auto* w = std::get_if<BusWrite>(&message)) return LaneId{raw(w->requester.rid)};
    if (const auto* e = std::get_if<Elapsed>(&message)) return LaneId{e->lane};
    return LaneId{0};
  }
  void receive(PortId, const Message& message, Env& env) {
    if (const auto* w = std::get_if<BusWrite>(&message)) {
      ++served;
      env.note(Event::Pended, w->span, w->data);
      if (w->address == kSlow) env.note(Event::MemoryRead, w->span, w->data);
      if (w->address == kLater) {
        delayed.push_back(*w);
        return env.after(1000, Tag{0});
      }
      env.note(Event::BridgeForwarded, w->span, w->data);
      if (w->address != kSilent) env.send(kOut, *w);
    } else if (std::holds_alternative<Elapsed>(message) && !delayed.empty()) {
      const BusWrite due = delayed.front();
      delayed.erase(delayed.begin());
      env.note(Event::BridgeForwarded, due.span, due.data);
      env.send(kOut, due);
    } else {
      env.note(Event::GuestError, kNoSpan, message.index());
    }
  }
  void held_spans(std::vector<SpanId>& out) const {
    for (const BusWrite& later : delayed) out.push_back(later.span);
  }

  std::uint64_t served = 0;
  std::vector<BusWrite> delayed;
};

/// Asks kAsk about every write, one at a time, and passes it on when the answer comes.
class Walker {
 public:
  LaneId lane_of(PortId, const Message& message) const {
    if (const auto* w = std::get_if<BusWrite>(&message)) return LaneId{raw(w->requester.rid)};
    return LaneId{0};
  }
  void receive(PortId, const Message& message, Env& env) {
    if (const auto* w = std::get_if<BusWrite>(&message)) {
      env.note(Event::Pended, w->span, w->data);
      under_way = *w;
      waiting = true;
      env.send(kAsk, BusRead{0, Tag{0}, w->span, {}, 8});
    } else if (std::holds_alternative<BusData>(message)) {
      waiting = false;
      env.note(Event::Remapped, under_way.span, under_way.data);
      env.send(kOut, under_way);
    }
  }
  bool busy() const { return waiting; }
  void held_spans(std::vector<SpanId>& out) const {
    if (waiting) out.push_back(under_way.span);
  }

  BusWrite under_way{};
  bool waiting = false;
};

/// Answers reads.
class Answerer {
 public:
  LaneId lane_of(PortId, const Message&) const { return LaneId{0}; }
  void receive(PortId port, const Message& message, Env& env) {
    const auto* read = std::get_if<BusRead>(&message);
    if (read == nullptr) return;
    env.note(Event::MemoryRead, read->span, 0);
    env.send(port, BusData{{}, read->tag, BusStatus::Ok, read->span});
  }
  void held_spans(std::vector<SpanId>&) const {}
};

class Records final : public RecordSink {
 public:
  void take(const Key& key, const TraceRecord& record) override {
    EXPECT_EQ(key.time, record.time);
    all_.emplace_back(key, record);
  }
  std::vector<TraceRecord> in_order() const {
    auto sorted = all_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<TraceRecord> records;
    for (const auto& item : sorted) records.push_back(item.second);
    return records;
  }
  /// A span's own records.
  std::vector<std::pair<Time, Event>> life_of(SpanId span) const {
    std::vector<std::pair<Time, Event>> found;
    for (const TraceRecord& r : in_order()) {
      if (r.span == span) found.emplace_back(r.time, r.event);
    }
    return found;
  }
  void clear() { all_.clear(); }

 private:
  std::vector<std::pair<Key, TraceRecord>> all_;
};

}  // namespace irqfab::test
