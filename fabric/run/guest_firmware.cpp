#include "fabric/run/guest_firmware.hpp"

#include "fabric/run/setup_env.hpp"
#include "fabric/run/x86_firmware.hpp"
#include "fabric/topology/guest_plan.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/rte.hpp"

namespace irqfab::run {
namespace {

using topology::FunctionPlan;
using topology::PinPlan;
using topology::X86Machine;
using vmm::VmHost;

VmHost& host_of(Machine& machine, const X86Machine& x86) {
  return machine.core<VmHost>(topology::index_of<VmHost::Config>(x86.topology));
}

std::uint64_t entry_for(const PinPlan& pin) {
  using x86::Rte;
  std::uint64_t bits = Rte::INTVEC::set(0, raw(pin.slot.vector));
  bits = Rte::TriggerModeBit::set(bits, 1);
  return Rte::DESTINATION::set(bits, raw(pin.slot.cpu));
}

void program_chip(VmHost& host, const X86Machine& x86) {
  SetupEnv env;
  program_lapics(host.vcpus().apics().lapics(), x86.plan);
  for (const PinPlan& pin : x86.plan.pins) host.program_pin(pin.pin, entry_for(pin), env);
}

/// The entry of the host's table behind which one of its interrupts is.
x86::Irte host_entry(const vmm::HostInterrupt& interrupt, RequesterId requester,
                     x86::TriggerMode trigger) {
  x86::ApicMessage message;
  message.destination = ApicId{raw(interrupt.cpu)};
  message.vector = interrupt.vector;
  message.trigger_mode = trigger;
  return for_requester(remapped_irte(message, x86::InterruptMode::Xapic), requester);
}

/// The host's share of the work: what its functions and its IOAPIC send, and the entries behind
/// that.
class HostFirmware {
 public:
  HostFirmware(Machine& machine, const X86Machine& x86, scenario::HostFabric fabric)
      : machine_(machine), x86_(x86), fabric_(fabric) {}

  void program() {
    const auto* host = topology::find_component<VmHost::Config>(x86_.topology);
    const vmm::VmPlan& plan = std::get<VmHost::Config>(host->config).plan;
    std::uint32_t next = 0;
    for_each_function(x86_.plan, [&](const FunctionPlan& function) {
      const std::uint32_t number = next++;
      const vmm::FunctionPlan& of_vmm = plan.functions[number];
      if (of_vmm.attach == vmm::Attach::Assigned) program_function(function, of_vmm, number);
    });
    for (const vmm::HostPinPlan& pin : plan.host_pins) {
      program_pin(pin.host, *plan.functions[pin.functions.front()].intx);
    }
  }

 private:
  bool is_remapped() const { return fabric_ == scenario::HostFabric::X86Ir; }

  /// The next entry of the remapping table.
  void add_entry(const x86::Irte& entry) {
    auto& memory =
        machine_.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86_.topology));
    write_irte(memory, index_++, entry);
  }

  /// Of a vector: the host's interrupt, or what the unit posts.
  x86::Irte entry_of(const FunctionPlan& function, const vmm::HostInterrupt& interrupt,
                     vmm::VectorAt at) {
    x86::Irte entry = host_entry(interrupt, function.requester, x86::TriggerMode::Edge);
    if (x86_.plan.for_guest) entry.low = host_of(machine_, x86_).vmm().remapping_entry(at);
    return entry;
  }

  void program_function(const FunctionPlan& function, const vmm::FunctionPlan& of_vmm,
                        std::uint32_t number) {
    auto& core = machine_.core<pci::PciFunctions>(
        topology::functions_component(x86_.topology, function.group));
    const std::uint32_t first = index_;
    for (std::uint16_t v = 0; v < of_vmm.vectors.size(); ++v) {
      const vmm::HostInterrupt& interrupt = of_vmm.vectors[v].host;
      const pci::MsixEntry entry = topology::host_message(interrupt, fabric_, first + v);
      if (!function.by_msi()) core.write_entry(function.lane, VectorIndex{v}, entry, env_);
      if (is_remapped()) add_entry(entry_of(function, interrupt, {number, VectorIndex{v}}));
    }
    if (!function.by_msi() || of_vmm.vectors.empty()) return;
    pci::MsixEntry block = topology::host_message(of_vmm.vectors[0].host, fabric_, first);
    // VT-d 5.1.2.2: the low bits of the data count entries from the one that the address names.
    if (is_remapped()) block.address = x86::RemappableAddress::SHV::set(block.address, 1);
    core.write_msi_message(function.lane, block.address, static_cast<std::uint16_t>(block.data));
  }

  void program_pin(const vmm::HostInterrupt& interrupt, Gsi gsi) {
    using x86::Rte;
    auto& ioapic =
        machine_.core<x86::IoApic>(topology::index_of<x86::IoApic::Config>(x86_.topology));
    std::uint64_t bits = Rte::INTVEC::set(0, raw(interrupt.vector));
    bits = Rte::TriggerModeBit::set(bits, 1);
    bits = Rte::DESTINATION::set(bits, raw(interrupt.cpu));
    if (is_remapped()) {
      const std::uint64_t address = topology::remappable_address(index_);
      bits = Rte::DESTINATION::set(bits, x86::MsiAddress::DestinationId::get(address));
      bits = Rte::EDID::set(bits, x86::MsiAddress::Edid::get(address));
      bits = Rte::DESTMOD::set(bits, x86::MsiAddress::Dm::get(address));
      add_entry(host_entry(interrupt, topology::ioapic_requester(0), x86::TriggerMode::Level));
    }
    ioapic.restore(Pin(static_cast<std::uint16_t>(raw(gsi))), Rte{bits}, env_);
  }

  Machine& machine_;
  const X86Machine& x86_;
  scenario::HostFabric fabric_;
  SetupEnv env_;
  std::uint32_t index_ = 0;  // of the next entry of the remapping table
};

}  // namespace

void program_guest(Machine& machine, const X86Machine& x86, const scenario::Scenario& scenario) {
  program_chip(host_of(machine, x86), x86);
  program_devices(machine, x86);
  const auto& host = scenario.machine.host;
  auto fabric = host ? host->fabric : scenario::HostFabric::X86;
  if (x86.plan.for_guest) fabric = scenario::HostFabric::X86Ir;
  HostFirmware(machine, x86, fabric).program();
  const bool remapped = topology::find_component<x86::VtdRemapper::Config>(x86.topology) != nullptr;
  if (remapped) enable_vtd(machine, x86, scenario::ApicMode::Xapic);
}

}  // namespace irqfab::run
