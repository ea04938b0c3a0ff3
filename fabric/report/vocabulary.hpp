// The vocabulary of events with its prices, as documentation: `irqfab list events` and
// docs/events.md come from here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/sim/timing_table.hpp"

namespace irqfab::report {

/// One event, and what it costs in a profile.
struct VocabularyRow {
  std::string_view name;
  std::string_view role;
  std::string_view effect;  // on its span
  std::string_view meaning;
  std::string_view detail;
  Duration ps = 0;
  std::optional<std::uint64_t> cycles;  // absent: the price is a time
  std::string clock;                    // of the cycles
  std::string price_kind;               // of PriceKind, or "scenario" or "none"
  std::string price_source;
};

/// True for events that stand for time spent in queues, for credits or for order.
bool is_waiting(Event event);

/// Every event, in the order of the enum.
std::vector<VocabularyRow> vocabulary(const Profile& profile);

/// A paragraph an event.
std::string vocabulary_text(const Profile& profile);
/// The whole of docs/events.md: a table a role.
std::string vocabulary_markdown(const Profile& profile);

}  // namespace irqfab::report
