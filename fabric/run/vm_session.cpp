#include "fabric/run/vm_session.hpp"

#include <algorithm>

#include "fabric/run/cpu_steps.hpp"
#include "fabric/run/guest_firmware.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/run/standstill.hpp"
#include "fabric/run/vm_steps.hpp"
#include "fabric/run/workload_start.hpp"
#include "fabric/run/x86_firmware.hpp"
#include "fabric/scenario/path_check.hpp"
#include "fabric/topology/guest_build.hpp"
#include "fabric/topology/route_checks.hpp"
#include "fabric/topology/vmm_changes.hpp"
#include "fabric/topology/workload.hpp"

namespace irqfab::run {
namespace {

using scenario::Scenario;
using vmm::VmHost;

Result<topology::X86Machine> build(const Prepared& prepared) {
  return topology::build_guest(prepared.scenario, prepared.path, prepared.mutants, prepared.quirks);
}

class VmSession final : public Session {
 public:
  VmSession(const Prepared& prepared, topology::X86Machine x86,
            std::vector<topology::VmmChange> changes, const Prices& prices, RecordSink* sink)
      : prepared_(prepared),
        changes_(std::move(changes)),
        x86_(std::move(x86)),
        host_(topology::index_of<VmHost::Config>(x86_.topology)),
        log_(make_log(sink)),
        machine_(x86_.topology, prices.everywhere, prices.by_node, log_ ? &*log_ : sink,
                 prepared.engine) {
    program_guest(machine_, x86_, prepared_.scenario);
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
    const Time end_of_load = start + topology::end_of_workload(scenario);
    start_workload(machine_, x86_.topology, start);
    start_cpus(machine_, x86_, {host_, VmHost::kVcpus}, scenario.machine, start, end_of_load);
    start_changes(start);
    if (scenario.until != 0) {
      machine_.run(start + scenario.until);
    } else {
      machine_.run(end_of_load);
      come_to_rest(end_of_load);
    }
    perform(scenario.afterwards);
    fill(outcome);
    return outcome;
  }

  Machine& machine() override { return machine_; }
  const topology::Topology& topology() const override { return x86_.topology; }

 private:
  /// What the VMM is told to do under traffic.
  void start_changes(Time start) {
    using topology::VmmChangeKind;
    for (const topology::VmmChange& change : changes_) {
      vmm::VmmCall call = vmm::VmmCall::UpdateRoutes;
      if (change.kind == VmmChangeKind::ReleaseIrqfd) call = vmm::VmmCall::ReleaseIrqfd;
      if (change.kind == VmmChangeKind::AssignIrqfd) call = vmm::VmmCall::BindIrqfd;
      if (change.kind == VmmChangeKind::MoveHostInterrupt) call = vmm::VmmCall::MoveHostInterrupt;
      machine_.put(host_, VmHost::kCalls,
                   HostCall{static_cast<std::uint16_t>(call), {}, change.source, change.to},
                   start + change.at);
    }
  }

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
    std::uint64_t done = progress();
    while (!engine.idle() && machine_.ledger().in_flight() > 0 && until - moved < patience &&
           !engine.stuck()) {
      until = std::max(until + kLook, engine.next_time());
      machine_.run(until);
      const std::uint64_t now_done = progress();
      if (now_done == done && only_the_host_is_at_work()) continue;
      done = now_done;
      moved = until;
    }
  }

  /// Interrupts that have ended, and what the VMM was asked for: reconfigurations may lag behind.
  std::uint64_t progress() {
    const VmHost& host = machine_.core<VmHost>(host_);
    std::uint64_t done = machine_.ledger().accounting().ended();
    done += host.vmm().routes().counters().commits;
    for (std::uint32_t vcpu = 0; vcpu < x86_.plan.cpus; ++vcpu) {
      done += host.vcpus().user_exits(CpuId{vcpu}, ExitReason::Mmio);
    }
    return done;
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
    outcome.software = counts();
    const auto expected =
        evaluate(prepared_.scenario, machine_.ledger(), x86_.topology, outcome.software);
    outcome.expect.insert(outcome.expect.end(), expected.begin(), expected.end());
    outcome.simulated = machine_.engine().now();
    outcome.stuck = machine_.engine().stuck();
    const HostView host = view_of_host();
    describe_standstill(machine_, x86_.topology, &host, outcome);
  }

  HostView view_of_host() {
    const VmHost& host = machine_.core<VmHost>(host_);
    HostView view{host_,
                  host.machine(),
                  [&host](TaskId task) { return host.vmm().thread_name(task); },
                  {{"its tasks and queued work", {}},
                   {"what the VMM keeps", {}},
                   {"its interrupt controllers and eventfds", {}}}};
    host.machine().held_spans(view.parts[0].second);
    host.vmm().held_spans(view.parts[1].second);
    host.vcpus().held_spans(view.parts[2].second);
    return view;
  }

  SoftwareCounts counts() {
    const VmHost& host = machine_.core<VmHost>(host_);
    SoftwareCounts counts;
    ExitCounts& exits = counts.exits.emplace();
    for (std::uint32_t vcpu = 0; vcpu < x86_.plan.cpus; ++vcpu) {
      for (std::size_t reason = 0; reason < kExitReasonNames.size(); ++reason) {
        const auto why = static_cast<ExitReason>(reason);
        exits.kernel += host.vcpus().exits(CpuId{vcpu}, why);
        exits.user += host.vcpus().user_exits(CpuId{vcpu}, why);
      }
    }
    exits.kernel -= exits.user;
    counts.faults = host.vcpus().layer().faults().size() + host.machine().violations().size();
    const auto& found = host.vmm().dynamic_routes().counters();
    const auto& table = host.vmm().routes().counters();
    counts.routes = {
        found.hits, found.misses, found.flushes, table.commits, table.peak, table.refused, 0};
    for (const topology::Fallback& row : topology::fallbacks(x86_.topology, host.vmm())) {
      counts.fallbacks.push_back({row.device, row.vectors, row.of});
      counts.routes->fallbacks += row.vectors;
    }
    if (!counts.fallbacks.empty()) counts.no_route = topology::why_no_route(host.vmm().routes());
    return counts;
  }

  const Prepared& prepared_;
  std::vector<topology::VmmChange> changes_;
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
  const auto* host = topology::find_component<VmHost::Config>(built->topology);
  const unsigned host_cpus = std::get<VmHost::Config>(host->config).host_cpus;
  auto changes = topology::vmm_changes(prepared.scenario, built->plan, host_cpus);
  if (!changes) return changes.errors();
  const auto prices = prices_of(prepared.scenario, prepared.profile, built->topology);
  if (!prices) return prices.errors();
  return std::unique_ptr<Session>(
      std::make_unique<VmSession>(prepared, std::move(*built), std::move(*changes), *prices, sink));
}

}  // namespace irqfab::run
