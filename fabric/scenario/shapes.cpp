// What the kinds of values are called, what they look like, and questions to the table.
#include <algorithm>

#include "fabric/scenario/language.hpp"
#include "fabric/scenario/paths.hpp"

namespace irqfab::scenario {
namespace {

std::string joined(const std::vector<std::string_view>& names, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? last : std::string_view(", ");
    text += names[i];
  }
  return text;
}

std::string describe_number(const Shape& shape) {
  if (shape.max == ~std::uint64_t{0}) return "a number of up to 64 bits, decimal or 0x hex";
  if (shape.kind == Kind::Bits) return "a number from 0 to " + write_hex(shape.max);
  return "a number from " + std::to_string(shape.min) + " to " + std::to_string(shape.max);
}

std::string describe_words(const Words& words) {
  std::vector<std::string_view> names;
  for (const Word& word : words) {
    if (word.later.empty()) names.push_back(word.name);
  }
  return joined(names, " or ");
}

std::string describe_keys(const Table& table) {
  std::vector<std::string_view> names;
  for (const Key& key : table.keys) {
    if (key.later.empty()) names.push_back(key.name);
  }
  return (names.size() == 1 ? "the key " : "the keys ") + joined(names, " and ");
}

template <class Rows>
std::string describe_names(const Rows& rows) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) names.push_back(row.name);
  return joined(names, " or ");
}

void collect(const Table& table, std::vector<const Table*>& found);

void collect(const Shape* shape, std::vector<const Table*>& found) {
  if (shape == nullptr) return;
  if (shape->table != nullptr) collect(*shape->table, found);
  collect(shape->item, found);
  collect(shape->other, found);
}

void collect(const Table& table, std::vector<const Table*>& found) {
  if (std::find(found.begin(), found.end(), &table) != found.end()) return;
  found.push_back(&table);
  for (const Key& key : table.keys) collect(&key.shape, found);
}

}  // namespace

std::vector<const Table*> all_tables() {
  std::vector<const Table*> found;
  collect(kScenarioTable, found);
  return found;
}

const Key* find_key(const Table& table, std::string_view name) {
  for (const Key& key : table.keys) {
    if (key.name == name) return &key;
    const bool family = key.name.size() > 2 && key.name.substr(key.name.size() - 2) == ".*";
    const std::string_view prefix = key.name.substr(0, key.name.size() - 1);
    if (family && name.substr(0, prefix.size()) == prefix) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> split_names(std::string_view names) {
  std::vector<std::string_view> found;
  while (!names.empty()) {
    const std::size_t space = std::min(names.find(' '), names.size());
    found.push_back(names.substr(0, space));
    names.remove_prefix(std::min(space + 1, names.size()));
  }
  return found;
}

std::string describe(const Shape& shape) {
  switch (shape.kind) {
    case Kind::Number:
    case Kind::Bits:
      return describe_number(shape);
    case Kind::Word:
      return describe_words(shape.words);
    case Kind::Arch:
      return describe_names(archs());
    case Kind::Path:
      return describe_names(paths());
    case Kind::List:
      return "a list, each entry " + describe(*shape.item);
    case Kind::Map:
      return "a map with " + describe_keys(*shape.table);
    case Kind::Keyed:
      return "a map from " + describe(*shape.key) + " to " + describe(*shape.item);
    case Kind::Either:
      return describe(*shape.item) + ", or " + describe(*shape.other);
    default:
      return std::string(row_of(shape.kind)->description);
  }
}

const std::vector<KindRow>& kind_rows() {
  static const std::vector<KindRow> rows = {
      {Kind::Version, "version", "1, the only version there is", "", "1"},
      {Kind::Text, "text", "text", "", "NVMe-like device, eight queues"},
      {Kind::Id, "id", "an id: a letter or '_', then letters, digits, '_' and '-', at most 64",
       "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", "nvme0"},
      {Kind::Flag, "flag", "true or false", "", "true"},
      {Kind::Duration, "duration", "a time with its unit (ps, ns, us, ms or s), such as 1.5us",
       "^(0|[1-9][0-9]*)(\\.[0-9]+)?(ps|ns|us|ms|s)$", "1.5us"},
      {Kind::Period, "rate or period",
       "a rate such as 100k/s (/s, k/s, M/s or G/s), or the time between two, such as 10us",
       "^(0|[1-9][0-9]*)(\\.[0-9]+)?(ps|ns|us|ms|s|/s|k/s|M/s|G/s)$", "100k/s"},
      {Kind::Price, "price", "a price such as 40ns or '12 cycles'",
       "^((0|[1-9][0-9]*)(\\.[0-9]+)?(ps|ns|us|ms|s)|(0|[1-9][0-9]*|0x[0-9a-fA-F]+) cycles?)$",
       "12 cycles"},
      {Kind::PriceName, "price name", "an event of `irqfab list events`, as Event or node.Event",
       "^([^.].*\\.)?[A-Z][A-Za-z]*$", "ioapic0.PinLatched"},
      {Kind::Bdf, "bdf", "bus, device and function in hexadecimal, BB:DD.F, such as \"01:00.0\"",
       "^[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]$", "\"01:00.0\""},
      {Kind::Bus, "bus", "a bus in hexadecimal, such as \"05\"", "^[0-9a-fA-F]{2}$", "\"05\""},
      {Kind::BusRange, "buses", "a range of buses in hexadecimal, such as 00..7f",
       "^[0-9a-fA-F]{2}\\.\\.[0-9a-fA-F]{2}$", "00..7f"},
      {Kind::Cpu, "CPU", "the number of a CPU", "", "3"},
      {Kind::Device, "device id", "the id of a device", "^[A-Za-z_][A-Za-z0-9_-]{0,63}$", "nvme0"},
      {Kind::Function, "function", "the id of a device, or one of its functions, such as nic[5]",
       "^[A-Za-z_][A-Za-z0-9_-]{0,63}(\\[(0|[1-9][0-9]*|0x[0-9a-fA-F]+)\\])?$", "nic[5]"},
      {Kind::Source, "source", "one source, such as nvme0:3 or uart0:INTA",
       "^[A-Za-z_][A-Za-z0-9_-]{0,63}(\\[(0|[1-9][0-9]*|0x[0-9a-fA-F]+)\\])?"
       ":(0|[1-9][0-9]*|0x[0-9a-fA-F]+|INT[ABCD])$",
       "nvme0:3"},
      {Kind::Sources, "sources", "a source, such as nvme0:3, nvme0:1..8, uart0:INTA or nvme0",
       "^[A-Za-z_][A-Za-z0-9_-]{0,63}"
       "(\\[(0|[1-9][0-9]*|0x[0-9a-fA-F]+)(\\.\\.(0|[1-9][0-9]*|0x[0-9a-fA-F]+))?\\])?"
       "(:((0|[1-9][0-9]*|0x[0-9a-fA-F]+)(\\.\\.(0|[1-9][0-9]*|0x[0-9a-fA-F]+))?|INT[ABCD]))?$",
       "nvme0:1..8"},
      {Kind::HandlerStep, "handler step",
       "busy TIME, read device TIME, mask, poll TIME, unmask, enable interrupts, disable "
       "interrupts "
       "or acknowledge",
       "^((busy|read device|poll) (0|[1-9][0-9]*)(\\.[0-9]+)?(ps|ns|us|ms|s)|mask|unmask"
       "|enable interrupts|disable interrupts|acknowledge)$",
       "read device 400ns"},
      {Kind::Expectation, "expectation", "a comparison such as 'lost == 0' or 'nvme0.p99 < 20us'",
       "^ *[A-Za-z0-9_.-]+ *(==|!=|<=|>=|<|>) *[0-9][0-9a-zA-Z.]* *$", "nvme0.handler.p99 < 5us"},
      {Kind::LapicRegister, "LAPIC register",
       "a register such as SVR, or its offset in the register page", "", "SVR"},
      {Kind::IoapicRegister, "IOAPIC register", "IOAPICID, IOAPICVER, IOAPICARB, or an index", "",
       "0x10"},
      {Kind::VtdRegister, "VT-d register",
       "a register such as GSTS_REG, or its offset in the register page", "", "FSTS_REG"},
      {Kind::HpetRegister, "HPET register",
       "a register such as GEN_CONF or TIM0_COMP, or its offset in the register page", "",
       "TIM0_CONF"},
      {Kind::Answer, "answer", "a number, or an error such as -EINVAL", "", "-EINVAL"},
  };
  return rows;
}

const KindRow* row_of(Kind kind) {
  for (const KindRow& row : kind_rows()) {
    if (row.kind == kind) return &row;
  }
  return nullptr;
}

}  // namespace irqfab::scenario
