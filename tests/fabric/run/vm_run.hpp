// A scenario of the path kvm-direct-inject, run to its end, and what its records tell of it.
#pragma once

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"
#include "tests/fabric/run/scenario_run.hpp"

namespace irqfab::test {

inline std::string vm_scenario(const std::string& name) {
  std::ifstream file(std::string(IRQFAB_SOURCE_DIR) + "/scenarios/x86-pi/" + name + ".yaml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class VmRun {
 public:
  explicit VmRun(const std::string& text, std::optional<Mutant> mutant = std::nullopt)
      : prepared_(prepare(text, mutant)) {
    auto session = run::Session::create(prepared_, &sink_);
    if (!session) throw std::runtime_error(format(session.errors().front()));
    session_ = std::move(*session);
  }
  void run() {
    outcome_ = *session_->run();
    records_ = sink_.in_order();
    names_ = topology::node_names(session_->topology());
  }

  run::Machine& machine() { return session_->machine(); }
  const topology::Topology& topology() const { return session_->topology(); }
  const run::Outcome& outcome() const { return outcome_; }
  const std::vector<TraceRecord>& records() const { return records_; }
  const std::string& node(const TraceRecord& record) const { return names_[raw(record.node)]; }

  std::vector<TraceRecord> all(Event event) const {
    std::vector<TraceRecord> found;
    std::copy_if(records_.begin(), records_.end(), std::back_inserter(found),
                 [event](const TraceRecord& r) { return r.event == event; });
    return found;
  }
  std::size_t count(Event event) const { return all(event).size(); }
  std::vector<TraceRecord> story_of(SpanId span) const {
    std::vector<TraceRecord> found;
    std::copy_if(records_.begin(), records_.end(), std::back_inserter(found),
                 [span](const TraceRecord& r) { return r.span == span; });
    return found;
  }
  /// Spans that were opened for this cause.
  std::vector<SpanId> spans(Cause cause) const {
    std::vector<SpanId> found;
    for (const TraceRecord& record : all(Event::Asserted)) {
      if (record.detail == static_cast<std::uint64_t>(cause)) found.push_back(record.span);
    }
    return found;
  }
  /// Do the events come in this order in the span's story, whatever lies between them?
  bool passes(SpanId span, const std::vector<Event>& events) const {
    std::size_t at = 0;
    for (const TraceRecord& record : story_of(span)) {
      if (at < events.size() && record.event == events[at]) ++at;
    }
    return at == events.size();
  }

 private:
  static run::Prepared prepare(const std::string& text, std::optional<Mutant> mutant) {
    auto scenario = scenario::read(text, "vm.yaml");
    if (!scenario) throw std::runtime_error(format(scenario.errors().front()));
    run::Settings settings;
    settings.engine = run::EngineKind::Fast;
    if (mutant) settings.mutants.add(*mutant);
    auto prepared = run::prepare(std::move(*scenario), settings);
    if (!prepared) throw std::runtime_error(format(prepared.errors().front()));
    return std::move(*prepared);
  }

  MemorySink sink_;
  run::Prepared prepared_;
  std::unique_ptr<run::Session> session_;
  run::Outcome outcome_;
  std::vector<TraceRecord> records_;
  std::vector<std::string> names_;
};

}  // namespace irqfab::test
