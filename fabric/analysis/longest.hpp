// The interrupts that took longest, and why: the hop that took most beyond what it usually takes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/analysis/findings.hpp"
#include "fabric/analysis/flights.hpp"
#include "fabric/analysis/tables.hpp"

namespace irqfab::analysis {

/// A hop in the terms of the tables, so that it outlives its trace.
struct NamedStep {
  std::string node;
  std::uint32_t component = 0;
  Step step;
};

class Longest {
 public:
  /// Keeps at most `most`.
  explicit Longest(std::size_t most) : most_(most) {}

  bool wanted() const { return most_ > 0; }
  /// A span was handled. Of spans that took equally long the first ones are kept.
  void consider(const Flight& flight);

  /// Names the spans of the trace that ends; `name` makes a WorstRow of a flight, without its
  /// reason, and `step_name` a NamedStep of a step.
  template <class Name, class StepName>
  void name(Name&& name, StepName&& step_name) {
    for (Candidate& candidate : candidates_) {
      if (!candidate.flight) continue;
      candidate.row = name(*candidate.flight);
      for (const Step& step : candidate.flight->steps) candidate.steps.push_back(step_name(step));
      candidate.flight.reset();
    }
  }

  /// The longest first, each with its reason.
  std::vector<WorstRow> rows(const Hops& hops) const;

 private:
  struct Candidate {
    Duration total = 0;
    std::optional<Flight> flight;  // until its trace ends
    WorstRow row;
    std::vector<NamedStep> steps;
  };

  std::size_t most_;
  std::vector<Candidate> candidates_;  // the longest first
};

}  // namespace irqfab::analysis
