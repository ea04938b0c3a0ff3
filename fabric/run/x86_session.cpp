#include "fabric/run/x86_session.hpp"

#include "fabric/run/machine.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/run/x86_firmware.hpp"
#include "fabric/topology/x86_build.hpp"

namespace irqfab::run {
namespace {

using scenario::Scenario;

bool is_story_of_steps(const Scenario& scenario) {
  return scenario.workload.empty() && !scenario.steps.empty();
}

Result<topology::X86Machine> build(const Prepared& prepared) {
  using topology::Remapping;
  const Remapping remapping = prepared.arch == "x86-ir" ? Remapping::VtdOn : Remapping::Off;
  return topology::build_x86(prepared.scenario, remapping, prepared.mutants);
}

class X86Session final : public Session {
 public:
  X86Session(const Prepared& prepared, topology::X86Machine x86, const Prices& prices,
             RecordSink* sink)
      : prepared_(prepared),
        x86_(std::move(x86)),
        machine_(x86_.topology, prices.everywhere, prices.by_node, sink) {
    if (is_story_of_steps(prepared_.scenario)) {
      program_reset_state(machine_, x86_);
    } else {
      program_everything(machine_, x86_);
    }
  }

  Result<Outcome> run() override {
    start_traffic();
    start_driver();
    machine_.run(prepared_.scenario.until != 0 ? prepared_.scenario.until : kNever);
    return outcome();
  }

  Machine& machine() override { return machine_; }
  const topology::Topology& topology() const override { return x86_.topology; }

 private:
  void start_traffic() {
    const auto at = topology::index_of<pci::Traffic::Config>(x86_.topology);
    const auto& config = std::get<pci::Traffic::Config>(x86_.topology.components[at].config);
    for (std::uint32_t g = 0; g < config.generators.size(); ++g) {
      const pci::Traffic::Generator& generator = config.generators[g];
      machine_.put(at, pci::Traffic::kStart, HostCall{pci::Traffic::kOpen, {}, g, 0},
                   generator.start);
      if (generator.pattern != pci::Pattern::ClosedLoop) continue;
      machine_.put(at, pci::Traffic::kStart, HostCall{pci::Traffic::kClose, {}, g, 0},
                   generator.end);
    }
  }

  void start_driver() {
    const auto at = topology::index_of<cpu::Driver::Config>(x86_.topology);
    const auto& driver = machine_.core<cpu::Driver>(at);
    for (std::size_t e = 0; e < driver.episodes(); ++e) {
      machine_.put(at, cpu::Driver::kStart, HostCall{0, {}, e, 0}, driver.time_of(e));
    }
  }

  Outcome outcome() const {
    Outcome outcome;
    describe(prepared_, outcome);
    collect(machine_.ledger(), x86_.topology, prepared_.profile, outcome);
    outcome.expect = evaluate(prepared_.scenario, machine_.ledger(), x86_.topology);
    outcome.simulated = machine_.engine().now();
    outcome.stuck = machine_.engine().stuck();
    return outcome;
  }

  const Prepared& prepared_;
  topology::X86Machine x86_;
  mutable Machine machine_;
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
