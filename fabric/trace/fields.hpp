// The details of records, taken apart: "CPU=12 vector=0x41".
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/trace/header.hpp"
#include "fabric/trace/vocabulary.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

class Fields {
 public:
  /// The header must outlive the fields.
  explicit Fields(const TraceHeader& header);

  /// False for an event whose detail holds nothing.
  bool any(Event event) const { return !of(event).empty(); }
  /// Appends every field of the record's detail, with spaces between them.
  void append(const TraceRecord& record, std::string& out) const;
  /// The number in the field of that name, if the event has one.
  std::optional<std::uint64_t> number(const TraceRecord& record, std::string_view name) const;

 private:
  struct Field {
    DetailField field;
    std::string label;  // "CPU="
    const CodeList* codes = nullptr;
  };

  const std::vector<Field>& of(Event event) const {
    return fields_[static_cast<std::size_t>(event)];
  }
  void append(const Field& field, std::uint64_t detail, std::string& out) const;

  const TraceHeader& header_;
  std::array<std::vector<Field>, kEventCount> fields_;  // by event
};

}  // namespace irqfab::trace
