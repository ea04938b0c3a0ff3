// What an `expect` step looks at, compared with what the machine holds.
#pragma once

#include <string>
#include <vector>

#include "fabric/run/outcome.hpp"
#include "models/x86/ioapic.hpp"
#include "models/x86/lapic.hpp"
#include "models/x86/pic.hpp"

namespace irqfab::run {

/// Adds one comparison to a row: the row holds while all of its comparisons do.
void compare(ExpectationRow& row, const std::string& what, const std::string& expected,
             const std::string& found);

/// lapic.IRR, lapic.ISR and lapic.TMR of `args`; others are left to the caller.
void observe_lapics(const scenario::ValueMap& args, const x86::LapicBank& lapics,
                    ExpectationRow& row);
/// The same, and ioapic.RTE.
void observe_x86(const scenario::ValueMap& args, const x86::LapicBank& lapics,
                 const x86::IoApic& ioapic, ExpectationRow& row);

/// ioapic.reg of `args`.
void observe_ioapic_register(const scenario::ValueMap& args, const x86::IoApic& ioapic,
                             ExpectationRow& row);
/// pic.IRR, pic.ISR, pic.IMR and pic.ELCR of `args`.
void observe_pic(const scenario::ValueMap& args, const x86::Pic& pic, ExpectationRow& row);

/// The redirection entry that an `ioapic.rte` step gives: all 64 bits, or its fields.
std::uint64_t entry_of(const scenario::ValueMap& args);

/// "file:line" of a step, for the rows of a report.
std::string place_of(const scenario::Step& step);

std::string hexadecimal(std::uint64_t value);

/// The numbers of a list, in its order; none of an absent one.
std::vector<unsigned> numbers_in(const scenario::ValueList* list);
/// "[0x41, 0x51]".
std::string vector_list(const std::vector<unsigned>& vectors);

}  // namespace irqfab::run
