#include "fabric/topology/guest_build.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "fabric/topology/guest_plan.hpp"
#include "fabric/topology/handlers.hpp"
#include "fabric/topology/kvm_build.hpp"
#include "fabric/topology/pci_build.hpp"
#include "fabric/topology/pci_plan.hpp"
#include "fabric/topology/reconfigure.hpp"
#include "fabric/topology/workload.hpp"
#include "fabric/topology/x86_refusals.hpp"

namespace irqfab::topology {
namespace {

using scenario::Scenario;
using vmm::VmHost;

std::string numbered(const char* what, std::size_t number) { return what + std::to_string(number); }

PortId edge_of(PortId port, std::size_t edge) {
  return port_of(spec_of(port), static_cast<unsigned>(edge));
}

/// Does software of the host bring interrupts? What is posted needs none.
bool has_software(const X86Plan& plan, std::string_view path) {
  if (!posts(path)) return true;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      if (!is_assigned(*device.device, path) || !device.messages_on) return true;
    }
  }
  return false;
}

/// CPUs of the host. Where the scenario leaves it open, the VMM's threads and the kernel's have as
/// many as the vCPUs, so that nobody waits for a slice to end.
unsigned cpus_under(const scenario::Machine& machine, const X86Plan& plan, std::string_view path) {
  constexpr unsigned kMost = 255;
  const scenario::Host host = machine.host.value_or(scenario::Host{});
  if (host.cpus > 0) return host.cpus;
  if (host.overcommit > 1) return (machine.cpus + host.overcommit - 1) / host.overcommit;
  return has_software(plan, path) ? std::min(kMost, 2 * machine.cpus) : machine.cpus;
}

x86::Virtualization virtualization_on(std::string_view path, const scenario::Host& host) {
  const bool plain = path == "vmm-userspace" || path == "kvm-dynamic-route";
  const auto usual = plain ? scenario::Virtualization::None : scenario::Virtualization::Apicv;
  switch (host.virtualization.value_or(usual)) {
    case scenario::Virtualization::None:
      return x86::Virtualization::None;
    case scenario::Virtualization::Avic:
      return x86::Virtualization::Avic;
    case scenario::Virtualization::Apicv:
      break;
  }
  return x86::Virtualization::Apicv;
}

kvm::IrqfdForm form_of(std::string_view path, const scenario::Host& host) {
  if (path == "kvm-irqfd-workqueue") return kvm::IrqfdForm::Workqueue;
  return host.irqfd == scenario::IrqfdLookup::Copy ? kvm::IrqfdForm::Copy : kvm::IrqfdForm::Pointer;
}

/// What the scenario says of the host, as its software is configured.
VmHost::Config host_of(const Scenario& scenario, const X86Plan& plan, std::string_view path,
                       Mutants mutants, x86::Quirks quirks) {
  const scenario::Host host = scenario.machine.host.value_or(scenario::Host{});
  VmHost::Config config;
  config.host_cpus = cpus_under(scenario.machine, plan, path);
  config.slice = host.slice;
  config.vcpus.polling = {host.poll_most, host.poll_start, host.poll_grow, host.poll_shrink};
  config.vcpus.mutants = mutants;
  config.vcpus.descriptors = kVcpuDescriptors;
  if (path == "vmm-userspace") config.vcpus.home = kvm::ApicHome::User;
  kvm::IrqLayer::Config& layer = config.layer;
  layer.form = form_of(path, host);
  layer.grace =
      host.grace == scenario::GraceKind::Rcu ? kvm::GraceForm::Rcu : kvm::GraceForm::SrcuExpedited;
  // A normal grace period begins and ends at a tick, of HZ=100, and looks for readers between.
  layer.rcu_delay = 3 * 10 * kPsPerMs;
  // Linux's older srcu.c: 10 us of looking, then a look every millisecond.
  layer.srcu.attentive = 10 * kPsPerUs;
  layer.srcu.recheck = kPsPerMs;
  layer.kworkers = static_cast<std::uint16_t>(host.kworkers);
  layer.mutants = mutants;
  layer.irqchip.kind =
      path == "kvm-split-irqchip" ? kvm::IrqchipKind::Split : kvm::IrqchipKind::Full;
  layer.irqchip.virtualization = virtualization_on(path, host);
  layer.irqchip.x2avic = x86::X2avic::Present;
  if (scenario.machine.tick > 0) layer.irqchip.timer_hz = kPsPerSecond / kTimerTick;
  layer.irqchip.controls = x86::ApicvControls::all();
  if (!host.ipi_virtualization) {
    layer.irqchip.controls = layer.irqchip.controls.without(x86::ApicvControl::IpiVirtualization);
  }
  layer.irqchip.quirks = quirks;
  layer.irqchip.mutants = mutants;
  for (std::uint32_t n = 0; n < plan.cpus; ++n) {
    layer.irqchip.ids.push_back(apic_id_of(CpuId{n}));
  }
  config.plan = vm_plan_of(scenario, plan, path, config.host_cpus);
  return config;
}

class GuestBuilder {
 public:
  GuestBuilder(const Scenario& scenario, const X86Plan& plan, std::string_view path,
               Mutants mutants, x86::Quirks quirks)
      : scenario_(scenario), plan_(plan), path_(path), mutants_(mutants), quirks_(quirks) {}

  Topology build(cpu::Cpus::Config cpus, cpu::Driver::Config driver, VmHost::Config host) {
    add_device_sources(plan_, topology_);
    add_vcpus(std::move(cpus));
    add_host(std::move(host));
    const auto& bridges = plan_.bridges;
    const bool any = std::any_of(bridges.begin(), bridges.end(), [this](const BridgePlan& bridge) {
      return has_assigned(bridge, path_);
    });
    if (any) add_host_fabric();
    for (std::size_t b = 0; b < bridges.size(); ++b) add_bridge(b);
    traffic_ = add("traffic", traffic(), load_names());
    const std::size_t driver_at = add("driver", std::move(driver), {});
    join(driver_at, cpu::Driver::kBus, host_, edge_of(VmHost::kMmio, VmHost::kByDriver));
    join(vcpus_, cpu::Cpus::kCompletions, traffic_, pci::Traffic::kCompletions);
    for (std::size_t group = 0; group < functions_.size(); ++group) {
      join(traffic_, edge_of(pci::Traffic::kRaise, group), functions_[group],
           pci::PciFunctions::kStimulus);
    }
    return std::move(topology_);
  }

 private:
  std::size_t add(std::string name, ModelConfig config, Names lanes) {
    Component component;
    component.name = std::move(name);
    component.lanes = lanes.empty() ? Names{component.name} : std::move(lanes);
    component.config = std::move(config);
    topology_.components.push_back(std::move(component));
    return topology_.components.size() - 1;
  }

  void join(std::size_t from, PortId from_port, std::size_t to, PortId to_port) {
    topology_.edges.push_back({from, from_port, to, to_port});
  }

  void add_vcpus(cpu::Cpus::Config cpus) {
    cpus.kind = cpu::Kind::Virtual;
    const scenario::Machine& machine = scenario_.machine;
    if (machine.idle == scenario::Idle::Halt) cpus.idle = cpu::Idle::Halt;
    cpus.stretch = machine.off_length;
    cpus.stretch_every = machine.off_every;
    cpus.eoi_register = place_of_register(plan_.apic, x86::LapicRegister::kEoi);
    Names names;
    for (std::uint32_t n = 0; n < plan_.cpus; ++n) names.add(numbered("vcpu", n));
    vcpus_ = add("vcpus", std::move(cpus), std::move(names));
  }

  /// Its sources: one of whatever the host's software begins by itself, and one a vCPU for what
  /// that sends.
  void add_host(VmHost::Config config) {
    Names names = host_lanes(config.host_cpus, plan_.cpus);
    const unsigned shared_lanes = config.host_cpus + 1;
    host_ = add("kvm", std::move(config), std::move(names));
    const auto shared = static_cast<std::uint32_t>(topology_.sources.size());
    const std::size_t path = topology_.paths.size();
    topology_.paths.emplace_back("lapics");
    topology_.sources.add("lapics", path);
    for (std::uint32_t n = 0; n < plan_.cpus; ++n) {
      topology_.sources.add(numbered("lapic", n), path);
    }
    Component& host = topology_.components[host_];
    host.first_source.assign(shared_lanes, shared);
    for (std::uint32_t n = 0; n < plan_.cpus; ++n) host.first_source.push_back(shared + 1 + n);
    host.sources = 1 + plan_.cpus;
    join(vcpus_, cpu::Cpus::kController, host_, VmHost::kVcpus);
    join(vcpus_, cpu::Cpus::kBus, host_, edge_of(VmHost::kMmio, VmHost::kByVcpus));
  }

  /// From the host's bridges to its CPUs.
  void add_host_fabric() {
    apic_bus_ = add("apic_bus", x86::ApicBus::Config{}, {});
    join(apic_bus_, x86::ApicBus::kOutput, host_, VmHost::kMessages);
    messages_ = apic_bus_;
    messages_port_ = x86::ApicBus::kInputs;
    const auto& host = scenario_.machine.host;
    if (posts(path_)) {
      add_posting_unit();
    } else if (host && host->fabric == scenario::HostFabric::X86Ir) {
      const std::size_t memory = add("memory", mem::Memory::Config{0, kMemoryBytes}, {});
      join(add_unit(x86::Posting::Absent), x86::VtdRemapper::kMemory, memory, port_of(0, 0));
    }
    x86::IoApic::Config ioapic;
    ioapic.requester = Requester{HostBridgeId{0}, ioapic_requester(0)};
    ioapic.quirks = quirks_;
    ioapic.mutants = mutants_;
    ioapic_ = add("host-ioapic", std::move(ioapic), {});
    give_sources(ioapic_, 1);
    join(ioapic_, x86::IoApic::kMessages, messages_, edge_of(messages_port_, plan_.bridges.size()));
    join(host_, VmHost::kEois, ioapic_, x86::IoApic::kEoi);
  }

  std::size_t add_unit(x86::Posting posting) {
    x86::VtdRemapper::Config unit;
    unit.register_base = kVtdPage;
    unit.posting = posting;
    unit.ioapics = {ioapic_requester(0)};
    unit.quirks = quirks_;
    unit.mutants = mutants_;
    const std::size_t vtd = add("vtd0", unit, {});
    give_sources(vtd, x86::VtdRemapper::kSources);
    join(vtd, x86::VtdRemapper::kOutput, apic_bus_, x86::ApicBus::kInputs);
    messages_ = vtd;
    messages_port_ = x86::VtdRemapper::kInput;
    return vtd;
  }

  /// It finds the vCPUs' descriptors on the host's bus, and the host's kernel finds the unit there.
  void add_posting_unit() {
    using mem::SystemBus;
    const std::size_t vtd = add_unit(x86::Posting::Present);
    const std::size_t memory = add("memory", mem::Memory::Config{0, kMemoryBytes}, {});
    const std::uint64_t descriptors = std::uint64_t{plan_.cpus} * x86::PostedDescriptor::kBytes;
    SystemBus::Config config;
    config.windows = {
        {0, kMemoryBytes, 0}, {kVtdPage, 0x1000, 1}, {kVcpuDescriptors, descriptors, 2}};
    const std::size_t bus = add("bus", std::move(config), {});
    join(vtd, x86::VtdRemapper::kMemory, bus, edge_of(SystemBus::kInitiators, 0));
    join(host_, VmHost::kHostBus, bus, edge_of(SystemBus::kInitiators, 1));
    join(bus, edge_of(SystemBus::kTargets, 0), memory, port_of(0, 0));
    join(bus, edge_of(SystemBus::kTargets, 1), vtd, x86::VtdRemapper::kRegisters);
    join(bus, edge_of(SystemBus::kTargets, 2), host_, VmHost::kDescriptors);
  }

  void give_sources(std::size_t at, std::uint32_t count) {
    Component& component = topology_.components[at];
    component.first_source = {static_cast<std::uint32_t>(topology_.sources.size())};
    component.sources = count;
    for (std::uint32_t i = 0; i < count; ++i) {
      topology_.sources.add(component.name, topology_.paths.size());
    }
    topology_.paths.push_back(component.name);
  }

  /// Those of the VMM beside those of the host, which are on the link.
  std::size_t add_functions(std::size_t b, std::size_t bus) {
    Component component = functions_on(plan_.bridges[b], b, bus, quirks_);
    auto& config = std::get<pci::PciFunctions::Config>(component.config);
    for (const DevicePlan& device : plan_.bridges[b].devices) {
      if (device.bus != bus) continue;
      if (is_assigned(*device.device, path_)) config.modelled_edge = 1;
      for (unsigned f = 0; f < device.device->count; ++f) {
        auto& kind = config.functions[raw(device.first_lane) + f].kind;
        if (!is_assigned(*device.device, path_)) kind = pci::FunctionKind::Modelled;
      }
    }
    topology_.components.push_back(std::move(component));
    functions_.push_back(topology_.components.size() - 1);
    return functions_.back();
  }

  /// What functions of the VMM have to say is said within it.
  void join_modelled(std::size_t group) {
    using pci::PciFunctions;
    const std::size_t at = functions_[group];
    const auto& config = std::get<PciFunctions::Config>(topology_.components[at].config);
    const auto& all = config.functions;
    const bool any = std::any_of(all.begin(), all.end(), [](const auto& function) {
      return function.kind == pci::FunctionKind::Modelled;
    });
    if (!any && !all.empty()) return;  // a bus without functions is the VMM's
    const std::size_t edge = config.modelled_edge;
    join(at, edge_of(PciFunctions::kLink, edge), host_, edge_of(VmHost::kDevices, group));
    join(at, edge_of(PciFunctions::kIntx, edge), host_, edge_of(VmHost::kIntx, group));
    join(host_, edge_of(VmHost::kRegisters, group), at, edge_of(PciFunctions::kRegisters, edge));
  }

  /// Functions of the host, on the links of its bridges.
  void add_bridge(std::size_t b) {
    const BridgePlan& bridge = plan_.bridges[b];
    const bool assigned = has_assigned(bridge, path_);
    const std::size_t top = assigned ? add_host_bridge(b) : 0;
    const std::size_t functions = add_functions(b, 0);
    join_modelled(bridge.group);
    if (assigned && is_on_link(functions)) {
      join(functions, pci::PciFunctions::kLink, top, pci::HostBridge::kSecondary);
      join(functions, pci::PciFunctions::kIntx, top, pci::HostBridge::kIntx);
      join(top, pci::HostBridge::kDownstream, functions, pci::PciFunctions::kRegisters);
    }
    std::vector<std::size_t> below;
    for (std::size_t p = 0; p < bridge.bridges.size(); ++p) {
      if (assigned) below.push_back(add_pci_bridge(b, p, top, below));
      if (bridge.bridges[p].on_secondary.count == 0) continue;
      const std::size_t on_secondary = add_functions(b, p + 1);
      join_modelled(bridge.bridges[p].group);
      if (!assigned || !is_on_link(on_secondary)) continue;
      join(on_secondary, pci::PciFunctions::kLink, below[p], pci::Bridge::kSecondary);
      join(on_secondary, pci::PciFunctions::kIntx, below[p], pci::Bridge::kIntx);
      join(below[p], pci::Bridge::kDownstream, on_secondary, pci::PciFunctions::kRegisters);
    }
  }

  bool is_on_link(std::size_t functions) const {
    const auto& all =
        std::get<pci::PciFunctions::Config>(topology_.components[functions].config).functions;
    return std::any_of(all.begin(), all.end(), [](const auto& function) {
      return function.kind == pci::FunctionKind::Physical;
    });
  }

  std::size_t add_host_bridge(std::size_t b) {
    const BridgePlan& bridge = plan_.bridges[b];
    pci::HostBridge::Config config;
    config.intx_pins = bridge.pins;
    config.below = devices_on(bridge, 0);
    config.routes = routes_on(bridge, 0);
    const std::size_t top = add(bridge.bridge->id, std::move(config), {});
    topology_.components[top].where = bridge.bridge->where;
    give_sources(top, 1);
    join(top, pci::HostBridge::kInterrupts, messages_, edge_of(messages_port_, host_bridges_));
    join(top, pci::HostBridge::kPins, ioapic_, edge_of(x86::IoApic::kPins, host_bridges_));
    join(host_, edge_of(VmHost::kBridges, b), top, pci::HostBridge::kPrimary);
    ++host_bridges_;
    return top;
  }

  /// `below`: those of the bridge that stand before it.
  std::size_t add_pci_bridge(std::size_t b, std::size_t place, std::size_t top,
                             const std::vector<std::size_t>& below) {
    using pci::Bridge;
    using pci::HostBridge;
    const PciBridgePlan& plan = plan_.bridges[b].bridges[place];
    const std::size_t at = add(plan.bridge->id, config_of_bridge(plan_.bridges[b], place), {});
    topology_.components[at].where = plan.bridge->where;
    const bool on_top = plan.bus == 0;
    const std::size_t above = on_top ? top : below[plan.bus - 1];
    join(at, Bridge::kUpstream, above,
         edge_of(on_top ? HostBridge::kSecondary : Bridge::kSecondary, plan.edge));
    join(at, Bridge::kIntxUp, above,
         edge_of(on_top ? HostBridge::kIntx : Bridge::kIntx, plan.edge));
    join(above, edge_of(on_top ? HostBridge::kDownstream : Bridge::kDownstream, plan.edge), at,
         Bridge::kPrimary);
    return at;
  }

  pci::Traffic::Config traffic() const { return traffic_of(scenario_, plan_); }
  Names load_names() const {
    Names names;
    for (const auto& generator : traffic().generators) {
      names.add("load." + std::string(topology_.sources.names[raw(generator.source)]));
    }
    return names;
  }

  const Scenario& scenario_;
  const X86Plan& plan_;
  std::string_view path_;
  Mutants mutants_;
  x86::Quirks quirks_;
  Topology topology_;
  std::size_t vcpus_ = 0, host_ = 0, apic_bus_ = 0, messages_ = 0, ioapic_ = 0, traffic_ = 0;
  PortId messages_port_{};
  std::size_t host_bridges_ = 0;
  std::vector<std::size_t> functions_;  // by group
};

}  // namespace

Result<X86Machine> build_guest(const Scenario& scenario, std::string_view path, Mutants mutants,
                               x86::Quirks quirks) {
  if (auto refused = refuse_machine(scenario, Remapping::Off)) return *refused;
  X86Machine machine;
  machine.plan = plan_x86(scenario, Remapping::Off);
  machine.plan.for_guest = posts(path);
  Diagnostics refused = refuse_plan(scenario, machine.plan);
  if (refused.empty()) refused = refuse_posting(scenario, machine.plan, path);
  if (refused.empty()) {
    const unsigned host_cpus = cpus_under(scenario.machine, machine.plan, path);
    refused = refuse_guest(machine.plan, path, host_cpus);
  }
  if (!refused.empty()) return refused;
  HandlerTable handlers = handlers_of(scenario, machine.plan);
  auto driver = driver_of(scenario, machine.plan, handlers, mutants);
  if (!driver) return driver.errors();
  quirks.remove(x86::Quirk::InitLatched);  // nobody here looks at what a vCPU was sent
  GuestBuilder builder(scenario, machine.plan, path, mutants, quirks);
  machine.topology = builder.build(handlers.config(), std::move(*driver),
                                   host_of(scenario, machine.plan, path, mutants, quirks));
  return machine;
}

}  // namespace irqfab::topology
