// Text building blocks of reports: columns and durations.
#pragma once

#include <string>
#include <vector>

#include "models/base/time.hpp"

namespace irqfab::report {

/// With the unit that reads best: "214 ns", "1.28 us", "3.05 ms".
std::string duration(Duration ps);
/// The same without a digit left out, for a time that stands beside a bound: "900.4 ns".
std::string exact_duration(Duration ps);
/// "12.3 %".
std::string percent(Duration part, Duration whole);

/// ", mutant early, mutant late", to stand behind a machine; nothing without mutants.
std::string mutants_text(const std::vector<std::string>& mutants);

enum class Column : std::uint8_t { Left, Right };

/// Rows of cells, padded into columns two spaces apart.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;
  /// As an element of an HTML page; the first row is its head.
  std::string html() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace irqfab::report
