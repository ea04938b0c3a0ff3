// What an analysis of traces found, as reports print it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/run/outcome.hpp"

namespace irqfab::analysis {

/// What a table of interrupts has a row for.
enum class By : std::uint8_t { Path, Source, Vector, Cpu, Hop };

/// Handled interrupts with one key.
struct KeyRow {
  std::string key;
  run::Summary to_end;      // assertion to end of interrupt
  run::Summary to_handler;  // assertion to the handler's first instruction
};

/// A hop with all columns.
struct HopDetail {
  std::string component;
  Event event{};
  run::Summary time;
  Duration total = 0;
};

/// One of the interrupts that took longest, and the hop that took most beyond its median.
struct WorstRow {
  std::string span;    // "nvme0:3#17"
  std::string source;  // "nvme0:3"
  std::optional<std::uint64_t> cpu;
  Duration total = 0;
  std::string node;   // of that hop
  Event event{};      // of that hop
  Duration took = 0;  // ps, waiting included
  Duration waited = 0;
  Duration usual = 0;  // median of the hop over all interrupts
};

struct TraceRow {
  std::string file;
  std::string scenario;
  std::uint64_t seed = 0;
  std::uint64_t records = 0;
  Time simulated = 0;
};

struct Findings {
  run::Outcome outcome;  // of all traces together; its expectations are the caller's to judge
  std::uint64_t guest_errors = 0;
  std::vector<KeyRow> keys;      // for Source, Vector and Cpu
  std::vector<HopDetail> hops;   // for Hop
  std::vector<WorstRow> worst;   // the longest first
  std::vector<TraceRow> traces;  // in the order in which they were given
  Diagnostics notes;             // what the traces do not tell
};

}  // namespace irqfab::analysis
