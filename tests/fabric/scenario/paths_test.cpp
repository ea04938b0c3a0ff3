#include "fabric/scenario/paths.hpp"

#include <gtest/gtest.h>

#include <set>

#include "fabric/scenario/path_check.hpp"

namespace irqfab::scenario {
namespace {

TEST(Paths, EveryFabricHasOneDefault) {
  for (const ArchRow& arch : archs()) {
    int defaults = 0;
    for (const PathOnArch& row : paths_on_archs()) {
      defaults += row.arch == arch.name && row.is_default ? 1 : 0;
    }
    EXPECT_EQ(defaults, 1) << arch.name;
    EXPECT_EQ(default_path(arch.name), arch.name == "xen-pirq" ? "xen-hypervisor" : "bare-metal");
  }
}

TEST(Paths, EveryPairIsMadeOfKnownNamesAndStandsOnce) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const PathOnArch& row : paths_on_archs()) {
    EXPECT_TRUE(find_path(row.arch, row.path)) << row.arch << ' ' << row.path;
    EXPECT_TRUE(seen.emplace(row.arch, row.path).second) << row.arch << ' ' << row.path;
  }
  EXPECT_EQ(seen.size(), 34u);
}

TEST(Paths, WithoutNamesTheDefaultsHold) {
  const auto row = find_path("", "");
  EXPECT_EQ(row->arch, "x86");
  EXPECT_EQ(row->path, "bare-metal");
  EXPECT_EQ(find_path("xen-pirq", "")->path, "xen-hypervisor");
}

TEST(Paths, AGuestThatSeesRemappingHasNoFullInKernelIrqchip) {
  const auto row = find_path("x86-ir", "kvm-irqfd");
  ASSERT_FALSE(row);
  EXPECT_NE(row.fault().message.find("full in-kernel irqchip"), std::string::npos);
  EXPECT_TRUE(find_path("x86-ir", "kvm-split-irqchip"));
  EXPECT_TRUE(find_path("x86-ir", "vmm-userspace"));
  EXPECT_FALSE(find_path("x86-ir", "kvm-signal-msi"));
}

TEST(Paths, EveryPairThatDoesNotExistHasItsReason) {
  std::size_t absent = 0;
  for (const ArchRow& arch : archs()) {
    for (const PathRow& path : paths()) {
      const auto row = find_path(arch.name, path.name);
      if (row) continue;
      ++absent;
      const std::string& message = row.fault().message;
      const std::string start = "the path '" + std::string(path.name) + "' does not exist on " +
                                std::string(arch.name) + ": ";
      EXPECT_EQ(message.substr(0, start.size()), start);
      EXPECT_GT(message.size(), start.size() + 20) << message;
      // A reason is about others of the table, never about the pair itself.
      EXPECT_EQ(message.find(path.name, start.size()), message.npos) << message;
    }
  }
  EXPECT_EQ(absent, archs().size() * paths().size() - paths_on_archs().size());
}

TEST(Paths, TheReasonIsThatOfThePair) {
  const auto reason = [](const char* arch, const char* path) {
    const std::string message = find_path(arch, path).fault().message;
    return message.substr(message.find(": ") + 2);
  };
  const std::string posts = "the unit of 'x86-pi' posts";
  for (const char* path : {"kvm-irqfd", "kvm-irqfd-workqueue", "kvm-signal-msi",
                           "kvm-dynamic-route", "kvm-split-irqchip"}) {
    EXPECT_EQ(reason("x86-pi", path).substr(0, posts.size()), posts) << path;
  }
  EXPECT_NE(reason("x86", "kvm-direct-inject").find("without a remapping unit"), std::string::npos);
  EXPECT_NE(reason("x86-ir", "kvm-direct-inject").find("posts none"), std::string::npos);
  for (const char* arch : {"x86", "x86-ir", "x86-pi"}) {
    EXPECT_NE(reason(arch, "kvm-direct-map").find("no interrupt number"), std::string::npos);
    EXPECT_EQ(reason(arch, "xen-hypervisor"), "only Xen routes interrupts to pirqs");
  }
  EXPECT_NE(reason("arm-gicv3-its", "kvm-direct-map").find("an ITS event"), std::string::npos);
  EXPECT_NE(reason("arm-gicv3-its", "kvm-dynamic-route").find("KVM_SIGNAL_MSI"), std::string::npos);
  EXPECT_NE(reason("arm-gicv2m", "kvm-dynamic-route").find("kvm-direct-map"), std::string::npos);
  EXPECT_NE(reason("arm-gicv2m", "kvm-direct-inject").find("GICv4"), std::string::npos);
  EXPECT_NE(reason("power-xics", "kvm-signal-msi").find("KVM_SIGNAL_MSI"), std::string::npos);
  EXPECT_NE(reason("power-xics", "kvm-split-irqchip").find("only x86"), std::string::npos);
  EXPECT_NE(reason("xen-pirq", "kvm-irqfd-workqueue").find("5.17"), std::string::npos);
  EXPECT_NE(reason("xen-pirq", "kvm-signal-msi").find("event channels"), std::string::npos);
}

TEST(Paths, SupportIsPerPair) {
  EXPECT_EQ(find_path("x86", "bare-metal")->support, Support::Now);
  EXPECT_EQ(find_path("x86-ir", "bare-metal")->support, Support::Now);
  EXPECT_EQ(find_path("x86", "kvm-irqfd")->support, Support::Now);
  EXPECT_EQ(find_path("x86-pi", "kvm-direct-inject")->support, Support::Now);
  EXPECT_EQ(find_path("arm-gicv3-its", "bare-metal")->support, Support::Later);
}

TEST(Paths, UnknownNamesGetASuggestion) {
  EXPECT_NE(find_path("x68", "").fault().message.find("'x86'"), std::string::npos);
  EXPECT_NE(find_path("x86", "bare_metal").fault().message.find("'bare-metal'"), std::string::npos);
}

TEST(PathCheck, CallsNeedAPathThroughKvm) {
  Scenario scenario;
  scenario.setup.push_back({"kvm.irqfd", {}, {}});
  scenario.steps.push_back({"eventfd.write", {}, {}});
  scenario.steps.push_back({"wait", {}, {}});
  EXPECT_EQ(check_path(scenario, "x86", "bare-metal").size(), 2u);
  EXPECT_TRUE(check_path(scenario, "x86", "kvm-signal-msi").empty());
}

TEST(PathCheck, DirectInjectionTakesGeneratedLoadsAndHaltingCpusAndNoSteps) {
  Scenario scenario;
  scenario.workload.resize(1);
  scenario.workload[0].kind = LoadKind::Poisson;
  scenario.machine.idle = Idle::Halt;
  EXPECT_TRUE(check_path(scenario, "x86-pi", "kvm-direct-inject").empty());
  scenario.setup.push_back({"raise", {}, {}});
  scenario.steps.push_back({"wait", {}, {}});
  EXPECT_TRUE(check_path(scenario, "x86-pi", "kvm-direct-inject").empty());
  scenario.setup.push_back({"msix.mask", {}, {}});  // what vCPUs do not do
  scenario.steps.push_back({"lapic.pin", {}, {}});
  scenario.afterwards.push_back({"line", {}, {}});
  EXPECT_EQ(check_path(scenario, "x86-pi", "kvm-direct-inject").size(), 3u);
  scenario.workload[0].kind = LoadKind::Replay;
  EXPECT_EQ(check_path(scenario, "x86-pi", "kvm-direct-inject").size(), 4u);
}

TEST(PathCheck, WhatSpeaksOfAVirtualMachineNeedsOne) {
  Scenario scenario;
  scenario.steps.push_back({"vm.inhibit", {}, {}});
  scenario.steps.push_back({"lapic.read", {}, {}});
  scenario.afterwards.push_back({"expect", {{"vm.exits", {}}}, {}});
  EXPECT_EQ(check_path(scenario, "x86-pi", "bare-metal").size(), 3u);
  EXPECT_EQ(check_path(scenario, "x86", "kvm-irqfd").size(), 3u);
  EXPECT_TRUE(check_path(scenario, "x86-pi", "kvm-direct-inject").empty());
}

TEST(PathCheck, AvicHasNoDescriptors) {
  Scenario scenario;
  scenario.machine.host.emplace();
  scenario.steps.push_back({"expect", {{"vm.descriptor", {}}}, {}});
  EXPECT_TRUE(check_path(scenario, "x86-pi", "kvm-direct-inject").empty());
  scenario.machine.host->virtualization = Virtualization::Avic;
  EXPECT_EQ(check_path(scenario, "x86-pi", "kvm-direct-inject").size(), 1u);
}

TEST(PathCheck, AnErrorStandsWhereTheFileNamesThePair) {
  Scenario scenario;
  scenario.file = "a.yaml";
  scenario.machine.arch = "x86-ir";
  scenario.machine.path = "kvm-irqfd";
  scenario.machine.path_where.line = 7;
  EXPECT_EQ(check_path(scenario, "x86-ir", "kvm-irqfd").at(0).where.line, 7);
  const auto from_outside = check_path(scenario, "x86-pi", "kvm-irqfd");
  EXPECT_EQ(from_outside.at(0).where.line, 0);
  EXPECT_EQ(from_outside.at(0).where.file, "a.yaml");
}

}  // namespace
}  // namespace irqfab::scenario
