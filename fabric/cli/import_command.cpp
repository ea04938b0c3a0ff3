#include <iostream>
#include <utility>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/recording/emit.hpp"
#include "fabric/recording/open.hpp"
#include "fabric/trace/output_file.hpp"
#include "fabric/trace/special_file.hpp"
#include "fabric/trace/writer.hpp"
#include "fabric/version.hpp"
#include "models/base/utf8.hpp"

namespace irqfab::cli {
namespace {

/// "dir/replay.yaml" has its calls in "dir/replay.events".
std::string events_file(const std::string& scenario) {
  const std::size_t dot = scenario.rfind('.');
  const std::size_t slash = scenario.rfind('/');
  const bool has_suffix = dot != std::string::npos && (slash == std::string::npos || dot > slash);
  return (has_suffix ? scenario.substr(0, dot) : scenario) + ".events";
}

std::string last_part(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// The calls under a temporary name.
Result<trace::Writer> complete_calls(const std::string& path, const std::string& recording,
                                     const recording::Emitted& emitted) {
  trace::TraceHeader header;
  header.irqfab = kVersion;
  header.scenario = last_part(recording);
  header.arch = "x86";
  header.path = "kvm-irqfd";
  header.nodes = emitted.nodes;
  auto writer = trace::Writer::create(path, header);
  if (!writer) return writer.errors();
  for (const TraceRecord& record : emitted.records) writer->write(record);
  const auto written = writer->complete();
  if (!written) return written.errors();
  return std::move(*writer);
}

/// Both files, which make sense together only: each is complete before anything takes its name, and
/// no scenario is ever beside the calls of another. A host that fails while the names change, or a
/// kill just then, may leave the new calls and no scenario.
Result<std::uint64_t> write_pair(const std::string& scenario, const std::string& events,
                                 const std::string& recording, const recording::Emitted& emitted) {
  auto calls = complete_calls(events, recording, emitted);
  if (!calls) return calls.errors();
  auto text = trace::OutputFile::create(scenario);
  if (!text) return text.errors();
  const auto written = text->write(emitted.scenario.data(), emitted.scenario.size());
  if (!written) return written;
  const auto complete = text->complete();
  if (!complete) return complete;
  const auto withdrawn = text->withdraw_old();
  if (!withdrawn) return withdrawn;
  const auto published = calls->publish();
  return published ? text->publish() : published;
}

/// The scenario names the file in a line of YAML.
bool can_stand_in_a_scenario(const std::string& name) {
  return shown(name) == name && name.find_first_of("\"\\\t") == std::string::npos;
}

/// What was read, and what became of it.
std::string summary(const recording::Recording& recording, const recording::Emitted& emitted,
                    const std::string& scenario, const std::string& events) {
  const auto& read = recording.read;
  std::string text = std::to_string(read.events) + " events read, " +
                     std::to_string(read.understood) + " understood, " + std::to_string(read.lost) +
                     " lost\n";
  for (const auto& [event, count] : read.ignored) {
    text += "  ignored: " + std::to_string(count) + " " + event + '\n';
  }
  const auto& left = recording.left_out;
  if (left.artefact_eois > 0) {
    text += "  masked: " + std::to_string(left.artefact_eois) +
            " EOIs with nothing in service (a double EOI of the recorded host)\n";
  }
  text += std::to_string(emitted.records.size()) + " calls to replay; the recording handled " +
          std::to_string(recording.truth.handled.size()) + " interrupts and left " +
          std::to_string(recording.truth.in_flight.size()) + " in flight\n";
  return text + "wrote " + scenario + " and " + events + '\n';
}

void warn(const Diagnostics& notes) {
  for (const Diagnostic& note : notes) std::cerr << format(note);
}

}  // namespace

int import_recording(const Options& options) {
  if (options.output == "-") {
    return fail(kWrong, "the scenario names a second file beside it, so -o needs a file name");
  }
  const std::string events = events_file(options.output);
  if (events == options.output) {
    return fail(kWrong, "the calls go to " + events + ", so -o needs another name");
  }
  for (const std::string& output : {options.output, events}) {
    if (is_input(output, options.input)) return kWrong;
  }
  if (!can_stand_in_a_scenario(last_part(events)) || trace::is_special(options.output)) {
    return fail(kWrong,
                "the scenario names a second file beside it, so -o needs the name of a file, "
                "without quotes, backslashes and control characters");
  }
  const auto recording = recording::read_recording(options.input, std::cin);
  if (!recording) return fail(recording.errors());
  const auto emitted = recording::emit(
      *recording, {options.input == "-" ? "standard input" : options.input, last_part(events), ""});
  if (!emitted) return fail(emitted.errors());
  if (!options.quiet) warn(recording->notes);
  const auto written = write_pair(options.output, events, options.input, *emitted);
  if (!written) return fail(written.errors());
  if (options.quiet) return kHeld;
  return print(summary(*recording, *emitted, options.output, events)) ? kHeld : kCannot;
}

}  // namespace irqfab::cli
