#include "fabric/trace/text.hpp"

#include <algorithm>
#include <charconv>

#include "fabric/trace/naming.hpp"

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

/// In ns with three decimals, at the right of its column.
void append_time(Time time, std::string& out) {
  char text[24];
  char* end = std::to_chars(text, text + 20, time / kPsPerNs).ptr;
  const auto rest = static_cast<unsigned>(time % kPsPerNs);
  *end++ = '.';
  *end++ = static_cast<char>('0' + rest / 100);
  *end++ = static_cast<char>('0' + rest / 10 % 10);
  *end++ = static_cast<char>('0' + rest % 10);
  const auto size = static_cast<std::size_t>(end - text);
  if (size < kTimeWidth) out.append(kTimeWidth - size, ' ');
  out.append(text, size);
  out += "  ";
}

}  // namespace

TextFormat::TextFormat(const TraceHeader& header) : header_(header), fields_(header) {
  for (const std::string& name : header.nodes) node_width_ = std::max(node_width_, name.size());
  node_width_ = std::min(node_width_, kWidestNode);
}

void TextFormat::append(const TraceRecord& record, std::string& out) const {
  append_time(record.time, out);
  std::size_t start = out.size();
  append_node(header_, record.node, out);
  end_column(out, start, node_width_);
  start = out.size();
  out += name_of(record.event);
  end_column(out, start, kEventWidth);
  start = out.size();
  append_span(header_, record.span, out);
  if (fields_.any(record.event)) {
    end_column(out, start, kSpanWidth);
    fields_.append(record, out);
  }
  out += '\n';
}

}  // namespace irqfab::trace
