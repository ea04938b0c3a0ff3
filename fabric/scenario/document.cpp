#include "fabric/scenario/document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "fabric/scenario/encoding.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Ends the parse; the diagnostics are with the builder.
struct Stop {};

/// Builds the tree from the parser's events. Aliases are replaced by copies, within kMaxNodes and
/// kMaxTextBytes.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Lines& lines) : lines_(lines) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    fatal(at(mark), "second-document", "a second document starts here", "one document in a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(node(NodeKind::Null, mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node scalar = node(NodeKind::Scalar, mark);
    scalar.quoting = tag == "!" ? Quoting::Quoted : Quoting::Plain;
    scalar.text = value;
    spend({0, value.size()}, scalar.place);
    scalar.place.length = length_on_line(scalar.place, value);
    if (scalar.quoting == Quoting::Quoted && !lines_.is_closed(scalar.place)) {
      fatal({scalar.place.line, scalar.place.column, 1}, "not-yaml", "this quote is never closed",
            "another one at the end of the text");
    }
    check_tag(tag, scalar.place);
    // An escape such as "\0" may bring in what the bytes of the file may not hold.
    if (find_encoding_fault(value)) {
      report(lines_.error(scalar.place, "bad-encoding", "a control character stands in this text",
                          "text that can be printed"));
    }
    add(std::move(scalar), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchored_.find(anchor);
    if (found == anchored_.end()) {
      fatal(at(mark), "bad-alias", "the alias stands inside what it stands for", "");
    }
    const Place place = alias_at(mark);
    spend(found->second.size, place);
    // What is wrong with the whole is wrong with its use here, what is wrong inside with the
    // original.
    Node copy = found->second.node;
    copy.place = place;
    place_in_parent(std::move(copy));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(node(NodeKind::List, mark), tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(node(NodeKind::Map, mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }
  bool has_document() const { return documents_ > 0; }
  Diagnostics& errors() { return errors_; }

 private:
  /// What a part of the tree takes.
  struct Size {
    std::size_t nodes = 0;
    std::size_t bytes = 0;  // of text
  };
  /// A list or map that is not complete yet.
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    Size before;  // what had been taken without it
    bool has_key = false;
    Node key;
    std::unordered_map<std::string, int> lines_of_keys;
  };
  struct Anchored {
    Node node;
    Size size;
  };

  static Place at(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1, 1}; }

  /// `*name`, with its length.
  Place alias_at(const YAML::Mark& mark) const {
    Place place = at(mark);
    const std::string_view line = lines_.line(place.line);
    const std::size_t start = std::min(line.size(), static_cast<std::size_t>(mark.column));
    const std::size_t end = std::min(line.find_first_of(" \t,]}", start), line.size());
    place.length = std::max(1, static_cast<int>(end - start));
    return place;
  }

  Node node(NodeKind kind, const YAML::Mark& mark) {
    Node made;
    made.kind = kind;
    made.place = at(mark);
    spend({1, 0}, made.place);
    return made;
  }

  [[noreturn]] void fatal(Place place, std::string code, std::string message,
                          std::string expected) {
    errors_.push_back(
        lines_.error(place, std::move(code), std::move(message), std::move(expected)));
    throw Stop{};
  }

  void report(Diagnostic error) {
    errors_.push_back(std::move(error));
    if (errors_.size() < kMaxErrors) return;
    errors_.push_back(more_errors(lines_.file()));
    throw Stop{};
  }

  void spend(Size size, Place place) {
    spent_.nodes += size.nodes;
    spent_.bytes += size.bytes;
    if (spent_.nodes > kMaxNodes) {
      fatal(place, "too-large", "the file has more than a million values",
            "a trace file for lists of events, named by 'replay'");
    }
    if (spent_.bytes > kMaxTextBytes) {
      fatal(place, "too-large", "aliases make more than 64 MiB of text of this file",
            "shorter texts where they are repeated");
    }
  }

  void check_tag(const std::string& tag, Place place) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    constexpr std::string_view kCommon = "tag:yaml.org,2002:";  // which is written `!!`
    const bool is_common = tag.compare(0, kCommon.size(), kCommon) == 0;
    const std::string written = is_common ? "!!" + tag.substr(kCommon.size()) : tag;
    report(lines_.error(place, "tag", "tags such as " + quote(written) + " mean nothing here",
                        "the value without a tag"));
  }

  /// How far the caret line reaches: the scalar as written, to the end of its first line.
  int length_on_line(Place place, const std::string& value) const {
    const std::string_view line = lines_.line(place.line);
    const std::size_t start = std::min(line.size(), static_cast<std::size_t>(place.column - 1));
    const std::string_view rest = line.substr(start);
    if (rest.empty()) return 1;
    std::size_t bytes = std::min(rest.size(), value.size());
    if (rest[0] == '"' || rest[0] == '\'') {
      const std::size_t end = rest.find(rest[0], 1);
      bytes = end == std::string_view::npos ? rest.size() : end + 1;
    }
    const std::string_view shown = rest.substr(0, bytes);
    const auto characters = std::count_if(shown.begin(), shown.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    return std::max(1, static_cast<int>(characters));
  }

  void open(Node started, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(tag, started.place);
    if (stack_.size() >= kMaxDepth) {
      fatal(started.place, "too-deep", "lists and maps are nested too deeply here",
            "at most " + std::to_string(kMaxDepth) + " levels");
    }
    Open frame;
    frame.anchor = anchor;
    frame.before = spent_;
    frame.node = std::move(started);
    stack_.push_back(std::move(frame));
  }

  void close() {
    Open frame = std::move(stack_.back());
    stack_.pop_back();
    remember(frame.node, frame.anchor,
             {spent_.nodes - frame.before.nodes + 1, spent_.bytes - frame.before.bytes});
    place_in_parent(std::move(frame.node));
  }

  void add(Node leaf, YAML::anchor_t anchor) {
    remember(leaf, anchor, {1, leaf.text.size()});
    place_in_parent(std::move(leaf));
  }

  void remember(const Node& done, YAML::anchor_t anchor, Size size) {
    if (anchor == 0) return;
    spend(size, done.place);
    anchored_.emplace(anchor, Anchored{done, size});
  }

  void place_in_parent(Node done) {
    if (stack_.empty()) {
      root_ = std::move(done);
      return;
    }
    Open& parent = stack_.back();
    if (parent.node.kind == NodeKind::List) {
      parent.node.items.push_back(std::move(done));
    } else if (!parent.has_key) {
      take_key(parent, std::move(done));
    } else {
      // An empty value is marked where the next token stands, which may be lines away.
      if (done.kind == NodeKind::Null) done.place = parent.key.place;
      parent.has_key = false;
      parent.node.entries.push_back({std::move(parent.key), std::move(done)});
    }
  }

  void take_key(Open& parent, Node key) {
    if (key.kind != NodeKind::Scalar) {
      report(lines_.error(key.place, "bad-key", "this cannot be a key", "a name"));
    } else if (key.text == "<<" && key.quoting == Quoting::Plain) {
      report(lines_.error(key.place, "merge-key", "merge keys are not part of the language",
                          "the keys themselves"));
    } else if (const auto [seen, is_new] = parent.lines_of_keys.emplace(key.text, key.place.line);
               !is_new) {
      report(lines_.error(key.place, "duplicate-key",
                          quote(key.text) + " stands here a second time, after line " +
                              std::to_string(seen->second),
                          "each key once"));
    }
    parent.key = std::move(key);
    parent.has_key = true;
  }

  const Lines& lines_;
  Diagnostics errors_;
  Node root_;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchored_;
  Size spent_;
  int documents_ = 0;
};

Diagnostic syntax_error(const YAML::Exception& problem, const Lines& lines) {
  const Place place{std::max(0, problem.mark.line) + 1, std::max(0, problem.mark.column) + 1, 1};
  const std::string_view line = lines.line(place.line);
  const std::size_t tab = line.substr(0, line.find_first_not_of(" \t")).find('\t');
  if (tab != std::string_view::npos) {
    return lines.error({place.line, static_cast<int>(tab) + 1, 1}, "not-yaml",
                       "a tab cannot indent YAML", "spaces");
  }
  return lines.error(place, "not-yaml", "this is not YAML: " + problem.msg);
}

/// Where the byte at `offset` stands.
Place place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t newline = before.rfind('\n');
  const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
  return {static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
          static_cast<int>(offset - start) + 1, 1};
}

}  // namespace

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key.text == key) return &entry.value;
  }
  return nullptr;
}

SourceRange whole_file(std::string file) {
  SourceRange range;
  range.file = std::move(file);
  return range;
}

Diagnostic more_errors(const std::string& file) {
  return {Severity::Note,
          "more-errors",
          whole_file(file),
          "only the first " + std::to_string(kMaxErrors) + " errors are told",
          "",
          ""};
}

Lines::Lines(std::string_view text, std::string file)
    : file_(std::move(file)), text_(text), starts_{0} {
  if (text_.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0)
    starts_[0] = kByteOrderMark.size();
  for (std::size_t i = 0; i < text_.size(); ++i) {
    if (text_[i] == '\n') starts_.push_back(i + 1);
  }
}

SourceRange Lines::range(Place place) const {
  return {file_, place.line, place.column, place.length, std::nullopt};
}

std::string_view Lines::line(int number) const {
  if (number < 1 || static_cast<std::size_t>(number) > starts_.size()) return "";
  const std::size_t index = static_cast<std::size_t>(number) - 1;
  // Found by the start of the next one: a file may be one line of megabytes.
  const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] - 1 : text_.size();
  const std::size_t start = std::min(starts_[index], end);
  std::string_view found = std::string_view(text_).substr(start, end - start);
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

bool Lines::is_closed(Place place) const {
  std::size_t at = starts_[static_cast<std::size_t>(place.line) - 1] +
                   static_cast<std::size_t>(place.column) - 1;
  if (at < text_.size() && text_[at] == '&') {  // the anchor's name is before it
    at = text_.find_first_not_of(" \t\r\n",
                                 std::min(text_.find_first_of(" \t\r\n", at), text_.size()));
  }
  if (at >= text_.size()) return true;
  const char quote = text_[at];
  if (quote != '"' && quote != '\'') return true;
  for (++at; at < text_.size(); ++at) {
    const bool doubled = quote == '\'' && text_.compare(at, 2, "''") == 0;
    const bool escaped = quote == '"' && text_[at] == '\\';
    if (doubled || escaped) {
      ++at;
    } else if (text_[at] == quote) {
      return true;
    }
  }
  return false;
}

Diagnostic Lines::error(Place place, std::string code, std::string message,
                        std::string expected) const {
  Diagnostic diagnostic{Severity::Error,    std::move(code),     range(place),
                        std::move(message), std::move(expected), ""};
  show_line(diagnostic, line(place.line));
  return diagnostic;
}

Result<Node> parse_document(std::string_view text, const Lines& lines) {
  if (text.size() > kMaxFileBytes) {
    return lines.error({}, "too-large", "the file is larger than 16 MiB",
                       "a trace file for lists of events, named by 'replay'");
  }
  if (const auto fault = find_encoding_fault(text)) {
    return lines.error(place_of(text, fault->offset), "bad-encoding", fault->message,
                       "UTF-8 text without control characters");
  }
  TreeBuilder builder(lines);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop&) {
  } catch (const YAML::Exception& problem) {
    builder.errors().push_back(syntax_error(problem, lines));
  }
  if (!builder.errors().empty()) return std::move(builder.errors());
  if (!builder.has_document()) {
    return lines.error({}, "empty", "the file is empty", "a scenario: 'irqfab: 1' first");
  }
  return builder.take_root();
}

}  // namespace irqfab::scenario
