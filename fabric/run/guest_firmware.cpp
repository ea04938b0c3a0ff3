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
  for (std::uint32_t vcpu = 0; vcpu < x86.plan.cpus; ++vcpu) {
    host.vcpus().apics().lapics().write(CpuId{vcpu}, x86::LapicRegister::kSvr, 0x1FF, env);
  }
  for (const PinPlan& pin : x86.plan.pins) host.program_pin(pin.pin, entry_for(pin), env);
}

/// The entry of the host's table behind which an assigned vector's message is.
x86::Irte host_entry(const vmm::HostInterrupt& interrupt, RequesterId requester) {
  x86::ApicMessage message;
  message.destination = ApicId{raw(interrupt.cpu)};
  message.vector = interrupt.vector;
  return for_requester(remapped_irte(message, x86::InterruptMode::Xapic), requester);
}

/// What hangs on the host's bridges interrupts the host.
void program_assigned(Machine& machine, const X86Machine& x86, scenario::HostFabric fabric) {
  SetupEnv env;
  const auto& plan = topology::find_component<VmHost::Config>(x86.topology)->config;
  auto planned = std::get<VmHost::Config>(plan).plan.functions.begin();
  std::uint32_t index = 0;
  for_each_function(x86.plan, [&](const FunctionPlan& function) {
    const vmm::FunctionPlan& of_vmm = *planned++;
    if (of_vmm.attach != vmm::Attach::Assigned) return;
    auto& core = machine.core<pci::PciFunctions>(
        topology::functions_component(x86.topology, function.group));
    for (std::uint16_t v = 0; v < function.device->msix; ++v, ++index) {
      const vmm::HostInterrupt& interrupt = of_vmm.vectors[v].host;
      core.write_entry(function.lane, VectorIndex{v},
                       topology::host_message(interrupt, fabric, index), env);
      if (fabric != scenario::HostFabric::X86Ir) continue;
      auto& memory =
          machine.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86.topology));
      write_irte(memory, index, host_entry(interrupt, function.requester));
    }
  });
}

}  // namespace

void program_guest(Machine& machine, const X86Machine& x86, const scenario::Scenario& scenario) {
  program_chip(host_of(machine, x86), x86);
  program_devices(machine, x86);
  const auto& host = scenario.machine.host;
  const auto fabric = host ? host->fabric : scenario::HostFabric::X86;
  program_assigned(machine, x86, fabric);
  const bool remapped = topology::find_component<x86::VtdRemapper::Config>(x86.topology) != nullptr;
  if (remapped) enable_vtd(machine, x86);
}

}  // namespace irqfab::run
