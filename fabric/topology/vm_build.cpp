#include "fabric/topology/vm_build.hpp"

#include <algorithm>
#include <utility>

#include "fabric/topology/kvm_build.hpp"

namespace irqfab::topology {
namespace {

using vmm::VmHost;
using scenario::Scenario;
using x86::LapicBank;

Diagnostic refuse(const SourceRange& where, std::string message, std::string expected) {
  return {Severity::Error, "not-yet", where, std::move(message), std::move(expected), ""};
}

bool has_avic(const scenario::Machine& machine) {
  return machine.host && machine.host->virtualization == scenario::Virtualization::Avic;
}

/// AVIC takes nothing from a VT-d unit.
Diagnostics refuse_assigned(const X86Plan& plan) {
  Diagnostics found;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      found.push_back(refuse(device.device->where,
                             "'" + device.device->id +
                                 "' would be posted to descriptors, which vCPUs with AVIC do not "
                                 "have, and what AMD-Vi does for a guest is not supported yet",
                             "'virtualization: apicv', or no devices"));
    }
  }
  return found;
}

/// A level has to be held in an IOAPIC of the guest, which is software of the host's.
Diagnostics refuse_devices(const X86Plan& plan) {
  Diagnostics found;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      const std::string id = '\'' + device.device->id + '\'';
      const auto& attach = device.device->attach;
      if (attach && *attach != scenario::Attach::Assigned) {
        found.push_back(refuse(device.device->where,
                               id + " is " + std::string(name_of(*attach)) +
                                   ", and a remapping unit can post only what hardware sends",
                               "'attach: assigned', or no 'attach'"));
      } else if (device.device->intx && !device.messages_on) {
        found.push_back(refuse(device.device->where,
                               "the INTx of " + id +
                                   " cannot be posted, and its way through the "
                                   "host is not supported yet",
                               "MSI-X or MSI on 'kvm-direct-inject'"));
      }
    }
  }
  return found;
}

std::string numbered(const char* what, std::size_t number) { return what + std::to_string(number); }

/// Exchanges, in a machine of bare metal, what is different in a guest's.
class Exchange {
 public:
  Exchange(const Scenario& scenario, X86Machine& machine, Mutants mutants, x86::Quirks quirks)
      : scenario_(scenario),
        topology_(machine.topology),
        vcpus_(machine.plan.cpus),
        cpus_(index_of<cpu::Cpus::Config>(topology_)),
        host_(index_of<LapicBank::Config>(topology_)),
        bus_(index_of<mem::SystemBus::Config>(topology_)) {
    exchange_cpus();
    exchange_lapics(mutants, quirks);
    exchange_edges();
    join_descriptors();
  }

 private:
  void exchange_cpus() {
    Component& cpus = topology_.components[cpus_];
    cpus.name = "vcpus";
    cpus.lanes = {};
    for (std::uint32_t n = 0; n < vcpus_; ++n) cpus.lanes.add(numbered("vcpu", n));
    std::get<cpu::Cpus::Config>(cpus.config).kind = cpu::Kind::Virtual;
  }

  /// The host takes the place of the local APICs, whose sources are those of the guest's.
  void exchange_lapics(Mutants mutants, x86::Quirks quirks) {
    Component& lapics = topology_.components[host_];
    VmHost::Config config;
    config.host_cpus = host_cpus_of(scenario_.machine);
    kvm::Irqchip::Config& chip = config.layer.irqchip;
    const LapicBank::Config& bank = std::get<LapicBank::Config>(lapics.config);
    chip.ids = bank.ids;
    chip.destination = bank.msi_destination;
    chip.quirks = quirks;
    chip.mutants = mutants;
    const scenario::Host host = scenario_.machine.host.value_or(scenario::Host{});
    const bool avic = host.virtualization == scenario::Virtualization::Avic;
    chip.virtualization = avic ? x86::Virtualization::Avic : x86::Virtualization::Apicv;
    chip.controls = x86::ApicvControls::all();
    if (!host.ipi_virtualization) {
      chip.controls = chip.controls.without(x86::ApicvControl::IpiVirtualization);
    }
    config.layer.mutants = mutants;
    config.vcpus.descriptors = kVcpuDescriptors;
    config.vcpus.mutants = mutants;
    config.vcpus.polling = {host.poll_most, host.poll_start, host.poll_grow, host.poll_shrink};
    config.slice = host.slice;
    const std::uint32_t shared = lapics.first_source.front();
    Component kvm;
    kvm.name = "kvm";
    kvm.lanes = host_lanes(config.host_cpus, vcpus_);
    kvm.first_source.assign(config.host_cpus + 1, shared);
    for (std::uint32_t n = 0; n < vcpus_; ++n) kvm.first_source.push_back(shared + 1 + n);
    kvm.sources = lapics.sources;
    kvm.config = std::move(config);
    lapics = std::move(kvm);
  }

  void exchange_edges() {
    std::vector<Edge>& edges = topology_.edges;
    const std::size_t host = host_;
    edges.erase(std::remove_if(edges.begin(), edges.end(),
                               [host](const Edge& edge) { return edge.from == host; }),
                edges.end());
    for (Edge& edge : edges) {
      if (edge.to != host) continue;
      edge.to_port = edge.to_port == LapicBank::kCpu ? VmHost::kVcpus : VmHost::kMessages;
    }
  }

  /// The remapping unit reaches its tables and the descriptors over the bus.
  void join_descriptors() {
    const std::size_t vtd = index_of<x86::VtdRemapper::Config>(topology_);
    unsigned initiators = 0;
    unsigned targets = 0;
    for (const Edge& edge : topology_.edges) {
      initiators += edge.to == bus_;
      targets += edge.from == bus_;
    }
    for (Edge& edge : topology_.edges) {
      const bool walks = edge.from == vtd && edge.from_port == x86::VtdRemapper::kMemory;
      if (!walks) continue;
      edge.to = bus_;
      edge.to_port = port_of(spec_of(mem::SystemBus::kInitiators), initiators);
    }
    auto& windows = std::get<mem::SystemBus::Config>(topology_.components[bus_].config).windows;
    windows.push_back(
        {kVcpuDescriptors, std::uint64_t{vcpus_} * x86::PostedDescriptor::kBytes, targets});
    topology_.edges.push_back(
        {bus_, port_of(spec_of(mem::SystemBus::kTargets), targets), host_, VmHost::kDescriptors});
  }

  const Scenario& scenario_;
  Topology& topology_;
  std::uint32_t vcpus_;
  std::size_t cpus_, host_, bus_;
};

}  // namespace

unsigned host_cpus_of(const scenario::Machine& machine) {
  if (!machine.host) return machine.cpus;
  if (machine.host->cpus > 0) return machine.host->cpus;
  return (machine.cpus + machine.host->overcommit - 1) / machine.host->overcommit;
}

Result<X86Machine> build_vm(const Scenario& scenario, Mutants mutants, x86::Quirks quirks) {
  auto machine = build_x86(scenario, Remapping::VtdForGuest, mutants, quirks);
  if (!machine) return machine.errors();
  if (machine->plan.has_amdvi()) {
    return refuse(scenario.machine.where,
                  "what AMD-Vi does for a guest is not supported yet on 'kvm-direct-inject'",
                  "the VT-d unit");
  }
  const bool avic = has_avic(scenario.machine);
  const Diagnostics refused = avic ? refuse_assigned(machine->plan) : refuse_devices(machine->plan);
  if (!refused.empty()) return refused;
  Exchange(scenario, *machine, mutants, quirks);
  return machine;
}

}  // namespace irqfab::topology
