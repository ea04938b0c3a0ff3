#include "fabric/conform/reader.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <set>
#include <utility>

#include "fabric/conform/field_check.hpp"
#include "fabric/conform/locate.hpp"
#include "fabric/conform/machine_check.hpp"

namespace irqfab::conform {

std::uint64_t Op::number_of(std::string_view field) const {
  const auto at = fields.find(field);
  if (at == fields.end()) return 0;
  const auto value = number_in(*at);
  return value ? value->magnitude : 0;
}

std::string Op::text_of(std::string_view field) const {
  const auto at = fields.find(field);
  return at == fields.end() || !at->is_string() ? "" : at->get<std::string>();
}

namespace {

constexpr std::string_view kCaseFields =
    "id, note, group, guest_run, artefact, machine, setup, stimulus, observed, verdict, why";

/// Reads one line.
class LineReader {
 public:
  LineReader(std::string_view text, std::string file, int line)
      : text_(text), file_(std::move(file)), line_(line) {}

  Result<Case> read() {
    Json json;
    if (!parse(json)) return *error_;
    Case made;
    made.where = place(0);
    read_case(json, made);
    if (error_) return *error_;
    return made;
  }

 private:
  // ---- errors ----

  SourceRange place(std::size_t offset) const {
    SourceRange where;
    where.file = file_;
    where.line = line_;
    where.column = static_cast<int>(offset) + 1;
    return where;
  }
  /// The first of the line is told.
  void fail(std::size_t offset, std::string code, std::string message, std::string expected) {
    if (error_) return;
    error_ = Diagnostic{Severity::Error,    std::move(code),     place(offset),
                        std::move(message), std::move(expected), ""};
    show_line(*error_, text_);
  }
  std::size_t of_member(std::size_t object, std::string_view key) const {
    return find_member(text_, object, key).value_or(object);
  }

  // ---- JSON ----

  bool parse(Json& json) {
    std::vector<std::set<std::string>> keys;
    std::string twice;
    bool deep = false;
    const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
      const auto level = static_cast<std::size_t>(depth);
      if (level > kMaxDepth) deep = true;
      if (event == Json::parse_event_t::object_start && !deep) {
        keys.resize(level);
        keys.emplace_back();
      }
      if (event == Json::parse_event_t::key && !deep && level <= keys.size() && level > 0) {
        const auto& key = parsed.get_ref<const std::string&>();
        if (!keys[level - 1].insert(key).second && twice.empty()) twice = key;
      }
      return !deep;
    };
    const std::size_t begin = text_.find_first_not_of(" \t\r");
    start_ = begin == std::string_view::npos ? 0 : begin;
    try {
      json = Json::parse(text_, watch);
    } catch (const Json::parse_error& wrong) {
      const std::size_t at =
          std::min<std::size_t>(wrong.byte > 0 ? wrong.byte - 1 : 0, text_.size());
      fail(at, "json", "this is no JSON", "one JSON object");
    } catch (const Json::exception&) {
      fail(start_, "json", "this is no JSON that can be read", "one JSON object");
    }
    if (deep) {
      fail(start_, "too-deep", "lists and objects are nested too deeply",
           "at most " + std::to_string(kMaxDepth) + " in each other");
    }
    if (!twice.empty()) {
      fail(start_, "duplicate-key", "the key '" + twice + "' occurs twice in one object",
           "each key once");
    }
    if (!error_ && !json.is_object()) fail(start_, "not-an-object", "this is no case", "an object");
    return !error_;
  }

  // ---- a case ----

  void read_case(const Json& json, Case& made) {
    for (const auto& [key, value] : json.items()) {
      const bool known =
          (", " + std::string(kCaseFields) + ",").find(", " + key + ",") != std::string::npos;
      if (!known) {
        return fail(of_member(start_, key), "unknown-field", "a case has no field '" + key + "'",
                    "one of: " + std::string(kCaseFields));
      }
    }
    read_labels(json, made);
    if (!error_) read_machine(json, made);
    for (const char* part : {"setup", "stimulus"}) {
      if (!error_) read_ops(json, part, made);
    }
    if (!error_) check_case(made);
    if (!error_) read_observed(json, made);
  }

  void read_labels(const Json& json, Case& made) {
    for (const char* field : {"id", "note", "group", "why"}) {
      if (!json.contains(field) || json.at(field).is_string()) continue;
      return fail(of_member(start_, field), "wrong-kind",
                  '\'' + std::string(field) + "' is " + brief(json.at(field)), "a string");
    }
    made.id = json.value("id", "");
    if (made.id.empty()) fail(start_, "missing-field", "the case has no 'id'", "a string");
    made.artefact = read_flag(json, "artefact");
    read_flag(json, "guest_run");
  }

  bool read_flag(const Json& json, const char* field) {
    if (!json.contains(field)) return false;
    const auto number = number_in(json.at(field));
    if (!number || number->negative || number->magnitude > 1) {
      fail(of_member(start_, field), "wrong-kind",
           '\'' + std::string(field) + "' is " + brief(json.at(field)), "true or false");
      return false;
    }
    return number->magnitude == 1;
  }

  void read_machine(const Json& json, Case& made) {
    const std::size_t at = of_member(start_, "machine");
    if (!json.contains("machine")) {
      made.vocabulary = Vocabulary::KvmX86;
      for (const char* field : {"verdict", "why"}) {
        if (json.contains(field)) {
          fail(of_member(start_, field), "unknown-field",
               '\'' + std::string(field) + "' belongs to cases with a 'machine'", "");
        }
      }
      return;
    }
    made.vocabulary = Vocabulary::QemuX86;
    made.machine = json.at("machine");
    if (const auto wrong = fault_of_machine(made.machine)) {
      return fail(at, wrong->code, wrong->message, wrong->expected);
    }
    for (const char* field : {"group", "guest_run", "artefact"}) {
      if (!json.contains(field)) continue;
      return fail(of_member(start_, field), "unknown-field",
                  '\'' + std::string(field) + "' belongs to cases of KVM", "");
    }
    read_verdict(json, made);
  }

  void read_verdict(const Json& json, Case& made) {
    const std::string word =
        json.contains("verdict") && json.at("verdict").is_string() ? json.at("verdict") : "";
    if (word == "no-deviation-known") {
      made.verdict = Verdict::NoDeviationKnown;
    } else if (word == "implementation-choice") {
      made.verdict = Verdict::ImplementationChoice;
    } else if (word == "deviates") {
      made.verdict = Verdict::Deviates;
    } else {
      fail(of_member(start_, "verdict"), "wrong-kind", "the case has no verdict that is known",
           "one of: no-deviation-known, implementation-choice, deviates");
    }
  }

  // ---- ops ----

  void read_ops(const Json& json, const char* part, Case& made) {
    const std::size_t key = of_member(start_, part);
    if (!json.contains(part) || !json.at(part).is_array()) {
      return fail(key, "wrong-kind", '\'' + std::string(part) + "' is no list of ops",
                  "a list, which may be empty");
    }
    const std::size_t list = value_of_member(text_, key);
    std::size_t index = 0;
    for (const Json& op : json.at(part)) {
      const std::size_t number = made.ops.size() + 1;
      read_op(op, list, index++, number, made);
      if (error_) return;
    }
  }

  void read_op(const Json& json, std::size_t list, std::size_t index, std::size_t number,
               Case& made) {
    const auto at = [&] { return find_element(text_, list, index).value_or(list); };
    const std::string which = "op " + std::to_string(number);
    if (!json.is_object() || !json.contains("op") || !json.at("op").is_string()) {
      return fail(at(), "wrong-kind", which + " has no name", R"(an object with "op": "NAME")");
    }
    Op op;
    const std::string name = json.at("op");
    op.row = find_op(made.vocabulary, name);
    op.number = number;
    if (op.row == nullptr) {
      return fail(
          of_member(at(), "op"), "unknown-op",
          which + ": there is no op '" + name + "' in " + std::string(name_of(made.vocabulary)),
          op_names(made.vocabulary));
    }
    op.fields = json;
    op.fields.erase("op");
    if (const auto wrong = fault_of_fields(*op.row, op.fields)) {
      return fail(of_member(at(), wrong->field), wrong->code,
                  which + " (" + name + "): " + wrong->message, wrong->expected);
    }
    offsets_.push_back({list, index});
    made.ops.push_back(std::move(op));
  }

  void check_case(const Case& made) {
    const auto wrong = fault_of_ops(made);
    if (!wrong) return;
    if (wrong->number == 0 || wrong->number > offsets_.size()) {
      return fail(start_, wrong->code, wrong->message, wrong->expected);
    }
    const Element& element = offsets_[wrong->number - 1];
    const std::size_t at = find_element(text_, element.list, element.index).value_or(start_);
    fail(of_member(at, wrong->field), wrong->code,
         "op " + std::to_string(wrong->number) + " (" +
             std::string(made.ops[wrong->number - 1].name()) + "): " + wrong->message,
         wrong->expected);
  }

  void read_observed(const Json& json, Case& made) {
    const std::size_t at = of_member(start_, "observed");
    if (!json.contains("observed")) {
      return fail(at, "missing-field", "the case has no 'observed'", "what was observed");
    }
    made.observed = json.at("observed");
    if (const auto wrong = fault_of_observed(made)) {
      fail(at, wrong->code, "'observed': " + wrong->message, wrong->expected);
    }
  }

  struct Element {
    std::size_t list = 0;
    std::size_t index = 0;
  };

  std::string_view text_;
  std::string file_;
  int line_;
  std::size_t start_ = 0;         // of the case's object
  std::vector<Element> offsets_;  // of each op
  std::optional<Diagnostic> error_;
};

Diagnostic about(const std::string& file, int line, const char* code, std::string message,
                 std::string expected) {
  SourceRange where;
  where.file = file;
  where.line = line;
  where.column = line > 0 ? 1 : 0;
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

/// One line without its end; false at the end of the input. No more than the bound is kept.
bool next_line(std::istream& in, std::string& line) {
  line.clear();
  char c = 0;
  bool any = false;
  while (in.get(c)) {
    any = true;
    if (c == '\n') return true;
    if (line.size() <= kMaxLineBytes) line += c;
  }
  return any;
}

}  // namespace

Result<std::vector<Case>> read(std::istream& in, const std::string& file) {
  std::vector<Case> cases;
  Diagnostics errors;
  std::size_t bytes = 0;
  std::string line;
  for (int number = 1; next_line(in, line) && errors.size() < kMaxErrors; ++number) {
    bytes += line.size();
    if (line.size() > kMaxLineBytes || bytes > kMaxFileBytes) {
      errors.push_back(about(file, number, "too-long", "this is too long to be read",
                             "lines of at most 4 MiB, 32 MiB in all"));
      break;
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto read = LineReader(line, file, number).read();
    if (read) {
      cases.push_back(std::move(*read));
    } else {
      errors.insert(errors.end(), read.errors().begin(), read.errors().end());
    }
  }
  if (errors.empty() && cases.empty()) {
    errors.push_back(
        about(file, 0, "no-cases", "there is no case in it", "one JSON object a line"));
  }
  if (!errors.empty()) return errors;
  return cases;
}

Result<std::vector<Case>> read_file(const std::string& path) {
  if (path == "-") return read(std::cin, "<stdin>");
  std::ifstream in(path, std::ios::binary);
  if (!in) return about(path, 0, "unreadable", "this file cannot be opened", "");
  auto cases = read(in, path);
  if (in.bad()) return about(path, 0, "unreadable", "this file cannot be read", "");
  return cases;
}

}  // namespace irqfab::conform
