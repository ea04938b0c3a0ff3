#include "fabric/analysis/flights.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cassert>

namespace irqfab::analysis {
namespace {

constexpr unsigned kFirstBits = 10;

/// Another multiplier in every process, so that no trace can be made whose spans all collide. What
/// is found does not depend on it.
std::uint64_t some_odd_number() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number) {
    number = 0x9E3779B97F4A7C15u;
  }
  return number | 1;
}

}  // namespace

void Steps::add(const Step& step) {
  if (steps_.size() < kMost) return steps_.push_back(step);
  const auto shortest = std::min_element(
      steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.took < b.took; });
  if (shortest->took < step.took) *shortest = step;
}

Flights::Flights()
    : multiplier_(some_odd_number()), bits_(kFirstBits), slots_(std::size_t{1} << kFirstBits) {}

Flight* Flights::find(SpanId span) {
  const Slot& slot = slots_[slot_of(span)];
  return slot.flight == kNone ? nullptr : &flights_[slot.flight];
}

Flight& Flights::open(SpanId span) {
  if (2 * (size() + 1) > slots_.size()) grow();
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(flights_.size()));
    flights_.emplace_back();
  }
  Slot& slot = slots_[slot_of(span)];
  assert(slot.flight == kNone);
  slot = {span, free_.back()};
  free_.pop_back();
  Flight& flight = flights_[slot.flight];
  flight.span = span;
  flight.opened = flight.last = 0;
  flight.waited = 0;
  flight.entered.reset();
  flight.accepted.reset();
  flight.steps.clear();
  return flight;
}

/// Moves what follows into the gap, so that a search ends at the first free slot.
void Flights::close(Flight& flight) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t gap = slot_of(flight.span);
  free_.push_back(slots_[gap].flight);
  slots_[gap] = Slot{};
  for (std::size_t at = (gap + 1) & mask; slots_[at].flight != kNone; at = (at + 1) & mask) {
    const std::size_t home = home_of(slots_[at].span);
    const bool reaches_gap = ((at - home) & mask) >= ((at - gap) & mask);
    if (!reaches_gap) continue;
    std::swap(slots_[gap], slots_[at]);
    gap = at;
  }
}

/// The highest bits of the product: all bits of the span count.
std::size_t Flights::home_of(SpanId span) const {
  return static_cast<std::size_t>((raw(span) * multiplier_) >> (64 - bits_));
}

std::size_t Flights::slot_of(SpanId span) const {
  std::size_t slot = home_of(span);
  while (slots_[slot].flight != kNone && slots_[slot].span != span) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void Flights::grow() {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(2 * old.size(), Slot{});
  ++bits_;
  for (const Slot& slot : old) {
    if (slot.flight != kNone) slots_[slot_of(slot.span)] = slot;
  }
}

}  // namespace irqfab::analysis
