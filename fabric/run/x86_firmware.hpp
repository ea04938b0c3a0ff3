// What firmware and operating system have written before time 0, put straight into the cores.
#pragma once

#include "fabric/run/machine.hpp"
#include "fabric/topology/x86_build.hpp"
#include "models/base/mutant.hpp"

namespace irqfab::run {

/// Everything that a portable scenario takes for granted: local APICs enabled, redirection entries,
/// remapping table, MSI-X messages.
void program_everything(Machine& machine, const topology::X86Machine& x86, Mutants mutants);

/// Of that, what concerns devices: remapping table, messages.
void program_devices(Machine& machine, const topology::X86Machine& x86);

/// Of that, what concerns local APICs: their mode, enabled, with the timer's vector.
void program_lapics(x86::LapicBank& lapics, const topology::X86Plan& plan);

/// Entry `index` of the table at kRemapTable.
void write_irte(mem::Memory& memory, std::uint32_t index, const x86::Irte& entry);
/// The VT-d unit learns where its table and its queue are, and remaps from now on.
/// `apic` is the mode of the local APICs that its messages are for.
void enable_vtd(Machine& machine, const topology::X86Machine& x86, scenario::ApicMode apic);

/// For scenarios made of architectural steps: only what lets functions send at all (MSI-X enabled);
/// the rest is in its reset state, and CPUs take nothing.
void program_reset_state(Machine& machine, const topology::X86Machine& x86);

/// Where CPUs reach the registers of their local APICs.
struct RegistersAt {
  std::size_t component = 0;
  PortId port{};
};
/// What the operating system has its CPUs do from `start` until `end`: timer interrupts, and work
/// with interrupts disabled.
void start_cpus(Machine& machine, const topology::X86Machine& x86, const RegistersAt& lapics,
                const scenario::Machine& wanted, Time start, Time end);

}  // namespace irqfab::run
