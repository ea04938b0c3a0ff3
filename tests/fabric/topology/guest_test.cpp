// The machine of a guest with a VMM: who stands where, and what the VMM is told.
#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/scenario/reader.hpp"
#include "fabric/topology/checks.hpp"
#include "fabric/topology/guest_build.hpp"
#include "fabric/topology/guest_plan.hpp"
#include "fabric/topology/vmm_changes.hpp"

namespace irqfab::topology {
namespace {

using vmm::VmHost;

struct Guest {
  explicit Guest(const std::string& machine, std::string_view path = "kvm-irqfd",
                 const std::string& rest = "") {
    auto read = scenario::read("irqfab: 1\nmachine:\n" + machine + rest, "test.yaml",
                               {"x86", std::string(path)});
    if (!read) throw std::runtime_error(format(read.errors().front()));
    scenario = std::move(*read);
    auto built = build_guest(scenario, path, {}, {});
    if (!built) {
      refused = built.errors().front();
      return;
    }
    machine_ = std::move(*built);
  }
  const Topology& topology() const { return machine_.topology; }
  const VmHost::Config& host() const {
    return std::get<VmHost::Config>(find_component<VmHost::Config>(topology())->config);
  }
  const vmm::VmPlan& plan() const { return host().plan; }
  /// The component that `from`'s port leads to, "" if it leads nowhere.
  std::string leads_to(std::size_t from, PortId port) const {
    for (const Edge& edge : topology().edges) {
      if (edge.from == from && edge.from_port == port) return topology().components[edge.to].name;
    }
    return "";
  }

  scenario::Scenario scenario;
  X86Machine machine_;
  Diagnostic refused;
};

constexpr const char* kDevices = R"(  cpus: 2
  host: { cpus: 3 }
  host_bridges:
    - id: hb0
      devices:
        - { id: nic, bdf: "00:03.0", msix: 2 }
        - { id: disk, bdf: "00:04.0", count: 2, msix: 1, attach: vhost }
        - { id: uart, bdf: "00:06.0", intx: B }
    - id: hb1
      devices:
        - { id: gpu, bdf: "00:03.0", msix: 2, attach: assigned }
)";

TEST(Guest, TheMachineIsSound) {
  for (const char* path : {"kvm-irqfd", "kvm-signal-msi", "kvm-split-irqchip", "vmm-userspace"}) {
    const Guest guest(kDevices, path);
    const Diagnostics found = check_graph(guest.topology(), guest.scenario);
    EXPECT_TRUE(std::none_of(found.begin(), found.end(),
                             [](const Diagnostic& d) { return d.severity == Severity::Error; }))
        << path << ": " << (found.empty() ? "" : format(found.front()));
  }
}

TEST(Guest, WhatTheVmmModelsStandsBesideItAndWhatIsAssignedBehindTheHostsBridge) {
  const Guest guest(kDevices);
  const auto modelled = functions_component(guest.topology(), 0);
  const auto assigned = functions_component(guest.topology(), 1);
  const auto kind = [&](std::size_t at) {
    return std::get<pci::PciFunctions::Config>(guest.topology().components[at].config)
        .functions.front()
        .kind;
  };
  EXPECT_EQ(kind(modelled), pci::FunctionKind::Modelled);
  EXPECT_EQ(guest.leads_to(modelled, pci::PciFunctions::kLink), "kvm");
  EXPECT_EQ(guest.leads_to(modelled, pci::PciFunctions::kIntx), "kvm");
  EXPECT_EQ(kind(assigned), pci::FunctionKind::Physical);
  EXPECT_EQ(guest.leads_to(assigned, pci::PciFunctions::kLink), "hb1");
  const auto bridge = index_of<pci::HostBridge::Config>(guest.topology());
  EXPECT_EQ(guest.leads_to(bridge, pci::HostBridge::kInterrupts), "apic_bus");
  EXPECT_EQ(guest.leads_to(index_of<x86::ApicBus::Config>(guest.topology()), x86::ApicBus::kOutput),
            "kvm");
}

TEST(Guest, ARemappingHostHasAUnitBetweenItsBridgesAndItsCpus) {
  const std::string with_unit = std::string(kDevices).replace(std::string(kDevices).find("cpus: 3"),
                                                              7, "cpus: 3, arch: x86-ir");
  const Guest guest(with_unit);
  const auto bridge = index_of<pci::HostBridge::Config>(guest.topology());
  EXPECT_EQ(guest.leads_to(bridge, pci::HostBridge::kInterrupts), "vtd0");
  EXPECT_EQ(guest.leads_to(index_of<x86::VtdRemapper::Config>(guest.topology()),
                           x86::VtdRemapper::kOutput),
            "apic_bus");
  EXPECT_EQ(find_component<x86::VtdRemapper::Config>(Guest(kDevices).topology()), nullptr);
}

TEST(Guest, WithoutAssignedDevicesTheHostHasNoFabric) {
  const Guest guest("  devices: [ { id: nic, bdf: \"00:03.0\", msix: 2 } ]\n");
  EXPECT_EQ(find_component<x86::ApicBus::Config>(guest.topology()), nullptr);
  EXPECT_EQ(find_component<pci::HostBridge::Config>(guest.topology()), nullptr);
}

TEST(Guest, WhatRunsUnderTheBigLockHasOneThreadADevice) {
  const char* const device = "  cpus: 2\n  devices: [ { id: nic, bdf: \"00:03.0\", msix: 2 } ]\n";
  EXPECT_EQ(Guest(device, "kvm-irqfd").plan().threads, 2u);
  EXPECT_EQ(Guest(device, "kvm-signal-msi").plan().threads, 1u);
}

TEST(Guest, TheVmmIsToldOfEveryFunction) {
  const Guest guest(kDevices);
  const auto& functions = guest.plan().functions;
  ASSERT_EQ(functions.size(), 5u);
  EXPECT_EQ(guest.plan().threads, 6u);
  const std::uint32_t sources[] = {0, 2, 3, 4, 5};
  const std::uint32_t devices[] = {0, 2, 2, 3, 4};
  const std::uint32_t threads[] = {2, 1, 1, 1, 2};
  const vmm::Attach attaches[] = {vmm::Attach::Emulated, vmm::Attach::Vhost, vmm::Attach::Vhost,
                                  vmm::Attach::Emulated, vmm::Attach::Assigned};
  for (std::size_t f = 0; f < 5; ++f) {
    EXPECT_EQ(functions[f].first_source, sources[f]) << f;
    EXPECT_EQ(functions[f].device, devices[f]) << f;
    EXPECT_EQ(functions[f].threads, threads[f]) << f;
    EXPECT_EQ(functions[f].attach, attaches[f]) << f;
    EXPECT_EQ(functions[f].registers_edge, f == 4 ? 1u : 0u) << f;
    EXPECT_EQ(functions[f].window, (f == 4 ? window_base_of(1) : window_base_of(0) + f * 0x10000))
        << f;
  }
  // 00:06.0 INTB is on wire (6 + 1) mod 4 = 3 of the bridge, which ends at pin 16 + 3.
  EXPECT_EQ(functions[3].intx, Gsi{19});
  EXPECT_EQ(functions[3].intx_driver, 3u);
  EXPECT_TRUE(functions[3].vectors.empty());
  EXPECT_FALSE(functions[0].intx);
}

TEST(Guest, AVectorsMessageIsThatOfItsVcpu) {
  const Guest guest(kDevices);
  const auto& vectors = guest.plan().functions[0].vectors;
  ASSERT_EQ(vectors.size(), 2u);
  EXPECT_EQ(vectors[0].message.address, 0xFEE00000u);
  EXPECT_EQ(vectors[0].message.data & 0xFF, 0x30u);
  EXPECT_EQ(vectors[1].message.address, 0xFEE01000u);
  EXPECT_EQ(vectors[1].message.data & 0xFF, 0x30u);
}

TEST(Guest, AssignedVectorsAreSpreadOverTheCpusOfTheHost) {
  const Guest guest(
      "  host: { cpus: 3 }\n  devices: [ { id: gpu, bdf: \"00:03.0\", msix: 5, attach: assigned } "
      "]\n");
  const auto& vectors = guest.plan().functions[0].vectors;
  const unsigned cpus[] = {0, 1, 2, 0, 1};
  const unsigned numbers[] = {0x30, 0x30, 0x30, 0x31, 0x31};
  for (std::size_t v = 0; v < 5; ++v) {
    EXPECT_EQ(raw(vectors[v].host.cpu), cpus[v]);
    EXPECT_EQ(raw(vectors[v].host.vector), numbers[v]);
  }
  const pci::MsixEntry entry = host_message(vectors[4].host, scenario::HostFabric::X86, 4);
  EXPECT_EQ(entry.address, 0xFEE01000u);
  EXPECT_EQ(entry.data & 0xFF, 0x31u);
  EXPECT_EQ(host_message(vectors[4].host, scenario::HostFabric::X86Ir, 4).address,
            remappable_address(4));
}

TEST(Guest, PathsSayHowMessagesGetToTheVcpus) {
  const auto delivery = [](std::string_view path) { return Guest(kDevices, path).plan().delivery; };
  EXPECT_EQ(delivery("kvm-irqfd"), vmm::Delivery::Irqfd);
  EXPECT_EQ(delivery("kvm-irqfd-workqueue"), vmm::Delivery::Irqfd);
  EXPECT_EQ(delivery("kvm-split-irqchip"), vmm::Delivery::Irqfd);
  EXPECT_EQ(delivery("kvm-signal-msi"), vmm::Delivery::SignalMsi);
  EXPECT_EQ(delivery("kvm-dynamic-route"), vmm::Delivery::DynamicRoute);
  EXPECT_EQ(delivery("vmm-userspace"), vmm::Delivery::Userspace);
}

TEST(Guest, PathsSayWhatTheHostIs) {
  const auto form = [](std::string_view path) { return Guest(kDevices, path).host().layer.form; };
  EXPECT_EQ(form("kvm-irqfd"), kvm::IrqfdForm::Copy);
  EXPECT_EQ(form("kvm-irqfd-workqueue"), kvm::IrqfdForm::Workqueue);
  const auto virtualization = [](std::string_view path) {
    return Guest(kDevices, path).host().layer.irqchip.virtualization;
  };
  EXPECT_EQ(virtualization("kvm-irqfd"), x86::Virtualization::Apicv);
  EXPECT_EQ(virtualization("kvm-dynamic-route"), x86::Virtualization::None);
  EXPECT_EQ(virtualization("vmm-userspace"), x86::Virtualization::None);
  const auto kind = [](std::string_view path) {
    return Guest(kDevices, path).host().layer.irqchip.kind;
  };
  EXPECT_EQ(kind("kvm-irqfd"), kvm::IrqchipKind::Full);
  EXPECT_EQ(kind("kvm-split-irqchip"), kvm::IrqchipKind::Split);
  EXPECT_EQ(Guest(kDevices, "vmm-userspace").host().vcpus.home, kvm::ApicHome::User);
  EXPECT_EQ(Guest(kDevices, "kvm-irqfd").host().vcpus.home, kvm::ApicHome::Kernel);
  EXPECT_EQ(Guest(kDevices, "kvm-irqfd").plan().gsis, 4096u);
  EXPECT_EQ(Guest(kDevices, "kvm-dynamic-route").plan().gsis, 1024u);
}

TEST(Guest, TheHostIsAsTheScenarioSays) {
  const Guest guest(
      "  cpus: 4\n  host: { cpus: 2, slice: 1ms, irqfd: pointer, grace: rcu, gsis: 100, routes: "
      "on-unmask, kworkers: 3, virtualization: avic, halt_poll: { most: 7us } }\n"
      "  devices: [ { id: nic, bdf: \"00:03.0\", msix: 2 } ]\n");
  EXPECT_EQ(guest.host().host_cpus, 2u);
  EXPECT_EQ(guest.host().slice, 1 * kPsPerMs);
  EXPECT_EQ(guest.host().vcpus.polling.most, 7 * kPsPerUs);
  EXPECT_EQ(guest.host().layer.form, kvm::IrqfdForm::Pointer);
  EXPECT_EQ(guest.host().layer.grace, kvm::GraceForm::Rcu);
  EXPECT_EQ(guest.host().layer.kworkers, 3u);
  EXPECT_EQ(guest.host().layer.irqchip.virtualization, x86::Virtualization::Avic);
  EXPECT_EQ(guest.plan().gsis, 100u);
  EXPECT_EQ(guest.plan().policy, vmm::RoutePolicy::OnUnmask);
}

TEST(Guest, DevicesOfAllKindsStandBehindOneHostBridge) {
  using pci::PciFunctions;
  const Guest guest(
      "  devices:\n    - { id: nic, bdf: \"00:03.0\", msix: 1 }\n"
      "    - { id: gpu, bdf: \"00:04.0\", msix: 1, attach: assigned }\n");
  ASSERT_EQ(guest.refused.code, "");
  const std::size_t at = functions_component(guest.topology(), 0);
  const auto& config = std::get<PciFunctions::Config>(guest.topology().components[at].config);
  ASSERT_EQ(config.functions.size(), 2u);
  EXPECT_EQ(config.functions[0].kind, pci::FunctionKind::Modelled);
  EXPECT_EQ(config.functions[1].kind, pci::FunctionKind::Physical);
  EXPECT_EQ(config.modelled_edge, 1u);
  const auto second = [](PortId port) { return port_of(spec_of(port), 1); };
  EXPECT_EQ(guest.leads_to(at, PciFunctions::kLink), "hb0");
  EXPECT_EQ(guest.leads_to(at, PciFunctions::kIntx), "hb0");
  EXPECT_EQ(guest.leads_to(at, second(PciFunctions::kLink)), "kvm");
  EXPECT_EQ(guest.leads_to(at, second(PciFunctions::kIntx)), "kvm");
  const std::size_t host = index_of<VmHost::Config>(guest.topology());
  EXPECT_EQ(guest.leads_to(host, VmHost::kBridges), "hb0");
  EXPECT_EQ(guest.leads_to(host, VmHost::kRegisters), "hb0.functions");
}

TEST(Guest, TheIntxOfAssignedFunctionsIsWiredToTheHostsIoapic) {
  const Guest guest(
      "  host: { cpus: 2 }\n  devices:\n"
      "    - { id: nic, bdf: \"00:03.0\", intx: A, attach: assigned }\n"
      "    - { id: rtc, bdf: \"00:04.0\", intx: A }\n"
      "    - { id: gpu, bdf: \"00:05.0\", msix: 1, intx: B, attach: assigned }\n"
      "    - { id: tpm, bdf: \"00:07.0\", count: 2, intx: A, attach: assigned }\n");
  ASSERT_EQ(guest.refused.code, "");
  const auto& pins = guest.plan().host_pins;
  ASSERT_EQ(pins.size(), 1u);  // nothing of the emulated function's, nor of one that has MSI-X on
  EXPECT_EQ(pins[0].functions, (std::vector<std::uint32_t>{0, 3, 4}));
  EXPECT_EQ(guest.plan().functions[4].intx, Gsi{19});
  // Vector 0 of gpu has CPU 0.
  EXPECT_EQ(pins[0].host.cpu, host::HostCpu{1});
  EXPECT_EQ(pins[0].host.vector, Vector{0x30});
  EXPECT_EQ(
      guest.leads_to(index_of<pci::HostBridge::Config>(guest.topology()), pci::HostBridge::kPins),
      "host-ioapic");
  EXPECT_EQ(guest.leads_to(index_of<VmHost::Config>(guest.topology()), VmHost::kEois),
            "host-ioapic");
}

TEST(Guest, TheVectorsOfAnAssignedMsiAreABlockOnOneCpuOfTheHost) {
  const Guest guest(
      "  host: { cpus: 2 }\n  devices:\n"
      "    - { id: nic, bdf: \"00:03.0\", msix: 3, attach: assigned }\n"
      "    - { id: gpu, bdf: \"00:04.0\", count: 2, msi: 8, attach: assigned }\n");
  ASSERT_EQ(guest.refused.code, "");
  const unsigned cpus[] = {1, 0};
  for (unsigned f = 0; f < 2; ++f) {
    const auto& vectors = guest.plan().functions[1 + f].vectors;
    ASSERT_EQ(vectors.size(), 8u);
    for (unsigned v = 0; v < 8; ++v) {
      EXPECT_EQ(raw(vectors[v].host.cpu), cpus[f]);
      EXPECT_EQ(raw(vectors[v].host.vector), 0x38 + v);  // behind 0x30 and 0x31, aligned
    }
  }
}

TEST(Guest, AssignedVectorsAreAsManyAsTheHostHas) {
  const auto code = [](const std::string& msix) {
    return Guest(
               "  host: { cpus: 2 }\n  devices: [ { id: gpu, bdf: \"00:03.0\", attach: assigned, "
               "msix: " +
               msix + " } ]\n")
        .refused.code;
  };
  EXPECT_EQ(code("382"), "");
  EXPECT_EQ(code("383"), "too-many-sources");
  // A pin of the host's IOAPIC takes one, if it serves what is assigned.
  const char* const kOther = " }, { id: rtc, bdf: \"00:04.0\", intx: A";
  EXPECT_EQ(code(std::string("382") + kOther), "");
  EXPECT_EQ(code(std::string("382") + kOther + ", attach: assigned"), "too-many-sources");
  EXPECT_EQ(code(std::string("381") + kOther + ", attach: assigned"), "");
}

TEST(VmmChanges, AReleaseAndTheAssignmentAfterItAreTwo) {
  const Guest guest("  devices: [ { id: nic, bdf: \"00:03.0\", msix: 3 } ]\n", "kvm-irqfd",
                    "workload: [ { source: nic, periodic: 10us, for: 30us } ]\n"
                    "during:\n  - { at: 5us, every: 10us, irqfd-release: nic:1..2, for: 2us }\n"
                    "  - { at: 7us, route-update: nic:0 }\n"
                    "  - { at: 6us, mask: nic:0 }\n");
  const auto changes = vmm_changes(guest.scenario, guest.machine_.plan, 2);
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 13u);
  using K = VmmChangeKind;
  const VmmChange first[] = {
      {5 * kPsPerUs, 1, K::ReleaseIrqfd}, {5 * kPsPerUs, 2, K::ReleaseIrqfd},
      {7 * kPsPerUs, 0, K::UpdateRoute},  {7 * kPsPerUs, 1, K::AssignIrqfd},
      {7 * kPsPerUs, 2, K::AssignIrqfd},  {15 * kPsPerUs, 1, K::ReleaseIrqfd}};
  for (std::size_t i = 0; i < std::size(first); ++i) {
    EXPECT_EQ((*changes)[i].at, first[i].at) << i;
    EXPECT_EQ((*changes)[i].source, first[i].source) << i;
    EXPECT_EQ((*changes)[i].kind, first[i].kind) << i;
  }
  EXPECT_EQ(changes->back().at, 27 * kPsPerUs);
}

}  // namespace
}  // namespace irqfab::topology
