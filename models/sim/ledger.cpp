#include "models/sim/ledger.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace irqfab {
namespace {

constexpr std::size_t kFirstSlots = 1024;

/// Where a span belongs in a table of `last` + 1 slots. The high bits of the product depend on all
/// bits of the span, on its source as well as on its sequence.
std::size_t scatter(SpanId span, std::size_t last) {
  return static_cast<std::size_t>((raw(span) * 0x9E3779B97F4A7C15u) >> __builtin_clzll(last));
}

template <std::size_t N>
void count_in(std::array<std::uint64_t, N>& counters, std::uint64_t index) {
  assert(index < N);
  if (index < N) ++counters[index];
}

/// Effects by event.
const std::array<Effect, kEventCount> kEffects = [] {
  std::array<Effect, kEventCount> effects{};
  for (std::size_t e = 0; e < kEventCount; ++e) effects[e] = row_of(Event(e)).effect;
  return effects;
}();

bool is_wait(Event event) { return event == Event::Stalled || event == Event::HeldForOrder; }

void count_end(Accounting& accounting, const TraceRecord& record) {
  switch (record.event) {
    case Event::Handled:
      ++accounting.handled;
      break;
    case Event::Coalesced:
      ++accounting.coalesced;
      break;
    case Event::Dropped:
      ++accounting.dropped;
      count_in(accounting.drops, record.detail);
      break;
    default:
      ++accounting.cancelled;
      count_in(accounting.cancels, record.detail);
      break;
  }
}

}  // namespace

bool operator==(const Accounting& a, const Accounting& b) {
  const auto all = [](const Accounting& x) {
    return std::tie(x.asserted, x.handled, x.coalesced, x.dropped, x.cancelled, x.spurious,
                    x.duplicated, x.guest_errors, x.drops, x.cancels);
  };
  return all(a) == all(b);
}

Ledger::Ledger(const Config& config)
    : config_(config),
      slots_(kFirstSlots),
      hops_(std::size_t{config.components} * kEventCount),
      paths_(config.paths) {}

Ledger::Ledger(const Ledger& other) : Ledger(other.config_) { *this = other; }

Ledger& Ledger::operator=(const Ledger& other) {
  if (this == &other) return *this;
  config_ = other.config_;
  accounting_ = other.accounting_;
  slots_ = other.slots_;
  live_ = other.live_;
  recent_ = 0;
  time_in_flight_ = other.time_in_flight_;
  paths_ = other.paths_;
  hops_.clear();
  for (const auto& hop : other.hops_) {
    hops_.push_back(hop ? std::make_unique<HopStat>(*hop) : nullptr);
  }
  return *this;
}

void Ledger::note(When when, const Key& key, const TraceRecord& record, RecordSink* sink) {
  const Effect effect = kEffects[static_cast<std::size_t>(record.event)];
  if (record.span == kNoSpan || effect == Effect::None) {
    note_without_span(record);
    if (sink != nullptr) sink->take(key, record);
    return;
  }
  if (effect == Effect::Opens) {
    Live& opened = insert(record.span);
    opened.opened = opened.last = key.time;
    ++accounting_.asserted;
    ++paths_[config_.path_of_source[raw(source_of(record.span))]].accounting.asserted;
    if (sink != nullptr) sink->take(key, record);
    return;
  }
  Live* live = find(record.span);
  if (live == nullptr) {
    ++accounting_.duplicated;
    TraceRecord duplicate = record;
    duplicate.event = Event::DuplicateSeen;
    if (sink != nullptr) sink->take(key, duplicate);
    return;
  }
  assert(live->last <= key.time);
  HopStat& hop = hop_at(record.node, record.event);
  // Until it is preempted a handler works, which nothing announces.
  if (when.begin > live->last && record.event != Event::HandlerPreempted) {
    const Duration waited = when.begin - live->last;
    hop.queue += waited;
    const Time shown = when.begin < when.now ? key.time : when.begin;
    if (sink != nullptr && !is_wait(record.event)) trace_wait(shown, waited, key, record, *sink);
  }
  hop.time.record(key.time - live->last);
  time_in_flight_ += key.time - live->last;
  live->last = key.time;
  const bool begins_handler =
      record.event == Event::HandlerEntered || record.event == Event::HandlerDispatched;
  if (begins_handler && live->entered == kNever) live->entered = key.time;
  if (sink != nullptr) sink->take(key, record);
  if (effect == Effect::Ends) end(*live, record);
}

void Ledger::trace_wait(Time at, Duration waited, Key key, TraceRecord record, RecordSink& sink) {
  if (at != key.time) key.round = record.round = 0;
  key.time = record.time = at;
  record.event = Event::Waited;
  record.detail = waited;
  sink.take(key, record);
}

void Ledger::note_without_span(const TraceRecord& record) {
  if (record.event == Event::SpuriousAnswered) ++accounting_.spurious;
  if (record.event == Event::DuplicateSeen) ++accounting_.duplicated;
  if (record.event == Event::GuestError) ++accounting_.guest_errors;
}

void Ledger::end(Live& live, const TraceRecord& record) {
  PathStat& path = paths_[config_.path_of_source[raw(source_of(live.span))]];
  count_end(accounting_, record);
  count_end(path.accounting, record);
  if (record.event == Event::Handled) {
    path.to_end.record(live.last - live.opened);
    if (live.entered != kNever) path.to_handler.record(live.entered - live.opened);
  }
  erase(live.span);
}

std::vector<SpanId> Ledger::in_flight_spans() const {
  std::vector<SpanId> spans;
  for (const Live& live : slots_) {
    if (live.span != kNoSpan) spans.push_back(live.span);
  }
  std::sort(spans.begin(), spans.end());
  return spans;
}

const HopStat* Ledger::hop(std::uint16_t component, Event event) const {
  return hops_[std::size_t{component} * kEventCount + static_cast<std::size_t>(event)].get();
}

HopStat& Ledger::hop_at(NodeId node, Event event) {
  const std::size_t component = config_.component_of_node[raw(node)];
  auto& hop = hops_[component * kEventCount + static_cast<std::size_t>(event)];
  if (!hop) hop = std::make_unique<HopStat>();
  return *hop;
}

std::size_t Ledger::search(SpanId span) const {
  const std::size_t last = slots_.size() - 1;
  std::size_t slot = scatter(span, last);
  while (slots_[slot].span != kNoSpan && slots_[slot].span != span) slot = (slot + 1) & last;
  recent_ = slot;
  return slot;
}

Ledger::Live* Ledger::find(SpanId span) {
  Live& live = slots_[slot_of(span)];
  return live.span == span ? &live : nullptr;
}

Ledger::Live& Ledger::insert(SpanId span) {
  if (2 * (live_ + 1) > slots_.size()) grow();
  Live& live = slots_[slot_of(span)];
  assert(live.span == kNoSpan);
  live = Live{};
  live.span = span;
  ++live_;
  return live;
}

/// Closes the gap, so that no tombstones gather.
void Ledger::erase(SpanId span) {
  const std::size_t last = slots_.size() - 1;
  std::size_t hole = slot_of(span);
  for (std::size_t next = (hole + 1) & last; slots_[next].span != kNoSpan;
       next = (next + 1) & last) {
    const std::size_t home = scatter(slots_[next].span, last);
    const bool may_move = ((next - home) & last) >= ((next - hole) & last);
    if (!may_move) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = Live{};
  --live_;
}

void Ledger::grow() {
  std::vector<Live> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Live& live : old) {
    if (live.span != kNoSpan) slots_[slot_of(live.span)] = live;
  }
}

}  // namespace irqfab
