#include "fabric/recording/event_reader.hpp"

namespace irqfab::recording {

bool count_event(CountByName& counts, std::string_view name) {
  auto found = counts.find(name);
  if (found == counts.end()) {
    if (counts.size() >= kNamesLimit) return false;
    found = counts.emplace(name, 0).first;
  }
  ++found->second;
  return true;
}

bool count_event(ReadReport& report, const RecordedEvent& event) {
  const bool ignored = std::holds_alternative<Other>(event.what);
  ++report.events;
  if (!ignored) ++report.understood;
  return count_event(ignored ? report.ignored : report.understood_by_name, event.name);
}

}  // namespace irqfab::recording
