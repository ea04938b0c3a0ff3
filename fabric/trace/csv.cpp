#include "fabric/trace/csv.hpp"

#include <optional>

#include "fabric/trace/naming.hpp"

namespace irqfab::trace {
namespace {

/// Text as a cell: in quotes if it would not be one otherwise.
void append_cell(const std::string& text, std::string& out) {
  if (text.find_first_of(",\"\r\n") == text.npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_number_cell(const std::optional<std::uint64_t>& number, std::string& out) {
  if (number) append_decimal(*number, out);
  out += ',';
}

}  // namespace

CsvFormat::CsvFormat(const TraceHeader& header) : header_(header), fields_(header) {
  for (const ComponentNodes& component : header.components) {
    for (std::uint32_t i = 0; i < component.nodes; ++i) {
      std::string& place = places_.emplace_back();
      append_cell(component.name, place);
    }
  }
  places_.resize(header.nodes.size());
  for (std::size_t node = 0; node < places_.size(); ++node) {
    places_[node] += ',';
    append_cell(header.nodes[NodeId{static_cast<std::uint32_t>(node)}], places_[node]);
  }
  for (const std::string& source : header.sources) append_cell(source, sources_.emplace_back());
}

void CsvFormat::append_head(std::string& out) const {
  out +=
      "time_ps,round,component,node,event,role,effect,source,sequence,detail,cpu,vector,fields\r\n";
}

void CsvFormat::append(const TraceRecord& record, std::string& out) const {
  const EventRow& row = row_of(record.event);
  append_decimal(record.time, out);
  out += ',';
  append_decimal(record.round, out);
  out += ',';
  append_place(record.node, out);
  out += ',';
  out += row.name;
  out += ',';
  out += name_of(row.role);
  out += ',';
  out += name_of(row.effect);
  out += ',';
  if (record.span != kNoSpan) {
    const SourceId source = source_of(record.span);
    if (raw(source) < sources_.size()) {
      out += sources_[raw(source)];
    } else {
      append_source(header_, source, out);
    }
    out += ',';
    append_decimal(sequence_of(record.span), out);
    out += ',';
  } else {
    out += ",,";
  }
  append_decimal(record.detail, out);
  out += ',';
  append_number_cell(fields_.number(record, "CPU"), out);
  append_number_cell(fields_.number(record, "vector"), out);
  // Names of sources may stand in fields.
  std::string fields;
  fields_.append(record, fields);
  append_cell(fields, out);
  out += "\r\n";
}

void CsvFormat::append_place(NodeId node, std::string& out) const {
  if (raw(node) < places_.size()) {
    out += places_[raw(node)];
    return;
  }
  out += ',';
  append_node(header_, node, out);
}

}  // namespace irqfab::trace
