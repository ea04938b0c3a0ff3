#include "fabric/topology/x86_plan.hpp"

#include <algorithm>
#include <map>

#include "fabric/topology/amdvi_plan.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "fabric/topology/pci_plan.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/lapic.hpp"
#include "models/x86/msi_format.hpp"
#include "models/x86/pirq_router.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::topology {
namespace {

using scenario::Affinity;
using scenario::Device;
using scenario::Scenario;

/// What the rows of a scenario say about each device, by its id.
struct Wishes {
  std::vector<const Affinity*> affinity;  // in the order of the file
  bool messages = false;                  // the workload raises its vectors
  bool wire = false;                      // the workload raises its INTx
};
using WishesOfDevices = std::map<std::string_view, Wishes>;

WishesOfDevices wishes_in(const Scenario& scenario) {
  WishesOfDevices wishes;
  for (const Affinity& row : scenario.affinity) {
    wishes[row.sources.device].affinity.push_back(&row);
  }
  for (const scenario::Load& load : scenario.workload) {
    Wishes& of_device = wishes[load.sources.device];
    (load.sources.intx ? of_device.wire : of_device.messages) = true;
  }
  return wishes;
}

void set_cpus(const Affinity& row, const DevicePlan& device, X86Plan& plan) {
  const scenario::Sources& sources = row.sources;
  std::uint32_t place = 0;  // among the sources of the row
  for (unsigned f = sources.first_function; f <= sources.last_function; ++f) {
    for (unsigned i = 0; i < sources.each(); ++i, ++place) {
      const unsigned index = sources.intx ? device.device->vectors() : sources.first + i;
      const bool spread = row.spread || row.cpus.empty();
      const CpuId cpu = spread ? CpuId{place % plan.cpus} : row.cpus[place % row.cpus.size()];
      plan.slots[function_of(device, f).first_source + index].cpu = cpu;
    }
  }
}

/// The vectors of a function go where its vector 0 goes; those that are spread go by function.
void set_cpus_of_blocks(const Affinity& row, const DevicePlan& device, X86Plan& plan) {
  const scenario::Sources& sources = row.sources;
  if (sources.first > 0) return;
  for (unsigned f = sources.first_function; f <= sources.last_function; ++f) {
    const std::uint32_t place = f - sources.first_function;
    const bool spread = row.spread || row.cpus.empty();
    const CpuId cpu = spread ? CpuId{place % plan.cpus}
                             : row.cpus[std::size_t{place} * sources.each() % row.cpus.size()];
    plan.slots[function_of(device, f).first_source].cpu = cpu;
  }
}

/// Later rows of `affinity` win; a source without one is spread by its vector.
void give_cpus(const Wishes& wishes, const DevicePlan& device, X86Plan& plan) {
  for (unsigned f = 0; f < device.device->count; ++f) {
    const std::uint32_t first = function_of(device, f).first_source;
    for (unsigned v = 0; v < device.device->vectors(); ++v)
      plan.slots[first + v].cpu = CpuId{v % plan.cpus};
  }
  for (const Affinity* row : wishes.affinity) {
    const bool block = is_block(plan, device) && !row->sources.intx;
    block ? set_cpus_of_blocks(*row, device, plan) : set_cpus(*row, device, plan);
  }
}

std::vector<BridgePlan> canonical_bridges(const Scenario& scenario) {
  std::vector<BridgePlan> bridges;
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    BridgePlan plan;
    plan.bridge = &bridge;
    for (const Device& device : bridge.devices) {
      DevicePlan row;
      row.device = &device;
      plan.devices.push_back(row);
    }
    std::sort(plan.devices.begin(), plan.devices.end(),
              [](const auto& a, const auto& b) { return a.device->rid < b.device->rid; });
    bridges.push_back(std::move(plan));
  }
  std::sort(bridges.begin(), bridges.end(), [](const BridgePlan& a, const BridgePlan& b) {
    return std::pair(a.bridge->segment, a.bridge->first_bus) <
           std::pair(b.bridge->segment, b.bridge->first_bus);
  });
  return bridges;
}

constexpr unsigned kFirstPciPin = x86::PirqRouter::kFirstPin;
/// Functions on the host bridge's own buses first, so that those of each link follow each other.
void give_rows(BridgePlan& bridge) {
  for (const bool below : {false, true}) {
    for (DevicePlan& device : bridge.devices) {
      if ((device.device->behind > 0) != below) continue;
      device.first_row = FunctionRow{bridge.functions};
      bridge.functions += device.device->count;
    }
  }
}

/// Rows, sources, windows and pins, in canonical order.
void place(X86Plan& plan) {
  std::uint32_t source = 0;
  for (std::size_t b = 0; b < plan.bridges.size(); ++b) {
    BridgePlan& bridge = plan.bridges[b];
    bridge.window_base = window_base_of(b);
    bridge.ecam_base = kEcamBase + (std::uint64_t{bridge.bridge->segment} << 28);
    const std::size_t ioapics = plan.has_pic() ? 1 : plan.first_pins.size();
    bridge.ioapic = b % ioapics;
    const std::size_t half = b / ioapics % 2;
    for (unsigned wire = 0; wire < 4; ++wire) {
      bridge.pins[wire] = Pin(static_cast<std::uint16_t>(kFirstPciPin + half * 4 + wire));
    }
    give_rows(bridge);
    for (std::size_t d = 0; d < bridge.devices.size(); ++d) {
      DevicePlan& device = bridge.devices[d];
      device.bridge = b;
      device.first_source = source;
      source += device.device->count * device.sources_each();
      plan.places[device.device->id] = {b, d};
    }
    plan.groups = place_bridges(bridge, plan.groups);
  }
  plan.device_sources = source;
  plan.slots.resize(source);
}

void give_vectors(const WishesOfDevices& wishes, X86Plan& plan) {
  for (BridgePlan& bridge : plan.bridges) {
    for (DevicePlan& device : bridge.devices) {
      const auto found = wishes.find(device.device->id);
      const Wishes own = found == wishes.end() ? Wishes{} : found->second;
      // A driver enables MSI-X or MSI, unless the workload is about the INTx and not the messages.
      device.messages_on = device.device->vectors() > 0 && (own.messages || !own.wire);
      give_cpus(own, device, plan);
      for (unsigned f = 0; f < device.device->count; ++f) {
        const FunctionPlan function = function_of(device, f);
        if (is_block(plan, device)) {
          give_block(plan, function);
          continue;
        }
        for (unsigned v = 0; v < device.device->vectors(); ++v) {
          Slot& slot = plan.slots[function.first_source + v];
          slot = plan.take_slot(slot.cpu);
        }
      }
    }
  }
}

/// On a board with 8259s firmware has chosen the vectors, and CPU 0 takes them.
Slot slot_of_wire(X86Plan& plan, std::size_t ioapic, Pin pin, CpuId cpu) {
  if (!plan.has_pic()) {
    return plan.has_amdvi() ? take_pin_slot(plan, ioapic, cpu) : plan.take_slot(cpu);
  }
  const Pin irq = irq_of_pirq(raw(pin) - kFirstPciPin);
  return {CpuId{0}, Vector(static_cast<std::uint8_t>(kPicVectors + raw(irq)))};
}

void give_pins(X86Plan& plan) {
  std::map<std::pair<std::size_t, Pin>, PinPlan> pins;
  for_each_function(plan, [&](const FunctionPlan& function) {
    const Device& device = *function.device;
    if (!device.intx) return;
    const BridgePlan& host = plan.bridges[function.bridge];
    const Pin pin = host.pins[intx_wire(host, function.bus, function.rid, *device.intx)];
    Slot& slot = plan.slots[function.first_source + device.vectors()];
    const auto [known, is_new] = pins.try_emplace({host.ioapic, pin});
    PinPlan& served = known->second;
    if (is_new) {
      served.ioapic = host.ioapic;
      served.pin = pin;
      served.slot = slot_of_wire(plan, host.ioapic, pin, slot.cpu);
    }
    slot = served.slot;
    served.functions.push_back(function);
  });
  for (auto& [pin, served] : pins) plan.pins.push_back(std::move(served));
}

}  // namespace

FunctionPlan function_of(const DevicePlan& device, unsigned index) {
  FunctionPlan function;
  function.device = device.device;
  function.bridge = device.bridge;
  function.index = index;
  function.row = FunctionRow{raw(device.first_row) + index};
  function.group = device.group;
  function.lane = FunctionRow{raw(device.first_lane) + index};
  function.rid = RequesterId(static_cast<std::uint16_t>(raw(device.device->rid) + index));
  function.requester = device.alias.value_or(function.rid);
  function.bus = device.bus;
  function.first_source = device.first_source + index * device.sources_each();
  function.messages_on = device.messages_on;
  return function;
}

FunctionPlan BridgePlan::function_at(FunctionRow row) const {
  const auto at = std::find_if(devices.begin(), devices.end(), [row](const DevicePlan& device) {
    return row >= device.first_row && raw(row) - raw(device.first_row) < device.device->count;
  });
  return function_of(*at, raw(row) - raw(at->first_row));
}

Slot X86Plan::take_slot(CpuId cpu) {
  const unsigned given = next_vector[raw(cpu)]++;
  const unsigned vector = kFirstVector + given % (last_vector - kFirstVector + 1);
  return {cpu, Vector(static_cast<std::uint8_t>(vector))};
}

const DevicePlan* X86Plan::find(std::string_view device) const {
  const auto at = places.find(device);
  return at == places.end() ? nullptr : &bridges[at->second.first].devices[at->second.second];
}

std::optional<FunctionPlan> X86Plan::find_function(std::string_view name) const {
  const auto wanted = scenario::parse_sources(name);
  const DevicePlan* device = wanted ? find(wanted->device) : nullptr;
  if (device == nullptr || wanted->first_function >= device->device->count) return std::nullopt;
  return function_of(*device, static_cast<unsigned>(wanted->first_function));
}

Remapping remapping_of(std::string_view arch) {
  if (arch == "x86-pi") return Remapping::VtdPosted;
  return arch == "x86-ir" ? Remapping::VtdOn : Remapping::Off;
}

X86Plan plan_x86(const Scenario& scenario, Remapping remapping) {
  X86Plan plan;
  plan.remapped = remapping != Remapping::Off;
  plan.posted = remapping == Remapping::VtdPosted;
  if (plan.posted) plan.last_vector = kLastPostedVector;
  plan.unit = scenario.machine.remapping;
  plan.cpus = scenario.machine.cpus;
  plan.next_vector.resize(plan.cpus);
  plan.interrupts = scenario.machine.interrupts;
  for (const scenario::Ioapic& ioapic : scenario.machine.ioapics) {
    plan.first_pins.push_back(plan.ioapic_pins);
    plan.ioapic_pins += ioapic.pins;
  }
  plan.bridges = canonical_bridges(scenario);
  place(plan);
  give_vectors(wishes_in(scenario), plan);
  give_pins(plan);
  if (plan.has_amdvi()) give_amdvi_indices(plan);
  plan.apic = scenario.machine.apic;
  for (std::uint32_t cpu = 0; cpu < plan.cpus && scenario.machine.tick > 0; ++cpu) {
    plan.tick_vectors.push_back(plan.take_slot(CpuId{cpu}).vector);
  }
  return plan;
}

std::uint32_t place_of_register(scenario::ApicMode apic, std::uint32_t offset) {
  if (apic == scenario::ApicMode::Xapic) return offset;
  return x86::LapicBank::kMsrSpace + x86::LapicMsr::kFirst + offset / 16;
}

std::uint64_t table_pointer(std::uint32_t entries, scenario::ApicMode apic) {
  using x86::vtd::Irta;
  std::uint64_t size = 0;
  while (std::uint32_t{2} << size < entries) ++size;
  const std::uint64_t pointer = Irta::S::set(kRemapTable, size);
  return Irta::EIME::set(pointer, apic == scenario::ApicMode::X2apic);
}

std::uint64_t remappable_address(std::uint32_t handle) {
  using A = x86::RemappableAddress;
  std::uint64_t address = x86::MsiAddress::Base::set(0, x86::kMsiBase);
  address = A::InterruptFormat::set(address, 1);
  address = A::Handle14_0::set(address, handle & 0x7FFF);
  return A::Handle15::set(address, handle >> 15);
}

pci::MsixEntry message_for(const X86Plan& plan, Slot slot, std::uint32_t index) {
  if (plan.has_amdvi()) return amdvi_message_for(plan, index);
  pci::MsixEntry entry;
  entry.mask = Mask::Off;
  if (plan.remapped) {
    entry.address = remappable_address(index);
    return entry;
  }
  x86::ApicMessage message;
  message.destination = apic_id_of(slot.cpu);
  message.vector = slot.vector;
  const x86::MsiMessage encoded = x86::encode(message);
  entry.address = encoded.address;
  entry.data = encoded.data;
  return entry;
}

}  // namespace irqfab::topology
