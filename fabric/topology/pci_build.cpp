#include "fabric/topology/pci_build.hpp"

#include <utility>

#include "fabric/topology/pci_plan.hpp"

namespace irqfab::topology {
namespace {

void add_moderation(const DevicePlan& plan, pci::PciFunctions::Config& config) {
  const scenario::Device& device = *plan.device;
  if (!device.moderation || !device.moderation->gathers()) return;
  config.moderation.push_back({plan.first_lane, device.count, device.vectors(),
                               device.moderation->count, device.moderation->time});
}

void add_functions_of(const DevicePlan& plan, Component& component,
                      pci::PciFunctions::Config& config) {
  const scenario::Device& device = *plan.device;
  if (config.functions.empty()) config.first_driver = raw(plan.first_row);
  for (unsigned f = 0; f < device.count; ++f) {
    const FunctionPlan function = function_of(plan, f);
    pci::PciFunctions::Function made{function.rid, static_cast<std::uint16_t>(device.msix)};
    if (device.msi) made.msi = msi_of(*device.msi);
    if (device.intx) made.intx = static_cast<pci::Intx>(*device.intx);
    config.functions.push_back(made);
    component.lanes.add(function.name());
    component.first_source.push_back(function.first_source);
  }
  component.sources += device.count * plan.sources_each();
  add_moderation(plan, config);
}

}  // namespace

pci::Bridge::Config config_of_bridge(const BridgePlan& host, std::size_t place) {
  const scenario::PciBridge& bridge = *host.bridges[place].bridge;
  pci::Bridge::Config config;
  config.kind = bridge.kind == scenario::BridgeKind::RootPort ? pci::BridgeKind::RootPort
                                                              : pci::BridgeKind::PcieToPci;
  config.rid = bridge.rid;
  config.secondary = static_cast<std::uint8_t>(bridge.secondary);
  config.subordinate = static_cast<std::uint8_t>(bridge.subordinate);
  config.ecam_base = host.ecam_base;
  config.below = devices_on(host, place + 1);
  config.routes = routes_on(host, place + 1);
  return config;
}

void give_quirks(x86::Quirks quirks, pci::PciFunctions::Config& config) {
  if (quirks.has(x86::Quirk::IntxForgotten)) {
    config.intx_after_messages = pci::IntxAfterMessages::Forgotten;
  }
  if (quirks.has(x86::Quirk::PendingBitsKept)) {
    config.pending_when_off = pci::PendingWhenOff::Kept;
  }
  if (quirks.has(x86::Quirk::VectorControlKept)) {
    config.reserved_control = pci::ReservedControl::Kept;
  }
}

void add_device_sources(const X86Plan& plan, Topology& topology) {
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& row : bridge.devices) {
      const scenario::Device& device = *row.device;
      const std::size_t messages = topology.paths.size();
      if (device.vectors() > 0) {
        topology.paths.push_back(device.id + (row.by_msi() ? ":msi" : ":msix"));
      }
      const std::size_t wire = topology.paths.size();
      const std::string pin = device.intx ? ':' + scenario::write_intx(*device.intx) : "";
      if (device.intx) topology.paths.push_back(device.id + pin);
      for (unsigned f = 0; f < device.count; ++f) {
        const std::string function = scenario::write_function(device, f);
        for (unsigned v = 0; v < device.vectors(); ++v) {
          topology.sources.add(function + ':' + std::to_string(v), messages);
        }
        if (device.intx) topology.sources.add(function + pin, wire);
      }
    }
  }
}

Component functions_on(const BridgePlan& host, std::size_t index, std::size_t bus,
                       x86::Quirks quirks) {
  pci::PciFunctions::Config config;
  give_quirks(quirks, config);
  config.bridge = HostBridgeId(static_cast<std::uint16_t>(index));
  config.ecam_base = host.ecam_base;
  Component component;
  component.name = (bus == 0 ? host.bridge->id : host.bridges[bus - 1].bridge->id) + ".functions";
  for (const DevicePlan& device : host.devices) {
    if (device.bus == bus) add_functions_of(device, component, config);
  }
  config.window_base = window_of(host, FunctionRow{config.first_driver});
  if (component.lanes.empty()) component.lanes.add(component.name);
  component.config = std::move(config);
  return component;
}

}  // namespace irqfab::topology
