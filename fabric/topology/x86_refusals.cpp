#include "fabric/topology/x86_refusals.hpp"

#include <string>
#include <utility>

#include "fabric/scenario/quantities.hpp"
#include "fabric/topology/amdvi_plan.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "models/x86/pirq_router.hpp"

namespace irqfab::topology {
namespace {

using scenario::Scenario;

constexpr unsigned kMostXapicCpus = 255;    // 8-bit ids, of which 255 is the broadcast
constexpr std::size_t kMostBridges = 1000;  // edges of the system bus

Diagnostic refuse(const SourceRange& where, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

/// Timers count 32 bits of kTimerTick, while there is a workload.
std::optional<Diagnostic> refuse_tick(const Scenario& scenario) {
  const scenario::Machine& machine = scenario.machine;
  const bool alone = scenario.workload.empty() && (machine.tick > 0 || machine.off_every > 0);
  if (alone) {
    return refuse(machine.tick > 0 ? machine.keys.tick : machine.keys.interrupts_off, "no-workload",
                  "'tick' and 'interrupts_off' last as long as the workload, and there is none",
                  "a 'workload', or steps that program the timer");
  }
  constexpr Duration kLongest = kTimerTick * 0xFFFFFFFF;
  if (machine.tick % kTimerTick == 0 && machine.tick <= kLongest) return std::nullopt;
  return refuse(machine.keys.tick, "bad-tick",
                "'tick: " + scenario::write_duration(machine.tick) +
                    "': the timers of the local APICs count 32 bits of 10 ns",
                "a multiple of 10ns, at most " + scenario::write_duration(kLongest));
}

Diagnostic is_at_router(const std::string& name, const SourceRange& where) {
  return refuse(where, "duplicate-bdf", "'" + name + "' is where the PCI interrupt router is",
                "another place than 00:1f.0 of segment 0");
}

/// What a board with 8259s cannot have.
void refuse_pic_board(const Scenario& scenario, const X86Plan& plan, Diagnostics& found) {
  const scenario::Machine& machine = scenario.machine;
  if (plan.cpus > 1) {
    found.push_back(refuse(machine.keys.cpus, "too-many-cpus",
                           std::to_string(plan.cpus) + " CPUs: the 8259s interrupt CPU 0 alone",
                           "'cpus: 1' beside 'interrupts: pic'"));
  }
  if (machine.ioapics[0].pins < x86::PirqRouter::kFirstPin + x86::PirqRouter::kMostPirqs) {
    found.push_back(refuse(machine.ioapics[0].where, "no-such-pin",
                           "PIRQs A to H reach pins 16 to 23 of the first IOAPIC",
                           "at least 24 pins beside 'interrupts: pic'"));
  }
  for_each_function(plan, [&](const FunctionPlan& function) {
    const scenario::HostBridge& bridge = *plan.bridges[function.bridge].bridge;
    if (bridge.segment != 0 || function.rid != kPirqRouter) return;
    found.push_back(is_at_router(function.name(), function.device->where));
  });
  for (const BridgePlan& host : plan.bridges) {
    for (const PciBridgePlan& bridge : host.bridges) {
      if (host.bridge->segment != 0 || bridge.bridge->rid != kPirqRouter) continue;
      found.push_back(is_at_router(bridge.bridge->id, bridge.bridge->where));
    }
  }
}

/// INTx that reaches its IOAPIC beyond the last pin would be dropped there.
void refuse_pins(const Scenario& scenario, const X86Plan& plan, Diagnostics& found) {
  for (const PinPlan& pin : plan.pins) {
    const scenario::Ioapic& ioapic = scenario.machine.ioapics[pin.ioapic];
    if (raw(pin.pin) < ioapic.pins) continue;
    const FunctionPlan& first = pin.functions.front();
    found.push_back(refuse(ioapic.where, "no-such-pin",
                           '\'' + first.name() + ':' + scenario::write_intx(*first.device->intx) +
                               "' drives pin " + std::to_string(raw(pin.pin)) + ", which 'ioapic" +
                               std::to_string(pin.ioapic) + "' does not have",
                           "at least " + std::to_string(raw(pin.pin) + 1) + " pins"));
  }
}

/// The 82093AA cannot hold the handle of a remappable request (rte.hpp).
void refuse_old_ioapics(const Scenario& scenario, const X86Plan& plan, Diagnostics& found) {
  if (!plan.remapped || plan.has_amdvi()) return;
  for (const PinPlan& pin : plan.pins) {
    const scenario::Ioapic& ioapic = scenario.machine.ioapics[pin.ioapic];
    if (ioapic.version != scenario::IoapicVersion::V11) continue;
    const FunctionPlan& first = pin.functions.front();
    found.push_back(refuse(ioapic.where, "old-ioapic",
                           '\'' + first.name() + ':' + scenario::write_intx(*first.device->intx) +
                               "' reaches 'ioapic" + std::to_string(pin.ioapic) +
                               "', whose version 0x11 has no bits for the index of a remapping "
                               "entry",
                           "'version: 0x20' on x86-ir"));
  }
}

/// The device with which there are more sources than remapping entries is the one that is wrong.
std::optional<Diagnostic> refuse_sources(const Scenario& scenario, const X86Plan& plan) {
  if (plan.has_amdvi()) return refuse_amdvi(scenario, plan);
  if (!plan.remapped || plan.device_sources + plan.ioapic_pins <= kMostIrtes) return std::nullopt;
  const std::uint64_t most = kMostIrtes - plan.ioapic_pins;
  SourceRange where = scenario.machine.where;
  std::uint64_t sources = 0;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      if (sources <= most) where = device.device->where;
      sources += std::uint64_t{device.device->count} * device.sources_each();
    }
  }
  return refuse(where, "too-many-sources", "more sources than the remapping table has entries",
                "at most " + std::to_string(most) + " vectors and INTx pins on x86-ir");
}

/// Beyond 255 CPUs it takes ids of 32 bits, and something that gives the messages of devices such
/// destinations.
std::optional<Diagnostic> refuse_cpus(const scenario::Machine& machine, Remapping remapping) {
  if (machine.cpus <= kMostXapicCpus) return std::nullopt;
  const bool remapped = remapping != Remapping::Off;
  const bool wide = machine.apic == scenario::ApicMode::X2apic;
  const std::string cpus = std::to_string(machine.cpus) + " CPUs: ";
  if (remapped && machine.remapping == scenario::RemappingUnit::AmdVi) {
    return refuse(machine.keys.cpus, "too-many-cpus",
                  cpus + "software writes AMD-Vi entries of 32 bits, whose destinations have 8",
                  "at most 255 CPUs, or 'remapping: vt-d'");
  }
  if (wide && remapped) return std::nullopt;
  if (wide) {
    return refuse(machine.keys.cpus, "too-many-cpus",
                  cpus + "messages have 8 bits for a destination, so devices reach CPUs 0 to 254",
                  "at most 255 CPUs on this fabric, or 'arch: x86-ir'");
  }
  return refuse(machine.keys.cpus, "too-many-cpus", cpus + "xAPIC ids have 8 bits",
                remapped ? "at most 255 CPUs, or 'apic: x2apic'"
                         : "at most 255 CPUs on this fabric, or 'apic: x2apic' on x86-ir");
}

Diagnostic too_many_bridges(const Scenario& scenario, std::size_t number, const char* of_what) {
  return refuse(scenario.machine.keys.host_bridges, "too-many-bridges",
                std::to_string(number) + of_what, "at most " + std::to_string(kMostBridges));
}

}  // namespace

std::optional<Diagnostic> refuse_machine(const Scenario& scenario, Remapping remapping) {
  const scenario::Machine& machine = scenario.machine;
  if (const auto refused = refuse_cpus(machine, remapping)) return *refused;
  if (machine.host_bridges.size() > kMostBridges) {
    return too_many_bridges(scenario, machine.host_bridges.size(), " host bridges");
  }
  return refuse_tick(scenario);
}

Diagnostics refuse_plan(const Scenario& scenario, const X86Plan& plan) {
  if (plan.groups > kMostBridges) {
    return {too_many_bridges(scenario, plan.groups, " links with devices")};
  }
  if (const auto refused = refuse_sources(scenario, plan)) return {*refused};
  Diagnostics found;
  if (plan.has_pic()) refuse_pic_board(scenario, plan, found);
  if (found.empty()) refuse_pins(scenario, plan, found);
  if (found.empty()) refuse_old_ioapics(scenario, plan, found);
  if (!found.empty()) return found;
  if (const auto refused = refuse_msi(scenario, plan)) return {*refused};
  return {};
}

}  // namespace irqfab::topology
