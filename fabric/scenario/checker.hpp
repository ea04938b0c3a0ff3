// Holds a document against the table of the language: known keys, required ones, kinds of values.
// What passes has every default in its place, so whoever builds from it need not ask again.
#pragma once

#include <string>
#include <string_view>

#include "fabric/scenario/document.hpp"
#include "fabric/scenario/language.hpp"

namespace irqfab::scenario {

/// Collects errors, up to kMaxErrors.
class Findings {
 public:
  explicit Findings(const Lines& lines) : lines_(lines) {}

  void error(Place place, std::string code, std::string message, std::string expected = "");
  /// One with a part of a scalar's text.
  void error_in(const Node& scalar, std::string_view part, std::string code, std::string message,
                std::string expected);
  /// One whose place is known; the text of its line is added.
  void add(const Diagnostic& diagnostic);
  bool empty() const { return errors_.empty(); }
  /// There were more errors than are told; looking for others is of no use.
  bool has_more() const { return has_more_; }
  /// In the order of the file.
  Diagnostics take();

 private:
  bool full() const { return errors_.size() >= kMaxErrors; }

  const Lines& lines_;
  Diagnostics errors_;
  bool has_more_ = false;
};

/// Checks the whole document and adds the entries that the table has defaults for.
void check_and_fill(Node& root, Findings& findings);

}  // namespace irqfab::scenario
