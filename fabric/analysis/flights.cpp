#include "fabric/analysis/flights.hpp"

#include <algorithm>
#include <cassert>

namespace irqfab::analysis {
namespace {

constexpr std::size_t kFirstSlots = 1024;

std::size_t home_of(SpanId span, std::size_t slots) {
  return static_cast<std::size_t>((raw(span) * 0x9E3779B97F4A7C15u) >> 24) & (slots - 1);
}

}  // namespace

void Steps::add(const Step& step) {
  if (steps_.size() < kMost) return steps_.push_back(step);
  const auto shortest = std::min_element(
      steps_.begin(), steps_.end(), [](const Step& a, const Step& b) { return a.took < b.took; });
  if (shortest->took < step.took) *shortest = step;
}

Flights::Flights() : slots_(kFirstSlots) {}

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
    const std::size_t home = home_of(slots_[at].span, slots_.size());
    const bool reaches_gap = ((at - home) & mask) >= ((at - gap) & mask);
    if (!reaches_gap) continue;
    std::swap(slots_[gap], slots_[at]);
    gap = at;
  }
}

std::size_t Flights::slot_of(SpanId span) const {
  std::size_t slot = home_of(span, slots_.size());
  while (slots_[slot].flight != kNone && slots_[slot].span != span) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void Flights::grow() {
  const std::vector<Slot> old = std::move(slots_);
  slots_.assign(2 * old.size(), Slot{});
  for (const Slot& slot : old) {
    if (slot.flight != kNone) slots_[slot_of(slot.span)] = slot;
  }
}

}  // namespace irqfab::analysis
