#include "fabric/recording/line_source.hpp"

#include <utility>

namespace irqfab::recording {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

LineSource::LineSource(ByteSource bytes) : bytes_(std::move(bytes)) {}

void LineSource::fail(std::string failure, std::string expected) {
  failure_ = std::move(failure);
  expected_ = std::move(expected);
  rest_ = {};
}

/// The next bytes become rest_.
bool LineSource::fill() {
  const bool first = !std::exchange(started_, true);
  if (first &&
      bytes_.peek(kByteOrderMark.size()).substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    rest_ = bytes_.next();
    rest_.remove_prefix(kByteOrderMark.size());
    if (!rest_.empty()) return true;
  }
  rest_ = bytes_.next();
  if (rest_.empty() && !bytes_.failure().empty()) fail(bytes_.failure(), bytes_.expected());
  return !rest_.empty();
}

std::optional<std::string_view> LineSource::next() {
  if (!failure_.empty()) return std::nullopt;
  line_.clear();
  bool any = false;
  bool ended = false;
  while (!ended && (!rest_.empty() || fill())) {
    any = true;
    const std::size_t end = rest_.find('\n');
    ended = end != std::string_view::npos;
    const std::string_view part = rest_.substr(0, end);
    if (line_.size() + part.size() > kLongestLine) {
      ++number_;
      fail("the line is longer than " + std::to_string(kLongestLine) + " bytes",
           "the text of a recording, an event a line");
      return std::nullopt;
    }
    line_.append(part);
    rest_.remove_prefix(ended ? end + 1 : part.size());
  }
  if (!failure_.empty()) {
    ++number_;
    return std::nullopt;
  }
  if (!any) return std::nullopt;
  ++number_;
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace irqfab::recording
