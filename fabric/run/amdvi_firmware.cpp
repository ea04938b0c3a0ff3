#include "fabric/run/amdvi_firmware.hpp"

#include "fabric/topology/amdvi_plan.hpp"
#include "models/x86/amdvi_tables.hpp"

namespace irqfab::run {
namespace {

using namespace x86::amdvi;
using topology::FunctionPlan;
using topology::PinPlan;
using topology::X86Machine;

void write_device(mem::Memory& memory, RequesterId requester, const topology::AmdViTable& table) {
  std::uint64_t bits = Dte::IV::set(table.address, 1);
  bits = Dte::IntTabLen::set(bits, table.length);
  bits = Dte::IntCtl::set(bits, static_cast<std::uint64_t>(Dte::Handling::Remap));
  memory.write(topology::kAmdDeviceTable + raw(requester) * Dte::kBytes + Dte::kByteOffset, &bits,
               sizeof bits);
}

void write_tables(mem::Memory& memory, const topology::X86Plan& plan) {
  for (const auto& [requester, table] : plan.amdvi_tables) write_device(memory, requester, table);
  const auto write_entry = [&](RequesterId requester, std::uint32_t index, topology::Slot slot,
                               x86::TriggerMode trigger) {
    const std::uint32_t entry = topology::amdvi_entry_for(slot, trigger);
    memory.write(topology::amdvi_entry_at(plan, requester, index), &entry, sizeof entry);
  };
  for_each_function(plan, [&](const FunctionPlan& function) {
    for (std::uint32_t v = 0; v < function.device->vectors(); ++v) {
      write_entry(function.requester, plan.amdvi_indices[function.first_source + v],
                  plan.slot_of(function, v), x86::TriggerMode::Edge);
    }
  });
  for (const PinPlan& pin : plan.pins) {
    write_entry(topology::ioapic_requester(pin.ioapic), raw(pin.slot.vector), pin.slot,
                x86::TriggerMode::Level);
  }
}

}  // namespace

void program_amdvi(Machine& machine, const X86Machine& x86, Env& env) {
  write_tables(machine.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86.topology)),
               x86.plan);
  auto& unit =
      machine.core<x86::AmdViUnit>(topology::index_of<x86::AmdViUnit::Config>(x86.topology));
  for (const auto& [offset, value] : topology::amdvi_bases()) {
    unit.write_register(offset, value, env);
  }
  unit.write_register(kControl, topology::amdvi_control(), env);
}

}  // namespace irqfab::run
