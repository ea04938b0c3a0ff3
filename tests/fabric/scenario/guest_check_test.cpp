// What a scenario may say where a VMM's software is on the path, and what means nothing elsewhere.
#include "fabric/scenario/guest_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/reader.hpp"

namespace irqfab::scenario {
namespace {

constexpr const char* kVmmPaths[] = {"kvm-irqfd",         "kvm-irqfd-workqueue", "kvm-signal-msi",
                                     "kvm-dynamic-route", "kvm-split-irqchip",   "vmm-userspace"};

std::string machine_with(const std::string& host, const std::string& attach = "emulated") {
  return "irqfab: 1\nmachine:\n  devices: [ { id: nic, bdf: \"00:03.0\", msix: 2, attach: " +
         attach + " } ]\n  host: { " + host + " }\nworkload: [ { source: nic, at: 1us } ]\n";
}

/// The first error of the scenario on the path, "" if it may run there.
std::string refused(const std::string& text, std::string_view path, std::string_view arch = "x86") {
  const auto scenario = read(text, "test.yaml", {std::string(arch), std::string(path)});
  return scenario ? "" : scenario.errors().front().code;
}

std::string paths_that_take(const std::string& host, const std::string& attach = "emulated") {
  std::string list;
  for (const PathRow& row : paths()) {
    const std::string_view arch = row.name == "kvm-direct-inject" ? "x86-pi" : "x86";
    if (row.name == "kvm-direct-map" || row.name == "xen-hypervisor") continue;
    if (!refused(machine_with(host, attach), row.name, arch).empty()) continue;
    list += (list.empty() ? "" : " ") + std::string(row.name);
  }
  return list;
}

TEST(GuestCheck, KeysOfTheHostMeanSomethingOnTheirPathsOnly) {
  EXPECT_EQ(paths_that_take("halt_poll: { most: 1us }"),
            "bare-metal kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route "
            "kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("irqfd: pointer"), "kvm-irqfd kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("grace: rcu"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-dynamic-route kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("gsis: 1024"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-dynamic-route kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("routes: on-unmask"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("kworkers: 2"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-split-irqchip kvm-direct-inject");
  EXPECT_EQ(paths_that_take("virtualization: none"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
            "vmm-userspace");
  EXPECT_EQ(paths_that_take("virtualization: apicv"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
            "kvm-direct-inject");
}

TEST(GuestCheck, TheFabricOfTheHostIsForAssignedDevices) {
  EXPECT_EQ(paths_that_take("arch: x86-ir"), "");
  EXPECT_EQ(paths_that_take("arch: x86-ir", "assigned"),
            "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
            "vmm-userspace");
}

TEST(GuestCheck, AVmThatIsCalledHasAHostWithoutSettings) {
  const auto calls = [](const std::string& host) {
    return "irqfab: 1\nmachine: { host: { " + host + " } }\nsteps: [ { wait: 1us } ]\n";
  };
  EXPECT_EQ(refused(calls("cpus: 2, slice: 1ms, halt_poll: { most: 0s }"), "kvm-irqfd"), "");
  for (const char* key : {"irqfd: pointer", "grace: rcu", "gsis: 99", "virtualization: none"}) {
    EXPECT_EQ(refused(calls(key), "kvm-irqfd"), "no-such-host") << key;
  }
}

TEST(GuestCheck, TheKeysOfAHostAreThoseThatItsPathTakes) {
  for (const char* attach : {"emulated", "assigned"}) {
    for (const char* path : kVmmPaths) {
      const auto scenario = read(machine_with("cpus: 1", attach), "test.yaml", {"x86", path});
      ASSERT_TRUE(scenario);
      const auto keys = host_keys(*scenario, path);
      for (const auto& [key, value] : std::initializer_list<std::pair<const char*, const char*>>{
               {"arch", "x86"},
               {"halt_poll", "{ most: 1us }"},
               {"irqfd", "copy"},
               {"grace", "rcu"},
               {"gsis", "99"},
               {"routes", "eager"},
               {"kworkers", "1"}}) {
        const std::string text = machine_with(std::string(key) + ": " + value, attach);
        const bool taken = std::find(keys.begin(), keys.end(), key) != keys.end();
        EXPECT_EQ(refused(text, path).empty(), taken) << key << ' ' << path << ' ' << attach;
      }
    }
  }
}

TEST(GuestCheck, AControlOfApicvNeedsApicv) {
  EXPECT_EQ(refused(machine_with("ipi_virtualization: off"), "kvm-irqfd"), "");
  for (const char* other : {"none", "avic"}) {
    EXPECT_EQ(
        refused(machine_with("ipi_virtualization: off, virtualization: " + std::string(other)),
                "kvm-irqfd"),
        "two-choices");
  }
}

TEST(GuestCheck, GsisAreAtLeastThePinsAndAtMostTheTable) {
  EXPECT_EQ(refused(machine_with("gsis: 32"), "kvm-irqfd"), "");
  EXPECT_EQ(refused(machine_with("gsis: 31"), "kvm-irqfd"), "out-of-range");
  EXPECT_EQ(refused(machine_with("gsis: 4096"), "kvm-irqfd"), "");
  EXPECT_EQ(refused(machine_with("gsis: 4097"), "kvm-irqfd"), "out-of-range");
}

TEST(GuestCheck, ChangesOfTheVmmNeedIrqfds) {
  for (const char* change :
       {"{ at: 1us, route-update: nic }", "{ at: 1us, irqfd-release: nic, for: 1us }"}) {
    const std::string text = machine_with("cpus: 1") + "during: [ " + change + " ]\n";
    for (const char* path : {"kvm-irqfd", "kvm-irqfd-workqueue", "kvm-split-irqchip"}) {
      EXPECT_EQ(refused(text, path), "") << change << path;
    }
    EXPECT_EQ(refused(text, "kvm-direct-inject", "x86-pi"), "") << change;
    for (const char* path :
         {"kvm-signal-msi", "kvm-dynamic-route", "vmm-userspace", "bare-metal"}) {
      EXPECT_EQ(refused(text, path), "no-irqfd") << change << path;
    }
  }
}

TEST(GuestCheck, AReleaseSaysForHowLong) {
  const std::string text =
      machine_with("cpus: 1") + "during: [ { at: 1us, irqfd-release: nic } ]\n";
  EXPECT_EQ(refused(text, "kvm-irqfd"), "missing-key");
}

TEST(GuestCheck, CountsOfSoftwareNeedTheSoftware) {
  const std::string machine = machine_with("cpus: 1");
  for (const char* path : kVmmPaths) {
    EXPECT_EQ(refused(machine + "expect: [ routes.flushes == 0, exits.user == 0 ]\n", path), "");
  }
  EXPECT_EQ(refused(machine + "expect: [ routes.flushes == 0 ]\n", "bare-metal"), "no-such-count");
  EXPECT_EQ(refused(machine + "expect: [ exits.user == 0 ]\n", "bare-metal"), "no-such-count");
  EXPECT_EQ(refused(machine + "expect: [ exits.user == 0 ]\n", "kvm-direct-inject", "x86-pi"), "");
  EXPECT_EQ(refused(machine + "expect: [ routes.peak < 9 ]\n", "kvm-direct-inject", "x86-pi"), "");
}

TEST(MachineKind, DevicesAndCallsRunOnMachinesOfTheirOwn) {
  Scenario scenario;
  for (const char* path : {"kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi"}) {
    EXPECT_EQ(machine_kind(scenario, path), MachineKind::Calls);
  }
  for (const char* path : {"kvm-dynamic-route", "kvm-split-irqchip", "vmm-userspace"}) {
    EXPECT_EQ(machine_kind(scenario, path), MachineKind::Guest);
  }
  EXPECT_EQ(machine_kind(scenario, "bare-metal"), MachineKind::BareMetal);
  EXPECT_EQ(machine_kind(scenario, "kvm-direct-inject"), MachineKind::DirectGuest);
  scenario.machine.host_bridges.resize(1);
  scenario.machine.host_bridges[0].devices.resize(1);
  EXPECT_EQ(machine_kind(scenario, "kvm-irqfd"), MachineKind::Guest);
  scenario.setup.push_back({"kvm.irqfd", {}, {}});
  EXPECT_EQ(machine_kind(scenario, "kvm-irqfd"), MachineKind::Calls);
  scenario.setup.clear();
  scenario.afterwards.push_back({"eventfd.write", {}, {}});
  EXPECT_EQ(machine_kind(scenario, "kvm-irqfd"), MachineKind::Calls);
  scenario.afterwards.clear();
  scenario.workload.resize(1);
  scenario.workload[0].kind = LoadKind::Replay;
  EXPECT_EQ(machine_kind(scenario, "kvm-irqfd"), MachineKind::Calls);
  scenario.workload[0].kind = LoadKind::Poisson;
  EXPECT_EQ(machine_kind(scenario, "kvm-irqfd"), MachineKind::Guest);
}

TEST(MachineKind, CallsAndRecordingsAreRefusedBesideTheLoadOfDevices) {
  Scenario scenario;
  scenario.workload.resize(2);
  scenario.workload[0].kind = LoadKind::Poisson;
  scenario.workload[1].kind = LoadKind::Poisson;
  EXPECT_TRUE(check_path(scenario, "x86", "kvm-irqfd").empty());
  scenario.workload[1].kind = LoadKind::Replay;
  EXPECT_EQ(check_path(scenario, "x86", "kvm-irqfd").size(), 1u);
  scenario.steps.push_back({"kvm.signal_msi", {}, {}});
  EXPECT_EQ(check_path(scenario, "x86", "kvm-irqfd").size(), 2u);
  scenario.workload.erase(scenario.workload.begin());
  EXPECT_TRUE(check_path(scenario, "x86", "kvm-irqfd").empty());
  scenario.during.resize(1);
  EXPECT_EQ(check_path(scenario, "x86", "kvm-irqfd").size(), 1u);
}

}  // namespace
}  // namespace irqfab::scenario
