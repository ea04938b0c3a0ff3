#include "fabric/topology/x86_build.hpp"

#include "fabric/topology/handlers.hpp"
#include "fabric/topology/pci_build.hpp"
#include "fabric/topology/pci_plan.hpp"
#include "fabric/topology/pic_ends.hpp"
#include "fabric/topology/reconfigure.hpp"
#include "fabric/topology/workload.hpp"
#include "fabric/topology/x86_refusals.hpp"

namespace irqfab::topology {
namespace {

using scenario::Scenario;

// The units of both makers have the same ports, so one way of joining them does.
static_assert(x86::AmdViUnit::kInput == x86::VtdRemapper::kInput &&
              x86::AmdViUnit::kOutput == x86::VtdRemapper::kOutput &&
              x86::AmdViUnit::kMemory == x86::VtdRemapper::kMemory &&
              x86::AmdViUnit::kRegisters == x86::VtdRemapper::kRegisters);

// Wires of the first IOAPIC on a board with 8259s.
constexpr unsigned kFromRouter = 0;  // edges of its pins
constexpr unsigned kFromPic = 1;
constexpr Pin kPinOfPic{0};

std::string numbered(const char* what, std::size_t number) { return what + std::to_string(number); }

/// Puts components together in canonical order.
class Builder {
 public:
  Builder(const Scenario& scenario, X86Plan& plan, Mutants mutants, x86::Quirks quirks)
      : scenario_(scenario), plan_(plan), mutants_(mutants), quirks_(quirks) {
    // Nobody here looks at what a vCPU was sent: messages do at once what they say.
    quirks_.remove(x86::Quirk::InitLatched);
  }

  Topology build(cpu::Cpus::Config cpus, cpu::Driver::Config driver) {
    add_device_sources(plan_, topology_);
    set_habits(cpus);
    cpus_ = add("cpus", std::move(cpus), lanes("cpu", plan_.cpus, {}), 0);
    lapics_ = add("lapics", lapics(), lanes("lapic", plan_.cpus, "lapics"), 1);
    for (std::size_t i = 0; i < plan_.first_pins.size(); ++i) {
      ioapics_.push_back(add(numbered("ioapic", i), ioapic(i), {}, 1));
      topology_.components.back().where = scenario_.machine.ioapics[i].where;
    }
    if (plan_.has_pic()) pic_ = add("pic", pic(), {}, 1);
    apic_bus_ = add("apic_bus", x86::ApicBus::Config{}, {}, 1);
    if (plan_.remapped) add_remapping_unit();
    memory_ = add("memory", mem::Memory::Config{0, kMemoryBytes}, {}, 0);
    if (plan_.posted) {
      descriptors_ =
          add("descriptors", x86::PostedDescriptors::Config{kPostedDescriptors, plan_.cpus},
              lanes("pid", plan_.cpus, {}), 0);
    }
    bus_ = add("bus", bus(), {}, 0);
    if (plan_.has_pic()) pirq_ = add("pirq_router", x86::PirqRouter::Config{}, {}, 0);
    if (scenario_.machine.hpet) hpet_ = add_hpet(*scenario_.machine.hpet);
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

  /// What the CPUs do apart from handling interrupts, and how they acknowledge them.
  void set_habits(cpu::Cpus::Config& cpus) const {
    const scenario::Machine& machine = scenario_.machine;
    if (machine.idle == scenario::Idle::Halt) cpus.idle = cpu::Idle::Halt;
    cpus.stretch = machine.off_length;
    cpus.stretch_every = machine.off_every;
    cpus.eoi_register = place_of_register(plan_.apic, x86::LapicRegister::kEoi);
    if (!plan_.posted) return;
    cpus.posted =
        cpu::PostedVectors{kNotificationVector, machine.posted_loops, x86::PostedDescriptors::kPir,
                           x86::PostedDescriptors::kControl};
  }

  x86::LapicBank::Config lapics() const {
    x86::LapicBank::Config config;
    for (std::uint32_t cpu = 0; cpu < plan_.cpus; ++cpu)
      config.ids.push_back(apic_id_of(CpuId{cpu}));
    config.ipi_flight = x86::IpiFlight::Priced;
    config.cmci = x86::Cmci::Present;
    config.ioapics = static_cast<unsigned>(plan_.first_pins.size());
    if (plan_.has_pic()) config.pic = x86::ExternalPic::Present;
    // Messages as the remapping unit sends them in extended interrupt mode.
    const bool wide = plan_.remapped && plan_.apic == scenario::ApicMode::X2apic;
    if (wide) config.msi_destination = x86::MsiDestination::Bits32;
    config.quirks = quirks_;
    config.mutants = mutants_;
    return config;
  }
  x86::IoApic::Config ioapic(std::size_t index) const {
    const scenario::Ioapic& wanted = scenario_.machine.ioapics[index];
    x86::IoApic::Config config;
    config.pins = wanted.pins;
    config.id = static_cast<std::uint8_t>(index);
    if (wanted.version == scenario::IoapicVersion::V11) config.version = x86::IoApicVersion::V11;
    if (wanted.inputs == scenario::IoapicInputs::Wired) {
      config.inputs = x86::InputLevels::Wired;
      for (unsigned pin = x86::PirqRouter::kFirstPin; pin < wanted.pins; ++pin) {
        config.active_low.push_back(Pin(static_cast<std::uint16_t>(pin)));
      }
    }
    if (plan_.has_pic() && index == 0) config.shared = {kFromRouter, kFromPic, kIsaLines};
    config.requester = Requester{HostBridgeId{0}, ioapic_requester(index)};
    config.quirks = quirks_;
    config.mutants = mutants_;
    return config;
  }
  x86::Pic::Config pic() const {
    x86::Pic::Config config;
    config.quirks = quirks_;
    config.intr = {x86::LapicBank::pin_of(CpuId{0}, x86::LocalPin::Lint0), kPinOfPic};
    return config;
  }
  void add_remapping_unit() {
    if (plan_.has_amdvi()) {
      unit_ = add("amdvi0", amdvi(), {}, 1);
    } else {
      unit_ = add("vtd0", vtd(), {}, x86::VtdRemapper::kSources);
    }
  }
  x86::AmdViUnit::Config amdvi() const {
    x86::AmdViUnit::Config config;
    config.register_base = kAmdPage;
    config.requester = Requester{HostBridgeId{0}, kAmdRequester};
    config.mutants = mutants_;
    return config;
  }
  x86::VtdRemapper::Config vtd() const {
    x86::VtdRemapper::Config config;
    config.register_base = kVtdPage;
    config.extended_mode = x86::ExtendedMode::Present;
    if (plan_.posted) config.posting = x86::Posting::Present;
    for (std::size_t i = 0; i < scenario_.machine.ioapics.size(); ++i) {
      config.ioapics.push_back(ioapic_requester(i));
    }
    config.quirks = quirks_;
    config.mutants = mutants_;
    return config;
  }
  mem::SystemBus::Config bus() const {
    mem::SystemBus::Config config;
    std::uint32_t edge = 0;
    config.windows.push_back({0, kMemoryBytes, edge++});
    for (std::size_t i = 0; i < plan_.first_pins.size(); ++i) {
      config.windows.push_back({ioapic_page(i), 0x1000, edge++});
    }
    if (plan_.has_amdvi()) {
      config.windows.push_back({kAmdPage, x86::amdvi::kRegisterBytes, edge++});
    } else if (plan_.remapped) {
      config.windows.push_back({kVtdPage, 0x1000, edge++});
    }
    if (plan_.posted) {
      const std::uint64_t bytes = plan_.cpus * x86::PostedDescriptor::kBytes;
      config.windows.push_back({kPostedDescriptors, bytes, edge++});
    }
    if (plan_.has_pic()) {
      for (const std::uint16_t port :
           {x86::Pic::kMasterCommand, x86::Pic::kSlaveCommand, x86::Pic::kMasterElcr}) {
        config.windows.push_back({x86::kIoPortBase + port, 2, edge});
      }
      ++edge;
      config.windows.push_back({kPirqPage, pci::kConfigSpaceBytes, edge++});
    }
    if (scenario_.machine.hpet) {
      config.windows.push_back({kHpetPage, x86::Hpet::kPageBytes, edge++});
    }
    for (const BridgePlan& bridge : plan_.bridges) {
      const std::uint64_t buses = bridge.bridge->last_bus - bridge.bridge->first_bus + 1;
      config.windows.push_back({bridge.window_base, kWindowShare, edge});
      add_around_router(
          {bridge.ecam_base + (std::uint64_t{bridge.bridge->first_bus} << 20), buses << 20, edge},
          config.windows);
      ++edge;
    }
    return config;
  }

  /// Configuration space without the page of the interrupt router.
  void add_around_router(const mem::Window& space, std::vector<mem::Window>& windows) const {
    if (!plan_.has_pic() || kPirqPage - space.base >= space.size) return windows.push_back(space);
    constexpr std::uint64_t kAfter = kPirqPage + pci::kConfigSpaceBytes;
    windows.push_back({space.base, kPirqPage - space.base, space.target});
    windows.push_back({kAfter, space.base + space.size - kAfter, space.target});
  }

  /// Each comparator is a source of its own.
  std::size_t add_hpet(const scenario::Hpet& wanted) {
    x86::Hpet::Config config;
    config.comparators = wanted.comparators;
    const unsigned pins = scenario_.machine.ioapics.front().pins;
    if (pins < 32) config.routes = (std::uint32_t{1} << pins) - 1;
    config.requester = Requester{HostBridgeId{0}, wanted.requester};
    const std::size_t index = add("hpet", config, {}, 0);
    Component& component = topology_.components.back();
    component.where = wanted.where;
    component.first_source.push_back(static_cast<std::uint32_t>(topology_.sources.size()));
    component.sources = wanted.comparators;
    for (unsigned n = 0; n < wanted.comparators; ++n) {
      topology_.sources.add(numbered("hpet:", n), topology_.paths.size());
    }
    topology_.paths.push_back("hpet");
    return index;
  }

  void add_bridge(std::size_t b) {
    const BridgePlan& bridge = plan_.bridges[b];
    pci::HostBridge::Config config;
    config.intx_pins = bridge.pins;
    if (plan_.has_pic()) {
      for (Pin& pin : config.intx_pins) {
        pin = Pin(static_cast<std::uint16_t>(raw(pin) - x86::PirqRouter::kFirstPin));
      }
    }
    config.below = devices_on(bridge, 0);
    config.routes = routes_on(bridge, 0);
    bridges_.push_back(add(bridge.bridge->id, std::move(config), {}, 1));
    topology_.components.back().where = bridge.bridge->where;
    add_functions(bridge, 0);
    pci_bridges_.emplace_back();
    for (std::size_t p = 0; p < bridge.bridges.size(); ++p) {
      add_pci_bridge(bridge, p);
      if (bridge.bridges[p].on_secondary.count > 0) add_functions(bridge, p + 1);
    }
  }

  void add_pci_bridge(const BridgePlan& host, std::size_t place) {
    const scenario::PciBridge& bridge = *host.bridges[place].bridge;
    pci_bridges_.back().push_back(add(bridge.id, config_of_bridge(host, place), {}, 0));
    topology_.components.back().where = bridge.where;
  }

  /// The functions on one bus, as of a DevicePlan.
  void add_functions(const BridgePlan& host, std::size_t bus) {
    functions_.push_back(topology_.components.size());
    topology_.components.push_back(functions_on(host, bridges_.size() - 1, bus, quirks_));
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
    const std::size_t messages = plan_.remapped ? unit_ : apic_bus_;
    const PortId messages_port = plan_.remapped ? x86::VtdRemapper::kInput : x86::ApicBus::kInputs;
    const auto bridges = static_cast<unsigned>(bridges_.size());
    for (unsigned b = 0; b < bridges; ++b) {
      const std::size_t functions = functions_[plan_.bridges[b].group];
      join(functions, PciFunctions::kLink, bridges_[b], HostBridge::kSecondary);
      join(functions, PciFunctions::kIntx, bridges_[b], HostBridge::kIntx);
      join(bridges_[b], HostBridge::kInterrupts, messages, port_of(spec_of(messages_port), b));
      join_wires(b);
      join(bridges_[b], HostBridge::kDownstream, functions, PciFunctions::kRegisters);
      join(bridges_[b], HostBridge::kMemory, bus_, port_of(0, 2 + b));
      join_to_traffic(plan_.bridges[b].group);
      join_pci_bridges(b);
    }
    for (unsigned i = 0; i < ioapics_.size(); ++i) {
      join(ioapics_[i], x86::IoApic::kMessages, messages,
           port_of(spec_of(messages_port), bridges + i));
    }
    if (scenario_.machine.hpet) {
      const auto edge = bridges + static_cast<unsigned>(ioapics_.size());
      join(hpet_, x86::Hpet::kMessages, messages, port_of(spec_of(messages_port), edge));
      join(hpet_, x86::Hpet::kPins, ioapics_[0], port_of(spec_of(x86::IoApic::kPins), kHpetWire));
    }
    join(apic_bus_, x86::ApicBus::kOutput, lapics_, x86::LapicBank::kMessages);
    for (unsigned i = 0; i < ioapics_.size(); ++i) {
      join(lapics_, port_of(spec_of(x86::LapicBank::kEoi), i), ioapics_[i], x86::IoApic::kEoi);
    }
    if (plan_.has_pic()) join_pic();
    join(cpus_, cpu::Cpus::kController, lapics_, x86::LapicBank::kCpu);
    join(cpus_, cpu::Cpus::kCompletions, traffic_, pci::Traffic::kCompletions);
    join(cpus_, cpu::Cpus::kBus, bus_, port_of(0, 0));
    join(driver_, cpu::Driver::kBus, bus_, port_of(0, 1));
    join_bus_targets();
  }

  /// INTx wires lead to an IOAPIC, or to the interrupt router and from there to the first.
  void join_wires(unsigned bridge) {
    const std::size_t to = plan_.has_pic() ? pirq_ : ioapics_[plan_.bridges[bridge].ioapic];
    const unsigned spec = spec_of(plan_.has_pic() ? x86::PirqRouter::kWires : x86::IoApic::kPins);
    join(bridges_[bridge], pci::HostBridge::kPins, to, port_of(spec, bridge));
  }

  /// The board of a PC: the 8259s interrupt CPU 0 over LINT0, and arrive at a pin of the IOAPIC.
  void join_pic() {
    using x86::IoApic;
    using x86::LapicBank;
    using x86::Pic;
    using x86::PirqRouter;
    constexpr unsigned kPins = spec_of(IoApic::kPins);
    join(pirq_, PirqRouter::kPic, pic_, Pic::kPins);
    join(pirq_, PirqRouter::kIoapic, ioapics_[0], port_of(kPins, kFromRouter));
    join(pic_, port_of(spec_of(Pic::kIntr), 0), lapics_, LapicBank::kPins);
    join(pic_, port_of(spec_of(Pic::kIntr), 1), ioapics_[0], port_of(kPins, kFromPic));
    join(lapics_, LapicBank::kPic, pic_, Pic::kInta);
  }

  void join_to_traffic(std::size_t group) {
    join(traffic_, port_of(spec_of(pci::Traffic::kRaise), static_cast<unsigned>(group)),
         functions_[group], pci::PciFunctions::kStimulus);
  }

  /// Each bridge between what is above it and what is on its secondary bus.
  void join_pci_bridges(std::size_t b) {
    using pci::Bridge;
    using pci::HostBridge;
    using pci::PciFunctions;
    const auto edge = [](PortId port, std::size_t number) {
      return port_of(spec_of(port), static_cast<unsigned>(number));
    };
    const std::vector<std::size_t>& bridges = pci_bridges_[b];
    for (std::size_t p = 0; p < bridges.size(); ++p) {
      const PciBridgePlan& plan = plan_.bridges[b].bridges[p];
      const bool top = plan.bus == 0;
      const std::size_t above = top ? bridges_[b] : bridges[plan.bus - 1];
      join(bridges[p], Bridge::kUpstream, above,
           edge(top ? HostBridge::kSecondary : Bridge::kSecondary, plan.edge));
      join(bridges[p], Bridge::kIntxUp, above,
           edge(top ? HostBridge::kIntx : Bridge::kIntx, plan.edge));
      join(above, edge(top ? HostBridge::kDownstream : Bridge::kDownstream, plan.edge), bridges[p],
           Bridge::kPrimary);
      if (plan.on_secondary.count == 0) continue;
      const std::size_t functions = functions_[plan.group];
      join(functions, PciFunctions::kLink, bridges[p], Bridge::kSecondary);
      join(functions, PciFunctions::kIntx, bridges[p], Bridge::kIntx);
      join(bridges[p], Bridge::kDownstream, functions, PciFunctions::kRegisters);
      join_to_traffic(plan.group);
    }
  }

  void join_bus_targets() {
    unsigned edge = 0;
    join(bus_, port_of(1, edge++), memory_, port_of(0, 0));
    for (const std::size_t ioapic : ioapics_) {
      join(bus_, port_of(1, edge++), ioapic, x86::IoApic::kRegisters);
    }
    if (plan_.remapped) {
      join(bus_, port_of(1, edge++), unit_, x86::VtdRemapper::kRegisters);
      join_unit_to_memory();
      join(unit_, x86::VtdRemapper::kOutput, apic_bus_, x86::ApicBus::kInputs);
    }
    if (plan_.posted) {
      join(bus_, port_of(1, edge++), descriptors_, x86::PostedDescriptors::kBus);
      join(cpus_, cpu::Cpus::kDescriptors, descriptors_, x86::PostedDescriptors::kCpus);
    }
    if (plan_.has_pic()) {
      join(bus_, port_of(1, edge++), pic_, x86::Pic::kRegisters);
      join(bus_, port_of(1, edge++), pirq_, x86::PirqRouter::kRegisters);
    }
    if (scenario_.machine.hpet) join(bus_, port_of(1, edge++), hpet_, x86::Hpet::kRegisters);
    for (const std::size_t bridge : bridges_) {
      join(bus_, port_of(1, edge++), bridge, pci::HostBridge::kPrimary);
    }
  }

  /// Tables alone are all in one place; with descriptors the bus has to tell.
  void join_unit_to_memory() {
    using x86::VtdRemapper;
    if (!plan_.posted) return join(unit_, VtdRemapper::kMemory, memory_, port_of(0, 1));
    const auto initiator = 2 + static_cast<unsigned>(bridges_.size());
    join(unit_, VtdRemapper::kMemory, bus_, port_of(0, initiator));
  }

  const Scenario& scenario_;
  X86Plan& plan_;
  Mutants mutants_;
  x86::Quirks quirks_;
  Topology topology_;
  std::size_t cpus_ = 0, lapics_ = 0, pic_ = 0, pirq_ = 0, hpet_ = 0, apic_bus_ = 0, unit_ = 0,
              memory_ = 0, descriptors_ = 0, bus_ = 0, traffic_ = 0, driver_ = 0;
  std::vector<std::size_t> ioapics_, bridges_;
  std::vector<std::size_t> functions_;                 // by group
  std::vector<std::vector<std::size_t>> pci_bridges_;  // by host bridge
};

/// Of IRQ n's vector, kPicVectors + n.
std::vector<cpu::EndOverBus> ends_at_pics() {
  std::vector<cpu::EndOverBus> ends = ends_at_pic({x86::PicRole::Master, kPicVectors});
  const auto slaves = ends_at_pic({x86::PicRole::Slave, kPicVectors + x86::kIrCount});
  ends.insert(ends.end(), slaves.begin(), slaves.end());
  return ends;
}

}  // namespace

Result<X86Machine> build_x86(const Scenario& scenario, Remapping remapping, Mutants mutants,
                             x86::Quirks quirks) {
  if (auto refused = refuse_machine(scenario, remapping)) return *refused;
  X86Machine machine;
  machine.plan = plan_x86(scenario, remapping);
  const Diagnostics refused = refuse_plan(scenario, machine.plan);
  if (!refused.empty()) return refused;
  HandlerTable handlers = handlers_of(scenario, machine.plan);
  auto driver = driver_of(scenario, machine.plan, handlers, mutants);
  if (!driver) return driver.errors();
  Builder builder(scenario, machine.plan, mutants, quirks);
  cpu::Cpus::Config cpus = handlers.config();
  if (machine.plan.has_pic()) cpus.ends = ends_at_pics();
  machine.topology = builder.build(std::move(cpus), std::move(*driver));
  return machine;
}

namespace {

/// The `index`-th component whose configuration is a Config.
template <class Config>
std::size_t nth(const Topology& topology, std::size_t index) {
  std::size_t seen = 0;
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    if (!std::holds_alternative<Config>(topology.components[c].config)) continue;
    if (seen++ == index) return c;
  }
  return topology.components.size();
}

}  // namespace

std::size_t functions_component(const Topology& topology, std::size_t group) {
  return nth<pci::PciFunctions::Config>(topology, group);
}

std::size_t remapping_unit(const X86Machine& machine) {
  return machine.plan.has_amdvi() ? nth<x86::AmdViUnit::Config>(machine.topology, 0)
                                  : nth<x86::VtdRemapper::Config>(machine.topology, 0);
}

std::size_t ioapic_component(const Topology& topology, std::size_t index) {
  return nth<x86::IoApic::Config>(topology, index);
}

}  // namespace irqfab::topology
