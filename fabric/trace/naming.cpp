#include "fabric/trace/naming.hpp"

#include <charconv>

namespace irqfab::trace {
namespace {

void append_number(std::uint64_t value, int base, std::string& out) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value, base).ptr);
}

}  // namespace

void append_decimal(std::uint64_t value, std::string& out) { append_number(value, 10, out); }

void append_hex(std::uint64_t value, std::string& out) {
  out += "0x";
  append_number(value, 16, out);
}

void append_node(const TraceHeader& header, NodeId node, std::string& out) {
  if (header.nodes.contains(node)) {
    out += header.nodes[node];
  } else {
    out += "node-";
    append_decimal(raw(node), out);
  }
}

void append_source(const TraceHeader& header, SourceId source, std::string& out) {
  if (header.sources.contains(source)) {
    out += header.sources[source];
  } else {
    out += "source-";
    append_decimal(raw(source), out);
  }
}

void append_span(const TraceHeader& header, SpanId span, std::string& out) {
  if (span == kNoSpan) {
    out += '-';
    return;
  }
  append_source(header, source_of(span), out);
  out += '#';
  append_decimal(sequence_of(span), out);
}

}  // namespace irqfab::trace
