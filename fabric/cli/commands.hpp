// The table of commands, and what their options come to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace irqfab::cli {

/// Exit codes, for every command.
enum Exit : int {
  kHeld = 0,    // it held
  kFailed = 1,  // an expectation, an invariant or a comparison failed
  kWrong = 2,   // the input is wrong
  kCannot = 3,  // this host cannot do it
};

/// Every option that some command takes.
struct Options {
  std::string input;                    // a scenario, a trace, a topic
  std::vector<std::string> inputs;      // analyze: traces
  std::string arch;
  std::string path;
  std::string profile;
  std::optional<std::uint64_t> seed;
  std::vector<std::string> mutants;
  std::string trace;                    // file to write the trace to
  std::string output;
  std::string format;
  std::string source;                   // explain: DEV:VEC
  std::string by = "path";              // analyze: what the table has a row for
  std::size_t worst = 5;                // analyze: how many interrupts are explained
  bool partial = false;                 // analyze: what is whole of a damaged trace
  std::string diff;
  std::vector<std::string> slo;         // analyze: expectations
  std::string until;
  std::string behaviour;
  std::string backend = "simulated";    // conform
  std::string engine;
  std::vector<std::string> set;         // key.path=value
  std::string progress;
  bool invariants = false;              // --check
  bool sensitivity = false;
  bool cold = false;
  bool json = false;
  bool quiet = false;
  bool filled = false;                  // check --explain: the file with its defaults
  std::optional<std::string> verify_snapshot;  // run: save at this time, run, restore, run again
};

/// Parses the command line and does what it says.
int run_command_line(int argc, char** argv);

// The commands.
int run_scenario(const Options& options);
int compare_machines(const Options& options);
int check_scenario(const Options& options);
int explain_source(const Options& options);
int draw_scenario(const Options& options);
int import_recording(const Options& options);
int analyze_traces(const Options& options);
int export_trace(const Options& options);
int run_conformance(const Options& options);
int list_things(const Options& options);

}  // namespace irqfab::cli
