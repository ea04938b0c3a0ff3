#include "fabric/topology/kvm_build.hpp"

#include <algorithm>

#include "fabric/topology/handlers.hpp"

namespace irqfab::topology {
namespace {

constexpr unsigned kMostXapicCpus = 255;

std::string numbered(const char* what, std::uint64_t number) {
  return what + std::to_string(number);
}

/// Every vector of every vCPU runs the general handler.
cpu::Cpus::Config vcpus(const scenario::Scenario& scenario, const KvmNeeds& needs) {
  cpu::Cpus::Config config = HandlerTable(scenario, scenario.machine.cpus).config();
  for (const PicVectors& vectors : needs.pic_vectors) {
    const auto ends = ends_at_pic(vectors);
    config.ends.insert(config.ends.end(), ends.begin(), ends.end());
  }
  return config;
}

kvm::KvmHost::Config host(const scenario::Scenario& scenario, const KvmNeeds& needs,
                          Mutants mutants, x86::Quirks quirks) {
  kvm::KvmHost::Config config;
  config.threads = needs.threads;
  config.software.irqfds = needs.irqfds;
  config.software.lines = needs.lines;
  config.software.vcpus_look = kvm::VcpusLook::AtOnce;
  if (scenario.machine.path == "kvm-irqfd-workqueue") {
    config.software.form = kvm::IrqfdForm::Workqueue;
  }
  config.software.irqchip.quirks = quirks;
  config.software.irqchip.mutants = mutants;
  if (scenario.machine.interrupts == scenario::Interrupts::Pic) {
    config.software.irqchip.pic = x86::ExternalPic::Present;
  }
  for (std::uint32_t cpu = 0; cpu < scenario.machine.cpus; ++cpu) {
    config.software.irqchip.ids.push_back(ApicId{cpu});
  }
  return config;
}

/// In the order of KvmHost::sources.
void add_sources(const kvm::KvmSoftware::Config& software, Topology& topology) {
  topology.paths = {"kvm", "msi", "irqfd", "irq-line"};
  topology.sources.add("kvm", 0);
  topology.sources.add("msi", 1);
  for (const kvm::Irqfd& irqfd : software.irqfds) {
    topology.sources.add(numbered("irqfd-e", irqfd.number), 2);
  }
  for (const Gsi gsi : software.lines) topology.sources.add(numbered("gsi", raw(gsi)), 3);
}

}  // namespace

Names host_lanes(unsigned host_cpus, std::size_t vcpus) {
  Names names;
  for (unsigned cpu = 0; cpu < host_cpus; ++cpu) names.add(numbered("host-cpu", cpu));
  names.add("kvm");
  for (std::size_t n = 0; n < vcpus; ++n) names.add(numbered("vcpu", n) + ".exits");
  return names;
}

Topology join_kvm(cpu::Cpus::Config vcpus, kvm::KvmHost::Config host) {
  Topology topology;
  const bool has_pic = host.software.irqchip.pic == x86::ExternalPic::Present;
  add_sources(host.software, topology);
  Component cpus;
  cpus.name = "vcpus";
  for (std::uint32_t cpu = 0; cpu < vcpus.cpus; ++cpu) cpus.lanes.add(numbered("vcpu", cpu));
  cpus.config = std::move(vcpus);
  Component kvm;
  kvm.name = "kvm";
  kvm.lanes = host_lanes(std::max(1u, host.threads), host.software.irqchip.ids.size());
  kvm.first_source.assign(kvm.lanes.size(), 0);  // one set of sources, whoever acts for them
  kvm.sources = kvm::KvmHost::sources(host);
  kvm.config = std::move(host);
  topology.components = {std::move(cpus), std::move(kvm)};
  topology.edges.push_back({0, cpu::Cpus::kController, 1, kvm::KvmHost::kVcpus});
  if (has_pic) topology.edges.push_back({0, cpu::Cpus::kBus, 1, kvm::KvmHost::kIo});
  return topology;
}

Result<Topology> build_kvm(const scenario::Scenario& scenario, const KvmNeeds& needs,
                           Mutants mutants, x86::Quirks quirks) {
  if (scenario.machine.cpus > kMostXapicCpus) {
    return Diagnostic{Severity::Error,
                      "too-many-cpus",
                      scenario.machine.keys.cpus,
                      std::to_string(scenario.machine.cpus) + " vCPUs: xAPIC ids have 8 bits",
                      "at most 255 vCPUs on this path",
                      ""};
  }
  return join_kvm(vcpus(scenario, needs), host(scenario, needs, mutants, quirks));
}

}  // namespace irqfab::topology
