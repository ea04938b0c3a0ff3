// The language of scenario files as one table: every map, its keys, what each takes, its default
// and its meaning. The checks of the reader, scenarios/schema.json and the key tables of
// docs/scenarios.md all follow from it; language.cpp and language_steps.cpp are the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace irqfab::scenario {

/// What a value may be.
enum class Kind : std::uint8_t {
  Version,  // 1
  Text,
  Id,
  Flag,    // true, false
  Number,  // min..max
  Bits,    // a number that is printed in hexadecimal; 0..max
  Word,    // one of `words`
  Arch,
  Path,
  Duration,  // at least min ps
  Period,    // a rate or a duration
  Price,
  PriceName,
  Bdf,
  Bus,
  BusRange,
  Cpu,
  Device,    // the id of one
  Function,  // a device that is one function, or one function of a device
  Source,    // one vector or INTx of a device
  Sources,   // one or several
  HandlerStep,
  Expectation,
  LapicRegister,
  IoapicRegister,
  VtdRegister,
  HpetRegister,
  Answer,
  List,    // of `item`
  Map,     // of `table`
  Keyed,   // a map whose keys are `key` and whose values are `item`
  Either,  // a scalar, `item`, or a list or map, `other`
};

struct Table;

struct Word {
  std::string_view name;
  std::string_view later{};  // not supported yet: what brings it
};
struct Words {
  const Word* first = nullptr;
  std::size_t count = 0;
  const Word* begin() const { return first; }
  const Word* end() const { return first + count; }
};

struct Shape {
  Kind kind;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  Words words{};
  const Table* table = nullptr;
  const Shape* item = nullptr;
  const Shape* key = nullptr;
  const Shape* other = nullptr;
};

enum class Need : std::uint8_t {
  Required,
  Defaulted,  // `fallback` is the value that an absent key has
  Optional,   // `fallback` says in words what its absence means
  Choice,     // exactly one of these keys of the map is present
};

struct Key {
  std::string_view name;  // `its.*` stands for every name that starts with `its.`
  Shape shape;
  Need need = Need::Optional;
  std::string_view fallback{};
  std::string_view meaning{};
  std::string_view later{};  // not supported yet: what brings it
  std::string_view with{};   // only beside one of these keys, separated by spaces
  std::string_view needs{};  // these keys must stand beside it, separated by spaces

  /// Makes sense only beside one of `names`.
  constexpr Key beside(std::string_view names) const {
    Key key = *this;
    key.with = names;
    return key;
  }
  /// Makes no sense without all of `names`.
  constexpr Key needing(std::string_view names) const {
    Key key = *this;
    key.needs = names;
    return key;
  }
};

struct Keys {
  const Key* first = nullptr;
  std::size_t count = 0;
  const Key* begin() const { return first; }
  const Key* end() const { return first + count; }
};

struct Table {
  std::string_view name;     // short: the heading in the reference, the definition in the schema
  std::string_view place;    // `in a device`: completes "unknown key 'x' "
  std::string_view meaning;  // one sentence
  Keys keys;
  std::string_view choice{};  // what the keys of Need::Choice decide between; may be empty
  std::size_t least = 0;      // entries
};

/// The whole file.
extern const Table kScenarioTable;
/// One entry of `steps` and `setup`: exactly one key, the operation.
extern const Table kStepTable;
/// kScenarioTable and every table it leads to, in the order of the reference.
std::vector<const Table*> all_tables();

/// The key of this name, also through a row that stands for a family; null if there is none.
const Key* find_key(const Table& table, std::string_view name);
std::vector<std::string_view> split_names(std::string_view names);

/// The shapes that the rows of the table are written with.
constexpr Shape of(Kind kind) { return {kind}; }
constexpr Shape number(std::uint64_t min, std::uint64_t max) { return {Kind::Number, min, max}; }
constexpr Shape bits(std::uint64_t max) { return {Kind::Bits, 0, max}; }
constexpr Shape duration(std::uint64_t least_ps) { return {Kind::Duration, least_ps}; }
template <std::size_t N>
constexpr Shape one_of(const Word (&words)[N]) {
  return {Kind::Word, 0, 0, Words{words, N}};
}
constexpr Shape map_of(const Table& table) { return {Kind::Map, 0, 0, {}, &table}; }
constexpr Shape list_of(const Shape& item) { return {Kind::List, 0, 0, {}, nullptr, &item}; }
constexpr Shape keyed(const Shape& key, const Shape& item) {
  return {Kind::Keyed, 0, 0, {}, nullptr, &item, &key};
}
constexpr Shape either(const Shape& scalar, const Shape& other) {
  return {Kind::Either, 0, 0, {}, nullptr, &scalar, nullptr, &other};
}

/// And the rows themselves.
constexpr Key required(std::string_view name, Shape shape, std::string_view meaning) {
  return {name, shape, Need::Required, {}, meaning};
}
constexpr Key defaulted(std::string_view name, Shape shape, std::string_view value,
                        std::string_view meaning) {
  return {name, shape, Need::Defaulted, value, meaning};
}
constexpr Key optional(std::string_view name, Shape shape, std::string_view without,
                       std::string_view meaning) {
  return {name, shape, Need::Optional, without, meaning};
}
constexpr Key choice(std::string_view name, Shape shape, std::string_view meaning) {
  return {name, shape, Need::Choice, {}, meaning};
}
/// Recognised, and refused by name until `what` is there.
constexpr Key later(std::string_view name, std::string_view what) {
  return {name, of(Kind::Text), Need::Optional, {}, {}, what};
}
template <std::size_t N>
constexpr Keys rows(const Key (&keys)[N]) {
  return {keys, N};
}

/// What would have been right, for a person: "a number from 1 to 4096".
std::string describe(const Shape& shape);

/// A kind of scalar as the reference and the schema know it.
struct KindRow {
  Kind kind;
  std::string_view name;
  std::string_view description;  // completes "expected "
  std::string_view pattern;      // an ECMA 262 regular expression; empty where kinds say more
  std::string_view example;
};
/// Null for kinds that are described by the shape itself: numbers, words, maps, lists.
const KindRow* row_of(Kind kind);
const std::vector<KindRow>& kind_rows();

}  // namespace irqfab::scenario
