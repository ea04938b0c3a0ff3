#include "fabric/topology/route_checks.hpp"

#include <string_view>

#include "fabric/topology/findings.hpp"
#include "models/vmm/vm_host.hpp"

namespace irqfab::topology {
namespace {

using vmm::VmHost;

/// The device that a source is of: `nic` of `nic[5]:0`.
std::string device_of(std::string_view source) {
  return std::string(device_in(source.substr(0, source.find(':'))));
}

SourceRange place_of(const std::string& device, const scenario::Scenario& scenario) {
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    for (const scenario::Device& each : bridge.devices) {
      if (each.id == device) return each.where;
    }
  }
  return {};
}

bool on_demand(const vmm::VmPlan& plan) {
  return plan.delivery == vmm::Delivery::DynamicRoute ||
         (plan.delivery == vmm::Delivery::Irqfd && plan.policy == vmm::RoutePolicy::OnDemand);
}

bool has_room(const vmm::RouteTable& table) {
  return table.gsis().free() > 0 && table.gsis().entries() < table.gsis().gsis();
}

}  // namespace

std::vector<Fallback> fallbacks(const Topology& topology, const vmm::Vmm& vmm) {
  std::vector<Fallback> found;
  const std::vector<vmm::FunctionPlan>& functions = vmm.plan().functions;
  for (std::uint32_t n = 0; n < functions.size(); ++n) {
    if (functions[n].vectors.empty()) continue;
    const std::string device = device_of(topology.sources.names[functions[n].first_source]);
    if (found.empty() || found.back().device != device) {
      if (!found.empty() && found.back().vectors == 0) found.pop_back();
      found.push_back({device, 0, 0});
    }
    found.back().vectors += vmm.fallbacks(n);
    found.back().of += functions[n].vectors.size();
  }
  if (!found.empty() && found.back().vectors == 0) found.pop_back();
  return found;
}

std::string why_no_route(const vmm::RouteTable& table) {
  const vmm::GsiAllocator& gsis = table.gsis();
  const std::string limit = std::to_string(gsis.gsis());
  const auto taken = [&gsis](std::uint32_t by_pins) {
    return ", of which pins take " + std::to_string(by_pins) + " and messages " +
           std::to_string(gsis.bound());
  };
  if (gsis.entries() >= gsis.gsis()) {
    return "the routing table has room for " + limit + " entries" +
           taken(gsis.entries() - gsis.bound());
  }
  if (gsis.free() == 0) return "there are " + limit + " GSIs" + taken(gsis.reserved());
  return "the kernel refused the routing table";
}

void check_routes(const Topology& topology, const scenario::Scenario& scenario,
                  Findings& findings) {
  for (const Component& component : topology.components) {
    const auto* config = std::get_if<VmHost::Config>(&component.config);
    if (config == nullptr || config->plan.functions.empty()) continue;
    const VmHost host(*config);  // has set up what it does before the run
    const vmm::RouteTable& table = host.vmm().routes();
    for (const Fallback& device : fallbacks(topology, host.vmm())) {
      findings.note("no-route-left", place_of(device.device, scenario),
                    std::to_string(device.vectors) + " of the " + counted(device.of, "vector") +
                        " of '" + device.device + "' get no route, so the VMM makes a call for " +
                        "each of their messages: " + why_no_route(table));
    }
    if (on_demand(config->plan) && !has_room(table)) {
      findings.note(
          "no-route-left", scenario.machine.where,
          "no route can be made on demand, so every message is lost: " + why_no_route(table));
    }
  }
}

}  // namespace irqfab::topology
