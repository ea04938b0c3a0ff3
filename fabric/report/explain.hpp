// `irqfab explain`: the path of one interrupt, hop by hop, with where each price comes from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fabric/run/session.hpp"
#include "models/base/event.hpp"

namespace irqfab::report {

/// Is the explained interrupt the first of its source, or had one taken the same path before?
enum class Caches : std::uint8_t { Warm, Cold };

struct ExplainedHop {
  std::string component;
  std::string node;  // the lane of the component: a device, a CPU
  Event event{};
  std::optional<std::uint64_t> cycles;  // absent: the price is a time, or there is none
  std::string clock;                    // of the cycles
  Duration ps = 0;                      // since the hop before
  Duration end = 0;                     // since the assertion
  std::string price_source;
  std::string price_kind;  // of PriceKind, or "scenario", "waiting" or "none"
};

struct Explanation {
  std::string scenario;
  std::string arch;
  std::string path;
  std::string profile;
  std::string source;
  std::vector<std::string> mutants;  // the names of those that are switched on
  Caches caches = Caches::Warm;
  std::vector<ExplainedHop> hops;  // at least the assertion
  Duration total = 0;              // assertion to the last hop: the sum of the hops
  Duration assumed = 0;            // of that, on assumed prices
  Duration waiting = 0;            // of that, in queues, for credits or for order
  Diagnostics notes = {};          // on mutants that change nothing
};

/// Runs the scenario's machine with one interrupt of `source` ("nvme0:3", "uart0:INTA") and nothing
/// else; with warm caches, after an earlier one. Errors: a source that does not exist or raises
/// nothing, a path without devices, whatever stops the machine from being built.
Result<Explanation> explain(const run::Prepared& prepared, const std::string& source,
                            Caches caches);

std::string explain_text(const Explanation& explanation);
std::string explain_json(const Explanation& explanation);

}  // namespace irqfab::report
