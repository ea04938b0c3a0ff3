#include "fabric/trace/text.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace irqfab::trace {
namespace {

constexpr std::size_t kTimeWidth = 16;
// Longer names push the rest of their line to the right.
constexpr std::size_t kWidestNode = 24;
constexpr std::size_t kEventWidth =
    20;  // fixed: a new event must not move the columns of old texts
constexpr std::size_t kSpanWidth = 16;

/// Fills the column that began at `start` up to `width`, and the gap to the next one.
void end_column(std::string& out, std::size_t start, std::size_t width) {
  const std::size_t end = start + width;
  if (out.size() < end) out.append(end - out.size(), ' ');
  out += "  ";
}

void append_time(Time time, std::string& out) {
  char text[32];
  std::snprintf(text, sizeof text, "%" PRIu64 ".%03u", time / kPsPerNs,
                static_cast<unsigned>(time % kPsPerNs));
  const std::string_view digits = text;
  if (digits.size() < kTimeWidth) out.append(kTimeWidth - digits.size(), ' ');
  out += digits;
  out += "  ";
}

void append_hex(std::uint64_t value, std::string& out) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  out += text;
}

}  // namespace

TextFormat::TextFormat(const TraceHeader& header) : header_(header) {
  for (const std::string& name : header.nodes) node_width_ = std::max(node_width_, name.size());
  node_width_ = std::min(node_width_, kWidestNode);
  for (std::uint16_t i = 0; i < kEventCount; ++i) {
    fields_[i] = fields_of(row_of(Event{i}).detail);
  }
}

void TextFormat::append(const TraceRecord& record, std::string& out) const {
  append_time(record.time, out);
  std::size_t start = out.size();
  append_node(record.node, out);
  end_column(out, start, node_width_);
  start = out.size();
  out += name_of(record.event);
  end_column(out, start, kEventWidth);
  start = out.size();
  append_span(record.span, out);
  const std::vector<DetailField>& fields = fields_[static_cast<std::size_t>(record.event)];
  if (!fields.empty()) {
    end_column(out, start, kSpanWidth);
    for (const DetailField& field : fields) {
      if (&field != &fields.front()) out += ' ';
      append_field(field, record.detail, out);
    }
  }
  out += '\n';
}

void TextFormat::append_node(NodeId node, std::string& out) const {
  if (header_.nodes.contains(node)) {
    out += header_.nodes[node];
  } else {
    out += "node-" + std::to_string(raw(node));
  }
}

void TextFormat::append_span(SpanId span, std::string& out) const {
  if (span == kNoSpan) {
    out += '-';
    return;
  }
  const SourceId source = source_of(span);
  if (header_.sources.contains(source)) {
    out += header_.sources[source];
  } else {
    out += "source-" + std::to_string(raw(source));
  }
  out += '#' + std::to_string(sequence_of(span));
}

void TextFormat::append_field(const DetailField& field, std::uint64_t detail,
                              std::string& out) const {
  std::transform(field.name.begin(), field.name.end(), std::back_inserter(out),
                 [](char c) { return c == ' ' ? '-' : c; });
  out += '=';
  if (detail == ~std::uint64_t{0} && !field.name_of_ones.empty()) {
    out += field.name_of_ones;
    return;
  }
  const std::uint64_t value = detail << (63 - field.high) >> (63 - field.high + field.low);
  const CodeList* codes = field.kind == DetailKind::Code ? codes_of(field.name) : nullptr;
  if (codes != nullptr && value < codes->size) {
    out += codes->names[value];
  } else if (field.kind == DetailKind::Hex) {
    append_hex(value, out);
  } else if (field.kind == DetailKind::Span) {
    append_span(SpanId{value}, out);
  } else {
    out += std::to_string(value);
  }
}

}  // namespace irqfab::trace
