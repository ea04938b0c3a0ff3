#include "fabric/run/observe.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "fabric/run/setup_env.hpp"
#include "fabric/run/step_args.hpp"
#include "models/x86/rte.hpp"

namespace irqfab::run {
namespace {

using scenario::ValueList;
using scenario::ValueMap;

std::vector<unsigned> vectors_in(const x86::VectorSet& set) {
  std::vector<unsigned> vectors;
  for (unsigned v = 0; v < 256; ++v) {
    if (set.has(Vector(static_cast<std::uint8_t>(v)))) vectors.push_back(v);
  }
  return vectors;
}

std::vector<unsigned> vectors_in(const ValueList* list) {
  std::vector<unsigned> vectors = numbers_in(list);
  std::sort(vectors.begin(), vectors.end());
  return vectors;
}

void compare_set(ExpectationRow& row, const ValueMap& args, const char* name,
                 const x86::VectorSet& (x86::LapicBank::*set)(CpuId) const,
                 const x86::LapicBank& lapics) {
  const ValueMap* fields = map(args, name);
  if (fields == nullptr) return;
  const auto cpu = CpuId(static_cast<std::uint32_t>(number(*fields, "cpu")));
  compare(row, name, vector_list(vectors_in(list(*fields, "vectors"))),
          vector_list(vectors_in((lapics.*set)(cpu))));
}

}  // namespace

std::uint64_t entry_of(const ValueMap& args) {
  using x86::Rte;
  if (const auto value = optional_number(args, "value")) return *value;
  constexpr const char* kModes[] = {"fixed", "lowest", "smi",      "reserved",
                                    "nmi",   "init",   "reserved", "extint"};
  const std::string wanted = has(args, "mode") ? text(args, "mode") : kModes[0];
  const auto mode = std::find(std::begin(kModes), std::end(kModes), wanted);
  std::uint64_t bits = Rte::INTVEC::set(0, number(args, "vector"));
  if (mode != std::end(kModes)) {
    bits = Rte::DELMOD::set(bits, static_cast<std::uint64_t>(mode - kModes));
  }
  bits = Rte::DESTMOD::set(bits, text(args, "destmode") == "logical");
  bits = Rte::INTPOL::set(bits, text(args, "polarity") == "low");
  bits = Rte::TriggerModeBit::set(bits, text(args, "trigger") == "level");
  bits = Rte::InterruptMask::set(bits, number(args, "masked"));
  return Rte::DESTINATION::set(bits, number(args, "dest"));
}

std::string place_of(const scenario::Step& step) {
  return step.where.file + ':' + std::to_string(step.where.line);
}

std::string hexadecimal(std::uint64_t value) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string digits;
  do {
    digits.insert(digits.begin(), kDigits[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + digits;
}

std::vector<unsigned> numbers_in(const ValueList* list) {
  std::vector<unsigned> numbers;
  if (list == nullptr) return numbers;
  for (const scenario::Value& value : *list) {
    if (const auto* number = std::get_if<std::uint64_t>(&value.held)) {
      numbers.push_back(static_cast<unsigned>(*number));
    }
  }
  return numbers;
}

std::string vector_list(const std::vector<unsigned>& vectors) {
  std::string text = "[";
  for (const unsigned vector : vectors) {
    text += (text.size() > 1 ? ", " : "") + hexadecimal(vector);
  }
  return text + "]";
}

void compare(ExpectationRow& row, const std::string& what, const std::string& expected,
             const std::string& found) {
  row.text += (row.text.empty() ? "" : ", ") + what + " " + expected;
  if (expected == found) return;
  row.held = false;
  row.found += (row.found.empty() ? "" : ", ") + what + " " + found;
}

void observe_lapics(const ValueMap& args, const x86::LapicBank& lapics, ExpectationRow& row) {
  compare_set(row, args, "lapic.IRR", &x86::LapicBank::irr, lapics);
  compare_set(row, args, "lapic.ISR", &x86::LapicBank::isr, lapics);
  compare_set(row, args, "lapic.TMR", &x86::LapicBank::tmr, lapics);
}

void observe_x86(const ValueMap& args, const x86::LapicBank& lapics, const x86::IoApic& ioapic,
                 ExpectationRow& row) {
  observe_lapics(args, lapics, row);
  if (const ValueMap* fields = map(args, "ioapic.RTE")) {
    const auto pin = Pin(static_cast<std::uint16_t>(number(*fields, "pin")));
    const std::string found =
        raw(pin) < ioapic.pins() ? hexadecimal(ioapic.rte(pin).bits) : "no such pin";
    compare(row, "ioapic.RTE", hexadecimal(number(*fields, "value")), found);
  }
}

void observe_ioapic_register(const ValueMap& args, const x86::IoApic& ioapic, ExpectationRow& row) {
  const ValueMap* fields = map(args, "ioapic.reg");
  if (fields == nullptr) return;
  // A look selects the register, so that it is made on a copy.
  x86::IoApic copy = ioapic;
  SetupEnv env;
  copy.write(x86::IoApic::kIoRegSel, static_cast<std::uint32_t>(number(*fields, "reg")), env);
  compare(row, "ioapic.reg", hexadecimal(number(*fields, "value")),
          hexadecimal(copy.read(x86::IoApic::kIoWin, env)));
}

void observe_pic(const ValueMap& args, const x86::Pic& pic, ExpectationRow& row) {
  using Register = std::uint8_t (x86::PicChip::*)() const;
  constexpr std::pair<const char*, Register> kRegisters[] = {{"pic.IRR", &x86::PicChip::irr},
                                                             {"pic.ISR", &x86::PicChip::isr},
                                                             {"pic.IMR", &x86::PicChip::imr},
                                                             {"pic.ELCR", &x86::PicChip::elcr}};
  for (const auto& [name, read] : kRegisters) {
    const ValueMap* fields = map(args, name);
    if (fields == nullptr) continue;
    const bool master = text(*fields, "chip") == "master";
    const x86::PicChip& chip = pic.chip(master ? x86::PicRole::Master : x86::PicRole::Slave);
    compare(row, name, hexadecimal(number(*fields, "value")), hexadecimal((chip.*read)()));
  }
}

}  // namespace irqfab::run
