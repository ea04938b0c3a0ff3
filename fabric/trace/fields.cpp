#include "fabric/trace/fields.hpp"

#include <algorithm>

#include "fabric/trace/naming.hpp"

namespace irqfab::trace {
namespace {

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

std::uint64_t bits_of(const DetailField& field, std::uint64_t detail) {
  return detail << (63 - field.high) >> (63 - field.high + field.low);
}

}  // namespace

Fields::Fields(const TraceHeader& header) : header_(header) {
  for (std::uint16_t event = 0; event < kEventCount; ++event) {
    for (const DetailField& field : fields_of(row_of(Event{event}).detail)) {
      std::string label(field.name);
      std::replace(label.begin(), label.end(), ' ', '-');
      label += '=';
      const CodeList* codes = field.kind == DetailKind::Code ? codes_of(field.name) : nullptr;
      fields_[event].push_back({field, std::move(label), codes});
    }
  }
}

void Fields::append(const TraceRecord& record, std::string& out) const {
  const std::vector<Field>& fields = of(record.event);
  for (const Field& field : fields) {
    if (&field != &fields.front()) out += ' ';
    append(field, record.detail, out);
  }
}

void Fields::append(const Field& field, std::uint64_t detail, std::string& out) const {
  out += field.label;
  if (detail == kAllOnes && !field.field.name_of_ones.empty()) {
    out += field.field.name_of_ones;
    return;
  }
  const std::uint64_t value = bits_of(field.field, detail);
  if (field.codes != nullptr && value < field.codes->size) {
    out += field.codes->names[value];
  } else if (field.field.kind == DetailKind::Hex) {
    append_hex(value, out);
  } else if (field.field.kind == DetailKind::Span) {
    append_span(header_, SpanId{value}, out);
  } else {
    append_decimal(value, out);
  }
}

std::optional<std::uint64_t> Fields::number(const TraceRecord& record,
                                            std::string_view name) const {
  for (const Field& field : of(record.event)) {
    if (field.field.name == name) return bits_of(field.field, record.detail);
  }
  return std::nullopt;
}

}  // namespace irqfab::trace
