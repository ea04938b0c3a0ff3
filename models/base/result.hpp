// Errors of the user or the host: a value or a diagnostic that knows where in the input it arose.
// Guest-visible errors are events (outcome.hpp), and our own bugs are asserts; the three never mix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace irqfab {

/// A place in an input: 1-based line and column of a text, or the offset into a binary file; with
/// line 0 and no offset, the input as a whole.
struct SourceRange {
  std::string file;
  int line = 0;
  int column = 0;
  int length = 1;                       // columns the caret underlines
  std::optional<std::uint64_t> offset;  // bytes from the start of a binary input
};

enum class Severity { Error, Warning, Note };

struct Diagnostic {
  Severity severity = Severity::Error;
  std::string code;  // short and stable, for scripts: "unknown-key"
  SourceRange where;
  std::string message;   // what is wrong
  std::string expected;  // what would have been right; may be empty
  std::string line;      // the text of the line, for the caret; may be empty
  int line_column = 1;   // the column at which `line` starts: of a long line it is a part
};

using Diagnostics = std::vector<Diagnostic>;

/// A T, or the diagnostics that say why there is none.
template <class T>
class Result {
 public:
  Result(T value) : held_(std::move(value)) {}
  Result(Diagnostic error) : held_(Diagnostics{std::move(error)}) {}
  Result(Diagnostics errors) : held_(std::move(errors)) {}

  explicit operator bool() const { return std::holds_alternative<T>(held_); }
  T& operator*() { return std::get<T>(held_); }
  const T& operator*() const { return std::get<T>(held_); }
  T* operator->() { return &std::get<T>(held_); }
  const T* operator->() const { return &std::get<T>(held_); }
  const Diagnostics& errors() const { return std::get<Diagnostics>(held_); }

 private:
  std::variant<T, Diagnostics> held_;
};

/// Gives a diagnostic the text of its line; of a long one, what is around its column.
void show_line(Diagnostic& diagnostic, std::string_view text);

/// `file:line:column: error: message`, the line, a caret, and what was expected; for binary input
/// `file:+0xOFFSET: error: message`. What a terminal would act on instead of showing it, from names
/// of files as well as from their contents, comes out as '?'.
std::string format(const Diagnostic& diagnostic);

}  // namespace irqfab
