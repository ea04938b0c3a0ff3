// Latency analysis of traces: who waited where, and how interrupts ended, from the records alone,
// in one pass. Memory grows with the interrupts in flight at one time and with the rows of the
// tables, not with the length of a trace.
//
// What a run reports about itself comes from the book it kept (models/sim/ledger.hpp); this is a
// second way to the same numbers, and shares no code with the first but Histogram.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fabric/analysis/findings.hpp"
#include "fabric/analysis/flights.hpp"
#include "fabric/analysis/longest.hpp"
#include "fabric/analysis/tables.hpp"
#include "fabric/trace/header.hpp"
#include "models/base/result.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::analysis {

struct Config {
  By by = By::Path;
  std::size_t worst = 5;  // how many of the longest interrupts are explained
};

/// The key of interrupts that no CPU ever accepted, in tables by vector and by CPU.
constexpr std::uint64_t kNeverAccepted = ~std::uint64_t{0};

/// How a trace came to its end.
enum class Ended : std::uint8_t { Whole, Damaged };

class Analysis {
 public:
  explicit Analysis(const Config& config);

  /// The records of another trace follow; `header` must outlive them. Error: it is of another
  /// fabric, path, profile, behaviour or mutants than those before, so that their numbers do not
  /// add up.
  std::optional<Diagnostic> begin(const std::string& file, const trace::TraceHeader& header);
  /// A record of it, in the trace's order.
  void take(const TraceRecord& record);
  void end(Ended ended);

  /// Of all traces that have ended; at least one must have.
  Findings findings() const;
  /// The interrupts of one device, or of all if `device` is empty; nothing if no path is the
  /// device's.
  std::optional<run::Pool> pool(const std::string& device) const;

 private:
  void note_of_component(const TraceRecord& record);
  void open(const TraceRecord& record);
  void move(Flight& flight, const TraceRecord& record);
  void close(Flight& flight, const TraceRecord& record);
  void describe(const trace::TraceHeader& header);
  std::uint64_t key_of(const Flight& flight);
  std::string name_of_key(std::uint64_t key) const;
  std::uint32_t component_of(NodeId node);
  std::uint32_t path_of(SourceId source);
  std::uint32_t source_row_of(SourceId source);
  std::string source_name(SourceId source) const;
  void name_the_longest();
  void say_what_is_missing(Ended ended);
  void add_note(std::string message);
  void add_count(std::uint64_t number, const char* of_what);
  void collect_hops(Findings& findings) const;

  Config config_;
  Findings so_far_;   // what needs no table: the account, the traces, the notes
  std::string kind_;  // of machine, that all traces are of
  std::array<trace::PriceLabel, kEventCount> prices_;  // of the first trace

  // Rows that all traces share.
  Names components_;
  Names paths_;
  Names sources_;
  std::map<std::uint64_t, Path> by_path_;
  std::map<std::uint64_t, Group> by_key_;  // if not by path
  Hops hops_;
  Longest longest_;

  // The trace being read.
  const trace::TraceHeader* header_ = nullptr;
  TraceRow trace_;
  Flights flights_;
  std::vector<std::uint32_t> component_of_node_;
  std::vector<std::uint32_t> path_of_source_;
  std::vector<std::uint32_t> row_of_source_;
  Time latest_ = 0;
  std::optional<Time> run_ended_;
  std::uint64_t without_beginning_ = 0;  // records of spans that never began
  std::uint64_t begun_twice_ = 0;
  std::uint64_t unnamed_reasons_ = 0;
};

}  // namespace irqfab::analysis
