#include "fabric/run/vm_session.hpp"

#include <algorithm>

#include "fabric/run/cpu_steps.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/vm_steps.hpp"
#include "fabric/run/workload_start.hpp"
#include "fabric/run/x86_firmware.hpp"
#include "fabric/topology/vm_build.hpp"
#include "fabric/topology/workload.hpp"

namespace irqfab::run {
namespace {

using vmm::VmHost;
using scenario::Scenario;

Result<topology::X86Machine> build(const Prepared& prepared) {
  return topology::build_vm(prepared.scenario, prepared.mutants, prepared.quirks);
}

class VmSession final : public Session {
 public:
  VmSession(const Prepared& prepared, topology::X86Machine x86, const Prices& prices,
            RecordSink* sink)
      : prepared_(prepared),
        x86_(std::move(x86)),
        host_(topology::index_of<VmHost::Config>(x86_.topology)),
        log_(make_log(sink)),
        machine_(x86_.topology, prices.everywhere, prices.by_node, log_ ? &*log_ : sink,
                 prepared.engine) {
    SetupEnv env;
    x86::LapicBank& lapics = machine_.core<VmHost>(host_).vcpus().apics().lapics();
    for (std::uint32_t vcpu = 0; vcpu < x86_.plan.cpus; ++vcpu) {
      lapics.write(CpuId{vcpu}, x86::LapicRegister::kSvr, 0x1FF, env);
    }
    program_devices(machine_, x86_);
    for (std::uint32_t vcpu = 0; vcpu < x86_.plan.cpus; ++vcpu) {
      const auto thread = TaskId(static_cast<std::uint16_t>(vcpu));
      const auto run_vcpu = static_cast<std::uint16_t>(kvm::VmCall::RunVcpu);
      machine_.put(host_, VmHost::kCalls, HostCall{run_vcpu, thread, 0, 0}, 0);
    }
  }

  Result<Outcome> run() override {
    const Scenario& scenario = prepared_.scenario;
    Outcome outcome;
    VmSteps steps(machine_, x86_, host_, log_ ? &*log_ : nullptr);
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
    if (scenario.until != 0) {
      machine_.run(start + scenario.until);
    } else {
      const Time end = start + topology::end_of_workload(scenario);
      machine_.run(end);
      come_to_rest(end);
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

  /// vCPUs that share a CPU take turns for ever. The run ends when no interrupt is left, or once
  /// each of them has had several turns in which nothing but the host's own timers went on.
  void come_to_rest(Time until) {
    constexpr Duration kLook = 100 * kPsPerUs;
    constexpr Duration kLongestTurn = 1000 * kPsPerSecond;
    const auto& host = machine_.core<VmHost>(host_).machine().config();
    const std::uint64_t turns = 4 * (x86_.plan.cpus / host.cpus + 1);
    const Duration patience = turns * std::min(host.slice + kPsPerMs, kLongestTurn);
    Engine& engine = machine_.engine();
    Time moved = until;
    std::uint64_t ended = machine_.ledger().accounting().ended();
    while (!engine.idle() && machine_.ledger().in_flight() > 0 && until - moved < patience &&
           !engine.stuck()) {
      until = std::max(until + kLook, engine.next_time());
      machine_.run(until);
      const std::uint64_t now_ended = machine_.ledger().accounting().ended();
      if (now_ended == ended && only_the_host_is_at_work()) continue;
      ended = now_ended;
      moved = until;
    }
  }

  bool only_the_host_is_at_work() {
    Engine& engine = machine_.engine();
    const StationBase* host = &machine_.station(host_);
    bool only = true;
    engine.for_each_item(
        [&](const Item& item) { only = only && &engine.station(item.station) == host; });
    return only;
  }

  void fill(Outcome& outcome) {
    describe(prepared_, outcome);
    collect(machine_.ledger(), x86_.topology, prepared_.profile, outcome);
    const auto expected = evaluate(prepared_.scenario, machine_.ledger(), x86_.topology);
    outcome.expect.insert(outcome.expect.end(), expected.begin(), expected.end());
    outcome.simulated = machine_.engine().now();
    outcome.stuck = machine_.engine().stuck();
  }

  const Prepared& prepared_;
  topology::X86Machine x86_;
  std::size_t host_;
  std::optional<HandlerLog> log_;
  Machine machine_;
};

}  // namespace

Result<topology::Topology> vm_topology(const Prepared& prepared) {
  auto built = build(prepared);
  if (!built) return built.errors();
  return std::move(built->topology);
}

Result<std::unique_ptr<Session>> create_vm(const Prepared& prepared, RecordSink* sink) {
  auto built = build(prepared);
  if (!built) return built.errors();
  const auto prices = prices_of(prepared.scenario, prepared.profile, built->topology);
  if (!prices) return prices.errors();
  return std::unique_ptr<Session>(
      std::make_unique<VmSession>(prepared, std::move(*built), *prices, sink));
}

}  // namespace irqfab::run
