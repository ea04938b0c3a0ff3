// A trace as text, one line a record:
//
//       1234.567  hb0       BridgeForwarded       nvme0:3#17        address=0xfee00000
//
// time in ns, node, event, span as source#sequence or "-", and the fields of the detail.
#pragma once

#include <string>

#include "fabric/trace/fields.hpp"
#include "fabric/trace/header.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

class TextFormat {
 public:
  /// The header must outlive the format.
  explicit TextFormat(const TraceHeader& header);

  /// Appends the record's line, with its line end.
  void append(const TraceRecord& record, std::string& out) const;

 private:
  const TraceHeader& header_;
  Fields fields_;
  std::size_t node_width_ = 0;
};

}  // namespace irqfab::trace
