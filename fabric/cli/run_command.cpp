#include <memory>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"
#include "fabric/cli/scenario_input.hpp"
#include "fabric/report/run_report.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/mutants.hpp"
#include "fabric/run/session.hpp"
#include "fabric/scenario/reader.hpp"
#include "fabric/trace/sink.hpp"
#include "fabric/version.hpp"

namespace irqfab::cli {
namespace {

trace::TraceHeader header_of(const run::Prepared& prepared, const topology::Topology& topology) {
  trace::TraceHeader header;
  header.irqfab = kVersion;
  header.scenario = prepared.scenario.file;
  header.title = prepared.scenario.title;
  header.seed = prepared.scenario.seed;
  header.arch = prepared.arch;
  header.path = prepared.path;
  header.profile = prepared.profile.name;
  header.behaviour = prepared.scenario.behaviour;
  header.mutants = run::names_of(prepared.mutants);
  for (const std::string& name : topology::node_names(topology)) header.nodes.add(name);
  header.nodes.add("run");  // where a run says how it ended
  for (const topology::Component& component : topology.components) {
    const auto lanes = static_cast<std::uint32_t>(component.lanes.size());
    header.components.push_back({component.name, lanes});
  }
  header.paths = topology.paths;
  for (std::size_t source = 0; source < topology.sources.size(); ++source) {
    header.sources.add(std::string(topology.sources.names[source]));
    header.path_of_source.add(topology.sources.path[source]);
  }
  for (std::uint16_t event = 0; event < kEventCount; ++event) {
    run::PriceLabel price = run::price_label(prepared.profile, Event{event});
    header.prices[event] = {std::move(price.source), std::move(price.kind)};
  }
  return header;
}

Result<trace::Writer::Written> finish(trace::FileSink& sink, run::Session& session,
                                      const run::Outcome& outcome) {
  using How = trace::RunEnd::How;
  const std::size_t nodes = topology::first_nodes(session.topology()).back();
  return sink.finish({outcome.simulated, outcome.stuck ? How::StoodStill : How::Well},
                     NodeId{static_cast<std::uint32_t>(nodes)});
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
  if (options.trace == "-" && !options.quiet) {
    return fail(kWrong,
                "'--trace -' needs '--quiet': standard output is for one of trace and report");
  }
  if (!options.trace.empty() && is_input(options.trace, options.input)) return kWrong;
  const auto prepared = prepared_from(options);
  if (!prepared) return fail(prepared.errors());
  auto sink = sink_for(options, *prepared);
  if (!sink) return fail(scenario::with_lines(sink.errors(), prepared->scenario));
  auto session = run::Session::create(*prepared, sink->get());
  if (!session) return fail(scenario::with_lines(session.errors(), prepared->scenario));
  if (*sink) (*sink)->follow((*session)->machine().engine());
  if (!options.quiet) fail(run::notes_on_mutants(*prepared, (*session)->topology()));
  const auto outcome = (*session)->run();
  if (!outcome) return fail(scenario::with_lines(outcome.errors(), prepared->scenario));
  if (*sink) {
    const auto written = finish(**sink, **session, *outcome);
    if (!written) return fail(written.errors());
  }
  if (!options.quiet) {
    const std::string text = options.json ? report::run_json(*outcome) : report::run_text(*outcome);
    if (!print(text)) return kCannot;
  }
  return outcome->held() ? kHeld : kFailed;
}

}  // namespace irqfab::cli
