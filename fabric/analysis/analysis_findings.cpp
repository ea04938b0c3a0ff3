// What an analysis comes to, once its traces have been read.
#include <algorithm>
#include <utility>

#include "fabric/analysis/analysis.hpp"
#include "fabric/trace/naming.hpp"

namespace irqfab::analysis {
namespace {

HopDetail detail_of(const run::HopRow& row, const Histogram& time) {
  return {row.component, row.event, run::summarize(time), row.total};
}

run::HopRow row_of_hop(const Hop& hop, const Histogram& time) {
  run::HopRow row;
  row.count = time.count();
  row.total = hop.total;
  row.p50 = time.quantile(1, 2);
  row.p99 = time.quantile(99, 100);
  row.queue = hop.queue;
  return row;
}

template <class Row>
void order_by_role(std::vector<Row>& rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return row_of(a.event).role < row_of(b.event).role;
  });
}

}  // namespace

void Analysis::describe(const trace::TraceHeader& header) {
  run::Outcome& outcome = so_far_.outcome;
  outcome.scenario = header.scenario;
  outcome.title = header.title;
  outcome.arch = header.arch;
  outcome.path = header.path;
  outcome.profile = header.profile;
  outcome.behaviour = header.behaviour;
  outcome.mutants = header.mutants;
  outcome.seed = header.seed;
  prices_ = header.prices;
}

void Analysis::end(Ended ended) {
  trace_.simulated = run_ended_.value_or(latest_);
  so_far_.outcome.in_flight += flights_.size();
  so_far_.outcome.simulated += trace_.simulated;
  name_the_longest();
  say_what_is_missing(ended);
  so_far_.traces.push_back(trace_);
}

void Analysis::name_the_longest() {
  longest_.name(
      [this](const Flight& flight) {
        WorstRow row;
        trace::append_span(*header_, flight.span, row.span);
        row.source = source_name(source_of(flight.span));
        if (flight.accepted) row.cpu = *flight.accepted >> 8;
        row.total = flight.last - flight.opened;
        return row;
      },
      [this](const Step& step) {
        NamedStep named{"", component_of(step.node), step};
        trace::append_node(*header_, step.node, named.node);
        return named;
      });
}

void Analysis::say_what_is_missing(Ended ended) {
  if (!run_ended_ && ended == Ended::Whole) {
    add_note("the trace does not say how long the run was: taken to its last record");
  }
  if (header_->paths.empty()) {
    add_note("the trace does not group its sources: every source is a path of its own");
  }
  if (header_->components.empty()) {
    add_note("the trace does not group its nodes: every node is a component of its own");
  }
  add_count(without_beginning_, " records of interrupts whose beginning is not in the trace");
  add_count(begun_twice_, " beginnings of interrupts that were in flight");
  add_count(unnamed_reasons_, " interrupts that ended for a reason the trace does not name");
}

void Analysis::add_count(std::uint64_t number, const char* of_what) {
  if (number > 0) add_note(std::to_string(number) + of_what);
}

void Analysis::add_note(std::string message) {
  Diagnostic note;
  note.severity = Severity::Note;
  note.code = "trace-lacks";
  note.where.file = trace_.file;
  note.message = std::move(message);
  so_far_.notes.push_back(std::move(note));
}

Findings Analysis::findings() const {
  Findings findings = so_far_;
  findings.guest_errors = so_far_.outcome.accounting.guest_errors;
  for (const auto& [path, group] : by_path_) {
    if (group.to_end.empty()) continue;
    findings.outcome.paths.push_back({paths_[path], run::summarize(group.to_end.histogram()),
                                      run::summarize(group.to_handler.histogram())});
  }
  for (const auto& [key, group] : by_key_) {
    findings.keys.push_back({name_of_key(key), run::summarize(group.to_end.histogram()),
                             run::summarize(group.to_handler.histogram())});
  }
  collect_hops(findings);
  findings.worst = longest_.rows(hops_);
  return findings;
}

std::optional<run::Pool> Analysis::pool(const std::string& device) const {
  run::Pool pool;
  bool found = device.empty();
  for (std::uint32_t row = 0; row < paths_.size(); ++row) {
    if (!run::is_path_of(paths_[row], device) && paths_[row] != device) continue;
    found = true;
    const auto path = by_path_.find(row);
    if (path == by_path_.end()) continue;
    pool.to_end.merge(path->second.to_end.histogram());
    pool.to_handler.merge(path->second.to_handler.histogram());
    run::add(pool.accounting, path->second.accounting);
  }
  if (!found) return std::nullopt;
  if (device.empty()) pool.accounting = so_far_.outcome.accounting;
  return pool;
}

void Analysis::collect_hops(Findings& findings) const {
  run::Outcome& outcome = findings.outcome;
  for (std::uint32_t component = 0; component < components_.size(); ++component) {
    for (std::uint16_t event = 0; event < kEventCount; ++event) {
      const Hop* hop = hops_.find(component, Event{event});
      if (hop == nullptr) continue;
      const Histogram time = hop->time.histogram();
      run::HopRow row = row_of_hop(*hop, time);
      row.component = components_[component];
      row.event = Event{event};
      row.price_kind = prices_[event].kind.empty() ? "unknown" : prices_[event].kind;
      row.price_source =
          prices_[event].kind.empty() ? "the trace does not say" : prices_[event].source;
      outcome.hop_total += row.total;
      if (row.price_kind == name_of(PriceKind::Assumed)) outcome.assumed += row.total - row.queue;
      if (config_.by == By::Hop) findings.hops.push_back(detail_of(row, time));
      outcome.hops.push_back(std::move(row));
    }
  }
  order_by_role(outcome.hops);
  order_by_role(findings.hops);
}

std::string Analysis::name_of_key(std::uint64_t key) const {
  if (config_.by == By::Source) return sources_[key];
  if (key == kNeverAccepted) return "none";
  if (config_.by == By::Cpu) return "cpu" + std::to_string(key);
  std::string name;
  trace::append_hex(key, name);
  return name;
}

}  // namespace irqfab::analysis
