// The tables of what interrupts came to, the same for a run and for an analysis of its trace.
#pragma once

#include <string>
#include <vector>

#include "fabric/run/outcome.hpp"

namespace irqfab::report {

/// One row of times under "count min p50 p90 p99 p99.9 max".
struct TimesRow {
  std::string name;
  run::Summary to_end;
  run::Summary to_handler;  // a second row, if it has any
};
/// `what` heads the names. Of many rows the first are shown.
std::string times_table(const std::string& what, const std::vector<TimesRow>& rows);
std::string path_table(const run::Outcome& outcome);
std::string hop_table(const run::Outcome& outcome);
/// How long software waited at the remapping unit for each interrupt that it moved; with an empty
/// line behind it, or nothing.
std::string invalidation_table(const run::Outcome& outcome);
/// Where what is in flight rests, and who waits for whom for ever; nothing if all is well.
std::string standstill_lines(const run::Outcome& outcome);
/// What the host's software counted, a line each; nothing where there is none.
std::string software_lines(const run::Outcome& outcome);
/// "a asserted = ...", then the reasons of drops and cancellations.
std::string account(const run::Outcome& outcome);
/// "   (found 1.28 us)", behind an expectation that failed.
std::string found(const run::ExpectationRow& row);
/// A line each, "held" or "FAILED" with what was found.
std::string expectations(const run::Outcome& outcome);
constexpr const char* kStoodStill = "time stands still: a chain of zero-price hops did not end\n";
/// How much of the time rests on assumed prices.
std::string assumed_line(const run::Outcome& outcome);
/// "profile x86-skl, behaviour spec, mutant early", what it was run with.
std::string settings_of(const run::Outcome& outcome);
/// "x86, bare-metal, profile x86-skl, behaviour spec", the machine that it is about.
std::string machine_of(const run::Outcome& outcome);

}  // namespace irqfab::report
