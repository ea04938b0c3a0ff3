// What only the fields of a step together can tell: of the remapping unit, of messages, of the
// HPET.
#include "fabric/scenario/amdvi_names.hpp"
#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

void out_of_range(const Node& value, std::string message, std::string expected, Building& to) {
  to.findings.error(value.place, "out-of-range", std::move(message), std::move(expected));
}

void check_multiple(const Node& fields, const char* key, std::uint64_t of, Building& to) {
  const Node* value = fields.find(key);
  if (value == nullptr || *parse_number(value->text) % of == 0) return;
  out_of_range(*value, quote(value->text) + " is not a multiple of " + std::to_string(of),
               "an address that is one", to);
}

/// A value has no more bytes than the access.
void check_bytes(const Node& fields, const char* key, std::uint64_t size, Building& to) {
  const Node* value = fields.find(key);
  if (value == nullptr || size >= 8 || *parse_number(value->text) >> (8 * size) == 0) return;
  const char* hold = size == 1 ? " byte holds" : " bytes hold";
  out_of_range(*value, quote(value->text) + " is more than " + std::to_string(size) + hold,
               "a smaller value, or another 'size'", to);
}

/// The size that the step gives, or `own`.
std::uint64_t size_in(const Node& fields, std::uint64_t own) {
  const Node* size = fields.find("size");
  return size == nullptr ? own : *parse_number(size->text);
}

void check_table(const Node& fields, Building& to) {
  const Node& entries = *fields.find("entries");
  const std::uint64_t number = *parse_number(entries.text);
  if ((number & (number - 1)) == 0) return;
  out_of_range(entries, "no remapping table has " + std::to_string(number) + " entries",
               "a power of 2", to);
}

/// A posted entry has no destination and no mode; who may use an entry is said once; a destination
/// fits the mode of the local APICs.
void check_entry_fields(const Node& fields, Building& to) {
  if (fields.find("pda") != nullptr) {
    for (const char* key : {"dest", "destmode", "hint", "trigger", "mode"}) {
      const Node* other = fields.find(key);
      if (other == nullptr) continue;
      to.findings.error(other->place, "out-of-place",
                        quote(key) + " means nothing in an entry that posts",
                        "it only without 'pda'");
    }
  }
  check_multiple(fields, "pda", 64, to);
  const Node* buses = fields.find("buses");
  if (buses != nullptr && fields.find("requester") != nullptr) {
    to.findings.error(buses->place, "two-choices", "'buses' stands beside 'requester'",
                      "one of them: each says who may use the entry");
  }
  const Node* dest = fields.find("dest");
  const bool wide = to.scenario.machine.apic == ApicMode::X2apic;
  if (dest == nullptr || wide || *parse_number(dest->text) <= 0xFF) return;
  out_of_range(*dest, quote(dest->text) + " is more than an 8-bit destination holds",
               "at most 0xff, or 'apic: x2apic' in 'machine'", to);
}

std::uint64_t register_at(const Node& fields, const std::vector<RegisterName>& names,
                          std::uint64_t end) {
  return *parse_register(text_at(fields, "reg"), names, end);
}

/// What only the fields of a step of the AMD-Vi unit together can tell.
void check_amdvi_step(const std::string& name, const Node& fields, Building& to) {
  if (name == "amdvi.wait") check_multiple(fields, "store", 8, to);
  if (name == "amdvi.dte") check_multiple(fields, "table", 128, to);
  const Node* reg = fields.find("reg");
  if (name.compare(0, 6, "amdvi.") != 0 || reg == nullptr) return;
  const Node& value = *fields.find(name == "amdvi.read" ? "answers" : "value");
  for (const AmdviRegister& row : kAmdviRegisters) {
    if (row.name != reg->text || row.bytes == 8 || *parse_number(value.text) >> 32 == 0) continue;
    out_of_range(value, quote(value.text) + " is more than " + quote(reg->text) + " holds",
                 "a value of 32 bits", to);
  }
}

}  // namespace

void check_unit_step(const Node& key, const Node& fields, Building& to) {
  const std::string& name = key.text;
  if (name.compare(0, 5, "hpet.") == 0 && !to.scenario.machine.hpet) {
    to.findings.error(key.place, "no-hpet", "this machine has no HPET", "'hpet' in 'machine'");
  }
  check_amdvi_step(name, fields, to);
  if (name == "vtd.enable") check_table(fields, to);
  if (name == "vtd.irte") check_entry_fields(fields, to);
  if (name == "vtd.wait") check_multiple(fields, "status", 4, to);
  if (name == "vtd.write") {
    const unsigned own = vtd_register_bytes(register_at(fields, vtd_registers(), kVtdPage));
    check_bytes(fields, "value", size_in(fields, own), to);
  }
  if (name == "vtd.read") {
    const unsigned own = vtd_register_bytes(register_at(fields, vtd_registers(), kVtdPage));
    check_bytes(fields, "answers", size_in(fields, own), to);
  }
  if (name == "vtd.reg") {
    check_bytes(fields, "value", vtd_register_bytes(register_at(fields, vtd_registers(), kVtdPage)),
                to);
  }
  if (name == "hpet.write") check_bytes(fields, "value", size_in(fields, 8), to);
  if (name == "memory") check_bytes(fields, "value", size_in(fields, 4), to);
  if (name == "msi.write") check_bytes(fields, "data", size_in(fields, 4), to);
}

}  // namespace irqfab::scenario
