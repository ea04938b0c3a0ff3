#include "models/sim/station.hpp"

#include <algorithm>
#include <cassert>

namespace irqfab {
namespace {

/// Where Elapsed arrives: at no port, from nobody.
constexpr PortId kNoPort{0xFFFF};

/// Answers to questions a core asked itself. They bypass the queue of requests.
bool is_answer(const Message& message) {
  return std::holds_alternative<BusData>(message) || std::holds_alternative<MarkerDone>(message) ||
         std::holds_alternative<IntaAnswer>(message) || std::holds_alternative<Elapsed>(message);
}

}  // namespace

StationBase::StationBase(Engine& engine, StationPlan plan, const PriceList& prices)
    : engine_(engine), plan_(std::move(plan)), prices_(prices), index_(engine.add(*this)) {
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
  output.last_departure.resize(plan_.lanes);
  state_.outputs.push_back(std::move(output));
}

void StationBase::fed_by(PortId port, StationBase* feeder, PortId feeder_port) {
  Input& input = input_at(port);
  input.feeder = feeder;
  input.feeder_port = feeder_port;
}

void StationBase::override_price(LaneId lane, Event event, const Price& price) {
  lane_prices_.push_back({lane, event, price});
}

void StationBase::accept(PortId port, const Message& message, Time time, std::uint16_t round) {
  LaneId lane = lane_for(port, message);
  if (raw(lane) >= state_.lanes.size()) lane = LaneId{0};  // nonsense; the core will say so
  const Key key{time, round, tie_of(message), port, node_of(lane), input_at(port).arrivals++};
  engine_.push(key, Item{message, time, port, index_, lane, Item::Kind::Arrive});
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
  if (nobody_waits && lane.free_at <= key.time && (answer || may_start_request())) {
    return serve(item.lane, item);
  }
  enqueue(answer ? lane.answers : lane.requests, key, item);
  schedule_serve(item.lane);
}

void StationBase::serve_next(LaneId lane_id) {
  Lane& lane = state_.lanes[raw(lane_id)];
  lane.serve_scheduled = false;
  // An answer that arrived at this very time may have gone first.
  if (lane.free_at > engine_.now()) return schedule_serve(lane_id);
  if (lane.answers.head != kNone) return serve(lane_id, dequeue(lane.answers));
  if (lane.requests.head != kNone && may_start_request()) {
    return serve(lane_id, dequeue(lane.requests));
  }
}

void StationBase::serve(LaneId lane_id, const Item& item) {
  const bool was_open = may_start_request();
  const Time now = engine_.now();
  lane_ = lane_id;
  begin_ = std::holds_alternative<Elapsed>(item.message) ? item.requested : now;
  cursor_ = now;
  busy_ = 0;
  give_credit_back(item.port);
  call_core(item.port, item.message, *this);
  Lane& lane = state_.lanes[raw(lane_id)];
  lane.free_at = now + busy_;
  schedule_serve(lane_id);
  if (!was_open && may_start_request()) schedule_waiting_lanes();
}

void StationBase::schedule_serve(LaneId lane_id) {
  Lane& lane = state_.lanes[raw(lane_id)];
  if (lane.serve_scheduled) return;
  const bool can_answer = lane.answers.head != kNone;
  const bool can_request = lane.requests.head != kNone && may_start_request();
  if (!can_answer && !can_request) return;
  const Queued& head = state_.pool[can_answer ? lane.answers.head : lane.requests.head];
  Key key = head.key;
  key.time = std::max(lane.free_at, engine_.now());
  key.round = round_at(key.time);
  lane.serve_scheduled = true;
  engine_.push(
      key, Item{head.item.message, key.time, head.item.port, index_, lane_id, Item::Kind::Serve});
}

void StationBase::schedule_waiting_lanes() {
  for (std::uint32_t lane = 0; lane < plan_.lanes; ++lane) schedule_serve(LaneId{lane});
}

// ---- what a core asks for ---------------------------------------------------------------------

void StationBase::note(Event event, SpanId span, std::uint64_t detail) {
  const Price& price = price_of(event);
  const Time before = cursor_;
  if (!is_instant(event)) {
    // Servers are pipelined: the price of what happened to the span before may still be passing.
    cursor_ = price.after(std::max(cursor_, engine_.ledger().last_of(span)));
  }
  busy_ += price.interval;
  record(std::min(begin_, before), event, span, detail, cursor_);
  begin_ = cursor_;
}

void StationBase::record(Time begin, Event event, SpanId span, std::uint64_t detail, Time time) {
  // A change of state that hits a span in the middle of a price shows at the end of that price.
  const Time earliest = engine_.ledger().last_of(span);
  const bool overtakes = time < earliest;
  if (overtakes) time = earliest;
  const bool at_once = time == engine_.now();
  const std::uint16_t round = at_once ? engine_.round() : std::uint16_t{0};
  const NodeId node = node_of(lane_);
  const TieClass tie = at_once || overtakes ? tie_ : TieClass::PriceEnds;
  const Key key{time, round, tie, PortId{0}, node, state_.records++};
  const TraceRecord made{time, span, detail, node, event, round};
  engine_.ledger().note({begin, engine_.now()}, key, made, engine_.sink());
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
  Time& last = output->last_departure[raw(lane_)];
  if (output->order == Order::Ordered && departure < last) {
    departure = last;
    const SpanId span = span_of(message);
    if (span != kNoSpan) record(departure, Event::HeldForOrder, span, 0, departure);
  }
  last = departure;
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
  engine_.push(key, Item{elapsed, cursor_, kNoPort, index_, lane, Item::Kind::Arrive});
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

void StationBase::give_credit_back(PortId port) {
  if (port == kNoPort) return;
  const Input& input = input_at(port);
  if (input.feeder != nullptr) input.feeder->credit_returned(input.feeder_port);
}

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
  engine_.push(key, Item{Marker{Tag{0}}, now, port, index_, LaneId{0}, Item::Kind::Credit});
}

void StationBase::release_held(Output& output) {
  output.wake_scheduled = false;
  const Time now = engine_.now();
  std::size_t released = 0;
  while (released < output.held.size() && output.credits > 0) {
    const Held held = output.held[released++];
    const Time departure = std::max(held.ready, now);
    const SpanId span = span_of(held.message);
    lane_ = held.lane;
    if (span != kNoSpan && departure > held.ready) {
      record(departure, Event::Stalled, span, 0, departure);
    }
    Time& last = output.last_departure[raw(held.lane)];
    last = std::max(last, departure);
    depart(output, held.message, departure);
  }
  output.held.erase(output.held.begin(),
                    output.held.begin() + static_cast<std::ptrdiff_t>(released));
  if (!output.held.empty()) return;
  --state_.blocked_outputs;
  if (may_start_request()) schedule_waiting_lanes();
}

// ---- small things -----------------------------------------------------------------------------

const Price& StationBase::price_of(Event event) const {
  for (const LanePrice& own : lane_prices_) {
    if (own.lane == lane_ && own.event == event) return own.price;
  }
  return prices_[static_cast<std::size_t>(event)];
}

StationBase::Input& StationBase::input_at(PortId port) {
  const unsigned spec = spec_of(port);
  const unsigned edge = edge_of(port);
  if (spec >= state_.inputs.size()) state_.inputs.resize(spec + 1);
  if (edge >= state_.inputs[spec].size()) state_.inputs[spec].resize(edge + 1);
  return state_.inputs[spec][edge];
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
  if (std::holds_alternative<RegisterWrite>(message) ||
      std::holds_alternative<EoiMessage>(message)) {
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
