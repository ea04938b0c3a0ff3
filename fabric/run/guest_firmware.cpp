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

/// The entry of the host's table behind which an assigned vector's message is.
x86::Irte host_entry(const vmm::HostInterrupt& interrupt, RequesterId requester) {
  x86::ApicMessage message;
  message.destination = ApicId{raw(interrupt.cpu)};
  message.vector = interrupt.vector;
  return for_requester(remapped_irte(message, x86::InterruptMode::Xapic), requester);
}

/// VT-d 5.1.2.2: the low bits of the data count entries from the one that the address names.
void write_msi(pci::PciFunctions& core, const FunctionPlan& function, std::uint32_t index) {
  const std::uint64_t address =
      x86::RemappableAddress::SHV::set(topology::remappable_address(index), 1);
  core.write_msi_message(function.lane, address, 0);
}

/// What hangs on the host's bridges interrupts the host, or is posted if its unit does that.
void program_assigned(Machine& machine, const X86Machine& x86, scenario::HostFabric fabric) {
  SetupEnv env;
  const auto& plan = topology::find_component<VmHost::Config>(x86.topology)->config;
  auto planned = std::get<VmHost::Config>(plan).plan.functions.begin();
  std::uint32_t index = 0;
  std::uint32_t next = 0;
  for_each_function(x86.plan, [&](const FunctionPlan& function) {
    const vmm::FunctionPlan& of_vmm = *planned++;
    const std::uint32_t number = next++;
    if (of_vmm.attach != vmm::Attach::Assigned) return;
    auto& core = machine.core<pci::PciFunctions>(
        topology::functions_component(x86.topology, function.group));
    if (function.by_msi()) write_msi(core, function, index);
    for (std::uint16_t v = 0; v < of_vmm.vectors.size(); ++v, ++index) {
      const vmm::HostInterrupt& interrupt = of_vmm.vectors[v].host;
      if (!function.by_msi()) {
        core.write_entry(function.lane, VectorIndex{v},
                         topology::host_message(interrupt, fabric, index), env);
      }
      if (fabric != scenario::HostFabric::X86Ir) continue;
      auto& memory =
          machine.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86.topology));
      x86::Irte entry = host_entry(interrupt, function.requester);
      if (x86.plan.for_guest) {
        entry.low = host_of(machine, x86).vmm().remapping_entry({number, VectorIndex{v}});
      }
      write_irte(memory, index, entry);
    }
  });
}

}  // namespace

void program_guest(Machine& machine, const X86Machine& x86, const scenario::Scenario& scenario) {
  program_chip(host_of(machine, x86), x86);
  program_devices(machine, x86);
  const auto& host = scenario.machine.host;
  auto fabric = host ? host->fabric : scenario::HostFabric::X86;
  if (x86.plan.for_guest) fabric = scenario::HostFabric::X86Ir;
  program_assigned(machine, x86, fabric);
  const bool remapped = topology::find_component<x86::VtdRemapper::Config>(x86.topology) != nullptr;
  if (remapped) enable_vtd(machine, x86, scenario::ApicMode::Xapic);
}

}  // namespace irqfab::run
