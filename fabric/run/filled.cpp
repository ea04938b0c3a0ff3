#include "fabric/run/filled.hpp"

#include "fabric/scenario/guest_check.hpp"

namespace irqfab::run {
namespace {

using scenario::Host;
using vmm::VmHost;

scenario::Virtualization word_of(x86::Virtualization virtualization) {
  switch (virtualization) {
    case x86::Virtualization::Apicv:
      return scenario::Virtualization::Apicv;
    case x86::Virtualization::Avic:
      return scenario::Virtualization::Avic;
    case x86::Virtualization::None:
      break;
  }
  return scenario::Virtualization::None;
}

/// What the file left to the path and to the machine.
void resolve(const VmHost::Config& built, Host& host) {
  // More than one vCPU a CPU says how many CPUs there are.
  if (host.overcommit == 1) host.cpus = built.host_cpus;
  host.virtualization = word_of(built.layer.irqchip.virtualization);
  host.gsis = built.plan.gsis;
}

}  // namespace

scenario::Scenario with_host(const Prepared& prepared) {
  scenario::Scenario filled = prepared.scenario;
  std::optional<Host>& host = filled.machine.host;
  const auto topology = topology_of(prepared);
  if (!topology) return filled;
  const auto* built = topology::find_component<VmHost::Config>(*topology);
  if (built != nullptr) {
    if (!host) host.emplace();
    resolve(std::get<VmHost::Config>(built->config), *host);
  }
  if (!host) return filled;
  host->own_keys.clear();
  for (const std::string_view key : scenario::host_keys(filled, prepared.path)) {
    const bool is_apicv = host->virtualization == scenario::Virtualization::Apicv;
    if (key != "ipi_virtualization" || is_apicv) host->own_keys.emplace_back(key, host->where);
  }
  return filled;
}

}  // namespace irqfab::run
