#include "models/base/result.hpp"

#include <cinttypes>
#include <cstdio>

namespace irqfab {
namespace {

const char* word_for(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return "error";
    case Severity::Warning:
      return "warning";
    case Severity::Note:
      break;
  }
  return "note";
}

/// Spaces up to the column, keeping tabs so that the caret stands under its character.
std::string indent_like(const std::string& line, int column) {
  std::string indent;
  for (int i = 0; i + 1 < column && i < static_cast<int>(line.size()); ++i) {
    const unsigned char c = static_cast<unsigned char>(line[static_cast<std::size_t>(i)]);
    const bool continues_a_character = (c & 0xC0) == 0x80;
    if (!continues_a_character) indent += c == '\t' ? '\t' : ' ';
  }
  return indent;
}

std::string hex_of(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

}  // namespace

std::string format(const Diagnostic& d) {
  std::string out = d.where.file;
  if (d.where.line > 0) {
    out += ':' + std::to_string(d.where.line) + ':' + std::to_string(d.where.column);
  }
  if (d.where.offset) out += ":+" + hex_of(*d.where.offset);
  if (!out.empty()) out += ": ";
  out += std::string(word_for(d.severity)) + ": " + d.message + '\n';
  if (d.where.line > 0 && !d.line.empty()) {
    out += "  " + d.line + '\n';
    out += "  " + indent_like(d.line, d.where.column) + '^' +
           std::string(d.where.length > 1 ? static_cast<std::size_t>(d.where.length - 1) : 0, '~') +
           '\n';
  }
  if (!d.expected.empty()) out += "  expected " + d.expected + '\n';
  return out;
}

}  // namespace irqfab
