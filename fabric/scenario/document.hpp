// The text of a scenario as a tree of places: YAML, with everything refused that YAML readers
// accept in silence (duplicate keys, second documents, other encodings) and bounds on size, depth
// and aliases. Scalars stay text: what `010` or `01:00.0` means is decided by whoever asked for the
// value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/result.hpp"

namespace irqfab::scenario {

constexpr std::size_t kMaxFileBytes = 16u << 20;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxErrors = 20;  // of one file that are told at once
// After aliases have been replaced by what they stand for:
constexpr std::size_t kMaxNodes = 1u << 20;
constexpr std::size_t kMaxTextBytes = 4 * kMaxFileBytes;

/// 1-based; columns count bytes, as in SourceRange.
struct Place {
  int line = 0;
  int column = 0;
  int length = 1;
};

enum class NodeKind : std::uint8_t { Null, Scalar, List, Map };
enum class Quoting : std::uint8_t { Plain, Quoted };

struct Entry;
struct Node {
  NodeKind kind = NodeKind::Null;
  Quoting quoting = Quoting::Plain;
  Place place;
  std::string text;            // Scalar
  std::vector<Node> items;     // List
  std::vector<Entry> entries;  // Map; keys are unique scalars

  const Node* find(std::string_view key) const;
};
struct Entry {
  Node key;
  Node value;
};

/// The input as a whole: line 0.
SourceRange whole_file(std::string file);

/// The lines of a text input, for diagnostics.
class Lines {
 public:
  Lines(std::string_view text, std::string file);

  const std::string& file() const { return file_; }
  SourceRange range(Place place) const;
  /// An error with the text of its line, or of a long one what is around the place.
  Diagnostic error(Place place, std::string code, std::string message,
                   std::string expected = "") const;
  /// Does the quote at `place` have its other end? Where none stands there is nothing to close.
  bool is_closed(Place place) const;
  /// The bytes of a line, without its end; empty beyond the last.
  std::string_view line(int number) const;

 private:
  std::string file_;
  std::string text_;
  std::vector<std::size_t> starts_;
};

/// Says that the list of errors before it is cut off at kMaxErrors.
Diagnostic more_errors(const std::string& file);

/// The one document in `text`.
Result<Node> parse_document(std::string_view text, const Lines& lines);

}  // namespace irqfab::scenario
