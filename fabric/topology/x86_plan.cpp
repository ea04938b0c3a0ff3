#include "fabric/topology/x86_plan.hpp"

#include <algorithm>
#include <map>

#include "models/x86/irte.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::topology {
namespace {

using scenario::Affinity;
using scenario::Device;
using scenario::Scenario;

bool covers(const Affinity& row, const Device& device, bool intx, unsigned index) {
  return row.sources.device == device.id && row.sources.intx == intx &&
         index >= row.sources.first && index <= row.sources.last;
}

/// Later rows of `affinity` win; a source without one is spread by its vector.
CpuId cpu_of(const Scenario& scenario, const Device& device, bool intx, unsigned index) {
  const unsigned cpus = scenario.machine.cpus;
  CpuId cpu = intx ? CpuId{0} : CpuId{index % cpus};
  for (const Affinity& row : scenario.affinity) {
    if (!covers(row, device, intx, index)) continue;
    const unsigned place = index - row.sources.first;
    cpu = row.spread || row.cpus.empty() ? CpuId{place % cpus} : row.cpus[place % row.cpus.size()];
  }
  return cpu;
}

std::vector<BridgePlan> canonical_bridges(const Scenario& scenario) {
  std::vector<BridgePlan> bridges;
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    BridgePlan plan;
    plan.bridge = &bridge;
    for (const Device& device : bridge.devices) {
      FunctionPlan function;
      function.device = &device;
      plan.functions.push_back(std::move(function));
    }
    std::sort(plan.functions.begin(), plan.functions.end(), [](const auto& a, const auto& b) {
      return a.device->rid < b.device->rid;
    });
    bridges.push_back(std::move(plan));
  }
  std::sort(bridges.begin(), bridges.end(), [](const BridgePlan& a, const BridgePlan& b) {
    return std::pair(a.bridge->segment, a.bridge->first_bus) <
           std::pair(b.bridge->segment, b.bridge->first_bus);
  });
  return bridges;
}

void place(std::vector<BridgePlan>& bridges) {
  std::uint32_t source = 0;
  for (std::size_t b = 0; b < bridges.size(); ++b) {
    BridgePlan& bridge = bridges[b];
    bridge.window_base = kFunctionWindows + b * kWindowShare;
    bridge.ecam_base = kEcamBase + (std::uint64_t{bridge.bridge->segment} << 28);
    for (unsigned wire = 0; wire < 4; ++wire) {
      bridge.pins[wire] = Pin(static_cast<std::uint16_t>(16 + (b % 2) * 4 + wire));
    }
    for (std::size_t row = 0; row < bridge.functions.size(); ++row) {
      FunctionPlan& function = bridge.functions[row];
      function.bridge = b;
      function.row = FunctionRow(row);
      function.first_source = source;
      source += function.device->msix + (function.device->intx ? 1 : 0);
    }
  }
}

/// A driver enables MSI-X, unless the workload is about the function's INTx and not its messages.
bool messages_on(const Scenario& scenario, const Device& device) {
  const auto asks = [&](bool intx) {
    return std::any_of(scenario.workload.begin(), scenario.workload.end(), [&](const auto& load) {
      return load.sources.device == device.id && load.sources.intx == intx;
    });
  };
  return device.msix > 0 && (asks(false) || !asks(true));
}

void give_vectors(const Scenario& scenario, X86Plan& plan) {
  for (BridgePlan& bridge : plan.bridges) {
    for (FunctionPlan& function : bridge.functions) {
      function.messages_on = messages_on(scenario, *function.device);
      for (unsigned i = 0; i < function.device->msix; ++i) {
        function.msix.push_back(plan.take_slot(cpu_of(scenario, *function.device, false, i)));
      }
    }
  }
}

void give_pins(const Scenario& scenario, X86Plan& plan) {
  std::map<Pin, PinPlan> pins;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const FunctionPlan& function : bridge.functions) {
      const Device& device = *function.device;
      if (!device.intx) continue;
      const unsigned number = (raw(device.rid) >> 3) & 0x1F;
      const Pin pin = bridge.pins[(number + *device.intx) % 4];
      const bool first = pins.find(pin) == pins.end();
      PinPlan& served = pins[pin];
      if (first) {
        served.pin = pin;
        served.slot = plan.take_slot(cpu_of(scenario, device, true, *device.intx));
      }
      served.functions.push_back(&function);
    }
  }
  for (auto& [pin, served] : pins) plan.pins.push_back(std::move(served));
}

}  // namespace

Slot X86Plan::take_slot(CpuId cpu) {
  const unsigned given = next_vector[raw(cpu)]++;
  const unsigned vector = kFirstVector + given % (kLastVector - kFirstVector + 1);
  return {cpu, Vector(static_cast<std::uint8_t>(vector))};
}

const FunctionPlan* X86Plan::find(const std::string& device) const {
  for (const BridgePlan& bridge : bridges) {
    for (const FunctionPlan& function : bridge.functions) {
      if (function.device->id == device) return &function;
    }
  }
  return nullptr;
}

X86Plan plan_x86(const Scenario& scenario, bool remapped) {
  X86Plan plan;
  plan.remapped = remapped;
  plan.cpus = scenario.machine.cpus;
  plan.next_vector.resize(plan.cpus);
  plan.bridges = canonical_bridges(scenario);
  place(plan.bridges);
  give_vectors(scenario, plan);
  give_pins(scenario, plan);
  return plan;
}

pci::MsixEntry message_for(const X86Plan& plan, Slot slot, std::uint32_t index) {
  pci::MsixEntry entry;
  entry.mask = Mask::Off;
  if (plan.remapped) {
    using A = x86::RemappableAddress;
    std::uint64_t address = x86::MsiAddress::Base::set(0, x86::kMsiBase);
    address = A::InterruptFormat::set(address, 1);
    address = A::Handle14_0::set(address, index & 0x7FFF);
    entry.address = A::Handle15::set(address, index >> 15);
    return entry;
  }
  x86::ApicMessage message;
  message.destination = ApicId{raw(slot.cpu)};
  message.vector = slot.vector;
  const x86::MsiMessage encoded = x86::encode(message);
  entry.address = encoded.address;
  entry.data = encoded.data;
  return entry;
}

}  // namespace irqfab::topology
