#include "fabric/scenario/checker.hpp"

#include <algorithm>
#include <array>

#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

using MaybeFault = std::optional<Fault>;

template <class T>
MaybeFault fault_of(const Parsed<T>& parsed) {
  if (parsed) return std::nullopt;
  return parsed.fault();
}

MaybeFault number_fault(const Shape& shape, std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return number.fault();
  if (*number >= shape.min && *number <= shape.max) return std::nullopt;
  return Fault{"out-of-range", quote(text) + " is out of range"};
}

MaybeFault word_fault(const Shape& shape, std::string_view text) {
  std::vector<std::string_view> names;
  for (const Word& word : shape.words) {
    if (word.name == text && word.later.empty()) return std::nullopt;
    if (word.name == text) {
      return Fault{"not-yet",
                   quote(text) + " is not supported yet; it comes with " + std::string(word.later)};
    }
    names.push_back(word.name);
  }
  return Fault{"bad-word", quote(text) + " is not known here" + did_you_mean(text, names)};
}

MaybeFault duration_fault(const Shape& shape, std::string_view text) {
  const auto length = parse_duration(text);
  if (!length) return length.fault();
  if (*length >= shape.min) return std::nullopt;
  return Fault{"out-of-range", quote(text) + " is no time at all"};
}

MaybeFault id_fault(const Node& node) {
  constexpr std::array<std::string_view, 6> kTyped = {"true",  "True",  "TRUE",
                                                      "false", "False", "FALSE"};
  if (!is_id(node.text)) return Fault{"bad-id", quote(node.text) + " is not an id"};
  const bool typed = std::find(kTyped.begin(), kTyped.end(), node.text) != kTyped.end();
  if (typed && node.quoting == Quoting::Plain) {
    return Fault{"bad-id", quote(node.text) + " is a truth value in YAML"};
  }
  return std::nullopt;
}

MaybeFault single_source_fault(std::string_view text) {
  const auto sources = parse_sources(text);
  if (!sources) return sources.fault();
  const bool one_function =
      !sources->some_functions || sources->first_function == sources->last_function;
  const bool one_of_it = sources->kind != SourceKind::Whole && sources->first == sources->last;
  if (one_function && one_of_it) return std::nullopt;
  return Fault{"bad-source", quote(text) + " names more than one source"};
}

MaybeFault function_fault(std::string_view text) {
  const auto sources = parse_sources(text);
  if (!sources) return sources.fault();
  if (sources->kind != SourceKind::Whole) {
    return Fault{"bad-function", quote(text) + " names a source, not a function"};
  }
  if (!sources->some_functions || sources->first_function == sources->last_function) {
    return std::nullopt;
  }
  return Fault{"bad-function", quote(text) + " names more than one function"};
}

MaybeFault flag_fault(std::string_view text) {
  if (text == "true" || text == "false") return std::nullopt;
  return Fault{"bad-word", quote(text) + " is neither true nor false"};
}

MaybeFault version_fault(std::string_view text) {
  if (text == "1") return std::nullopt;
  return Fault{"bad-version",
               "this irqfab does not know version " + quote(text) + " of the language"};
}

/// One of the table's names. Whether arch and path go together is checked when both have been read.
template <class Rows>
MaybeFault name_fault(const Rows& rows, std::string_view text, Fault fault) {
  std::vector<std::string_view> names;
  for (const auto& row : rows) {
    if (row.name == text) return std::nullopt;
    names.push_back(row.name);
  }
  fault.message = quote(text) + fault.message + did_you_mean(text, names);
  return fault;
}

MaybeFault scalar_fault(const Shape& shape, const Node& node) {
  const std::string_view text = node.text;
  switch (shape.kind) {
    case Kind::Version:
      return version_fault(text);
    case Kind::Text:
      return text.empty() ? MaybeFault{Fault{"bad-text", "there is no text here"}} : std::nullopt;
    case Kind::Id:
    case Kind::Device:
      return id_fault(node);
    case Kind::Function:
      return function_fault(text);
    case Kind::Flag:
      return flag_fault(text);
    case Kind::Number:
    case Kind::Bits:
      return number_fault(shape, text);
    case Kind::Word:
      return word_fault(shape, text);
    case Kind::Arch:
      return name_fault(archs(), text, {"no-such-arch", " is not a fabric"});
    case Kind::Path:
      return name_fault(paths(), text, {"no-such-path", " is not a path"});
    case Kind::Duration:
      return duration_fault(shape, text);
    case Kind::Period:
      return fault_of(parse_period(text));
    case Kind::Price:
      return fault_of(parse_price(text));
    case Kind::PriceName:
      return fault_of(parse_price_name(text));
    case Kind::Bdf:
      return fault_of(parse_bdf(text));
    case Kind::Bus:
      return fault_of(parse_bus(text));
    case Kind::BusRange:
      return fault_of(parse_bus_range(text));
    case Kind::Cpu:
      return fault_of(parse_number(text));
    case Kind::Source:
      return single_source_fault(text);
    case Kind::Sources:
      return fault_of(parse_sources(text));
    case Kind::HandlerStep:
      return fault_of(parse_handler_step(text));
    case Kind::Expectation:
      return fault_of(parse_expectation(text));
    case Kind::LapicRegister:
      return fault_of(parse_register(text, lapic_registers(), kLapicPage));
    case Kind::IoapicRegister:
      return fault_of(parse_register(text, ioapic_registers(), kIoapicIndexes));
    case Kind::VtdRegister:
      return fault_of(parse_register(text, vtd_registers(), kVtdPage));
    case Kind::HpetRegister:
      return fault_of(parse_register(text, hpet_registers(), kHpetPage));
    case Kind::Answer:
      return fault_of(parse_answer(text));
    case Kind::List:
    case Kind::Map:
    case Kind::Keyed:
    case Kind::Either:
      break;
  }
  return std::nullopt;
}

bool is_composite(Kind kind) {
  return kind == Kind::List || kind == Kind::Map || kind == Kind::Keyed;
}

NodeKind node_kind_of(Kind kind) {
  if (kind == Kind::List) return NodeKind::List;
  return is_composite(kind) ? NodeKind::Map : NodeKind::Scalar;
}

std::string_view name_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::Null:
      return "nothing";
    case NodeKind::Scalar:
      return "a single value";
    case NodeKind::List:
      return "a list";
    case NodeKind::Map:
      break;
  }
  return "a map";
}

/// Of the alternatives of an Either, the one that the node's form, and then its text, points to.
const Shape& alternative(const Shape& shape, const Node& node) {
  if (shape.kind != Kind::Either) return shape;
  const Shape& first = alternative(*shape.item, node);
  const Shape& second = alternative(*shape.other, node);
  if (node.kind != NodeKind::Scalar) {
    return node_kind_of(second.kind) == node.kind ? second : first;
  }
  if (is_composite(second.kind)) return first;
  if (is_composite(first.kind)) return second;
  return scalar_fault(first, node) && !scalar_fault(second, node) ? second : first;
}

Node plain_scalar(std::string_view text, Place place) {
  Node node;
  node.kind = NodeKind::Scalar;
  node.place = place;
  node.text = text;
  return node;
}

class Checker {
 public:
  explicit Checker(Findings& findings) : findings_(findings) {}

  void check(Node& node, const Shape& wanted) {
    const Shape& shape = alternative(wanted, node);
    const NodeKind kind = node_kind_of(shape.kind);
    if (node.kind != kind) {
      findings_.error(node.place, "wrong-kind", std::string(name_of(node.kind)) + " stands here",
                      describe(wanted));
      return;
    }
    switch (shape.kind) {
      case Kind::List:
        for (Node& item : node.items) check(item, *shape.item);
        return;
      case Kind::Map:
        check_map(node, *shape.table);
        return;
      case Kind::Keyed:
        for (Entry& entry : node.entries) {
          check(entry.key, *shape.key);
          check(entry.value, *shape.item);
        }
        return;
      default:
        if (const auto fault = scalar_fault(shape, node)) {
          findings_.error_in(node, fault->part, fault->code, fault->message, describe(wanted));
        }
    }
  }

 private:
  void check_map(Node& node, const Table& table) {
    const bool is_clear = check_choice(node, table);
    for (Entry& entry : node.entries) {
      if (!findings_.has_more()) check_entry(node, entry, table, is_clear);
    }
    if (node.entries.size() < table.least) {
      findings_.error(node.place, "missing-key", "nothing stands " + std::string(table.place),
                      describe(Shape{Kind::Map, 0, 0, {}, &table}));
    }
    for (const Key& key : table.keys) {
      if (node.find(key.name) != nullptr) continue;
      if (key.need == Need::Required) missing(node, table, key);
      if (key.need == Need::Defaulted && has_company(node, key)) fill(node, key);
    }
  }

  /// Without a clear choice, what goes with which choice cannot be told.
  void check_entry(const Node& map, Entry& entry, const Table& table, bool is_clear) {
    const Key* key = find_key(table, entry.key.text);
    if (key == nullptr) return unknown(entry.key, table);
    if (!key->later.empty()) {
      findings_.error(entry.key.place, "not-yet",
                      quote(entry.key.text) + " " + std::string(table.place) +
                          " is not supported yet; it comes with " + std::string(key->later));
      return;
    }
    if (is_clear && !has_company(map, *key)) {
      findings_.error(entry.key.place, "out-of-place",
                      quote(entry.key.text) + " means nothing here " + std::string(table.place),
                      "it only beside " + listed(key->with, " or "));
    }
    for (const std::string_view name : split_names(key->needs)) {
      if (map.find(name) != nullptr) continue;
      findings_.error(entry.key.place, "missing-key",
                      quote(entry.key.text) + " has no '" + std::string(name) + "' beside it",
                      "'" + std::string(name) + ":' " + std::string(table.place));
    }
    check(entry.value, key->shape);
  }

  /// Is one of the keys there that this one goes with?
  static bool has_company(const Node& map, const Key& key) {
    const auto names = split_names(key.with);
    return names.empty() || std::any_of(names.begin(), names.end(), [&map](std::string_view name) {
             return map.find(name) != nullptr;
           });
  }

  /// True if the map makes exactly one choice, or has none to make.
  bool check_choice(const Node& node, const Table& table) {
    if (table.choice.empty()) return true;
    const Entry* chosen = nullptr;
    bool is_clear = true;  // an unknown key may have been meant as the choice
    for (const Entry& entry : node.entries) {
      const Key* key = find_key(table, entry.key.text);
      is_clear = is_clear && key != nullptr && key->later.empty();
      if (key == nullptr || key->need != Need::Choice || !key->later.empty()) continue;
      if (chosen != nullptr) {
        findings_.error(entry.key.place, "two-choices",
                        quote(entry.key.text) + " stands beside " + quote(chosen->key.text),
                        "one of them: each says " + std::string(table.choice));
        is_clear = false;
      }
      chosen = &entry;
    }
    if (chosen == nullptr && is_clear) {
      findings_.error(node.place, "missing-key",
                      "nothing " + std::string(table.place) + " says " + std::string(table.choice),
                      "one of " + choices(table));
    }
    return is_clear && chosen != nullptr;
  }

  void unknown(const Node& key, const Table& table) {
    std::vector<std::string_view> names;
    for (const Key& row : table.keys) names.push_back(row.name);
    findings_.error(key.place, "unknown-key",
                    "unknown key " + quote(key.text) + " " + std::string(table.place) +
                        did_you_mean(key.text, names),
                    "one of " + every_key(table));
  }

  void missing(const Node& node, const Table& table, const Key& key) {
    findings_.error(node.place, "missing-key",
                    "'" + std::string(key.name) + "' is missing " + std::string(table.place),
                    "'" + std::string(key.name) + ":' and " + describe(key.shape));
  }

  void fill(Node& map, const Key& key) {
    Node value = plain_scalar(key.fallback, map.place);
    if (key.fallback == "{}") value.kind = NodeKind::Map;
    check(value, key.shape);
    map.entries.push_back({plain_scalar(key.name, map.place), std::move(value)});
  }

  static std::string listed(std::string_view names, std::string_view last) {
    const auto split = split_names(names);
    std::string text;
    for (std::size_t i = 0; i < split.size(); ++i) {
      if (i > 0) text += i + 1 == split.size() ? last : std::string_view(", ");
      text += "'" + std::string(split[i]) + "'";
    }
    return text;
  }

  static std::string every_key(const Table& table) {
    std::string text;
    for (const Key& key : table.keys) {
      if (key.later.empty()) text += (text.empty() ? "" : ", ") + std::string(key.name);
    }
    return text;
  }

  static std::string choices(const Table& table) {
    std::string text;
    for (const Key& key : table.keys) {
      if (key.need == Need::Choice) text += (text.empty() ? "" : ", ") + std::string(key.name);
    }
    return text;
  }

  Findings& findings_;
};

}  // namespace

void Findings::error(Place place, std::string code, std::string message, std::string expected) {
  if (full()) {
    has_more_ = true;
    return;
  }
  errors_.push_back(lines_.error(place, std::move(code), std::move(message), std::move(expected)));
}

void Findings::error_in(const Node& scalar, std::string_view part, std::string code,
                        std::string message, std::string expected) {
  Place place = scalar.place;
  const std::size_t quotes = scalar.quoting == Quoting::Quoted ? 1 : 0;
  const std::size_t start = static_cast<std::size_t>(place.column) - 1 + quotes;
  const std::string_view line = lines_.line(place.line);
  // Escapes and folded lines stand otherwise in the file; their whole is place enough.
  const bool as_written =
      start < line.size() && line.substr(start, scalar.text.size()) == scalar.text;
  if (!part.empty() && as_written) {
    place.column =
        static_cast<int>(start + static_cast<std::size_t>(part.data() - scalar.text.data())) + 1;
    place.length = static_cast<int>(part.size());
  }
  error(place, std::move(code), std::move(message), std::move(expected));
}

void Findings::add(const Diagnostic& diagnostic) {
  const SourceRange& where = diagnostic.where;
  const bool is_told = !full();
  error({where.line, where.column, where.length}, diagnostic.code, diagnostic.message,
        diagnostic.expected);
  // What is not about a line may be about the command line.
  if (is_told && where.line == 0) errors_.back().where.file = where.file;
}

Diagnostics Findings::take() {
  std::stable_sort(errors_.begin(), errors_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.where.line, a.where.column) < std::pair(b.where.line, b.where.column);
  });
  if (has_more_) errors_.push_back(more_errors(lines_.file()));
  return std::move(errors_);
}

void check_and_fill(Node& root, Findings& findings) {
  Checker(findings).check(root, map_of(kScenarioTable));
  if (root.kind != NodeKind::Map) return;
  // A file that is no scenario at all should say so by its first line.
  const Node* version = root.find("irqfab");
  if (version != nullptr && root.entries.front().key.text != "irqfab") {
    findings.error(root.entries.front().key.place, "version-first", "'irqfab' is not the first key",
                   "'irqfab: 1' before anything else");
  }
}

}  // namespace irqfab::scenario
