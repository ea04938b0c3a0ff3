// The header of a trace as JSON text: what a trace needs so that it can be read without this
// program.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "fabric/trace/header.hpp"
#include "fabric/trace/vocabulary.hpp"

namespace irqfab::trace {

/// One JSON document: the header and this program's vocabulary.
std::string to_text(const TraceHeader& header);

struct ParsedHeader {
  TraceHeader header;
  std::vector<FileEvent> events;
  std::vector<FileCodes> codes;
};

/// The header, or what is wrong with the text. Memory is bounded by a small multiple of its length,
/// whatever it holds. Keys it does not know are passed over: later versions may add some. Control
/// characters in names become '?', so that they can be shown anywhere.
std::variant<ParsedHeader, std::string> from_text(const std::string& text);

}  // namespace irqfab::trace
