#include "fabric/trace/header_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "models/base/utf8.hpp"

namespace irqfab::trace {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "irqfab-trace/1";
// A machine of four million sources, the most there are, has some sixteen: each source has a path,
// a function's node and a stream's, too.
constexpr std::size_t kMostValues = 24'000'000;
constexpr std::size_t kDeepest = 8;
constexpr std::size_t kLongestShown = 64;  // of what a header holds, in a message

Json events_to_json(const TraceHeader& header) {
  Json events = Json::array();
  for (std::uint16_t number = 0; number < kEventCount; ++number) {
    const EventRow& row = row_of(Event{number});
    events.push_back({{"number", number},
                      {"name", row.name},
                      {"role", name_of(row.role)},
                      {"effect", name_of(row.effect)},
                      {"detail", row.detail},
                      {"meaning", row.meaning}});
    const PriceLabel& price = header.prices[number];
    if (price.kind.empty()) continue;
    events.back()["price_kind"] = price.kind;
    events.back()["price_source"] = price.source;
  }
  return events;
}

Json components_to_json(const TraceHeader& header) {
  Json components = Json::array();
  for (const ComponentNodes& component : header.components) {
    components.push_back({{"name", component.name}, {"nodes", component.nodes}});
  }
  return components;
}

Json codes_to_json() {
  Json codes = Json::object();
  for (const CodeList& list : code_lists()) {
    Json& names = codes[std::string(list.detail)] = Json::array();
    for (std::size_t i = 0; i < list.size; ++i) names.push_back(list.names[i]);
  }
  return codes;
}

template <class Values>
Json array_to_json(const Values& values) {
  Json array = Json::array();
  for (const auto& value : values) array.push_back(value);
  return array;
}

/// As it can be shown in a line of a table.
std::string printable(std::string_view text) {
  std::string safe = shown(text);
  std::replace(safe.begin(), safe.end(), '\t', '?');
  return safe;
}

/// Goes through a text and keeps no more than the names of what it is within; stops where it is not
/// JSON, is too much, or says something twice.
class Bounds {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  bool null() { return value(); }
  bool boolean(bool) { return value(); }
  bool number_integer(number_integer_t) { return value(); }
  bool number_unsigned(number_unsigned_t) { return value(); }
  bool number_float(number_float_t, const string_t&) { return value(); }
  bool string(string_t&) { return value(); }
  bool binary(binary_t&) { return value(); }
  bool key(string_t& name) {
    if (names_.back().insert(name).second) return true;
    problem_ = "'" + printable(name.substr(0, kLongestShown)) + "' stands twice in one object";
    return false;
  }
  bool start_object(std::size_t) {
    names_.emplace_back();
    return start();
  }
  bool start_array(std::size_t) { return start(); }
  bool end_object() {
    names_.pop_back();
    return end();
  }
  bool end_array() { return end(); }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    problem_ = "not JSON at its character " + std::to_string(position);
    return false;
  }

  const std::string& problem() const { return problem_; }

 private:
  bool value() {
    if (++values_ <= kMostValues) return true;
    problem_ = "more than " + std::to_string(kMostValues) + " values";
    return false;
  }
  bool start() {
    if (++depth_ > kDeepest) {
      problem_ = "nested more than " + std::to_string(kDeepest) + " deep";
      return false;
    }
    return value();
  }
  bool end() {
    --depth_;
    return true;
  }

  std::vector<std::set<std::string>> names_;  // of the objects that are open
  std::size_t values_ = 0;
  std::size_t depth_ = 0;
  std::string problem_;
};

/// Takes values out of a JSON document; the first that is not as it should be is the problem.
class Extractor {
 public:
  const std::string& problem() const { return problem_; }

  const Json* member(const Json& object, const char* key) {
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (!object.is_object() || found == object.end()) {
      fail(key, "missing");
      return nullptr;
    }
    return &*found;
  }
  std::string text(const Json& object, const char* key) {
    const Json* value = member(object, key);
    if (value == nullptr) return {};
    if (!value->is_string()) return fail(key, "not a text"), std::string();
    return printable(value->get<std::string>());
  }
  std::uint64_t number(const Json& object, const char* key, std::uint64_t largest) {
    const Json* value = member(object, key);
    if (value == nullptr) return 0;
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > largest) {
      fail(key, "not a number from 0 to " + std::to_string(largest));
      return 0;
    }
    return value->get<std::uint64_t>();
  }
  const Json& array(const Json& object, const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = member(object, key);
    if (value == nullptr) return kEmpty;
    if (!value->is_array()) return fail(key, "not an array"), kEmpty;
    return *value;
  }
  void fail(const std::string& key, const std::string& why) {
    if (problem_.empty()) problem_ = "'" + key + "' is " + why;
  }

 private:
  std::string problem_;
};

/// Reads `key` only if the document has it: traces of older versions may not.
template <class Read>
auto if_there(const Json& document, const char* key, Read&& read) {
  using Value = decltype(read());
  return document.is_object() && document.contains(key) ? read() : Value{};
}

std::vector<std::string> names_from(Extractor& from, const Json& document, const char* key) {
  std::vector<std::string> names;
  for (const Json& name : from.array(document, key)) {
    if (!name.is_string()) {
      from.fail(key, "not an array of texts");
      break;
    }
    names.push_back(printable(name.get<std::string>()));
  }
  return names;
}

template <class Id>
Indexed<Id, std::string> indexed(const std::vector<std::string>& names) {
  Indexed<Id, std::string> all;
  for (const std::string& name : names) all.add(name);
  return all;
}

std::vector<FileEvent> events_from(Extractor& from, const Json& document) {
  std::vector<FileEvent> events;
  std::set<std::uint16_t> numbers;
  for (const Json& each : from.array(document, "events")) {
    const auto number = static_cast<std::uint16_t>(from.number(each, "number", 0xFFFF));
    if (!numbers.insert(number).second) from.fail("events", "not one event a number");
    events.push_back({number, from.text(each, "name"), from.text(each, "detail")});
    if (!from.problem().empty()) break;
  }
  return events;
}

std::array<PriceLabel, kEventCount> prices_from(Extractor& from, const Json& document) {
  std::array<PriceLabel, kEventCount> prices;
  for (const Json& each : from.array(document, "events")) {
    const auto event = event_named(from.text(each, "name"));
    if (!event || !each.contains("price_kind")) continue;
    prices[static_cast<std::size_t>(*event)] = {from.text(each, "price_source"),
                                                from.text(each, "price_kind")};
  }
  return prices;
}

std::vector<ComponentNodes> components_from(Extractor& from, const Json& document,
                                            std::size_t nodes) {
  std::vector<ComponentNodes> components;
  std::size_t covered = 0;
  for (const Json& each : from.array(document, "components")) {
    const std::uint64_t own = from.number(each, "nodes", nodes - covered);
    components.push_back({from.text(each, "name"), static_cast<std::uint32_t>(own)});
    covered += own;
    if (!from.problem().empty()) break;
  }
  return components;
}

Indexed<SourceId, std::uint32_t> path_of_source_from(Extractor& from, const Json& document,
                                                     const TraceHeader& header) {
  Indexed<SourceId, std::uint32_t> path_of_source;
  const Json& array = from.array(document, "path_of_source");
  if (array.size() != header.sources.size()) from.fail("path_of_source", "not one a source");
  for (const Json& path : array) {
    if (!path.is_number_unsigned() || path.get<std::uint64_t>() >= header.paths.size()) {
      from.fail("path_of_source", "not an array of indices of 'paths'");
      break;
    }
    path_of_source.add(path.get<std::uint32_t>());
  }
  return path_of_source;
}

std::vector<FileCodes> codes_from(Extractor& from, const Json& document) {
  std::vector<FileCodes> codes;
  const Json* lists = from.member(document, "codes");
  if (lists == nullptr) return codes;
  if (!lists->is_object()) return from.fail("codes", "not an object"), codes;
  for (const auto& [detail, names] : lists->items()) {
    FileCodes list{printable(detail), {}};
    for (const Json& name : names) {
      if (!name.is_string()) return from.fail("codes", "not an object of arrays of texts"), codes;
      list.names.push_back(printable(name.get<std::string>()));
    }
    codes.push_back(std::move(list));
  }
  return codes;
}

/// What a trace may lack.
void read_groups(Extractor& from, const Json& document, TraceHeader& header) {
  header.title = if_there(document, "title", [&] { return from.text(document, "title"); });
  header.mutants =
      if_there(document, "mutants", [&] { return names_from(from, document, "mutants"); });
  header.components = if_there(
      document, "components", [&] { return components_from(from, document, header.nodes.size()); });
  header.paths = if_there(document, "paths", [&] { return names_from(from, document, "paths"); });
  header.path_of_source = if_there(document, "path_of_source",
                                   [&] { return path_of_source_from(from, document, header); });
  header.prices = prices_from(from, document);
}

}  // namespace

std::string to_text(const TraceHeader& header) {
  // Member by member, to keep this order: whoever looks at the start of a file sees what it is.
  std::string text;
  const auto add = [&text](const char* key, const Json& value) {
    text += text.empty() ? '{' : ',';
    text += Json(key).dump() + ':' + value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  add("format", kFormat);
  add("irqfab", header.irqfab);
  add("scenario", header.scenario);
  if (!header.title.empty()) add("title", header.title);
  add("seed", header.seed);
  add("arch", header.arch);
  add("path", header.path);
  add("profile", header.profile);
  add("behaviour", header.behaviour);
  if (!header.mutants.empty()) add("mutants", array_to_json(header.mutants));
  add("time_unit", "ps");
  add("record", "time:u64 span:u64 detail:u64 node:u32 event:u16 round:u16, little-endian");
  add("span", "source << 40 | sequence + 1, or 0 for none");
  add("nodes", array_to_json(header.nodes));
  add("sources", array_to_json(header.sources));
  if (!header.components.empty()) add("components", components_to_json(header));
  if (!header.paths.empty()) {
    add("paths", array_to_json(header.paths));
    add("path_of_source", array_to_json(header.path_of_source));
  }
  add("codes", codes_to_json());
  add("events", events_to_json(header));
  return text + '}';
}

std::variant<ParsedHeader, std::string> from_text(const std::string& text) {
  Bounds bounds;
  if (!Json::sax_parse(text, &bounds)) return bounds.problem();
  const Json document = Json::parse(text, nullptr, false);
  Extractor from;
  if (from.text(document, "format") != kFormat) {
    from.fail("format", std::string("not '") + kFormat + "'");
  }
  if (from.text(document, "time_unit") != "ps") from.fail("time_unit", "not 'ps'");
  ParsedHeader parsed;
  TraceHeader& header = parsed.header;
  header.irqfab = from.text(document, "irqfab");
  header.scenario = from.text(document, "scenario");
  header.seed = from.number(document, "seed", ~std::uint64_t{0});
  header.arch = from.text(document, "arch");
  header.path = from.text(document, "path");
  header.profile = from.text(document, "profile");
  header.behaviour = from.text(document, "behaviour");
  header.nodes = indexed<NodeId>(names_from(from, document, "nodes"));
  header.sources = indexed<SourceId>(names_from(from, document, "sources"));
  read_groups(from, document, header);
  parsed.events = events_from(from, document);
  parsed.codes = codes_from(from, document);
  if (!from.problem().empty()) return from.problem();
  return parsed;
}

}  // namespace irqfab::trace
