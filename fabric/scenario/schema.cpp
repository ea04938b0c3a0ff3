#include "fabric/scenario/schema.hpp"

#include <nlohmann/json.hpp>

#include "fabric/scenario/language.hpp"
#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/phrases.hpp"

namespace irqfab::scenario {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kNumberText = "^(0|[1-9][0-9]*|0x[0-9a-fA-F]+)$";

Json number_schema(std::uint64_t min, std::uint64_t max) {
  Json integer = {{"type", "integer"}, {"minimum", min}, {"maximum", max}};
  // JSON has no hexadecimal numbers, so one that must stay readable may be text.
  return {{"anyOf", {integer, {{"type", "string"}, {"pattern", kNumberText}}}}};
}

/// YAML reads a word of digits as a number.
Json words_schema(const Words& words) {
  Json names = Json::array();
  for (const Word& word : words) {
    if (!word.later.empty()) continue;
    names.push_back(word.name);
    if (const auto number = parse_number(word.name)) names.push_back(*number);
  }
  return {{"enum", names}};
}

Json register_schema(const std::vector<RegisterName>& registers, std::uint64_t end) {
  Json names = Json::array();
  for (const RegisterName& row : registers) names.push_back(row.name);
  return {{"anyOf", {{{"enum", names}}, number_schema(0, end - 1)}}};
}

Json arch_schema() {
  Json names = Json::array();
  for (const ArchRow& row : archs()) names.push_back(row.name);
  return {{"enum", names}};
}

Json path_schema() {
  Json names = Json::array();
  for (const PathRow& row : paths()) names.push_back(row.name);
  return {{"enum", names}};
}

Json pattern_schema(std::string_view pattern) { return {{"type", "string"}, {"pattern", pattern}}; }

std::string definition_of(const Table& table) { return "#/definitions/" + std::string(table.name); }

Json schema_of(const Shape& shape) {
  switch (shape.kind) {
    case Kind::Version:
      return {{"const", 1}};
    case Kind::Text:
      return {{"type", {"string", "number", "boolean"}}};
    case Kind::Flag:
      return {{"type", "boolean"}};
    case Kind::Number:
    case Kind::Bits:
      return number_schema(shape.min, shape.max);
    case Kind::Cpu:
      return number_schema(0, 4095);
    case Kind::Word:
      return words_schema(shape.words);
    case Kind::Arch:
      return arch_schema();
    case Kind::Path:
      return path_schema();
    case Kind::LapicRegister:
      return register_schema(lapic_registers(), kLapicPage);
    case Kind::IoapicRegister:
      return register_schema(ioapic_registers(), kIoapicIndexes);
    case Kind::VtdRegister:
      return register_schema(vtd_registers(), kVtdPage);
    case Kind::HpetRegister:
      return register_schema(hpet_registers(), kHpetPage);
    case Kind::Answer:
      return {{"anyOf", {number_schema(0, 0x7fff'ffff), pattern_schema("^-E[A-Z0-9]+$")}}};
    case Kind::List:
      return {{"type", "array"}, {"items", schema_of(*shape.item)}};
    case Kind::Map:
      return {{"$ref", definition_of(*shape.table)}};
    case Kind::Keyed:
      return {{"type", "object"},
              {"propertyNames", schema_of(*shape.key)},
              {"additionalProperties", schema_of(*shape.item)}};
    case Kind::Either:
      return {{"anyOf", {schema_of(*shape.item), schema_of(*shape.other)}}};
    default:
      return pattern_schema(row_of(shape.kind)->pattern);
  }
}

Json property(const Key& key) {
  Json schema = schema_of(key.shape);
  std::string text(key.meaning);
  if (key.need == Need::Defaulted || key.need == Need::Optional) {
    text += " Default: " + std::string(key.fallback) + '.';
  }
  // Beside a $ref, draft 7 ignores every other word.
  if (schema.contains("$ref")) schema = {{"allOf", Json::array({schema})}};
  Json described = {{"description", text}};
  described.update(schema);
  return described;
}

/// One of these keys.
Json any_of(std::string_view names) {
  Json alternatives = Json::array();
  for (const std::string_view name : split_names(names)) {
    alternatives.push_back({{"required", {name}}});
  }
  return {{"anyOf", alternatives}};
}

Json dependencies(const Table& table) {
  Json found = Json::object();
  for (const Key& key : table.keys) {
    if (!key.with.empty()) found[std::string(key.name)] = any_of(key.with);
    if (!key.needs.empty()) found[std::string(key.name)] = split_names(key.needs);
  }
  return found;
}

Json table_schema(const Table& table) {
  Json properties = Json::object(), required = Json::array(), choices = Json::array();
  for (const Key& key : table.keys) {
    if (!key.later.empty()) continue;
    properties[std::string(key.name)] = property(key);
    if (key.need == Need::Required) required.push_back(key.name);
    if (key.need == Need::Choice) choices.push_back({{"required", {key.name}}});
  }
  Json schema = {{"type", "object"}};
  if (!table.meaning.empty()) schema["description"] = table.meaning;
  schema["properties"] = properties;
  schema["additionalProperties"] = false;
  if (!required.empty()) schema["required"] = required;
  if (!choices.empty()) schema["oneOf"] = choices;
  if (table.least > 0) schema["minProperties"] = table.least;
  if (Json found = dependencies(table); !found.empty()) schema["dependencies"] = found;
  return schema;
}

}  // namespace

std::string write_schema() {
  Json definitions = Json::object();
  for (const Table* table : all_tables()) {
    if (table != &kScenarioTable) definitions[std::string(table->name)] = table_schema(*table);
  }
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "irqfab scenario"}};
  schema.update(table_schema(kScenarioTable));
  schema["definitions"] = definitions;
  return schema.dump(2) + '\n';
}

}  // namespace irqfab::scenario
