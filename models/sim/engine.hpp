// One timeline for all stations, and the order in which they act. Knows no SystemC: the pump in
// models/tlm drives it at the pace of the kernel, and a test can drive it by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/base/message.hpp"
#include "models/sim/key.hpp"
#include "models/sim/ledger.hpp"
#include "models/sim/timeline.hpp"

namespace irqfab {

class StationBase;

/// What the timeline holds: something for one lane of one station.
struct Item {
  enum class Kind : std::uint8_t {
    Arrive,  // `message` reaches `port`
    Serve,   // the lane's server is free: take the next message of its queue
    Credit,  // the receiver behind `port` has room again
  };
  Message message;
  Time requested = 0;  // when Env::after was called, for Elapsed; otherwise the time of arrival
  PortId port{};
  std::uint16_t station = 0;
  LaneId lane{};
  std::uint16_t input = 0;  // which of the station's inputs `port` is
  Kind kind = Kind::Arrive;
};

class Engine {
 public:
  /// More zero-price hops than this within one time mean that no time passes any more.
  static constexpr std::uint16_t kMaxRounds = 10'000;

  Engine(const Ledger::Config& ledger, RecordSink* sink) : ledger_(ledger), sink_(sink) {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::uint16_t add(StationBase& station);
  std::size_t stations() const { return stations_.size(); }
  StationBase& station(std::size_t index) { return *stations_[index]; }

  /// What is returned must be assigned at once.
  Item& push(const Key& key) { return timeline_.push(key); }
  bool idle() const { return timeline_.empty() || stuck_; }
  /// Not for an idle engine.
  Time next_time() const { return timeline_.next().time; }
  /// Does what is due next. Not for an idle engine.
  void step();
  /// Does everything due before or at `until`, or all there is.
  void run(Time until = kNever);

  /// Calls fn(const Message&) for every message on its way to a station, in order. Allocates.
  template <class Fn>
  void for_each_message(Fn&& fn) const {
    timeline_.for_each([&](const Key&, const Item& item) {
      if (item.kind == Item::Kind::Arrive) fn(item.message);
    });
  }

  /// Calls fn(const Item&) for all there is to do, in order. Allocates.
  template <class Fn>
  void for_each_item(Fn&& fn) const {
    timeline_.for_each([&](const Key&, const Item& item) { fn(item); });
  }

  /// Time and round of what is being done, or was done last.
  Time now() const { return now_; }
  std::uint16_t round() const { return round_; }
  /// True once a chain of zero-price hops was longer than kMaxRounds; nothing is done any more.
  bool stuck() const { return stuck_; }

  Ledger& ledger() { return ledger_; }
  const Ledger& ledger() const { return ledger_; }
  RecordSink* sink() const { return sink_; }

  /// Everything but the stations, which save themselves.
  struct Saved {
    Timeline<Item> timeline;
    Ledger ledger;
    Time now;
    std::uint16_t round;
  };
  Saved save() const { return {timeline_, ledger_, now_, round_}; }
  void restore(const Saved& saved);

 private:
  Timeline<Item> timeline_;
  Ledger ledger_;
  RecordSink* sink_;
  std::vector<StationBase*> stations_;
  Time now_ = 0;
  std::uint16_t round_ = 0;
  bool stuck_ = false;
};

}  // namespace irqfab
