#include "fabric/cli/commands.hpp"

#include <CLI/CLI.hpp>

#include "fabric/cli/output.hpp"
#include "fabric/version.hpp"

namespace irqfab::cli {
namespace {

using Declare = void (*)(CLI::App&, Options&);
using Do = int (*)(const Options&);

void scenario_options(CLI::App& app, Options& o) {
  app.add_option("SCENARIO", o.input, "Scenario file; - is standard input")->required();
  app.add_option("--arch", o.arch, "Interrupt fabric: see 'list archs'");
  app.add_option("--path", o.path, "Way from the device to the CPU: see 'list paths'");
  app.add_option("--profile", o.profile, "Prices: see 'list profiles'");
  app.add_option("--seed", o.seed, "Seed of every random choice");
  app.add_option("--mutant", o.mutants, "Switch a known defect on: see 'list mutants'");
  app.add_flag("--json", o.json, "One JSON document on standard output");
  app.add_flag("--quiet", o.quiet, "Only the exit code, and what failed");
}

void run_options(CLI::App& app, Options& o) {
  scenario_options(app, o);
  app.add_option("--trace", o.trace, "Write the trace of every hop to this file");
}

void import_options(CLI::App& app, Options& o) {
  app.add_option("TRACE", o.input,
                 "Text of 'trace-cmd report' or 'perf script', gzipped or not; - is standard input")
      ->required();
  app.add_option("-o", o.output, "Scenario to write; its calls go to a file beside it")->required();
  app.add_flag("--quiet", o.quiet, "Only the exit code, and what failed");
}

void list_options(CLI::App& app, Options& o) {
  app.add_option("WHAT", o.input, "archs, paths, profiles, behaviours, models, events or mutants")
      ->required();
  app.add_flag("--json", o.json, "One JSON document on standard output");
}

/// One command. Without `action` its name is known and refused until it is there.
struct Command {
  const char* name;
  const char* summary;
  Declare declare;
  Do action;
};

constexpr Command kCommands[] = {
    {"run", "Run a scenario: latency per path and per hop, and its expectations", run_options,
     run_scenario},
    {"import", "Turn a recorded KVM trace into a scenario that replays it", import_options,
     import_recording},
    {"list", "What there is: fabrics, paths, events, prices, models, mutants", list_options,
     list_things},
};

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"irqfab: where the time of an interrupt goes, and why one gets lost"};
  app.set_version_flag("--version", std::string("irqfab ") + kVersion);
  app.require_subcommand(1);
  Options options;
  Do chosen = nullptr;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    command.declare(*sub, options);
    sub->callback([&chosen, &command] { chosen = command.action; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kHeld : kWrong;
  }
  return chosen(options);
}

}  // namespace irqfab::cli
