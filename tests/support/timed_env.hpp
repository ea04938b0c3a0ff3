// An Env with time and nothing else: prices from a small map, one queue a lane, an ordered list of
// what is to come. Enough to check exact times of a core without an engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <tuple>
#include <vector>

#include "models/base/env.hpp"

namespace irqfab::test {

struct TimedRecord {
  Time time;  // when the event's price had passed
  LaneId lane;
  Event event;
  SpanId span;
  std::uint64_t detail;
  Time served;  // when the call that noted it was made
};

class TimedEnv final : public Env {
 public:
  explicit TimedEnv(std::map<Event, Duration> prices) : prices_(std::move(prices)) {}

  using Env::note;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    const auto price = prices_.find(event);
    if (price != prices_.end()) cursor_ += price->second;
    records.push_back({cursor_, lane_, event, span, detail, now_});
  }
  void send(PortId, const Message&) override {}
  void after(Duration delay, Tag tag) override { after(delay, tag, lane_); }
  void after(Duration delay, Tag tag, LaneId lane) override {
    post(cursor_ + delay, lane, PortId{0xFFFF}, Elapsed{tag, raw(lane)});
  }
  using Env::open;
  SpanId open(Cause cause, SpanId, std::uint32_t source) override {
    const SpanId span = make_span(SourceId{0xF00 + source}, opened_++);
    note(Event::Asserted, span, static_cast<std::uint64_t>(cause));
    return span;
  }

  /// `message` reaches the lane at `time`, and is served when the lane is free.
  void post(Time time, LaneId lane, PortId port, const Message& message) {
    pending_.push_back({time, sequence_++, lane, port, message});
  }

  /// Serves what there is, in order of time, up to and with `until`. `passes(from, to)` is called
  /// for each stretch of time in which nothing is served.
  void run(const std::function<void(PortId, const Message&, Env&)>& receive, Time until = kNever,
           const std::function<void(Time from, Time to)>& passes = nullptr) {
    for (;;) {
      std::size_t next = pending_.size();
      for (std::size_t i = 0; i < pending_.size(); ++i) {
        if (next == pending_.size() || order_of(pending_[i]) < order_of(pending_[next])) next = i;
      }
      const bool done = next == pending_.size() || start_of(pending_[next]) > until;
      const Time time = done ? (until == kNever ? now_ : until) : start_of(pending_[next]);
      if (passes && time > now_) passes(now_, time);
      now_ = cursor_ = time;
      if (done) return;
      const Pending item = pending_[next];
      pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(next));
      lane_ = item.lane;
      receive(item.port, item.message, *this);
      free_at_[raw(lane_)] = cursor_;
      busy_[raw(lane_)] += cursor_ - now_;
    }
  }

  Time now() const override { return now_; }
  /// How long prices kept the lane busy.
  Duration busy(LaneId lane) const {
    const auto found = busy_.find(raw(lane));
    return found == busy_.end() ? 0 : found->second;
  }
  bool idle() const { return pending_.empty(); }

  std::vector<TimedRecord> records;

 private:
  struct Pending {
    Time time;
    std::uint64_t sequence;
    LaneId lane;
    PortId port;
    Message message;
  };
  Time start_of(const Pending& item) const {
    const auto found = free_at_.find(raw(item.lane));
    return found == free_at_.end() ? item.time : std::max(item.time, found->second);
  }
  std::tuple<Time, Time, std::uint64_t> order_of(const Pending& item) const {
    return {start_of(item), item.time, item.sequence};
  }

  std::map<Event, Duration> prices_;
  std::map<std::uint32_t, Time> free_at_;
  std::map<std::uint32_t, Duration> busy_;
  std::vector<Pending> pending_;
  std::uint64_t sequence_ = 0;
  std::uint64_t opened_ = 0;
  Time now_ = 0;
  Time cursor_ = 0;
  LaneId lane_{};
};

}  // namespace irqfab::test
