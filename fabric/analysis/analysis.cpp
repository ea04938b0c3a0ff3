#include "fabric/analysis/analysis.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "fabric/trace/naming.hpp"

namespace irqfab::analysis {
namespace {

std::array<Effect, kEventCount> effects() {
  std::array<Effect, kEventCount> all{};
  for (std::uint16_t event = 0; event < kEventCount; ++event) {
    all[event] = row_of(Event{event}).effect;
  }
  return all;
}

Effect effect_of(Event event) {
  static const std::array<Effect, kEventCount> kEffects = effects();
  return kEffects[static_cast<std::size_t>(event)];
}

/// Events that are waiting and nothing else.
bool is_waiting(Event event) { return event == Event::Stalled || event == Event::HeldForOrder; }

std::string kind_of(const trace::TraceHeader& header) {
  std::string kind = header.arch + ", " + header.path + ", profile " + header.profile +
                     ", behaviour " + header.behaviour;
  for (const std::string& mutant : header.mutants) kind += ", mutant " + mutant;
  return kind;
}

/// False if the list has no such name.
template <std::size_t N>
bool count(std::array<std::uint64_t, N>& counters, std::uint64_t index) {
  if (index >= N) return false;
  ++counters[index];
  return true;
}

/// False if the end's reason is none that has a name.
bool count_end(const TraceRecord& record, Accounting& accounting) {
  switch (record.event) {
    case Event::Handled:
      ++accounting.handled;
      return true;
    case Event::Coalesced:
      ++accounting.coalesced;
      return true;
    case Event::Dropped:
      ++accounting.dropped;
      return count(accounting.drops, record.detail);
    default:
      ++accounting.cancelled;
      return count(accounting.cancels, record.detail);
  }
}

}  // namespace

Analysis::Analysis(const Config& config) : config_(config), longest_(config.worst) {}

std::optional<Diagnostic> Analysis::begin(const std::string& file,
                                          const trace::TraceHeader& header) {
  if (so_far_.traces.empty()) {
    kind_ = kind_of(header);
    describe(header);
  } else if (kind_of(header) != kind_) {
    Diagnostic other;
    other.code = "other-machine";
    other.where.file = file;
    other.message = "this trace is of " + kind_of(header) + "; '" + so_far_.traces.front().file +
                    "' is of " + kind_;
    other.expected =
        "traces of one fabric, path, profile, behaviour and mutants: others one at a time";
    return other;
  }
  header_ = &header;
  trace_ = TraceRow{file, header.scenario, header.seed, 0, 0};
  flights_ = Flights();
  latest_ = 0;
  run_ended_.reset();
  without_beginning_ = begun_twice_ = unnamed_reasons_ = 0;
  component_of_node_.clear();
  for (const trace::ComponentNodes& component : header.components) {
    component_of_node_.insert(component_of_node_.end(), component.nodes,
                              components_.row_of(component.name));
  }
  row_of_source_.clear();
  if (config_.by == By::Source) {
    for (const std::string& source : header.sources) {
      row_of_source_.push_back(sources_.row_of(source));
    }
  }
  for (const std::string& path : header.paths) paths_.row_of(path);
  path_of_source_.clear();
  for (const std::uint32_t path : header.path_of_source) {
    path_of_source_.push_back(paths_.row_of(header.paths[path]));
  }
  return std::nullopt;
}

void Analysis::take(const TraceRecord& record) {
  ++trace_.records;
  latest_ = record.time;
  const Effect effect = effect_of(record.event);
  if (effect == Effect::None || record.span == kNoSpan) return note_of_component(record);
  if (effect == Effect::Opens) return open(record);
  Flight* flight = flights_.find(record.span);
  if (flight == nullptr) {
    ++without_beginning_;
    return;
  }
  if (record.event == Event::Waited) {
    flight->waited = record.detail;
    return;
  }
  move(*flight, record);
  if (effect == Effect::Ends) close(*flight, record);
}

void Analysis::note_of_component(const TraceRecord& record) {
  Accounting& accounting = so_far_.outcome.accounting;
  switch (record.event) {
    case Event::SpuriousAnswered:
      ++accounting.spurious;
      break;
    case Event::DuplicateSeen:
      ++accounting.duplicated;
      break;
    case Event::GuestError:
      ++accounting.guest_errors;
      break;
    case Event::TimeStoodStill:
      so_far_.outcome.stuck = true;
      break;
    case Event::RunEnded:
      run_ended_ = record.detail;
      break;
    default:
      break;
  }
}

void Analysis::open(const TraceRecord& record) {
  if (flights_.find(record.span) != nullptr) {
    ++begun_twice_;
    return;
  }
  Flight& flight = flights_.open(record.span);
  flight.opened = flight.last = record.time;
  ++so_far_.outcome.accounting.asserted;
  ++by_path_[path_of(source_of(record.span))].accounting.asserted;
}

void Analysis::move(Flight& flight, const TraceRecord& record) {
  Step step;
  step.took = record.time - flight.last;
  step.node = record.node;
  step.event = record.event;
  if (is_waiting(record.event)) {
    step.waited = step.took;
  } else {
    step.waited = std::min(flight.waited, step.took);
  }
  flight.waited = 0;
  flight.last = record.time;
  Hop& hop = hops_.at(component_of(record.node), record.event);
  hop.time.record(step.took);
  hop.total += step.took;
  hop.queue += step.waited;
  if (longest_.wanted()) flight.steps.add(step);
  if (record.event == Event::Accepted) flight.accepted = record.detail;
  const bool begins_handler =
      record.event == Event::HandlerEntered || record.event == Event::HandlerDispatched;
  if (begins_handler && !flight.entered) flight.entered = record.time;
}

void Analysis::close(Flight& flight, const TraceRecord& record) {
  Path& path = by_path_[path_of(source_of(flight.span))];
  if (!count_end(record, so_far_.outcome.accounting)) ++unnamed_reasons_;
  count_end(record, path.accounting);
  if (record.event == Event::Handled) {
    const auto add = [&flight](Group& group) {
      group.to_end.record(flight.last - flight.opened);
      if (flight.entered) group.to_handler.record(*flight.entered - flight.opened);
    };
    add(path);
    if (config_.by != By::Path && config_.by != By::Hop) add(by_key_[key_of(flight)]);
    longest_.consider(flight);
  }
  flights_.close(flight);
}

std::uint64_t Analysis::key_of(const Flight& flight) {
  if (config_.by == By::Source) return source_row_of(source_of(flight.span));
  if (!flight.accepted) return kNeverAccepted;
  return config_.by == By::Vector ? *flight.accepted & 0xFF : *flight.accepted >> 8;
}

// ---- rows of what the trace names --------------------------------------------------------------

std::uint32_t Analysis::component_of(NodeId node) {
  if (raw(node) < component_of_node_.size()) return component_of_node_[raw(node)];
  std::string name;
  trace::append_node(*header_, node, name);
  return components_.row_of(name);
}

std::uint32_t Analysis::path_of(SourceId source) {
  if (raw(source) < path_of_source_.size()) return path_of_source_[raw(source)];
  return paths_.row_of(source_name(source));
}

std::uint32_t Analysis::source_row_of(SourceId source) {
  if (raw(source) < row_of_source_.size()) return row_of_source_[raw(source)];
  return sources_.row_of(source_name(source));
}

std::string Analysis::source_name(SourceId source) const {
  std::string name;
  trace::append_source(*header_, source, name);
  return name;
}

}  // namespace irqfab::analysis
