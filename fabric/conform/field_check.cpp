#include "fabric/conform/field_check.hpp"

#include <algorithm>
#include <set>

#include "fabric/run/observe.hpp"

namespace irqfab::conform {
namespace {

constexpr std::size_t kMostElements = 65536;  // of a list

std::string number_up_to(std::uint64_t most) { return "a number 0.." + run::hexadecimal(most); }

std::string words_of(const FieldRow& row) {
  std::string words;
  for (const char c : row.words) words += c == '|' ? std::string(", ") : std::string(1, c);
  return words;
}

bool is_number(const Json& value, std::uint64_t most) {
  const auto number = number_in(value);
  return number && !number->negative && number->magnitude <= most;
}

bool is_word(const Json& value, std::string_view words) {
  if (!value.is_string()) return false;
  const std::string word = '|' + value.get<std::string>() + '|';
  return ('|' + std::string(words) + '|').find(word) != std::string::npos;
}

bool is_flags(const Json& value, const FieldRow& row) {
  if (is_word(value, row.words) || is_number(value, row.most)) return true;
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_answer(const Json& value) {
  if (number_in(value)) return true;
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() > 2 && text.compare(0, 2, "-E") == 0 &&
         std::all_of(text.begin() + 2, text.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

bool is_list_of_numbers(const Json& value, std::uint64_t most) {
  return value.is_array() && value.size() <= kMostElements &&
         std::all_of(value.begin(), value.end(),
                     [&](const Json& item) { return is_number(item, most); });
}

bool all_different(const Json& list) {
  std::set<std::uint64_t> seen;
  return std::all_of(list.begin(), list.end(), [&](const Json& item) {
    return seen.insert(number_in(item)->magnitude).second;
  });
}

/// What the kind asks for, or empty if the value is of it.
std::string wanted(const FieldRow& row, const Json& value) {
  const auto unless = [](bool good, std::string text) { return good ? "" : std::move(text); };
  switch (row.kind) {
    case Kind::Number:
      return unless(is_number(value, row.most), number_up_to(row.most));
    case Kind::Answer:
      return unless(is_answer(value), R"(a number, or an error such as "-EINVAL")");
    case Kind::Text:
      return unless(value.is_string(), "a string");
    case Kind::Word:
      return unless(is_word(value, row.words), "one of: " + words_of(row));
    case Kind::WordOrNumber:
      return unless(is_word(value, row.words) || is_number(value, row.most),
                    "one of: " + words_of(row) + ", or " + number_up_to(row.most));
    case Kind::Flags:
      return unless(is_flags(value, row), R"("", "deassign", or flags as a number)");
    case Kind::Vectors:
      return unless(is_list_of_numbers(value, 0xFF), "a list of vectors 0..255");
    case Kind::Ids:
      return unless(is_list_of_numbers(value, row.most) && !value.empty() && all_different(value),
                    "a list of different numbers 0.." + run::hexadecimal(row.most));
    case Kind::Routes:
      return unless(value.is_array() && value.size() <= kMostElements, "a list of routes");
    case Kind::State:
      return unless(value.is_object(), "the state of a VM");
  }
  return "";
}

std::optional<Fault> fault_of_routes(const Json& routes) {
  std::size_t index = 0;
  for (const Json& route : routes) {
    const std::string which = "route " + std::to_string(index++) + ": ";
    if (!route.is_object()) {
      return Fault{"routes", "wrong-kind", which + "is " + brief(route), "an object"};
    }
    if (auto wrong = fault_of_fields(route_row(), route)) {
      wrong->message = which + wrong->message;
      wrong->field = "routes";
      return wrong;
    }
    const Json& type = route.at("type");
    const auto lacks = [&](const char* field) { return !route.contains(field); };
    const bool incomplete = (type == "irqchip" && (lacks("chip") || lacks("pin"))) ||
                            (type == "msi" && (lacks("addr_lo") || lacks("data")));
    if (incomplete) {
      return Fault{"routes", "missing-field", which + "of this type it needs more",
                   "chip and pin, or addr_lo, addr_hi and data"};
    }
  }
  return std::nullopt;
}

std::string field_names(const OpRow& row) {
  std::string names;
  for (const FieldRow& field : row) {
    names += (names.empty() ? "one of: " : ", ") + std::string(field.name);
  }
  return names;
}

}  // namespace

std::string_view name_of(Vocabulary vocabulary) {
  return vocabulary == Vocabulary::KvmX86 ? "kvm_x86" : "qemu_x86";
}

std::string op_names(Vocabulary vocabulary) {
  std::string names;
  for (const OpRow& row : ops_of(vocabulary)) {
    names += (names.empty() ? "one of: " : ", ") + std::string(row.name);
  }
  return names;
}

std::optional<Fault> fault_of_value(const FieldRow& row, const Json& value) {
  const std::string name(row.name);
  const std::string expected = wanted(row, value);
  if (!expected.empty()) {
    return Fault{name, "wrong-kind", '\'' + name + "' is " + brief(value), expected};
  }
  return row.kind == Kind::Routes ? fault_of_routes(value) : std::nullopt;
}

std::optional<Fault> fault_of_fields(const OpRow& row, const Json& fields) {
  for (const auto& [name, value] : fields.items()) {
    const FieldRow* field = row.find(name);
    if (field == nullptr) {
      return Fault{name, "unknown-field", "it has no field '" + name + "'", field_names(row)};
    }
    if (auto wrong = fault_of_value(*field, value)) return wrong;
  }
  for (const FieldRow& field : row) {
    if (field.use != Use::Needed || fields.contains(field.name)) continue;
    return Fault{"", "missing-field", "it lacks '" + std::string(field.name) + '\'',
                 field_names(row)};
  }
  return std::nullopt;
}

}  // namespace irqfab::conform
