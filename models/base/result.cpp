#include "models/base/result.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "models/base/utf8.hpp"

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

std::size_t before_column(const Diagnostic& d) {
  return std::min(d.line.size(),
                  static_cast<std::size_t>(std::max(0, d.where.column - d.line_column)));
}

/// Spaces up to the column, keeping tabs so that the caret stands under its character.
std::string indent_to(std::string_view before) {
  std::string indent;
  for (std::size_t at = 0; at < before.size();) {
    const Character c = character_at(before, at);
    const int width = c.size == 0 ? 1 : width_of(c.code);
    indent.append(static_cast<std::size_t>(width), before[at] == '\t' ? '\t' : ' ');
    at += std::max<std::size_t>(1, c.size);
  }
  return indent;
}

/// A caret and what else underlines `length` characters, as far as the line goes.
std::string underline(std::string_view rest, int length) {
  int columns = 0;
  for (std::size_t at = 0; at < rest.size() && length > 0; --length) {
    const Character c = character_at(rest, at);
    columns += c.size == 0 ? 1 : width_of(c.code);
    at += std::max<std::size_t>(1, c.size);
  }
  return '^' + std::string(static_cast<std::size_t>(std::max(0, columns - 1)), '~');
}

/// The line, and a caret under the place.
std::string pointed_at(const Diagnostic& d) {
  const std::size_t before = before_column(d);
  const std::string_view line = d.line;
  return "  " + shown(line) + "\n  " + indent_to(line.substr(0, before)) +
         underline(line.substr(before), d.where.length) + '\n';
}

std::string hex_of(std::uint64_t value) {
  char text[20];
  std::snprintf(text, sizeof text, "0x%" PRIx64, value);
  return text;
}

}  // namespace

void show_line(Diagnostic& diagnostic, std::string_view text) {
  constexpr std::size_t kLongest = 160;
  constexpr std::size_t kBefore = 80;  // bytes of a long line in front of the place
  constexpr std::string_view kCut = "...";
  const std::size_t place = static_cast<std::size_t>(std::max(0, diagnostic.where.column - 1));
  if (text.size() <= kLongest) {
    diagnostic.line = text;
    diagnostic.line_column = 1;
    return;
  }
  std::size_t start =
      std::min(place, text.size()) > kBefore ? std::min(place, text.size()) - kBefore : 0;
  start -= bytes_into_character(text, start);
  std::size_t end = std::min(start + kLongest, text.size());
  if (end < text.size()) end -= bytes_into_character(text, end);
  diagnostic.line = text.substr(start, end - start);
  diagnostic.line_column = static_cast<int>(start) + 1;
  if (start > 0) {
    diagnostic.line.insert(0, kCut);
    diagnostic.line_column -= static_cast<int>(kCut.size());
  }
  if (end < text.size()) diagnostic.line += kCut;
}

std::string format(const Diagnostic& d) {
  std::string out = shown(d.where.file);
  if (d.where.line > 0) {
    out += ':' + std::to_string(d.where.line) + ':' + std::to_string(d.where.column);
  }
  if (d.where.offset) out += ":+" + hex_of(*d.where.offset);
  if (!out.empty()) out += ": ";
  out += std::string(word_for(d.severity)) + ": " + shown(d.message) + '\n';
  if (d.where.line > 0 && !d.line.empty()) out += pointed_at(d);
  if (!d.expected.empty()) out += "  expected " + shown(d.expected) + '\n';
  return out;
}

}  // namespace irqfab
