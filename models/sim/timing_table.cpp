#include "models/sim/timing_table.hpp"

#include "models/base/wide.hpp"

namespace irqfab {
namespace {

Duration in_ps(const Length& length, const Profile& profile) {
  if (length.clock.empty()) return length.value;
  const auto hertz = profile.hertz_of(length.clock);
  return hertz ? edge_time(length.value, *hertz) : 0;
}

}  // namespace

const PriceRow* Profile::find(Event event) const {
  for (const PriceRow& row : rows) {
    if (row.event == event) return &row;
  }
  return nullptr;
}

std::optional<std::uint64_t> Profile::hertz_of(std::string_view clock) const {
  for (const Clock& c : clocks) {
    if (c.name == clock) return c.hertz;
  }
  return std::nullopt;
}

Time edge_time(std::uint64_t k, std::uint64_t hertz) {
  return static_cast<Time>(Uint128{k} * kPsPerSecond / hertz);
}

std::uint64_t edge_at_or_after(Time time, std::uint64_t hertz) {
  auto k = static_cast<std::uint64_t>(Uint128{time} * hertz / kPsPerSecond);
  while (edge_time(k, hertz) < time) ++k;
  return k;
}

Time Price::after_edges(Time time, std::uint32_t times) const {
  return edge_time(edge_at_or_after(time, hertz) + cycles * times, hertz);
}

Price resolve(const Profile& profile, const PriceRow& row) {
  Price price;
  price.latency = in_ps(row.latency, profile);
  price.interval = in_ps(row.interval, profile);
  price.queue_depth = row.queue_depth;
  if (!row.latency.clock.empty()) {
    price.cycles = row.latency.value;
    price.hertz = profile.hertz_of(row.latency.clock).value_or(0);
    if (price.hertz != 0) price.align = row.align;
  }
  return price;
}

PriceList resolve(const Profile& profile) {
  PriceList prices{};
  for (const PriceRow& row : profile.rows) {
    prices[static_cast<std::size_t>(row.event)] = resolve(profile, row);
  }
  return prices;
}

}  // namespace irqfab
