#include "fabric/recording/text_reader.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "fabric/recording/field_scanner.hpp"
#include "fabric/recording/fields.hpp"

namespace irqfab::recording {
namespace {

constexpr std::size_t kShownLine = 200;  // bytes of a line that a message shows
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

/// A part of the line that a terminal can show, with the place of interest in it.
std::string shown(std::string_view line) {
  std::string out(line.substr(0, kShownLine));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte >= 0x7F) c = '?';
  }
  return out;
}

/// What a file is that starts like this, if it is one of the binary recordings.
std::string_view binary_recording(std::string_view line) {
  if (line.substr(0, 10) == "\x17\x08\x44tracing") return "a trace.dat of trace-cmd";
  if (line.substr(0, 8) == "PERFILE2") return "a perf.data";
  return {};
}

}  // namespace

TextReader::TextReader(std::istream& in, ReadOptions options)
    : TextReader(ByteSource(in), std::move(options)) {}

TextReader::TextReader(ByteSource bytes, ReadOptions options)
    : options_(std::move(options)), lines_(std::move(bytes)) {}

Diagnostic TextReader::diagnostic(std::string code, std::string_view line, std::size_t at,
                                  std::string message) const {
  Diagnostic d;
  d.code = std::move(code);
  d.where.file = options_.file;
  d.where.line = static_cast<int>(lines_.number());
  d.where.column = static_cast<int>(at) + 1;
  d.message = std::move(message);
  d.line = shown(line);
  return d;
}

void TextReader::note(std::string code, std::string_view line, std::size_t at,
                      std::string message) {
  Diagnostic d = diagnostic(std::move(code), line, at, std::move(message));
  d.severity = Severity::Note;
  report_.notes.push_back(std::move(d));
}

void TextReader::fail(std::string code, std::string_view line, std::size_t at, std::string message,
                      std::string expected) {
  error_ = diagnostic(std::move(code), line, at, std::move(message));
  error_->expected = std::move(expected);
}

/// The first event decides; every other must agree.
bool TextReader::settle_format(std::string_view line, const LineHead& head) {
  if (!report_.format) {
    report_.format = head.format;
    unit_ = head.unit;
    if (head.unit == TimeUnit::Ticks) {
      note("ticks", line, 0,
           "timestamps are whole numbers: read as ticks of a clock of " +
               std::to_string(options_.ticks_per_second) + " Hz");
    }
    return true;
  }
  if (head.format != *report_.format) {
    fail("mixed-formats", line, 0, "a line of another format than those before",
         std::string(name_of(*report_.format)) + ", as above");
    return false;
  }
  if (head.unit != *unit_) {
    fail("mixed-clocks", line, 0, "a timestamp of another kind than those before",
         *unit_ == TimeUnit::Ticks ? "a whole number of ticks" : "seconds.fraction");
    return false;
  }
  return true;
}

std::uint64_t TextReader::nanoseconds(const LineHead& head) {
  if (head.unit == TimeUnit::Nanoseconds || options_.ticks_per_second == 0) return head.time;
  const std::uint64_t hz = options_.ticks_per_second;
  const std::uint64_t seconds = head.time / hz, rest = head.time % hz;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (seconds > kMax / kNsPerSecond - 1) return kMax;
  // rest < hz, so rest * 10^9 fits while hz is below 18 GHz; no counter of a CPU ticks faster.
  return seconds * kNsPerSecond + (hz < kMax / kNsPerSecond ? rest * kNsPerSecond / hz : 0);
}

std::optional<RecordedEvent> TextReader::read_event(std::string_view line, const LineHead& head) {
  if (!settle_format(line, head)) return std::nullopt;
  const Fields fields = read_fields(head.event, head.fields);
  if (fields.error) {
    fail("malformed-event", line, head.fields_at + fields.error->at,
         std::string(head.event) + " does not read as that event", fields.error->expected);
    return std::nullopt;
  }
  RecordedEvent event{nanoseconds(head), head.comm,  head.pid,   head.cpu,
                      head.context,      head.event, fields.what};
  if (!count_event(report_, event)) {
    fail("too-many-events", line, 0,
         "more than " + std::to_string(kNamesLimit) + " different events", "a trace of Linux");
    return std::nullopt;
  }
  if (!fields.rest.empty() && !std::exchange(noted_rest_, true)) {
    note("more-fields", line, static_cast<std::size_t>(fields.rest.data() - line.data()),
         std::string(head.event) + " has more fields than are known; they are not used");
  }
  if (event.ns < latest_ns_ && !std::exchange(noted_order_, true)) {
    note("time-goes-back", line, 0,
         "events are not in the order of their timestamps; the replay is sorted by time");
  }
  latest_ns_ = std::max(latest_ns_, event.ns);
  last_ = Last::Event;
  return event;
}

bool TextReader::belongs_to_last_event(std::string_view line) const {
  if (report_.events == 0) return false;
  return continues_a_stack(line, last_ == Last::Stack);
}

/// Nothing for a line that is no event; error_ is set where it should have been one.
std::optional<RecordedEvent> TextReader::read(std::string_view line) {
  const RemarkLine remark = read_remark(line);
  if (remark.remark == Remark::Lost) {
    report_.lost += remark.lost;
    ++report_.gaps;
  }
  if (remark.remark != Remark::None) {
    last_ = Last::Event;
    return std::nullopt;
  }
  LineError why;
  if (const auto head = read_event_line(line, why)) {
    if (head->event == "PERF_RECORD_LOST") {
      FieldScanner in(head->fields);
      in.expect("lost");
      report_.lost += in.decimal(std::numeric_limits<std::uint32_t>::max());
      ++report_.gaps;
    }
    return read_event(line, *head);
  }
  if (belongs_to_last_event(line)) {
    ++report_.continuations;
    last_ = Last::Stack;
    return std::nullopt;
  }
  const std::string_view binary = report_.events == 0 ? binary_recording(line) : "";
  if (!binary.empty()) {
    fail("binary", line, 0, "this is " + std::string(binary) + ", not its text",
         "the output of trace-cmd report or perf script");
  } else {
    fail("malformed-line", line, why.at, why.message, why.expected);
  }
  return std::nullopt;
}

Result<std::optional<RecordedEvent>> TextReader::next() {
  while (!error_) {
    const auto line = lines_.next();
    report_.lines = lines_.number();
    if (!line) {
      if (!lines_.failure().empty()) {
        fail("unreadable", {}, 0, lines_.failure(), lines_.expected());
      } else if (report_.events == 0) {
        fail("empty", {}, 0, "the recording holds no event",
             "the output of trace-cmd report or perf script");
      } else {
        return std::optional<RecordedEvent>{};
      }
      break;
    }
    auto event = read(*line);
    if (event) return event;
  }
  return *error_;
}

}  // namespace irqfab::recording
