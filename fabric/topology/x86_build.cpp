#include "fabric/topology/x86_build.hpp"

#include "fabric/topology/handlers.hpp"
#include "fabric/topology/reconfigure.hpp"
#include "fabric/topology/workload.hpp"

namespace irqfab::topology {
namespace {

using scenario::Scenario;

constexpr unsigned kMostXapicCpus = 255;  // 8-bit ids, of which 255 is the broadcast
constexpr std::uint32_t kMostIrtes = 65536;
constexpr std::size_t kMostBridges = 1000;  // edges of the system bus

std::string numbered(const char* what, std::size_t number) {
  return what + std::to_string(number);
}

/// Puts components together in canonical order.
class Builder {
 public:
  Builder(const Scenario& scenario, X86Plan& plan, Mutants mutants)
      : scenario_(scenario), plan_(plan), mutants_(mutants) {}

  Topology build(cpu::Cpus::Config cpus, cpu::Driver::Config driver) {
    add_device_sources();
    set_habits(cpus);
    cpus_ = add("cpus", std::move(cpus), lanes("cpu", plan_.cpus, {}), 0);
    lapics_ = add("lapics", lapics(), lanes("lapic", plan_.cpus, "lapics"), 1);
    ioapic_ = add("ioapic0", ioapic(), {}, 1);
    apic_bus_ = add("apic_bus", x86::ApicBus::Config{}, {}, 1);
    if (plan_.remapped) vtd_ = add("vtd0", vtd(), {}, 0);
    memory_ = add("memory", mem::Memory::Config{0, kMemoryBytes}, {}, 0);
    bus_ = add("bus", bus(), {}, 0);
    for (std::size_t b = 0; b < plan_.bridges.size(); ++b) add_bridge(b);
    traffic_ = add_traffic();
    driver_ = add("driver", std::move(driver), {}, 0);
    join_everything();
    return std::move(topology_);
  }

 private:
  // ---- components ----

  std::size_t add(std::string name, ModelConfig config, Names lane_names,
                  std::uint32_t sources_a_lane) {
    Component component;
    component.name = std::move(name);
    component.config = std::move(config);
    component.lanes = lane_names.empty() ? Names{component.name} : std::move(lane_names);
    if (sources_a_lane > 0) give_sources(component, sources_a_lane);
    topology_.components.push_back(std::move(component));
    return topology_.components.size() - 1;
  }

  void give_sources(Component& component, std::uint32_t sources_a_lane) {
    const std::size_t path = topology_.paths.size();
    topology_.paths.push_back(component.name);
    for (std::size_t lane = 0; lane < component.lanes.size(); ++lane) {
      component.first_source.push_back(static_cast<std::uint32_t>(topology_.sources.size()));
      for (std::uint32_t i = 0; i < sources_a_lane; ++i) {
        topology_.sources.add(component.lanes[lane], path);
      }
    }
    component.sources = static_cast<std::uint32_t>(component.lanes.size()) * sources_a_lane;
  }

  static Names lanes(const char* each, std::uint32_t count, const std::string& first) {
    Names names;
    if (!first.empty()) names.add(first);
    for (std::uint32_t i = 0; i < count; ++i) names.add(numbered(each, i));
    return names;
  }

  /// The functions of a device share its paths.
  void add_device_sources() {
    for (const BridgePlan& bridge : plan_.bridges) {
      for (const DevicePlan& row : bridge.devices) {
        const scenario::Device& device = *row.device;
        const std::size_t messages = topology_.paths.size();
        if (device.msix > 0) topology_.paths.push_back(device.id + ":msix");
        const std::size_t wire = topology_.paths.size();
        const std::string pin = device.intx ? ':' + scenario::write_intx(*device.intx) : "";
        if (device.intx) topology_.paths.push_back(device.id + pin);
        for (unsigned f = 0; f < device.count; ++f) {
          const std::string function = scenario::write_function(device, f);
          for (unsigned v = 0; v < device.msix; ++v) {
            topology_.sources.add(function + ':' + std::to_string(v), messages);
          }
          if (device.intx) topology_.sources.add(function + pin, wire);
        }
      }
    }
  }

  /// What the CPUs do apart from handling interrupts, and how they acknowledge them.
  void set_habits(cpu::Cpus::Config& cpus) const {
    const scenario::Machine& machine = scenario_.machine;
    if (machine.idle == scenario::Idle::Halt) cpus.idle = cpu::Idle::Halt;
    cpus.stretch = machine.off_length;
    cpus.stretch_every = machine.off_every;
    cpus.eoi_register = place_of_register(plan_.apic, x86::LapicRegister::kEoi);
  }

  x86::LapicBank::Config lapics() const {
    x86::LapicBank::Config config;
    for (std::uint32_t cpu = 0; cpu < plan_.cpus; ++cpu) config.ids.push_back(ApicId{cpu});
    config.ipi_flight = x86::IpiFlight::Priced;
    config.mutants = mutants_;
    return config;
  }
  x86::IoApic::Config ioapic() const {
    x86::IoApic::Config config;
    config.requester = Requester{HostBridgeId{0}, kIoApicRequester};
    config.mutants = mutants_;
    return config;
  }
  x86::VtdRemapper::Config vtd() const {
    x86::VtdRemapper::Config config;
    config.register_base = kVtdPage;
    config.mutants = mutants_;
    return config;
  }
  mem::SystemBus::Config bus() const {
    mem::SystemBus::Config config;
    std::uint32_t edge = 0;
    config.windows.push_back({0, kMemoryBytes, edge++});
    config.windows.push_back({kIoApicPage, 0x1000, edge++});
    if (plan_.remapped) config.windows.push_back({kVtdPage, 0x1000, edge++});
    for (const BridgePlan& bridge : plan_.bridges) {
      const std::uint64_t buses = bridge.bridge->last_bus - bridge.bridge->first_bus + 1;
      config.windows.push_back({bridge.window_base, kWindowShare, edge});
      config.windows.push_back(
          {bridge.ecam_base + (std::uint64_t{bridge.bridge->first_bus} << 20), buses << 20, edge});
      ++edge;
    }
    return config;
  }

  void add_bridge(std::size_t b) {
    const BridgePlan& bridge = plan_.bridges[b];
    pci::HostBridge::Config config;
    config.intx_pins = bridge.pins;
    config.below.of_row.reserve(bridge.functions);
    for_each_function(bridge, [&](const FunctionPlan& function) {
      config.below.of_row.push_back((raw(function.rid) >> 3) & 0x1F);
    });
    bridges_.push_back(add(bridge.bridge->id, std::move(config), {}, 1));
    topology_.components.back().where = bridge.bridge->where;
    functions_.push_back(add_functions(b));
  }

  std::size_t add_functions(std::size_t b) {
    const BridgePlan& bridge = plan_.bridges[b];
    pci::PciFunctions::Config config;
    config.bridge = HostBridgeId(static_cast<std::uint16_t>(b));
    config.window_base = bridge.window_base;
    config.ecam_base = bridge.ecam_base;
    Component component;
    component.name = bridge.bridge->id + ".functions";
    config.functions.reserve(bridge.functions);
    component.first_source.reserve(bridge.functions);
    for_each_function(bridge, [&](const FunctionPlan& function) {
      const scenario::Device& device = *function.device;
      pci::PciFunctions::Function made{function.rid, static_cast<std::uint16_t>(device.msix), {}};
      if (device.intx) made.intx = static_cast<pci::Intx>(*device.intx);
      config.functions.push_back(made);
      component.lanes.add(function.name());
      component.first_source.push_back(function.first_source);
    });
    for (const DevicePlan& device : bridge.devices) {
      component.sources += device.device->count * device.sources_each();
    }
    if (component.lanes.empty()) component.lanes.add(component.name);
    component.config = std::move(config);
    topology_.components.push_back(std::move(component));
    return topology_.components.size() - 1;
  }

  std::size_t add_traffic() {
    pci::Traffic::Config config = traffic_of(scenario_, plan_);
    Names names;
    for (const auto& generator : config.generators) {
      names.add("load." + std::string(topology_.sources.names[raw(generator.source)]));
    }
    return add("traffic", std::move(config), std::move(names), 0);
  }

  // ---- edges ----

  void join(std::size_t from, PortId from_port, std::size_t to, PortId to_port) {
    topology_.edges.push_back({from, from_port, to, to_port});
  }

  void join_everything() {
    using pci::HostBridge;
    using pci::PciFunctions;
    const std::size_t messages = plan_.remapped ? vtd_ : apic_bus_;
    const PortId messages_port =
        plan_.remapped ? x86::VtdRemapper::kInput : x86::ApicBus::kInputs;
    const auto bridges = static_cast<unsigned>(bridges_.size());
    for (unsigned b = 0; b < bridges; ++b) {
      join(functions_[b], PciFunctions::kLink, bridges_[b], HostBridge::kSecondary);
      join(functions_[b], PciFunctions::kIntx, bridges_[b], HostBridge::kIntx);
      join(bridges_[b], HostBridge::kInterrupts, messages, port_of(spec_of(messages_port), b));
      join(bridges_[b], HostBridge::kPins, ioapic_, port_of(spec_of(x86::IoApic::kPins), b));
      join(bridges_[b], HostBridge::kDownstream, functions_[b], PciFunctions::kRegisters);
      join(bridges_[b], HostBridge::kMemory, bus_, port_of(0, 2 + b));
      join(traffic_, port_of(spec_of(pci::Traffic::kRaise), b), functions_[b],
           PciFunctions::kStimulus);
    }
    join(ioapic_, x86::IoApic::kMessages, messages, port_of(spec_of(messages_port), bridges));
    join(apic_bus_, x86::ApicBus::kOutput, lapics_, x86::LapicBank::kMessages);
    join(lapics_, x86::LapicBank::kEoi, ioapic_, x86::IoApic::kEoi);
    join(cpus_, cpu::Cpus::kController, lapics_, x86::LapicBank::kCpu);
    join(cpus_, cpu::Cpus::kCompletions, traffic_, pci::Traffic::kCompletions);
    join(cpus_, cpu::Cpus::kBus, bus_, port_of(0, 0));
    join(driver_, cpu::Driver::kBus, bus_, port_of(0, 1));
    join_bus_targets();
  }

  void join_bus_targets() {
    unsigned edge = 0;
    join(bus_, port_of(1, edge++), memory_, port_of(0, 0));
    join(bus_, port_of(1, edge++), ioapic_, x86::IoApic::kRegisters);
    if (plan_.remapped) {
      join(bus_, port_of(1, edge++), vtd_, x86::VtdRemapper::kRegisters);
      join(vtd_, x86::VtdRemapper::kMemory, memory_, port_of(0, 1));
      join(vtd_, x86::VtdRemapper::kOutput, apic_bus_, x86::ApicBus::kInputs);
    }
    for (const std::size_t bridge : bridges_) {
      join(bus_, port_of(1, edge++), bridge, pci::HostBridge::kPrimary);
    }
  }

  const Scenario& scenario_;
  X86Plan& plan_;
  Mutants mutants_;
  Topology topology_;
  std::size_t cpus_ = 0, lapics_ = 0, ioapic_ = 0, apic_bus_ = 0, vtd_ = 0, memory_ = 0, bus_ = 0, traffic_ = 0,
              driver_ = 0;
  std::vector<std::size_t> bridges_, functions_;
};

Diagnostic refuse(const Scenario& scenario, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, scenario.machine.where, std::move(message), std::move(expected),
          ""};
}

/// Timers count 32 bits of kTimerTick, while there is a workload.
std::optional<Diagnostic> check_tick(const Scenario& scenario) {
  const scenario::Machine& machine = scenario.machine;
  const bool alone = scenario.workload.empty() && (machine.tick > 0 || machine.off_every > 0);
  if (alone) {
    return refuse(scenario, "no-workload",
                  "'tick' and 'interrupts_off' last as long as the workload, and there is none",
                  "a 'workload', or steps that program the timer");
  }
  constexpr Duration kLongest = kTimerTick * 0xFFFFFFFF;
  if (machine.tick % kTimerTick == 0 && machine.tick <= kLongest) return std::nullopt;
  return refuse(scenario, "bad-tick",
                "'tick: " + scenario::write_duration(machine.tick) +
                    "': the timers of the local APICs count 32 bits of 10 ns",
                "a multiple of 10ns, at most " + scenario::write_duration(kLongest));
}

}  // namespace

Result<X86Machine> build_x86(const Scenario& scenario, Remapping remapping, Mutants mutants) {
  if (scenario.machine.cpus > kMostXapicCpus) {
    return refuse(scenario, "too-many-cpus",
                  std::to_string(scenario.machine.cpus) + " CPUs: xAPIC ids have 8 bits",
                  "at most 255 CPUs on this fabric");
  }
  if (scenario.machine.host_bridges.size() > kMostBridges) {
    return refuse(scenario, "too-many-bridges",
                  std::to_string(scenario.machine.host_bridges.size()) + " host bridges",
                  "at most " + std::to_string(kMostBridges));
  }
  if (auto refused = check_tick(scenario)) return *refused;
  X86Machine machine;
  machine.plan = plan_x86(scenario, remapping == Remapping::VtdOn);
  if (machine.plan.remapped && machine.plan.device_sources + 24 > kMostIrtes) {
    return refuse(scenario, "too-many-sources", "more sources than the remapping table has entries",
                  "at most 65512 vectors and INTx pins on x86-ir");
  }
  HandlerTable handlers(scenario, machine.plan.cpus);
  for_each_function(machine.plan, [&](const FunctionPlan& function) {
    for (unsigned v = 0; v < function.device->msix; ++v) {
      handlers.serve_msix(machine.plan, function, v, machine.plan.slot_of(function, v));
    }
  });
  for (const PinPlan& pin : machine.plan.pins) {
    for (const FunctionPlan& function : pin.functions) {
      handlers.serve_intx(machine.plan, function, pin.slot);
    }
  }
  auto driver = driver_of(scenario, machine.plan, handlers);
  if (!driver) return driver.errors();
  Builder builder(scenario, machine.plan, mutants);
  machine.topology = builder.build(handlers.config(), std::move(*driver));
  return machine;
}

std::size_t functions_component(const Topology& topology, std::size_t bridge) {
  std::size_t seen = 0;
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    if (!std::holds_alternative<pci::PciFunctions::Config>(topology.components[c].config)) continue;
    if (seen++ == bridge) return c;
  }
  return topology.components.size();
}

}  // namespace irqfab::topology
