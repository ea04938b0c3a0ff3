#include "fabric/topology/workload.hpp"

#include <algorithm>
#include <tuple>

#include "models/base/random.hpp"

namespace irqfab::topology {
namespace {

using pci::Pattern;
using scenario::Load;
using scenario::LoadKind;
using scenario::Scenario;
using Generator = pci::Traffic::Generator;

Pattern pattern_of(LoadKind kind) {
  switch (kind) {
    case LoadKind::Periodic:
    case LoadKind::Burst:
      return Pattern::Periodic;
    case LoadKind::Poisson:
      return Pattern::Poisson;
    case LoadKind::ClosedLoop:
      return Pattern::ClosedLoop;
    case LoadKind::Once:
    case LoadKind::Replay:
      break;
  }
  return Pattern::Once;
}

Generator generator_of(const Load& load, const FunctionPlan& function, unsigned index) {
  Generator g;
  g.pattern = pattern_of(load.kind);
  g.functions = static_cast<std::uint32_t>(function.group);
  g.start = load.start;
  g.end = load.kind == LoadKind::Once ? 0 : load.start + load.length;
  g.period = load.kind == LoadKind::ClosedLoop ? load.think : load.period;
  g.depth = load.depth;
  g.raise.row = function.lane;
  if (load.sources.intx) {
    g.raise.kind =
        load.until == scenario::LevelUntil::Handled ? RaiseKind::IntxHigh : RaiseKind::IntxPulse;
    g.source = SourceId{function.first_source + function.device->vectors()};
  } else {
    g.raise.vector = VectorIndex(static_cast<std::uint16_t>(index));
    g.source = SourceId{function.first_source + index};
  }
  return g;
}

auto order_of(const Generator& g) {
  return std::tuple(g.source, g.pattern, g.start, g.end, g.period, g.depth, g.raise.kind);
}

/// From what a device is, so that neither names nor the order of declaration matter.
std::uint64_t stream_of(const X86Plan& plan, const FunctionPlan& function, const Raise& raise) {
  std::uint64_t stream = combine(plan.bridges[function.bridge].bridge->segment, raw(function.rid));
  stream = combine(stream, raw(raise.vector));
  return combine(stream, static_cast<std::uint64_t>(raise.kind));
}

/// A burst raises `size` of its sources together; the groups follow each other in turn.
void take_turn(const Load& load, std::uint64_t place, Generator& g) {
  const std::uint64_t sources = load.sources.size();
  if (load.kind != LoadKind::Burst || load.burst_size >= sources) return;
  const std::uint64_t groups = (sources + load.burst_size - 1) / load.burst_size;
  g.start += load.period * (place / load.burst_size);
  g.period *= groups;
}

void add_streams(const Load& load, const X86Plan& plan, std::vector<Generator>& generators) {
  const DevicePlan& device = *plan.find(load.sources.device);
  std::uint64_t place = 0;  // among the sources of the row
  for (unsigned f = load.sources.first_function; f <= load.sources.last_function; ++f) {
    const FunctionPlan function = function_of(device, f);
    for (unsigned i = 0; i < load.sources.each(); ++i, ++place) {
      Generator g = generator_of(load, function, load.sources.first + i);
      g.stream = stream_of(plan, function, g.raise);
      take_turn(load, place, g);
      generators.push_back(g);
    }
  }
}

}  // namespace

pci::Traffic::Config traffic_of(const Scenario& scenario, const X86Plan& plan) {
  pci::Traffic::Config config;
  config.seed = scenario.seed;
  std::uint64_t streams = 0;
  for (const Load& load : scenario.workload) {
    if (load.kind != LoadKind::Replay) streams += load.sources.size();
  }
  config.generators.reserve(streams);
  for (const Load& load : scenario.workload) {
    if (load.kind != LoadKind::Replay) add_streams(load, plan, config.generators);
  }
  std::stable_sort(config.generators.begin(), config.generators.end(),
                   [](const auto& a, const auto& b) { return order_of(a) < order_of(b); });
  std::uint64_t twin = 0;
  for (std::size_t i = 0; i < config.generators.size(); ++i) {
    Generator& g = config.generators[i];
    twin = i > 0 && config.generators[i - 1].source == g.source ? twin + 1 : 0;
    g.stream = combine(g.stream, twin);
  }
  return config;
}

Time end_of_workload(const Scenario& scenario) {
  Time end = 0;
  for (const Load& load : scenario.workload) end = std::max(end, load.start + load.length);
  return end;
}

}  // namespace irqfab::topology
