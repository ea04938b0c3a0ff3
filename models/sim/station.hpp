// A core's place in time: the queue in front of it, when its service starts, what its events cost,
// when its messages leave, and the credits that stop it. This is the only place where that is
// decided.
//
// [rule] A core is called when its service starts, not when a message arrives. Idle, the call is
// made at once; otherwise the message waits in the lane's queue. Answers to a core's own questions
// (table data, elapsed delays) go before queued requests, or a full core could never finish its
// work. [rule] On an ordered edge nothing overtakes: a message that is ready early leaves when the
// one before it has left (HeldForOrder). [rule] A bounded queue gives credits to the edges that
// feed it. Without a credit a message stays in the sender, which starts no other request until it
// is gone (Stalled). Lanes that wait for that take turns: the one that has waited longest is served
// first.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "models/base/env.hpp"
#include "models/base/port.hpp"
#include "models/sim/engine.hpp"
#include "models/sim/timing_table.hpp"

namespace irqfab {

/// Carries messages out of one port of a station. The shell gives it a TLM socket or an sc_port.
class Link {
 public:
  virtual ~Link() = default;
  /// `message` leaves at `departure`, not before now; `round` is its round at the far end.
  virtual void carry(const Message& message, Time departure, std::uint16_t round) = 0;
};

/// What a station is called and where it stands in the canonical order.
struct StationPlan {
  std::string name;     // of the component: "hb0", "lapics"
  NodeId first_node{};  // its lanes are first_node, first_node + 1, ...
  std::uint32_t lanes = 1;
  TieClass tie = TieClass::Controller;
  std::vector<std::uint32_t> first_source;  // by lane: id of the lane's first source
  std::uint32_t sources = 0;                // in all, from first_source[0] on
};

class StationBase : protected Env {
 public:
  /// Can the core say that it takes no request now? Most never do and need not be asked.
  enum class Busy : std::uint8_t { Never, AtTimes };
  StationBase(Engine& engine, StationPlan plan, const PriceList& prices, Busy core);
  virtual ~StationBase() = default;
  StationBase(const StationBase&) = delete;
  StationBase& operator=(const StationBase&) = delete;

  const StationPlan& plan() const { return plan_; }
  Engine& engine() { return engine_; }

  /// Joins an output to a link. Once, before the run. `peer` is the station behind the link, or
  /// null for a foreign module; `depth` bounds the messages it holds for this edge (0: unbounded).
  void connect(PortId port, Order order, Link* link, StationBase* peer, unsigned depth);
  /// The edge at `port` is fed by `feeder` through its `feeder_port`: who gets credits back.
  void fed_by(PortId port, StationBase* feeder, PortId feeder_port);

  /// A message reaches `port` at `time`, not before now. This is how links deliver.
  void accept(PortId port, const Message& message, Time time, std::uint16_t round);

  /// A price of the lanes from `first` to `last` only. Of several, the earliest that fits counts.
  void override_price(LaneId first, LaneId last, Event event, const Price& price);

  /// The engine's call.
  void take(const Key& key, const Item& item);

  /// Messages that wait in queues or for credits here, and spans that rest in the core.
  virtual void held_spans(std::vector<SpanId>& out) const = 0;

  /// A copy of the core and of everything the station knows about it.
  struct Saved {
    virtual ~Saved() = default;
  };
  virtual std::unique_ptr<Saved> save() const = 0;
  virtual void restore(const Saved& saved) = 0;

 protected:
  virtual LaneId lane_for(PortId port, const Message& message) const = 0;
  virtual void call_core(PortId port, const Message& message, Env& env) = 0;
  virtual bool core_is_busy() const = 0;
  void spans_in_queues(std::vector<SpanId>& out) const;

  /// A service of `lane` that begins now, outside any message.
  void begin_service(LaneId lane);
  void end_service();

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint16_t kNoInput = 0xFFFF;
  struct Queued {
    Item item;
    Key key;
    std::uint32_t next = kNone;
  };
  struct Queue {
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
  };
  struct Lane {
    Time free_at = 0;
    Queue requests;
    Queue answers;
    bool serve_scheduled = false;
    bool in_turn = false;         // it stands in State::turns
    std::uint32_t after = kNone;  // who comes after it there
  };
  struct Held {
    Message message;
    Time ready = 0;
    LaneId lane{};
  };
  struct Output {
    PortId port{};
    Order order = Order::Ordered;
    Link* link = nullptr;
    StationBase* peer = nullptr;
    bool bounded = false;
    unsigned credits = 0;
    bool wake_scheduled = false;
    std::vector<Time> last_departure;  // by lane, which are independent of each other; if ordered
    std::vector<Held> held;            // front first
  };
  struct Input {
    std::uint64_t arrivals = 0;
    StationBase* feeder = nullptr;
    PortId feeder_port{};
  };
  /// All that changes during a run, apart from the core.
  struct State {
    std::vector<Lane> lanes;
    std::vector<Queued> pool;
    std::uint32_t free_head = kNone;
    std::vector<Output> outputs;
    std::vector<Input> inputs;
    std::vector<std::uint16_t> input_of_port;  // by raw(port): index into inputs, or kNoInput
    Queue turns;                               // lanes whose requests may not start yet, in turn
    std::vector<std::uint64_t> next_sequence;  // by source
    std::uint64_t records = 0;                 // notes so far: the last word among equals
    unsigned blocked_outputs = 0;
  };
  State state_;

 private:
  // Env, for the call under way
  void note(Event event, SpanId span, std::uint64_t detail) override {
    note_many(event, span, detail, 1);
  }
  void note_many(Event event, SpanId span, std::uint64_t detail, std::uint32_t times) override;
  void send(PortId port, const Message& message) override;
  void after(Duration delay, Tag tag) override { after(delay, tag, lane_); }
  void after(Duration delay, Tag tag, LaneId lane) override;
  Time now() const override { return cursor_; }
  SpanId open(Cause cause, SpanId parent, std::uint32_t source) override;

  NodeId node_of(LaneId lane) const { return NodeId{raw(plan_.first_node) + raw(lane)}; }
  const Price& price_of(Event event) const;
  std::uint16_t input_at(PortId port);
  std::uint16_t add_input(PortId port);
  Output* output_at(PortId port);
  std::uint16_t round_at(Time time) const;
  TieClass tie_of(const Message& message) const;

  void arrive(const Key& key, const Item& item);
  void serve_next(LaneId lane);
  void serve(LaneId lane, const Item& item);
  void schedule_serve(LaneId lane);
  enum class Turn : std::uint8_t { Last, First };
  void take_turn(LaneId lane, Turn turn);
  void give_turn();
  void schedule(LaneId lane);
  bool may_start_request() const {
    return state_.blocked_outputs == 0 && !(core_can_be_busy_ && core_is_busy());
  }
  void credit_returned(PortId port);
  void release_held(Output& output);
  void depart(Output& output, const Message& message, Time departure);
  /// Something that began at `begin` is over at `time`; `last` is the time of the span's last
  /// record.
  void record(Time begin, Event event, SpanId span, std::uint64_t detail, Time time, Time last);
  void record_wait(Event event, const Message& message, Time time);
  void enqueue(Queue& queue, const Key& key, const Item& item);
  Item dequeue(Queue& queue);

  Engine& engine_;
  bool core_can_be_busy_;
  StationPlan plan_;
  PriceList prices_;
  struct LanePrice {
    LaneId first;
    LaneId last;
    Event event;
    Price price;
  };
  std::vector<LanePrice> lane_prices_;
  std::uint16_t index_ = 0;
  std::vector<std::uint32_t> output_of_port_;  // by raw(port): index into outputs, or kNone
  // The service under way
  LaneId lane_{};
  TieClass tie_{};   // of what it serves: its records stand where it stands
  Time begin_ = 0;   // when what led to the next note began
  Time cursor_ = 0;  // the prices noted so far have passed
  Duration busy_ = 0;
};

/// A station around a core. A core has:
///   LaneId lane_of(PortId, const Message&) const      depends on configuration only
///   void receive(PortId, const Message&, Env&)
///   void held_spans(std::vector<SpanId>&) const
/// and may have `bool busy() const`: it takes no further request now.
template <class Core>
class Station final : public StationBase {
 public:
  Station(Engine& engine, StationPlan plan, const PriceList& prices, Core core)
      : StationBase(engine, std::move(plan), prices,
                    HasBusy<Core>::value ? Busy::AtTimes : Busy::Never),
        core_(std::move(core)) {}

  Core& core() { return core_; }
  const Core& core() const { return core_; }

  /// Somebody outside simulated time acts on the core now, as `act(Core&, Env&)`: what it sends and
  /// notes is the core's own. Not while the engine is at work.
  template <class Act>
  void act(LaneId lane, Act&& act) {
    begin_service(lane);
    act(core_, static_cast<Env&>(*this));
    end_service();
  }

  void held_spans(std::vector<SpanId>& out) const override {
    spans_in_queues(out);
    core_.held_spans(out);
  }
  std::unique_ptr<Saved> save() const override {
    return std::make_unique<SavedStation>(state_, core_);
  }
  void restore(const Saved& saved) override {
    const auto& mine = static_cast<const SavedStation&>(saved);
    state_ = mine.state;
    core_ = mine.core;
  }

 protected:
  LaneId lane_for(PortId port, const Message& message) const override {
    return core_.lane_of(port, message);
  }
  void call_core(PortId port, const Message& message, Env& env) override {
    core_.receive(port, message, env);
  }
  bool core_is_busy() const override {
    if constexpr (HasBusy<Core>::value) {
      return core_.busy();
    } else {
      return false;
    }
  }

 private:
  template <class C, class = void>
  struct HasBusy : std::false_type {};
  template <class C>
  struct HasBusy<C, std::void_t<decltype(std::declval<const C&>().busy())>> : std::true_type {};

  struct SavedStation final : Saved {
    SavedStation(const State& s, const Core& c) : state(s), core(c) {}
    State state;
    Core core;
  };

  Core core_;
};

}  // namespace irqfab
