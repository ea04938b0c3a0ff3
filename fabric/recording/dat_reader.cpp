#include "fabric/recording/dat_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "fabric/recording/dat_child.hpp"
#include "fabric/recording/field_scanner.hpp"

namespace irqfab::recording {
namespace {

constexpr std::size_t kReceived = 256 * 1024;  // bytes at a time
constexpr std::uint32_t kMostCpus = 0x10000;
constexpr const char* kWholeFile = "a whole trace.dat, as trace-cmd wrote it";

/// Clocks of Linux whose unit is the nanosecond; nothing said means `local`.
bool counts_ns(std::string_view clock) {
  constexpr std::array<std::string_view, 10> kClocks = {
      "", "local", "global", "uptime", "perf", "mono", "mono_raw", "boot", "tai", "tsc2nsec"};
  return std::find(kClocks.begin(), kClocks.end(), clock) != kClocks.end();
}

/// The first line of what a program wrote.
std::string_view marker_of(std::string_view text) {
  return trimmed(text.substr(0, text.find_first_of("\r\n")));
}

bool is_printable(char c) { return c >= 0x20 && c < 0x7F; }

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (!is_printable(c)) c = '?';
  }
  return out;
}

}  // namespace

ChildLimits dat_limits(std::uint64_t bytes) {
  constexpr unsigned kMiB = 20;
  ChildLimits limits;
  limits.cpu_seconds += bytes >> kMiB;
  limits.silent_seconds += bytes >> kMiB;
  limits.memory_bytes += 2 * bytes;
  return limits;
}

Result<DatReader> DatReader::start(const trace::Descriptor& file, std::string name,
                                   const ChildLimits& limits) {
  const int fd = file.get();
  auto child =
      ConfinedChild::start([fd](ChildOutput& output) { send_recording(fd, output); }, limits);
  if (!child) {
    Diagnostics errors = child.errors();
    for (Diagnostic& error : errors) error.where.file = name;
    return errors;
  }
  return DatReader(std::move(*child), std::move(name), limits);
}

DatReader::DatReader(ConfinedChild child, std::string name, const ChildLimits& limits)
    : child_(std::move(child)), name_(std::move(name)), limits_(limits), bytes_(kReceived) {
  report_.format = Format::TraceDat;
}

Diagnostic DatReader::diagnostic(std::string code, std::string message) const {
  Diagnostic d;
  d.code = std::move(code);
  d.where.file = name_;
  d.message = std::move(message);
  return d;
}

void DatReader::note(std::string code, std::string message) {
  Diagnostic d = diagnostic(std::move(code), std::move(message));
  d.severity = Severity::Note;
  report_.notes.push_back(std::move(d));
}

void DatReader::fail(std::string code, std::string message, std::string expected) {
  error_ = diagnostic(std::move(code), std::move(message));
  error_->expected = std::move(expected);
}

/// At least `size` bytes from from_ on; false if the child ended before.
bool DatReader::receive(std::size_t size) {
  if (to_ - from_ >= size) return true;
  std::copy(bytes_.begin() + static_cast<std::ptrdiff_t>(from_),
            bytes_.begin() + static_cast<std::ptrdiff_t>(to_), bytes_.begin());
  to_ -= std::exchange(from_, 0);
  while (to_ < size) {
    const std::size_t count = child_.read(bytes_.data() + to_, bytes_.size() - to_);
    if (count == 0) return false;
    to_ += count;
  }
  return true;
}

/// The next message into head_ and the texts; false at the end of them.
bool DatReader::receive_message() {
  if (!receive(sizeof(DatHead))) {
    refuse_ending();
    return false;
  }
  std::memcpy(&head_, bytes_.data() + from_, sizeof(head_));
  const bool sound = head_.message <= DatMessage::End && head_.comm_length <= kLongestComm &&
                     head_.name_length <= kLongestName && head_.text_length <= kLongestMarker &&
                     head_.cpu < kMostCpus && (head_.kind == kNoKind || head_.kind < kDatKinds);
  const std::size_t texts = std::size_t{head_.comm_length} + head_.name_length + head_.text_length;
  if (!sound) {
    fail("dat-nonsense", "the recording makes its reader say nonsense", kWholeFile);
    return false;
  }
  if (!receive(sizeof(DatHead) + texts)) {
    refuse_ending();
    return false;
  }
  const std::string_view all(bytes_.data() + from_ + sizeof(DatHead), texts);
  comm_ = all.substr(0, head_.comm_length);
  event_name_ = all.substr(head_.comm_length, head_.name_length);
  text_ = all.substr(std::size_t{head_.comm_length} + head_.name_length);
  from_ += sizeof(DatHead) + texts;
  return true;
}

/// The child is gone, and has not said that the recording has ended.
void DatReader::refuse_ending() {
  switch (child_.ending()) {
    case ConfinedChild::Ending::OutOfTime:
      fail("dat-time",
           "the recording takes more than " + std::to_string(limits_.cpu_seconds) +
               " s of processor time to read: it is damaged",
           kWholeFile);
      break;
    case ConfinedChild::Ending::Silent:
      fail("dat-silent",
           "nothing was read from the recording for " + std::to_string(limits_.silent_seconds) +
               " s: it is damaged",
           kWholeFile);
      break;
    case ConfinedChild::Ending::Oversized:
      fail("dat-size", "the recording unpacks to more than a recording holds", kWholeFile);
      break;
    case ConfinedChild::Ending::Done:
    case ConfinedChild::Ending::Crashed:
      fail("dat-crash", "the recording is damaged: the library that reads it crashed", kWholeFile);
      break;
  }
}

void DatReader::end() {
  ended_ = true;
  switch (head_.number) {
    case IRQFAB_DAT_WHOLE:
      if (report_.events == 0) {
        fail("empty", "the recording holds no event", "a recording of the events kvm:*");
      }
      return;
    case IRQFAB_DAT_NOT_OPENED:
      return fail("dat-header", "the header or the formats of the recording cannot be read",
                  kWholeFile);
    case IRQFAB_DAT_NO_BUFFER:
      return fail("dat-buffer", "a buffer of the recording cannot be read", kWholeFile);
    case IRQFAB_DAT_ENDS_EARLY:
      return fail("dat-pages", "the events of a CPU end before their data do", kWholeFile);
    case IRQFAB_DAT_BAD_EVENT:
      return fail(
          "dat-event",
          "event " + std::to_string(report_.events + 1) + " is shorter than its format says",
          kWholeFile);
    case IRQFAB_DAT_NO_MEMORY:
      return fail("dat-memory", "reading the recording takes more memory than a recording needs",
                  kWholeFile);
    default:
      return fail("dat-nonsense", "the recording makes its reader say nonsense", kWholeFile);
  }
}

void DatReader::take_clock() {
  if (counts_ns(text_)) return;
  note("ticks", "the clock " + printable(text_) +
                    " does not count nanoseconds: read as ticks of a clock of 1000000000 Hz");
}

void DatReader::count_lost(std::int64_t lost) {
  if (lost == 0) return;
  ++report_.gaps;
  if (lost > 0) report_.lost += static_cast<std::uint64_t>(lost);
}

std::optional<RecordedEvent> DatReader::event_of(const DatHead& head) {
  RecordedEvent event;
  event.ns = head.time;
  event.comm = trimmed(comm_);
  event.pid = head.pid;
  event.cpu = head.cpu;
  event.context = context_of_flags(head.flags);
  event.name = event_name_;
  if (event.name.empty()) event.name = "(an event without a format)";
  if (!std::all_of(event.name.begin(), event.name.end(), is_printable)) {
    event.name = shown_name_ = printable(event.name);
  }
  if (head.is_marker != 0) event.what = Marker{marker_of(text_)};
  if (head.kind == kNoKind) return event;
  DatFields fields = read_dat_fields(head.kind, head.numbers);
  if (!fields.expected.empty()) {
    fail("malformed-event", std::string(event.name) + " does not read as that event",
         std::move(fields.expected));
    return std::nullopt;
  }
  event.what = std::move(fields.what);
  return event;
}

/// Nothing for a message that is no event; error_ and ended_ say more.
std::optional<RecordedEvent> DatReader::understood() {
  if (head_.message == DatMessage::Clock) take_clock();
  if (head_.message == DatMessage::End) end();
  if (head_.message != DatMessage::Event) return std::nullopt;
  count_lost(head_.lost);
  auto event = event_of(head_);
  if (!event) return std::nullopt;
  if (!count_event(report_, *event)) {
    fail("too-many-events", "more than " + std::to_string(kNamesLimit) + " different events",
         "a trace of Linux");
    return std::nullopt;
  }
  if (event->ns < latest_ && !std::exchange(noted_order_, true)) {
    note("time-goes-back",
         "events are not in the order of their timestamps; the replay is sorted by time");
  }
  latest_ = std::max(latest_, event->ns);
  return event;
}

Result<std::optional<RecordedEvent>> DatReader::next() {
  while (!error_ && !ended_ && receive_message()) {
    auto event = understood();
    if (event) return event;
  }
  if (error_) return *error_;
  return std::optional<RecordedEvent>{};
}

}  // namespace irqfab::recording
