// What a trace calls the numbers in its records. Numbers that its header does not name stay
// numbers.
#pragma once

#include <string>

#include "fabric/trace/header.hpp"

namespace irqfab::trace {

/// "hb0".
void append_node(const TraceHeader& header, NodeId node, std::string& out);
/// "nvme0:3".
void append_source(const TraceHeader& header, SourceId source, std::string& out);
/// Source and sequence, "nvme0:3#17", or "-" for none.
void append_span(const TraceHeader& header, SpanId span, std::string& out);

/// In decimal, or with 0x in hexadecimal.
void append_decimal(std::uint64_t value, std::string& out);
void append_hex(std::uint64_t value, std::string& out);

}  // namespace irqfab::trace
