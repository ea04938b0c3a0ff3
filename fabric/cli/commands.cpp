#include "fabric/cli/commands.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <sstream>

#include "fabric/cli/output.hpp"
#include "fabric/scenario/language.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/version.hpp"
#include "models/base/utf8.hpp"
#include "models/x86/quirks.hpp"

namespace irqfab::cli {
namespace {

using Declare = void (*)(CLI::App&, Options&);
using Do = int (*)(const Options&);

/// Numbers as in a scenario: the library's own reading of them wraps around.
std::string fault_of_number(const std::string& text) {
  const auto number = scenario::parse_number(text);
  return number ? "" : number.fault().message;
}

/// How much is printed: for every command that has a report.
void printing_options(CLI::App& app, Options& o) {
  app.add_flag("--json", o.json, "One JSON document on standard output");
  app.add_flag("--quiet", o.quiet, "Only the exit code, and errors; not with --json");
}

/// Which machine: for every command that reads a scenario.
void machine_options(CLI::App& app, Options& o) {
  app.add_option("SCENARIO", o.input, "Scenario file; - is standard input")->required();
  app.add_option("--arch", o.arch, "Interrupt fabric: see 'list archs'");
  app.add_option("--path", o.path, "Way from the device to the CPU: see 'list paths'");
  app.add_option("--behaviour", o.behaviour,
                 "spec, kvm or qemu, and single quirks: see 'list behaviours'");
  app.add_option("--set", o.set, "Override a value of the scenario: key.path=value")
      ->allow_extra_args(false);
}

void scenario_options(CLI::App& app, Options& o) {
  machine_options(app, o);
  app.add_option("--profile", o.profile, "Prices: see 'list profiles'");
  app.add_option("--seed", o.seed, "Seed of every random choice")->check(fault_of_number);
  app.add_option("--mutant", o.mutants, "Switch a known defect on: see 'list mutants'")
      ->allow_extra_args(false);
  app.add_option("--engine", o.engine, "tlm or fast");
  app.add_flag("--check", o.invariants, "Hold the run to the invariants");
  app.add_option("--progress", o.progress, "auto, on or off")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  printing_options(app, o);
}

void check_options(CLI::App& app, Options& o) {
  machine_options(app, o);
  app.add_option("--profile", o.profile, "Prices: see 'list profiles'");
  app.add_flag("--explain", o.filled, "Print the scenario with every default filled in");
  printing_options(app, o);
}

void explain_options(CLI::App& app, Options& o) {
  scenario_options(app, o);
  app.add_option("--source", o.source, "Whose interrupt: DEV:VECTOR or DEV:INTA")->required();
  app.add_flag("--cold", o.cold, "The first interrupt of its source, before any cache knows it");
  app.add_flag("--sensitivity", o.sensitivity, "How much the total depends on each price");
}

void graph_options(CLI::App& app, Options& o) {
  machine_options(app, o);
  app.add_option("--format", o.format, "dot, or svg drawn by Graphviz")
      ->check(CLI::IsMember({"dot", "svg"}))
      ->required();
  app.add_option("-o", o.output, "File to write, instead of standard output");
}

void run_options(CLI::App& app, Options& o) {
  scenario_options(app, o);
  app.add_option("--trace", o.trace, "Write the trace of every hop to this file");
}

void compare_options(CLI::App& app, Options& o) {
  app.add_option("SCENARIO", o.input, "Scenario file")->required();
  app.add_option("--arch", o.arch, "Interrupt fabrics, between commas: see 'list archs'");
  app.add_option("--path", o.path, "Paths, between commas: see 'list paths'");
  app.add_option("--behaviour", o.behaviour,
                 "spec, kvm or qemu, and single quirks: see 'list behaviours'");
  app.add_option("--profile", o.profile, "Prices: see 'list profiles'");
  app.add_option("--seed", o.seed, "Seed of every random choice")->check(fault_of_number);
  app.add_option("--mutant", o.mutants, "Switch a known defect on: see 'list mutants'")
      ->allow_extra_args(false);
  app.add_option("--html", o.output, "Write the comparison as one page to this file");
  printing_options(app, o);
}

void import_options(CLI::App& app, Options& o) {
  app.add_option("TRACE", o.input,
                 "A trace.dat of trace-cmd, or the text of 'trace-cmd report' or 'perf script', "
                 "gzipped or not; - is standard input")
      ->required();
  app.add_option("-o", o.output, "Scenario to write; its calls go to a file beside it")->required();
  app.add_flag("--quiet", o.quiet, "Only the exit code, and errors");
}

void analyze_options(CLI::App& app, Options& o) {
  app.add_option("TRACE", o.inputs,
                 "Traces that 'run --trace' wrote, read as one; - is standard input")
      ->required();
  app.add_option("--by", o.by, "A row for each path, source, vector, cpu or hop")
      ->check(CLI::IsMember({"path", "source", "vector", "cpu", "hop", "window"}));
  app.add_option("--worst", o.worst, "How many of the longest interrupts to explain")
      ->check(fault_of_number)
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_flag("--partial", o.partial, "Of a damaged trace, what is whole before the damage");
  app.add_option("--diff", o.diff, "A trace to compare with");
  app.add_option("--slo", o.slo, "A bound to hold, as under 'expect:' in a scenario: p99<5us")
      ->allow_extra_args(false);
  printing_options(app, o);
}

void export_options(CLI::App& app, Options& o) {
  app.add_option("TRACE", o.input, "Trace that 'run --trace' wrote; - is standard input")
      ->required();
  app.add_option("--format", o.format, "text or csv")
      ->check(CLI::IsMember({"text", "csv", "perfetto", "vcd"}))
      ->required();
  app.add_option("-o", o.output, "File to write, instead of standard output");
}

void conform_options(CLI::App& app, Options& o) {
  app.add_option("FILE", o.inputs, "Cases, one JSON object a line; - is standard input")
      ->required();
  app.add_option("--backend", o.backend, "What to run them on")
      ->check(CLI::IsMember({"simulated", "kvm"}))
      ->capture_default_str();
  app.add_option("--behaviour", o.behaviour,
                 "Named quirks, instead of those of the file's origin: see 'list behaviours'");
  printing_options(app, o);
}

void list_options(CLI::App& app, Options& o) {
  app.add_option("WHAT", o.input,
                 "archs, paths, profiles, behaviours, models, events, mutants or schema")
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
    {"compare", "A scenario on several fabrics and paths, side by side", compare_options,
     compare_machines},
    {"check", "What is wrong with a scenario and its machine, without running it", check_options,
     check_scenario},
    {"explain", "The path of one interrupt, hop by hop, and where each price comes from",
     explain_options, explain_source},
    {"graph", "Draw the machine", graph_options, draw_scenario},
    {"import", "Turn a recorded KVM trace into a scenario that replays it", import_options,
     import_recording},
    {"analyze", "Latency analysis of traces: per path and per hop, and the longest explained",
     analyze_options, analyze_traces},
    {"export", "A trace as text or as comma-separated values", export_options, export_trace},
    {"conform", "Run register-level conformance cases, and compare", conform_options,
     run_conformance},
    {"list", "What there is: fabrics, paths, events, prices, models, mutants", list_options,
     list_things},
    {"report", "Traces as one page", nullptr, nullptr},
    {"replay", "Hardware in the loop", nullptr, nullptr},
    {"calibrate", "Fit a profile to a host or a recorded trace", nullptr, nullptr},
    {"explore", "All interleavings of a small scenario", nullptr, nullptr},
    {"museum", "Historical interrupt bugs in miniature", nullptr, nullptr},
    {"predict", "The published tables, predicted", nullptr, nullptr},
    {"sweep", "Many points of a scenario", nullptr, nullptr},
};

CLI::App* declare(const Command& command, CLI::App& app, Options& options) {
  CLI::App* sub = app.add_subcommand(command.name, command.summary);
  if (command.action != nullptr) {
    command.declare(*sub, options);
  } else {
    sub->allow_extras()->group("Not supported yet");
  }
  return sub;
}

/// What is wrong with a behaviour, or empty. It may name single quirks: "spec+NAME".
std::string refusal_of_behaviour(const std::string& text) {
  if (x86::quirks_of(text)) return "";
  const std::string name = text.substr(0, text.find('+'));
  if (x86::behaviour_named(name)) {
    return "--behaviour: '" + text + "' names no quirk; see 'list behaviours'";
  }
  std::string names;
  for (const scenario::Word& word :
       scenario::find_key(scenario::kScenarioTable, "behaviour")->shape.words) {
    if (word.name == name) return "'--behaviour " + name + "' is not supported yet";
    names += (names.empty() ? "" : ", ") + std::string(word.name);
  }
  return "--behaviour: there is no behaviour '" + name + "'; there are " + names;
}

/// Why these options cannot be followed, or empty. What is not there yet is refused by name, never
/// ignored.
std::string refusal_of(const Options& o) {
  const auto later = [](const char* what) {
    return '\'' + std::string(what) + "' is not supported yet";
  };
  if (o.json && o.quiet) {
    return "'--json' asks for a document and '--quiet' for none: one of them at a time";
  }
  if (o.filled && o.quiet) {
    return "'--explain' asks for the scenario and '--quiet' for nothing: one of them at a time";
  }
  if (!o.set.empty()) return later("--set");
  if (o.invariants) return later("--check");
  if (o.sensitivity) return later("--sensitivity");
  if (o.by == "window") return later("--by window");
  if (!o.diff.empty()) return later("--diff");
  for (const char* format : {"perfetto", "vcd"}) {
    if (o.format == format) return later(("--format " + o.format).c_str());
  }
  if (!o.engine.empty() && o.engine != "tlm" && o.engine != "fast") {
    return "--engine: there is no engine '" + o.engine + "'; there are tlm, fast";
  }
  if (o.backend == "kvm") return later("--backend kvm");
  if (o.progress == "on") return later("--progress on");
  return o.behaviour.empty() ? "" : refusal_of_behaviour(o.behaviour);
}

/// An option with a default that was given as nothing, or empty: nothing is no choice. What is
/// required has no default, and its command knows better what to say.
std::string empty_option_of(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_required()) continue;
    for (const std::string& value : option->results()) {
      if (value.empty()) return '\'' + option->get_name() + "' is empty";
    }
  }
  return "";
}

/// What is wrong with a word where a command should be, or empty.
std::string refusal_of_command(std::string_view word) {
  std::string names;
  for (const Command& command : kCommands) {
    if (word == command.name) return "";
    if (command.action != nullptr) names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  constexpr std::size_t kLongest = 100;
  const std::string shown =
      std::string(word.substr(0, kLongest)) + (word.size() > kLongest ? "..." : "");
  return "there is no command '" + shown + "'; there are " + names;
}

/// Help, or what is wrong with the command line; it may repeat any bytes of it.
int told(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream wrong;
  const int code = app.exit(error, std::cout, wrong);
  std::istringstream lines(wrong.str());
  const char* prefix = "irqfab: error: ";
  for (std::string line; std::getline(lines, line); prefix = "") {
    std::cerr << prefix << shown(line) << '\n';
  }
  if (code != 0) return kWrong;
  return std::cout.flush() ? kHeld : fail(kCannot, "standard output could not be written");
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App app{"irqfab: where the time of an interrupt goes, and why one gets lost"};
  app.set_version_flag("--version", std::string("irqfab ") + kVersion);
  app.require_subcommand(1);
  Options options;
  const Command* chosen = nullptr;
  for (const Command& command : kCommands) {
    declare(command, app, options)->callback([&chosen, &command] { chosen = &command; });
  }
  if (argc > 1 && argv[1][0] != '-') {
    const std::string refusal = refusal_of_command(argv[1]);
    if (!refusal.empty()) return fail(kWrong, refusal);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return told(app, error);
  }
  if (chosen->action == nullptr) {
    return fail(kWrong, '\'' + std::string(chosen->name) + "' is not supported yet");
  }
  const std::string empty = empty_option_of(*app.get_subcommands().front());
  if (!empty.empty()) return fail(kWrong, empty);
  const std::string refusal = refusal_of(options);
  if (!refusal.empty()) return fail(kWrong, refusal);
  return chosen->action(options);
}

}  // namespace irqfab::cli
