#include <memory>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/report/run_report.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/session.hpp"
#include "fabric/trace/sink.hpp"
#include "fabric/version.hpp"

namespace irqfab::cli {
namespace {

trace::TraceHeader header_of(const run::Prepared& prepared, const topology::Topology& topology) {
  trace::TraceHeader header;
  header.irqfab = kVersion;
  header.scenario = prepared.scenario.file;
  header.seed = prepared.scenario.seed;
  header.arch = prepared.arch;
  header.path = prepared.path;
  header.profile = prepared.profile.name;
  header.behaviour = prepared.scenario.behaviour;
  for (const std::string& name : topology::node_names(topology)) header.nodes.add(name);
  for (const topology::Source& source : topology.sources) header.sources.add(source.name);
  return header;
}

Result<std::unique_ptr<trace::FileSink>> sink_for(const Options& options,
                                                  const run::Prepared& prepared) {
  if (options.trace.empty()) return std::unique_ptr<trace::FileSink>();
  const auto topology = run::topology_of(prepared);
  if (!topology) return topology.errors();
  auto writer = trace::Writer::create(options.trace, header_of(prepared, *topology));
  if (!writer) return writer.errors();
  return std::make_unique<trace::FileSink>(std::move(*writer));
}

}  // namespace

int run_scenario(const Options& options) {
  const auto prepared = prepared_from(options);
  if (!prepared) return fail(prepared.errors());
  auto sink = sink_for(options, *prepared);
  if (!sink) return fail(sink.errors());
  auto session = run::Session::create(*prepared, sink->get());
  if (!session) return fail(session.errors());
  if (*sink) (*sink)->follow((*session)->machine().engine());
  const auto outcome = (*session)->run();
  if (!outcome) return fail(outcome.errors());
  if (*sink) {
    const auto written = (*sink)->finish();
    if (!written) return fail(written.errors());
  }
  if (!options.quiet) {
    const std::string text =
        options.json ? report::run_json(*outcome) : report::run_text(*outcome);
    if (!print(text)) return kCannot;
  }
  return outcome->held() ? kHeld : kFailed;
}

}  // namespace irqfab::cli
