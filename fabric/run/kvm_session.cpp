#include "fabric/run/kvm_session.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "fabric/run/kvm_steps.hpp"
#include "fabric/run/machine.hpp"
#include "fabric/run/prices.hpp"
#include "fabric/run/recorded_calls.hpp"
#include "fabric/run/standstill.hpp"
#include "fabric/run/step_args.hpp"
#include "fabric/topology/kvm_build.hpp"
#include "models/x86/pic_ports.hpp"

namespace irqfab::run {
namespace {

using scenario::Scenario;

constexpr std::size_t kVcpusComponent = 0;
constexpr std::size_t kKvmComponent = 1;

bool made_by_a_thread(Event event) {
  return event == Event::SignalMsiCalled || event == Event::IrqLineCalled ||
         event == Event::EventfdWritten;
}

/// Recorded calls with what has to exist for them.
struct Plan {
  RecordedCalls recorded;
  KvmNames names;
  std::map<NodeId, TaskId> threads;  // of the recording
  topology::KvmNeeds needs;
};

/// Where ICW2 puts the vectors of the 8259s, in the order in which that is written.
class PicVectorsSeen {
 public:
  explicit PicVectorsSeen(std::vector<topology::PicVectors>& seen) : seen_(seen) {}

  void wrote(std::uint16_t port, std::uint8_t value) {
    const auto place = x86::pic_port(port);
    if (!place || place->reg == x86::PicRegister::Elcr) return;
    x86::PicChip& chip = chips_[static_cast<std::size_t>(place->role)];
    chip.write(place->address(), value);
    if (!chip.initialized()) return;
    const topology::PicVectors vectors{place->role, raw(chip.vector(x86::Ir{0}))};
    if (std::find(seen_.begin(), seen_.end(), vectors) == seen_.end()) seen_.push_back(vectors);
  }

 private:
  std::array<x86::PicChip, 2> chips_ = {x86::PicChip{x86::PicChip::Config{x86::PicRole::Master}},
                                        x86::PicChip{x86::PicChip::Config{x86::PicRole::Slave}}};
  std::vector<topology::PicVectors>& seen_;
};

Result<Plan> plan_of(const Scenario& scenario) {
  Plan plan;
  auto recorded = load_calls(scenario);
  if (!recorded) return recorded.errors();
  plan.recorded = std::move(*recorded);
  plan.names = names_in(scenario);
  plan.needs.irqfds = plan.names.irqfds;
  std::set<Gsi> lines(plan.names.lines.begin(), plan.names.lines.end());
  PicVectorsSeen pics(plan.needs.pic_vectors);
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const scenario::Step& step : *steps) {
      if (step.op != "io.write") continue;
      pics.wrote(static_cast<std::uint16_t>(number(step.args, "port")),
                 static_cast<std::uint8_t>(number(step.args, "value")));
    }
  }
  for (const TraceRecord& call : plan.recorded.calls) {
    if (made_by_a_thread(call.event)) {
      plan.threads.try_emplace(call.node, TaskId(static_cast<std::uint16_t>(plan.threads.size())));
    }
    if (call.event == Event::PortWritten) {
      pics.wrote(static_cast<std::uint16_t>(call.detail >> 8),
                 static_cast<std::uint8_t>(call.detail));
    }
    if (call.event == Event::IrqLineCalled) lines.insert(Gsi(call.detail & 0xFFFFFFFF));
  }
  plan.needs.lines.assign(lines.begin(), lines.end());
  plan.needs.threads =
      std::max<unsigned>(plan.names.threads, static_cast<unsigned>(plan.threads.size()));
  return plan;
}

class KvmSession final : public Session {
 public:
  KvmSession(const Prepared& prepared, Plan plan, topology::Topology topology, const Prices& prices,
             RecordSink* sink)
      : prepared_(prepared),
        plan_(std::move(plan)),
        topology_(std::move(topology)),
        machine_(topology_, prices.everywhere, prices.by_node, sink, prepared.engine),
        steps_(machine_, kVcpusComponent, kKvmComponent, plan_.names) {}

  Result<Outcome> run() override {
    const Scenario& scenario = prepared_.scenario;
    for (const scenario::Step& step : scenario.setup) steps_.prepare(step);
    if (scenario.workload.empty()) stop_vcpus();  // a story of steps looks at what is pending
    Outcome outcome;
    for (const scenario::Step& step : scenario.steps) {
      if (auto row = steps_.perform(step)) outcome.expect.push_back(std::move(*row));
    }
    // Times of the recording count from where the steps ended.
    const Time start = machine_.engine().now();
    for (const TraceRecord& call : plan_.recorded.calls) put(call, start + call.time);
    machine_.run(scenario.until != 0 ? start + scenario.until : kNever);
    for (const scenario::Step& step : scenario.afterwards) {
      if (auto row = steps_.perform(step)) outcome.expect.push_back(std::move(*row));
    }
    fill(outcome);
    return outcome;
  }

  Machine& machine() override { return machine_; }
  const topology::Topology& topology() const override { return topology_; }

 private:
  void stop_vcpus() {
    auto& vcpus = machine_.core<cpu::Cpus>(kVcpusComponent);
    for (std::uint32_t cpu = 0; cpu < prepared_.scenario.machine.cpus; ++cpu) {
      vcpus.stop(CpuId{cpu});
    }
  }

  void put(const TraceRecord& call, Time time) {
    if (call.event == Event::VcpuStopped) {
      machine_.put(kVcpusComponent, cpu::Cpus::kCompletions, HostCall{0, {}, call.detail, 0}, time);
      return;
    }
    HostCall made{0, TaskId{0xFFFF}, call.detail, 0};
    const auto thread = plan_.threads.find(call.node);
    if (thread != plan_.threads.end()) made.task = thread->second;
    made.call = static_cast<std::uint16_t>(kind_of(call.event));
    if (call.event == Event::EventfdWritten) {
      made.a = plan_.names.irqfd_numbered(call.detail);
      made.b = 1;
    }
    machine_.put(kKvmComponent, kvm::KvmHost::kCalls, made, time);
  }

  static kvm::Call kind_of(Event event) {
    switch (event) {
      case Event::SignalMsiCalled:
        return kvm::Call::SignalMsi;
      case Event::IrqLineCalled:
        return kvm::Call::IrqLine;
      case Event::EventfdWritten:
        return kvm::Call::EventfdWrite;
      case Event::RteWritten:
        return kvm::Call::RteWrite;
      case Event::PortWritten:
        return kvm::Call::PortWrite;
      default:
        return kvm::Call::ApicWrite;
    }
  }

  void fill(Outcome& outcome) {
    describe(prepared_, outcome);
    collect(machine_.ledger(), topology_, prepared_.profile, outcome);
    kvm::KvmHost& host = machine_.core<kvm::KvmHost>(kKvmComponent);
    outcome.software.faults =
        host.software().layer().faults().size() + host.machine().violations().size();
    const auto expected =
        evaluate(prepared_.scenario, machine_.ledger(), topology_, outcome.software);
    outcome.expect.insert(outcome.expect.end(), expected.begin(), expected.end());
    outcome.simulated = machine_.engine().now();
    outcome.stuck = machine_.engine().stuck();
    const unsigned threads = plan_.needs.threads;
    const auto name_of = [threads](TaskId task) {
      return raw(task) < threads ? "thread" + std::to_string(raw(task)) : std::string();
    };
    const HostView view{kKvmComponent, host.machine(), name_of, {}};
    describe_standstill(machine_, topology_, &view, outcome);
  }

  const Prepared& prepared_;
  Plan plan_;
  topology::Topology topology_;
  Machine machine_;
  KvmSteps steps_;
};

}  // namespace

Result<topology::Topology> kvm_topology(const Prepared& prepared) {
  const auto plan = plan_of(prepared.scenario);
  if (!plan) return plan.errors();
  return topology::build_kvm(prepared.scenario, plan->needs, prepared.mutants, prepared.quirks);
}

Result<std::unique_ptr<Session>> create_kvm(const Prepared& prepared, RecordSink* sink) {
  auto plan = plan_of(prepared.scenario);
  if (!plan) return plan.errors();
  auto topology =
      topology::build_kvm(prepared.scenario, plan->needs, prepared.mutants, prepared.quirks);
  if (!topology) return topology.errors();
  const auto prices = prices_of(prepared.scenario, prepared.profile, *topology);
  if (!prices) return prices.errors();
  return std::unique_ptr<Session>(std::make_unique<KvmSession>(
      prepared, std::move(*plan), std::move(*topology), *prices, sink));
}

}  // namespace irqfab::run
