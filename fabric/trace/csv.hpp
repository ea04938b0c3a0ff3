// A trace as comma-separated values (RFC 4180): a row of column names, then a row a record, each
// with CR LF at its end. traces/README.md has the columns. A cell is empty where a record has no
// such thing; times are integers of ps.
#pragma once

#include <string>
#include <vector>

#include "fabric/trace/fields.hpp"
#include "fabric/trace/header.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

class CsvFormat {
 public:
  /// The header must outlive the format.
  explicit CsvFormat(const TraceHeader& header);

  /// Appends the column names.
  void append_head(std::string& out) const;
  /// Appends the record's row.
  void append(const TraceRecord& record, std::string& out) const;

 private:
  void append_place(NodeId node, std::string& out) const;

  const TraceHeader& header_;
  Fields fields_;
  std::vector<std::string> places_;   // by node: component and node as cells
  std::vector<std::string> sources_;  // by source, as a cell
};

}  // namespace irqfab::trace
