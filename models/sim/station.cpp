#include "models/sim/station.hpp"

#include <algorithm>
#include <cassert>

namespace irqfab {
namespace {

/// Where Elapsed arrives: at no port, from nobody.
constexpr PortId kNoPort{0xFFFF};

template <class M>
constexpr std::uint64_t kKind = std::uint64_t{1} << Message(M{}).index();
bool is_one_of(const Message& message, std::uint64_t kinds) {
  return (kinds >> message.index()) & 1;
}

/// Answers to questions a core asked itself. They bypass the queue of requests.
constexpr std::uint64_t kAnswers =
    kKind<BusData> | kKind<MarkerDone> | kKind<IntaAnswer> | kKind<Elapsed>;
bool is_answer(const Message& message) { return is_one_of(message, kAnswers); }

}  // namespace

StationBase::StationBase(Engine& engine, StationPlan plan, const PriceList& prices, Busy core)
    : engine_(engine),
      core_can_be_busy_(core == Busy::AtTimes),
      plan_(std::move(plan)),
      prices_(prices),
      index_(engine.add(*this)) {
  state_.lanes.resize(plan_.lanes);
  state_.next_sequence.resize(plan_.sources);
}

void StationBase::connect(PortId port, Order order, Link* link, StationBase* peer, unsigned depth) {
  if (raw(port) >= output_of_port_.size()) output_of_port_.resize(raw(port) + 1u, kNone);
  output_of_port_[raw(port)] = static_cast<std::uint32_t>(state_.outputs.size());
  Output output;
  output.port = port;
  output.order = order;
  output.link = link;
  output.peer = peer;
  output.bounded = depth > 0;
  output.credits = depth;
  if (order == Order::Ordered) output.last_departure.resize(plan_.lanes);
  state_.outputs.push_back(std::move(output));
}

void StationBase::fed_by(PortId port, StationBase* feeder, PortId feeder_port) {
  Input& input = state_.inputs[input_at(port)];
  input.feeder = feeder;
  input.feeder_port = feeder_port;
}

void StationBase::override_price(LaneId first, LaneId last, Event event, const Price& price) {
  lane_prices_.push_back({first, last, event, price});
}

void StationBase::accept(PortId port, const Message& message, Time time, std::uint16_t round) {
  LaneId lane = lane_for(port, message);
  if (raw(lane) >= state_.lanes.size()) lane = LaneId{0};  // nonsense; the core will say so
  const std::uint16_t input = input_at(port);
  const Key key{time, round, tie_of(message), port, node_of(lane), state_.inputs[input].arrivals++};
  engine_.push(key) = {message, time, port, index_, lane, input, Item::Kind::Arrive};
}

void StationBase::take(const Key& key, const Item& item) {
  tie_ = key.tie;
  switch (item.kind) {
    case Item::Kind::Arrive:
      return arrive(key, item);
    case Item::Kind::Serve:
      return serve_next(item.lane);
    case Item::Kind::Credit:
      return release_held(*output_at(item.port));
  }
}

void StationBase::arrive(const Key& key, const Item& item) {
  Lane& lane = state_.lanes[raw(item.lane)];
  const bool answer = is_answer(item.message);
  const bool nobody_waits = lane.answers.head == kNone && (answer || lane.requests.head == kNone);
  const bool may_start = answer || (may_start_request() && state_.turns.head == kNone);
  if (nobody_waits && lane.free_at <= key.time && may_start) return serve(item.lane, item);
  enqueue(answer ? lane.answers : lane.requests, key, item);
  schedule_serve(item.lane);
}

void StationBase::serve_next(LaneId lane_id) {
  Lane& lane = state_.lanes[raw(lane_id)];
  lane.serve_scheduled = false;
  // An answer that arrived at this very time may have gone first.
  if (lane.free_at > engine_.now()) return schedule_serve(lane_id);
  if (lane.answers.head != kNone) return serve(lane_id, dequeue(lane.answers));
  if (lane.requests.head == kNone || lane.in_turn) return;
  if (!may_start_request()) return take_turn(lane_id, Turn::First);
  serve(lane_id, dequeue(lane.requests));
}

void StationBase::serve(LaneId lane_id, const Item& item) {
  begin_service(lane_id);
  if (std::holds_alternative<Elapsed>(item.message)) begin_ = item.requested;
  if (item.input != kNoInput) {
    const Input& input = state_.inputs[item.input];
    if (input.feeder != nullptr) input.feeder->credit_returned(input.feeder_port);
  }
  call_core(item.port, item.message, *this);
  end_service();
}

void StationBase::begin_service(LaneId lane) {
  lane_ = lane;
  begin_ = cursor_ = engine_.now();
  busy_ = 0;
}

void StationBase::end_service() {
  Time& free_at = state_.lanes[raw(lane_)].free_at;
  free_at = std::max(free_at, engine_.now()) + busy_;
  schedule_serve(lane_);
  if (state_.turns.head != kNone) give_turn();
}

void StationBase::schedule_serve(LaneId lane_id) {
  const Lane& lane = state_.lanes[raw(lane_id)];
  if (lane.serve_scheduled) return;
  if (lane.answers.head != kNone) return schedule(lane_id);
  if (lane.requests.head == kNone || lane.in_turn) return;
  if (!may_start_request() || state_.turns.head != kNone) return take_turn(lane_id, Turn::Last);
  schedule(lane_id);
}

/// As soon as the lane is free.
void StationBase::schedule(LaneId lane_id) {
  Lane& lane = state_.lanes[raw(lane_id)];
  const bool can_answer = lane.answers.head != kNone;
  const Queued& head = state_.pool[can_answer ? lane.answers.head : lane.requests.head];
  Key key = head.key;
  key.time = std::max(lane.free_at, engine_.now());
  key.round = round_at(key.time);
  lane.serve_scheduled = true;
  engine_.push(key) = {head.item.message, key.time,        head.item.port,   index_,
                       lane_id,           head.item.input, Item::Kind::Serve};
}

/// The lane's requests wait until the station may start one.
void StationBase::take_turn(LaneId lane_id, Turn turn) {
  Lane& lane = state_.lanes[raw(lane_id)];
  Queue& turns = state_.turns;
  lane.in_turn = true;
  lane.after = turn == Turn::First ? turns.head : kNone;
  if (turn == Turn::First) turns.head = raw(lane_id);
  if (turns.tail == kNone) {
    turns.head = turns.tail = raw(lane_id);
  } else if (turn == Turn::Last) {
    state_.lanes[turns.tail].after = raw(lane_id);
    turns.tail = raw(lane_id);
  }
}

/// Schedules the lane whose turn it is, if a request may start; once served, it gives the turn on.
void StationBase::give_turn() {
  while (may_start_request() && state_.turns.head != kNone) {
    const LaneId lane_id{state_.turns.head};
    Lane& lane = state_.lanes[raw(lane_id)];
    state_.turns.head = lane.after;
    if (state_.turns.head == kNone) state_.turns.tail = kNone;
    lane.in_turn = false;
    if (lane.serve_scheduled) continue;  // for an answer, after which it looks again
    schedule(lane_id);
    if (lane.free_at <= engine_.now()) return;
  }
}

// ---- what a core asks for ---------------------------------------------------------------------

void StationBase::note_many(Event event, SpanId span, std::uint64_t detail, std::uint32_t times) {
  const Time before = cursor_;
  const Time last = engine_.ledger().last_of(span);
  if (!is_instant(event)) {
    // Servers are pipelined: the price of what happened to the span before may still be passing.
    const Price& price = price_of(event);
    cursor_ = price.after(std::max(cursor_, last), times);
    busy_ += price.interval * times;
  }
  record(std::min(begin_, before), event, span, detail, cursor_, last);
  begin_ = cursor_;
}

void StationBase::record(Time begin, Event event, SpanId span, std::uint64_t detail, Time time,
                         Time last) {
  // A change of state that hits a span in the middle of a price shows at the end of that price.
  const bool overtakes = time < last;
  if (overtakes) time = last;
  const bool at_once = time == engine_.now();
  const std::uint16_t round = at_once ? engine_.round() : std::uint16_t{0};
  const NodeId node = node_of(lane_);
  const TieClass tie = at_once || overtakes ? tie_ : TieClass::PriceEnds;
  const Key key{time, round, tie, PortId{0}, node, state_.records++};
  const TraceRecord made{time, span, detail, node, event, round};
  engine_.ledger().note({begin, engine_.now()}, key, made, engine_.sink());
}

/// Time that a message spent waiting within the station, until `time`.
void StationBase::record_wait(Event event, const Message& message, Time time) {
  const SpanId span = span_of(message);
  if (span != kNoSpan) record(time, event, span, 0, time, engine_.ledger().last_of(span));
}

void StationBase::send(PortId port, const Message& message) {
  Output* output = output_at(port);
  if (output == nullptr) {
    // Nothing is wired there: what a guest aimed at it is lost, and says so.
    const SpanId span = span_of(message);
    if (span != kNoSpan) drop(span, DropReason::NoDecode);
    return;
  }
  Time departure = cursor_;
  if (output->order == Order::Ordered) {
    Time& last = output->last_departure[raw(lane_)];
    if (departure < last) {
      departure = last;
      record_wait(Event::HeldForOrder, message, departure);
    }
    last = departure;
  }
  if (output->bounded && (output->credits == 0 || !output->held.empty())) {
    if (output->held.empty()) ++state_.blocked_outputs;
    output->held.push_back({message, departure, lane_});
    return;
  }
  depart(*output, message, departure);
}

void StationBase::depart(Output& output, const Message& message, Time departure) {
  if (output.bounded) --output.credits;
  output.link->carry(message, departure, round_at(departure));
}

void StationBase::after(Duration delay, Tag tag, LaneId lane) {
  const Time time = cursor_ + delay;
  const Elapsed elapsed{tag, raw(lane)};
  const Key key{time, round_at(time), tie_of(elapsed), kNoPort, node_of(lane), state_.records++};
  engine_.push(key) = {elapsed, cursor_, kNoPort, index_, lane, kNoInput, Item::Kind::Arrive};
}

SpanId StationBase::open(Cause cause, SpanId, std::uint32_t source) {
  assert(raw(lane_) < plan_.first_source.size());
  const std::uint32_t id = plan_.first_source[raw(lane_)] + source;
  assert(id - plan_.first_source[0] < state_.next_sequence.size());
  const std::uint64_t sequence = state_.next_sequence[id - plan_.first_source[0]]++;
  const SpanId span = make_span(SourceId{id}, sequence);
  note(Event::Asserted, span, static_cast<std::uint64_t>(cause));
  return span;
}

// ---- credits ----------------------------------------------------------------------------------

void StationBase::credit_returned(PortId port) {
  Output& output = *output_at(port);
  if (!output.bounded) return;
  ++output.credits;
  if (output.held.empty() || output.wake_scheduled) return;
  // The sender sees it after what is being done now: as an event of its own.
  output.wake_scheduled = true;
  const Time now = engine_.now();
  const Key key{now,
                static_cast<std::uint16_t>(engine_.round() + 1),
                plan_.tie,
                port,
                plan_.first_node,
                output.credits};
  engine_.push(key) = {Marker{Tag{0}}, now, port, index_, LaneId{0}, kNoInput, Item::Kind::Credit};
}

void StationBase::release_held(Output& output) {
  output.wake_scheduled = false;
  const Time now = engine_.now();
  std::size_t released = 0;
  while (released < output.held.size() && output.credits > 0) {
    const Held held = output.held[released++];
    const Time departure = std::max(held.ready, now);
    lane_ = held.lane;
    if (departure > held.ready) record_wait(Event::Stalled, held.message, departure);
    if (output.order == Order::Ordered) {
      Time& last = output.last_departure[raw(held.lane)];
      last = std::max(last, departure);
    }
    depart(output, held.message, departure);
  }
  output.held.erase(output.held.begin(),
                    output.held.begin() + static_cast<std::ptrdiff_t>(released));
  if (!output.held.empty()) return;
  --state_.blocked_outputs;
  give_turn();
}

// ---- small things -----------------------------------------------------------------------------

const Price& StationBase::price_of(Event event) const {
  for (const LanePrice& own : lane_prices_) {
    if (own.event == event && own.first <= lane_ && lane_ <= own.last) return own.price;
  }
  return prices_[static_cast<std::size_t>(event)];
}

std::uint16_t StationBase::input_at(PortId port) {
  const auto& known = state_.input_of_port;
  const bool is_known = raw(port) < known.size() && known[raw(port)] != kNoInput;
  return is_known ? known[raw(port)] : add_input(port);
}

std::uint16_t StationBase::add_input(PortId port) {
  auto& known = state_.input_of_port;
  if (raw(port) >= known.size()) known.resize(raw(port) + 1u, kNoInput);
  known[raw(port)] = static_cast<std::uint16_t>(state_.inputs.size());
  state_.inputs.push_back({});
  return known[raw(port)];
}

StationBase::Output* StationBase::output_at(PortId port) {
  if (raw(port) >= output_of_port_.size() || output_of_port_[raw(port)] == kNone) return nullptr;
  return &state_.outputs[output_of_port_[raw(port)]];
}

std::uint16_t StationBase::round_at(Time time) const {
  return time == engine_.now() ? static_cast<std::uint16_t>(engine_.round() + 1) : std::uint16_t{0};
}

TieClass StationBase::tie_of(const Message& message) const {
  // At a controller, ends of interrupts go before new ones, and both before questions of CPUs. The
  // one that CPUs ask is planned as SetPending, those before it as Controller.
  if (plan_.tie != TieClass::Controller && plan_.tie != TieClass::SetPending) return plan_.tie;
  if (is_one_of(message, kKind<RegisterWrite> | kKind<EoiMessage>)) {
    return TieClass::EndOfInterrupt;
  }
  if (std::holds_alternative<Inta>(message)) return TieClass::Accept;
  return plan_.tie;
}

void StationBase::enqueue(Queue& queue, const Key& key, const Item& item) {
  std::uint32_t at = state_.free_head;
  if (at == kNone) {
    at = static_cast<std::uint32_t>(state_.pool.size());
    state_.pool.push_back({});
  } else {
    state_.free_head = state_.pool[at].next;
  }
  state_.pool[at] = Queued{item, key, kNone};
  if (queue.tail == kNone) {
    queue.head = at;
  } else {
    state_.pool[queue.tail].next = at;
  }
  queue.tail = at;
}

Item StationBase::dequeue(Queue& queue) {
  const std::uint32_t at = queue.head;
  const Item item = state_.pool[at].item;
  queue.head = state_.pool[at].next;
  if (queue.head == kNone) queue.tail = kNone;
  state_.pool[at].next = state_.free_head;
  state_.free_head = at;
  return item;
}

void StationBase::spans_in_queues(std::vector<SpanId>& out) const {
  const auto add = [&](const Message& message) {
    const SpanId span = span_of(message);
    if (span != kNoSpan) out.push_back(span);
  };
  for (const Lane& lane : state_.lanes) {
    for (const Queue* queue : {&lane.requests, &lane.answers}) {
      for (std::uint32_t at = queue->head; at != kNone; at = state_.pool[at].next) {
        add(state_.pool[at].item.message);
      }
    }
  }
  for (const Output& output : state_.outputs) {
    for (const Held& held : output.held) add(held.message);
  }
}

}  // namespace irqfab
