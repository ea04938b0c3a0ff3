#include "fabric/run/x86_firmware.hpp"

#include <algorithm>
#include <vector>

#include "fabric/run/amdvi_firmware.hpp"
#include "fabric/run/setup_env.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "fabric/topology/reconfigure.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/rte.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::run {
namespace {

using topology::FunctionPlan;
using topology::PinPlan;
using topology::X86Machine;

using Register = x86::LapicRegister;

x86::LapicBank& lapics_of(Machine& machine, const X86Machine& x86) {
  return machine.core<x86::LapicBank>(topology::index_of<x86::LapicBank::Config>(x86.topology));
}

void choose_mode(x86::LapicBank& lapics, const topology::X86Plan& plan, Env& env) {
  if (plan.apic != scenario::ApicMode::X2apic) return;
  for (std::uint32_t cpu = 0; cpu < plan.cpus; ++cpu) {
    const std::uint64_t base = x86::ApicBase::Extd::set(lapics.apic_base(CpuId{cpu}), 1);
    lapics.wrmsr(CpuId{cpu}, x86::LapicMsr::kApicBase, base, env);
  }
}

/// Its entry of the remapping table.
std::uint32_t pin_index(const X86Machine& x86, const PinPlan& pin) {
  return x86.plan.device_sources + x86.plan.first_pins[pin.ioapic] + raw(pin.pin);
}

std::uint64_t rte_for(const X86Machine& x86, const PinPlan& pin) {
  using x86::Rte;
  const std::size_t component = topology::ioapic_component(x86.topology, pin.ioapic);
  const auto& config = std::get<x86::IoApic::Config>(x86.topology.components[component].config);
  const bool wired = config.inputs == x86::InputLevels::Wired;
  std::uint64_t bits = Rte::INTVEC::set(0, raw(pin.slot.vector));
  bits = Rte::TriggerModeBit::set(bits, 1);
  bits = Rte::INTPOL::set(bits, wired ? 1 : 0);  // PCI wires are low when asserted
  bits = Rte::DESTINATION::set(bits, raw(pin.slot.cpu));
  if (!x86.plan.remapped || x86.plan.has_amdvi()) return bits;  // of AMD-Vi the vector is the index
  // Remappable format (VT-d 5.1.5.1): the handle takes the place of the destination.
  const pci::MsixEntry entry = topology::message_for(x86.plan, pin.slot, pin_index(x86, pin));
  bits = Rte::DESTINATION::set(bits, x86::MsiAddress::DestinationId::get(entry.address));
  bits = Rte::EDID::set(bits, x86::MsiAddress::Edid::get(entry.address));
  return Rte::DESTMOD::set(bits, x86::MsiAddress::Dm::get(entry.address));
}

/// High half first: an entry that is not complete is masked.
void write_rte(x86::IoApic& ioapic, Pin pin, std::uint64_t bits, Env& env) {
  const std::uint32_t index = 0x10 + 2u * raw(pin);
  const std::uint32_t words[2] = {static_cast<std::uint32_t>(bits),
                                  static_cast<std::uint32_t>(bits >> 32)};
  for (const unsigned half : {1u, 0u}) {
    ioapic.write(x86::IoApic::kIoRegSel, index + half, env);
    ioapic.write(x86::IoApic::kIoWin, words[half], env);
  }
}

void program_ioapic(Machine& machine, const X86Machine& x86, Env& env) {
  for (const PinPlan& pin : x86.plan.pins) {
    auto& ioapic = machine.core<x86::IoApic>(topology::ioapic_component(x86.topology, pin.ioapic));
    write_rte(ioapic, pin.pin, rte_for(x86, pin), env);
  }
}

/// Cascaded, 8086 mode, edges but for the IRQs of PIRQs; masked but for those and the cascade.
void program_pic(Machine& machine, const X86Machine& x86, Env& env) {
  using x86::Pic;
  auto& pic = machine.core<Pic>(topology::index_of<Pic::Config>(x86.topology));
  std::uint32_t used = 1u << raw(Pic::kCascade);
  std::uint32_t levels = 0;
  for (unsigned pirq = 0; pirq < x86::PirqRouter::kMostPirqs; ++pirq) {
    levels |= 1u << raw(topology::irq_of_pirq(pirq));
  }
  used |= levels;
  struct Chip {
    std::uint16_t port, elcr;
    unsigned first;
    std::uint8_t cascade;
  };
  for (const Chip& chip : {Chip{Pic::kMasterCommand, Pic::kMasterElcr, 0, 0x04},
                           Chip{Pic::kSlaveCommand, Pic::kSlaveElcr, x86::kIrCount, 0x02}}) {
    const auto data = static_cast<std::uint16_t>(chip.port + 1);
    pic.write(chip.elcr, static_cast<std::uint8_t>(levels >> chip.first), env);
    pic.write(chip.port, 0x11, env);  // ICW1: edges, cascaded, ICW4 follows
    pic.write(data, static_cast<std::uint8_t>(topology::kPicVectors + chip.first), env);
    pic.write(data, chip.cascade, env);
    pic.write(data, 0x01, env);  // ICW4: 8086 mode
    pic.write(data, static_cast<std::uint8_t>(~used >> chip.first), env);
  }
}

/// PIRQs to IRQs, and the 8259s to CPU 0 by virtual wire (MultiProcessor
/// Specification 1.4, 3.6.2.2).
void program_legacy(Machine& machine, const X86Machine& x86, Env& env) {
  constexpr std::uint32_t kLvtLint0 = 0x350, kExtInt = 0x700;
  program_pic(machine, x86, env);
  auto& router =
      machine.core<x86::PirqRouter>(topology::index_of<x86::PirqRouter::Config>(x86.topology));
  for (std::uint8_t n = 0; n < x86::PirqRouter::kMostPirqs; ++n) {
    router.write(x86::PirqRouter::register_of(x86::Pirq{n}),
                 static_cast<std::uint8_t>(raw(topology::irq_of_pirq(n))), env);
  }
  lapics_of(machine, x86)
      .receive(
          x86::LapicBank::kCpu,
          RegisterWrite{CpuId{0}, topology::place_of_register(x86.plan.apic, kLvtLint0), kExtInt},
          env);
}

/// In xAPIC mode the destination is in bits 15:8 of NDST (VT-d, "Posted Interrupt Descriptor").
void program_descriptors(Machine& machine, const X86Machine& x86) {
  auto& bank = machine.core<x86::PostedDescriptors>(
      topology::index_of<x86::PostedDescriptors::Config>(x86.topology));
  const bool wide = x86.plan.interrupt_mode() == x86::InterruptMode::Extended;
  for (std::uint32_t cpu = 0; cpu < x86.plan.cpus; ++cpu) {
    const std::uint32_t id = raw(topology::apic_id_of(CpuId{cpu}));
    bank.of(CpuId{cpu}).set_nv(topology::kNotificationVector);
    bank.of(CpuId{cpu}).set_ndst(wide ? id : id << 8);
  }
}

void program_remapping(Machine& machine, const X86Machine& x86) {
  using x86::TriggerMode;
  auto& memory = machine.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86.topology));
  for_each_function(x86.plan, [&](const FunctionPlan& function) {
    for (std::uint32_t v = 0; v < function.device->vectors(); ++v) {
      const topology::Slot slot = x86.plan.slot_of(function, v);
      write_irte(memory, function.first_source + v,
                 topology::irte_for(x86.plan, slot, function.requester, TriggerMode::Edge));
    }
  });
  for (const PinPlan& pin : x86.plan.pins) {
    write_irte(memory, pin_index(x86, pin),
               topology::irte_for(x86.plan, pin.slot, topology::ioapic_requester(pin.ioapic),
                                  TriggerMode::Level));
  }
  enable_vtd(machine, x86, x86.plan.apic);
}

/// Clears what an earlier owner may have left in the entries of pins that nothing drives.
/// Mutant::IoapicClearRemapped: as if each held a handle, whose entry of the remapping table it is
/// then that is cleared.
void clear_idle_pins(Machine& machine, const X86Machine& x86, Mutants mutants, Env& env) {
  const auto serves = [&](std::size_t ioapic, Pin pin) {
    const auto& pins = x86.plan.pins;
    return std::any_of(pins.begin(), pins.end(), [&](const PinPlan& served) {
      return served.ioapic == ioapic && served.pin == pin;
    });
  };
  auto& memory = machine.core<mem::Memory>(topology::index_of<mem::Memory::Config>(x86.topology));
  for (std::size_t i = 0; i < x86.plan.first_pins.size(); ++i) {
    auto& ioapic = machine.core<x86::IoApic>(topology::ioapic_component(x86.topology, i));
    for (std::size_t p = 0; p < ioapic.pins(); ++p) {
      const auto pin = Pin(static_cast<std::uint16_t>(p));
      if (serves(i, pin)) continue;
      if (x86.plan.remapped && !x86.plan.has_amdvi() && mutants.has(Mutant::IoapicClearRemapped)) {
        const std::uint64_t address = ioapic.rte(pin).message().address;
        write_irte(memory, x86::RemappableAddress::handle(address), {});
      }
      write_rte(ioapic, pin, x86::Rte::kReset, env);
    }
  }
}

/// Calls fn(its core, FunctionPlan) for every function.
template <class Fn>
void for_each_core(Machine& machine, const X86Machine& x86, Fn&& fn) {
  std::vector<pci::PciFunctions*> cores;
  for (std::size_t group = 0; group < x86.plan.groups; ++group) {
    cores.push_back(
        &machine.core<pci::PciFunctions>(topology::functions_component(x86.topology, group)));
  }
  for_each_function(x86.plan, [&](const FunctionPlan& f) { fn(*cores[f.group], f); });
}

void program_functions(Machine& machine, const X86Machine& x86, Env& env) {
  for_each_core(machine, x86, [&](pci::PciFunctions& core, const FunctionPlan& function) {
    for (std::uint32_t v = 0; v < function.device->msix; ++v) {
      const topology::Slot slot = x86.plan.slot_of(function, v);
      core.write_entry(function.lane, VectorIndex(static_cast<std::uint16_t>(v)),
                       topology::message_for(x86.plan, slot, function.first_source + v), env);
    }
  });
}

/// Message and vectors of each MSI capability that is in use, then MSI Enable.
void program_msi(Machine& machine, const X86Machine& x86, Env& env) {
  for_each_core(machine, x86, [&](pci::PciFunctions& core, const FunctionPlan& function) {
    if (!function.by_msi()) return;
    const pci::MsixEntry message =
        topology::msi_message_for(x86.plan, function, x86.plan.slot_of(function, 0));
    core.write_msi_message(function.lane, message.address,
                           static_cast<std::uint16_t>(message.data));
    const unsigned encoded = pci::msi_encoded(function.device->vectors());
    const unsigned control = (function.messages_on ? pci::kMsiEnable : 0u) |
                             encoded << pci::kMsiMultipleMessageEnableShift;
    core.write_msi_control(function.lane, static_cast<std::uint16_t>(control), env);
  });
}

void enable_msix(Machine& machine, const X86Machine& x86, Env& env) {
  for_each_core(machine, x86, [&](pci::PciFunctions& core, const FunctionPlan& function) {
    if (!function.messages_on || function.by_msi()) return;
    core.set_msix_enable(function.lane, true, env);
  });
}

}  // namespace

void program_lapics(x86::LapicBank& lapics, const topology::X86Plan& plan) {
  SetupEnv env;
  choose_mode(lapics, plan, env);
  const auto write = [&](CpuId cpu, std::uint32_t offset, std::uint32_t value) {
    lapics.receive(x86::LapicBank::kCpu,
                   RegisterWrite{cpu, topology::place_of_register(plan.apic, offset), value}, env);
  };
  constexpr std::uint32_t kUndivided = 0xB;
  for (std::uint32_t cpu = 0; cpu < plan.cpus; ++cpu) {
    write(CpuId{cpu}, Register::kSvr, 0x1FF);
    if (plan.tick_vectors.empty()) continue;
    const auto periodic = static_cast<std::uint32_t>(x86::TimerMode::Periodic);
    write(CpuId{cpu}, Register::kLvtTimer,
          x86::Lvt::TimerMode::set(raw(plan.tick_vectors[cpu]), periodic));
    write(CpuId{cpu}, Register::kDivideConfiguration, kUndivided);
  }
}

void write_irte(mem::Memory& memory, std::uint32_t index, const x86::Irte& entry) {
  const std::uint64_t at = topology::kRemapTable + index * x86::Irte::kBytes;
  memory.write(at, &entry.low, sizeof entry.low);
  memory.write(at + 8, &entry.high, sizeof entry.high);
}

void enable_vtd(Machine& machine, const X86Machine& x86, scenario::ApicMode apic) {
  namespace vtd = x86::vtd;
  SetupEnv env;
  auto& unit =
      machine.core<x86::VtdRemapper>(topology::index_of<x86::VtdRemapper::Config>(x86.topology));
  const std::uint64_t table = topology::table_pointer(topology::kMostIrtes, apic);
  unit.write_register(vtd::IRTA_REG, static_cast<std::uint32_t>(table), env);
  unit.write_register(vtd::IRTA_REG + 4, static_cast<std::uint32_t>(table >> 32), env);
  unit.write_register(vtd::IQA_REG, topology::kRemapQueue | topology::kQueueSize, env);
  unit.write_register(vtd::IQA_REG + 4, 0, env);
  unit.write_register(vtd::GCMD_REG, vtd::Gcmd::SIRTP::kMask, env);
  unit.write_register(vtd::GCMD_REG, vtd::Gcmd::QIE::kMask, env);
  unit.write_register(vtd::GCMD_REG, vtd::Gcmd::QIE::kMask | vtd::Gcmd::IRE::kMask, env);
}

void program_everything(Machine& machine, const X86Machine& x86, Mutants mutants) {
  SetupEnv env;
  program_lapics(lapics_of(machine, x86), x86.plan);
  if (x86.plan.has_pic()) {
    program_legacy(machine, x86, env);
  } else {
    program_ioapic(machine, x86, env);
  }
  if (x86.plan.posted) program_descriptors(machine, x86);
  program_devices(machine, x86);
  clear_idle_pins(machine, x86, mutants, env);
}

void program_devices(Machine& machine, const X86Machine& x86) {
  SetupEnv env;
  if (x86.plan.has_amdvi()) {
    program_amdvi(machine, x86, env);
  } else if (x86.plan.remapped) {
    program_remapping(machine, x86);
  }
  program_functions(machine, x86, env);
  program_msi(machine, x86, env);
  enable_msix(machine, x86, env);
}

void start_cpus(Machine& machine, const X86Machine& x86, const RegistersAt& lapics,
                const scenario::Machine& wanted, Time start, Time end) {
  const std::size_t cpus = topology::index_of<cpu::Cpus::Config>(x86.topology);
  for (std::uint32_t cpu = 0; cpu < x86.plan.cpus; ++cpu) {
    if (wanted.tick > 0) {
      const std::uint32_t place =
          topology::place_of_register(x86.plan.apic, Register::kInitialCount);
      const std::uint64_t count = wanted.tick / topology::kTimerTick;
      machine.put(lapics.component, lapics.port, RegisterWrite{CpuId{cpu}, place, count}, start);
      machine.put(lapics.component, lapics.port, RegisterWrite{CpuId{cpu}, place, 0}, end);
    }
    if (wanted.off_every == 0) continue;
    // Spread over the period, so that the CPUs do not move as one.
    const Time first = start + wanted.off_every / x86.plan.cpus * cpu;
    const auto disable = static_cast<std::uint16_t>(cpu::Call::DisableForWhile);
    if (first < end) {
      machine.put(cpus, cpu::Cpus::kController, HostCall{disable, {}, cpu, end}, first);
    }
  }
}

void program_reset_state(Machine& machine, const X86Machine& x86) {
  SetupEnv env;
  choose_mode(lapics_of(machine, x86), x86.plan, env);
  enable_msix(machine, x86, env);
  auto& cpus = machine.core<cpu::Cpus>(topology::index_of<cpu::Cpus::Config>(x86.topology));
  for (std::uint32_t cpu = 0; cpu < x86.plan.cpus; ++cpu) {
    cpus.set_interrupts(CpuId{cpu}, cpu::Interrupts::Disabled);
  }
}

}  // namespace irqfab::run
