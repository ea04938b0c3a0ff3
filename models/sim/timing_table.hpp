// The one table of prices: what each event of the vocabulary costs, on which clock, how often it can
// start, and where the number comes from. Nothing else in the program contains a latency.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/event.hpp"
#include "models/base/time.hpp"

namespace irqfab {

/// How a number is known. Only the first three are evidence.
enum class PriceKind : std::uint8_t {
  Published,  // read in the named source
  Measured,   // measured, as the source says
  Derived,    // arithmetic on published or measured numbers
  Assumed,    // nobody has published it: to be replaced by calibration
};
constexpr std::array<std::string_view, 4> kPriceKindNames = {"published", "measured", "derived",
                                                             "assumed"};
constexpr std::string_view name_of(PriceKind kind) {
  return kPriceKindNames[static_cast<std::size_t>(kind)];
}

/// Does the price end on an edge of its clock, or that many cycles after it began?
enum class Align : std::uint8_t { None, Edge };

/// A length in picoseconds or in cycles of a named clock.
struct Length {
  std::uint64_t value = 0;
  std::string clock;  // empty: `value` is in ps
};

struct PriceRow {
  Event event{};
  Length latency;
  Length interval;            // at least this long until the same server starts again; 0: pipelined
  unsigned queue_depth = 0;   // entries of the queue in front of the server; 0: unbounded
  Align align = Align::None;
  PriceKind kind = PriceKind::Assumed;
  std::string source;
};

struct Clock {
  std::string name;
  std::uint64_t hertz = 0;  // 1 .. 10^12
};

/// A named set of prices. Events without a row are free and say so ("not priced").
struct Profile {
  std::string name;
  std::string summary;
  std::vector<Clock> clocks;
  std::vector<PriceRow> rows;

  const PriceRow* find(Event event) const;
  std::optional<std::uint64_t> hertz_of(std::string_view clock) const;
};

/// The profiles that come with the program; the first is the default.
const std::vector<Profile>& built_in_profiles();

/// Picoseconds from time 0 to edge `k` of a clock: floor(k * 10^12 / hertz).
Time edge_time(std::uint64_t k, std::uint64_t hertz);
/// The first edge at or after `time`.
std::uint64_t edge_at_or_after(Time time, std::uint64_t hertz);

/// One event's price, ready for use on the path of an interrupt.
struct Price {
  Duration latency = 0;    // ps, when not aligned
  Duration interval = 0;   // ps
  std::uint64_t cycles = 0;
  std::uint64_t hertz = 0;  // 0: the row is in ps
  Align align = Align::None;
  unsigned queue_depth = 0;

  /// When an event that begins at `time` has been paid for, so many times over.
  Time after(Time time, std::uint32_t times = 1) const {
    return align == Align::None ? time + latency * times : after_edges(time, times);
  }

 private:
  Time after_edges(Time time, std::uint32_t times) const;
};

/// Prices by event, for one component.
using PriceList = std::array<Price, kEventCount>;

Price resolve(const Profile& profile, const PriceRow& row);
PriceList resolve(const Profile& profile);

}  // namespace irqfab
