#include "fabric/run/x86_session.hpp"

#include <algorithm>

#include "fabric/run/invalidation_log.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/run/standstill.hpp"
#include "fabric/run/workload_start.hpp"
#include "fabric/run/x86_firmware.hpp"
#include "fabric/run/x86_steps.hpp"
#include "fabric/topology/workload.hpp"
#include "fabric/topology/x86_build.hpp"
#include "models/x86/amdvi_registers.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::run {
namespace {

using scenario::Scenario;

bool is_story_of_steps(const Scenario& scenario) {
  return scenario.workload.empty() && !scenario.steps.empty();
}

Duration length_of(const Scenario& scenario) {
  return scenario.until != 0 ? scenario.until : topology::end_of_workload(scenario);
}

Result<topology::X86Machine> build(const Prepared& prepared) {
  return topology::build_x86(prepared.scenario, topology::remapping_of(prepared.arch),
                             prepared.mutants, prepared.quirks);
}

class X86Session final : public Session {
 public:
  X86Session(const Prepared& prepared, topology::X86Machine x86, const Prices& prices,
             RecordSink* sink)
      : prepared_(prepared),
        x86_(std::move(x86)),
        invalidations_(make_invalidation_log(sink)),
        log_(make_log(invalidations_ ? &*invalidations_ : sink)),
        machine_(x86_.topology, prices.everywhere, prices.by_node,
                 log_             ? &*log_
                 : invalidations_ ? &*invalidations_
                                  : sink,
                 prepared.engine),
        length_(length_of(prepared.scenario)) {
    if (is_story_of_steps(prepared_.scenario)) {
      program_reset_state(machine_, x86_);
    } else {
      program_everything(machine_, x86_, prepared.mutants);
    }
  }

  Result<Outcome> run() override {
    const Scenario& scenario = prepared_.scenario;
    Outcome outcome;
    X86Steps steps(machine_, x86_, log_ ? &*log_ : nullptr);
    const auto perform = [&](const std::vector<scenario::Step>& list) {
      for (const scenario::Step& step : list) {
        if (auto row = steps.perform(step)) outcome.expect.push_back(std::move(*row));
      }
    };
    perform(scenario.setup);
    perform(scenario.steps);
    // Times of the workload count from where the steps ended.
    const Time start = machine_.engine().now();
    start_workload(machine_, x86_.topology, start);
    const std::size_t lapics = topology::index_of<x86::LapicBank::Config>(x86_.topology);
    start_cpus(machine_, x86_, {lapics, x86::LapicBank::kCpu}, scenario.machine, start,
               start + length_);
    const bool has_steps = !scenario.setup.empty() || !scenario.steps.empty();
    if (scenario.until != 0 || !has_steps) {
      machine_.run(scenario.until != 0 ? start + scenario.until : kNever);
    } else {  // a timer that a step armed would never end
      machine_.run(start + length_);
      if (auto row = steps.come_to_rest()) outcome.expect.push_back(std::move(*row));
    }
    perform(scenario.afterwards);
    fill(outcome);
    return outcome;
  }

  Machine& machine() override { return machine_; }
  const topology::Topology& topology() const override { return x86_.topology; }

 private:
  /// Only where an order is expected: it keeps all of it.
  std::optional<HandlerLog> make_log(RecordSink* sink) const {
    if (!expects_order(prepared_.scenario)) return std::nullopt;
    const auto cpus = topology::index_of<cpu::Cpus::Config>(x86_.topology);
    const auto first = topology::first_nodes(x86_.topology)[cpus];
    return HandlerLog(NodeId{first}, x86_.plan.cpus, sink);
  }

  /// Only where interrupts are moved by way of a remapping unit.
  std::optional<InvalidationLog> make_invalidation_log(RecordSink* sink) const {
    const auto& changes = prepared_.scenario.during;
    const bool moves = std::any_of(changes.begin(), changes.end(), [](const auto& change) {
      return change.kind == scenario::ChangeKind::Retarget;
    });
    if (!moves || !x86_.plan.remapped) return std::nullopt;
    const auto nodes = topology::first_nodes(x86_.topology);
    const auto unit = topology::remapping_unit(x86_);
    const auto bus = topology::index_of<mem::SystemBus::Config>(x86_.topology);
    const std::uint64_t tail = x86_.plan.has_amdvi() ? topology::kAmdPage + x86::amdvi::kCommandTail
                                                     : topology::kVtdPage + x86::vtd::IQT_REG;
    return InvalidationLog(NodeId{nodes[unit]}, NodeId{nodes[bus]}, tail, sink);
  }

  void fill(Outcome& outcome) {
    describe(prepared_, outcome);
    collect(machine_.ledger(), x86_.topology, prepared_.profile, outcome);
    if (invalidations_) {
      const auto unit = topology::remapping_unit(x86_);
      outcome.invalidations.push_back({x86_.topology.components[unit].name, invalidations_->count(),
                                       summarize(invalidations_->waits())});
    }
    const auto expected = evaluate(prepared_.scenario, machine_.ledger(), x86_.topology);
    outcome.expect.insert(outcome.expect.end(), expected.begin(), expected.end());
    outcome.simulated = machine_.engine().now();
    outcome.stuck = machine_.engine().stuck();
    describe_standstill(machine_, x86_.topology, nullptr, outcome);
  }

  const Prepared& prepared_;
  topology::X86Machine x86_;
  std::optional<InvalidationLog> invalidations_;
  std::optional<HandlerLog> log_;
  Machine machine_;
  Duration length_;  // of the workload
};

}  // namespace

Result<topology::Topology> x86_topology(const Prepared& prepared) {
  auto built = build(prepared);
  if (!built) return built.errors();
  return std::move(built->topology);
}

Result<std::unique_ptr<Session>> create_x86(const Prepared& prepared, RecordSink* sink) {
  auto built = build(prepared);
  if (!built) return built.errors();
  const auto prices = prices_of(prepared.scenario, prepared.profile, built->topology);
  if (!prices) return prices.errors();
  return std::unique_ptr<Session>(
      std::make_unique<X86Session>(prepared, std::move(*built), *prices, sink));
}

}  // namespace irqfab::run
