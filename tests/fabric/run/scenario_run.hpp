// A scenario on its machine, run in stages, with everything it records kept in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fabric/run/machine.hpp"
#include "fabric/run/session.hpp"

namespace irqfab::test {

/// What a sink was given, in that order.
struct Taken {
  Key key;
  TraceRecord record;
};

class MemorySink final : public RecordSink {
 public:
  void take(const Key& key, const TraceRecord& record) override { taken.push_back({key, record}); }

  /// The records in canonical order; those of equal keys in the order in which they were taken.
  std::vector<TraceRecord> in_order() const;

  std::vector<Taken> taken;
};

/// One a process, because SystemC elaborates once.
class ScenarioRun {
 public:
  /// `text` must be a scenario that elaborates. At first only what happens at time 0 is done, or
  /// nothing at all.
  enum class Begin : std::uint8_t { AtOnce, Never };
  explicit ScenarioRun(const std::string& text, Begin begin = Begin::AtOnce);

  void run_until(Time time) { machine().run(time); }
  void run_to_end() { machine().run(); }

  run::Machine& machine() { return session_->machine(); }
  const topology::Topology& topology() const { return session_->topology(); }
  MemorySink& sink() { return sink_; }
  /// When the last source stops asking.
  Time end_of_workload() const;
  /// What it came to so far.
  run::Outcome outcome();

 private:
  MemorySink sink_;
  run::Prepared prepared_;
  std::unique_ptr<run::Session> session_;
};

/// What a scenario that is run in one go comes to; in a process of its own, so it can be had for
/// several scenarios.
struct RunResult {
  std::vector<TraceRecord> records;  // in canonical order
  std::vector<std::string> nodes;    // names, by NodeId
};
RunResult run_apart(const std::string& text);

}  // namespace irqfab::test
