// A case of the qemu_x86 vocabulary, performed on the modelled Q35: CPUs with their local APICs, an
// IOAPIC, functions on bus 0, a remapping unit if the case has one.
//
// CPUs take interrupts while a cpu_accept opens them, and leave the EOI to the case. INTA# of
// device d drives IOAPIC pin 20 + (d mod 4); input 0 is wired to pin 2, as on every PC.
#pragma once

#include "fabric/conform/comparison.hpp"

namespace irqfab::conform {

Comparison run_qemu(const Case& test, x86::Quirks quirks);

}  // namespace irqfab::conform
