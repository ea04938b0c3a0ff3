#include "fabric/recording/line_format.hpp"

#include <algorithm>
#include <limits>

#include "fabric/recording/field_scanner.hpp"

namespace irqfab::recording {
namespace {

constexpr std::size_t kLongestComm = 15;      // TASK_COMM_LEN - 1
constexpr std::size_t kTokensBeforeTime = 3;  // flags, and what `perf script -F` may add
constexpr unsigned kMostBrackets = 32;        // of a comm of 15 characters and a little more
constexpr unsigned kNanosecondDigits = 9;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

struct Token {
  std::string_view text;
  std::size_t at = 0;  // index into the line
};

/// The next run of non-blanks at or after `from`; empty at the end of the line.
Token token_at(std::string_view line, std::size_t from) {
  while (from < line.size() && is_blank(line[from])) ++from;
  std::size_t end = from;
  while (end < line.size() && !is_blank(line[end])) ++end;
  return {line.substr(from, end - from), from};
}
std::size_t end_of(const Token& token) { return token.at + token.text.size(); }

/// All of `text` as a decimal number.
std::optional<std::uint64_t> whole_number(std::string_view text) {
  FieldScanner in(text);
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  const std::uint64_t value = in.decimal(std::numeric_limits<std::uint64_t>::max());
  if (!in.ok() || in.at() != text.size()) return std::nullopt;
  return value;
}

struct Stamp {
  std::uint64_t time;
  TimeUnit unit;
};

/// `2037.262345832:`, `2037.262346:` or `5288134059374:`.
std::optional<Stamp> time_stamp(std::string_view text) {
  if (text.size() < 2 || text.back() != ':') return std::nullopt;
  text.remove_suffix(1);
  const std::size_t dot = text.find('.');
  const auto whole = whole_number(text.substr(0, dot));
  if (!whole) return std::nullopt;
  if (dot == std::string_view::npos) return Stamp{*whole, TimeUnit::Ticks};
  const std::string_view digits = text.substr(dot + 1);
  auto fraction = whole_number(digits);
  if (!fraction || digits.size() > kNanosecondDigits) return std::nullopt;
  for (std::size_t i = digits.size(); i < kNanosecondDigits; ++i) *fraction *= 10;
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (*whole > (kMax - *fraction) / kNsPerSecond) return std::nullopt;
  return Stamp{*whole * kNsPerSecond + *fraction, TimeUnit::Nanoseconds};
}

bool is_flags(std::string_view text) {
  return text.size() >= 4 && text.size() <= 8 && std::all_of(text.begin(), text.end(), [](char c) {
           return c == '.' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '#';
         });
}

/// The third of the flags (Documentation/trace/ftrace.rst, "hardirq/softirq").
Context context_of(std::string_view flags) {
  if (!is_flags(flags)) return Context::Task;
  switch (flags[2]) {
    case 'h':
    case 'H':
    case 'z':
    case 'Z':
      return Context::HardIrq;
    case 's':
      return Context::SoftIrq;
    default:
      return Context::Task;
  }
}

/// The name of the buffer that trace-cmd puts before each line when there are several.
std::string_view without_buffer_name(std::string_view comm) {
  const std::size_t colon = comm.find(": ");
  if (colon == std::string_view::npos) return comm;
  const std::string_view rest = trimmed(comm.substr(colon + 1));
  const bool padded = comm.substr(colon + 1, 2) == "  ";
  const bool kworker = rest.substr(0, 8) == "kworker/";
  return padded || kworker || comm.size() > kLongestComm ? rest : comm;
}

struct Task {
  Format format;
  std::string_view comm;
  std::int32_t pid;
};

std::optional<std::int32_t> pid_of(std::string_view text) {
  if (text == "-1") return -1;  // perf's unknown thread
  const auto value = whole_number(text);
  if (!value || *value > 0x7FFFFFFF) return std::nullopt;
  return static_cast<std::int32_t>(*value);
}

/// `comm-pid`, `comm-pid (tgid)`, `comm pid` or `comm pid/tid`.
std::optional<Task> task_of(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.back() == ')') {
    const std::size_t open = text.rfind('(');
    if (open == std::string_view::npos) return std::nullopt;
    const std::string_view group = trimmed(text.substr(open + 1, text.size() - open - 2));
    const bool unknown = group.find_first_not_of('-') == std::string_view::npos;
    if (!unknown && !whole_number(group)) return std::nullopt;
    text = trimmed(text.substr(0, open));
  }
  const std::size_t blank = text.find_last_of(" \t");
  const std::string_view last = text.substr(blank == std::string_view::npos ? 0 : blank + 1);
  const std::size_t slash = last.find('/');
  if (slash != std::string_view::npos && !pid_of(last.substr(0, slash))) {
    // A comm with a slash (kworker/0:1-17, CPU 0/KVM-17): the dash decides below.
  } else if (const auto pid =
                 pid_of(slash == std::string_view::npos ? last : last.substr(slash + 1))) {
    return Task{Format::PerfScript, trimmed(text.substr(0, text.size() - last.size())), *pid};
  }
  const std::size_t dash = text.rfind('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto pid = whole_number(text.substr(dash + 1));
  if (!pid || *pid > 0x7FFFFFFF) return std::nullopt;
  return Task{Format::TraceCmd, without_buffer_name(trimmed(text.substr(0, dash))),
              static_cast<std::int32_t>(*pid)};
}

/// From the timestamp on. False if there is none within the columns that may precede it.
bool read_tail(std::string_view line, std::size_t from, LineHead& head, LineError& error) {
  std::optional<Stamp> stamp;
  Token token = token_at(line, from);
  const std::size_t first = token.at;
  for (std::size_t i = 0; i <= kTokensBeforeTime && !token.text.empty(); ++i) {
    stamp = time_stamp(token.text);
    if (stamp) break;
    if (i == 0) head.context = context_of(token.text);
    token = token_at(line, end_of(token));
  }
  if (!stamp) {
    error = {first, "there is no timestamp after the CPU", "seconds.fraction and a colon"};
    return false;
  }
  head.time = stamp->time;
  head.unit = stamp->unit;
  token = token_at(line, end_of(token));
  while (whole_number(token.text) || token.text.substr(0, 2) == "(+") {
    token = token_at(line, end_of(token));  // a period, or the difference of --ts-diff
  }
  if (token.text.substr(0, 12) == "PERF_RECORD_") {
    head.event = token.text;
  } else if (token_at(line, end_of(token)).text.substr(0, 2) == "<-") {
    head.event = "function";  // the function tracer's line has no name of an event
    return true;
  } else if (token.text.size() < 2 || token.text.back() != ':') {
    error = {token.at, "there is no event after the timestamp", "the name of an event and a colon"};
    return false;
  } else {
    head.event = token.text.substr(0, token.text.size() - 1);
    if (const std::size_t group = head.event.find(':'); group != std::string_view::npos) {
      head.event.remove_prefix(group + 1);
      head.event = head.event.substr(0, head.event.find(':'));  // perf's modifiers follow
    }
  }
  const Token fields = token_at(line, end_of(token));
  head.fields = trimmed(line.substr(fields.at));
  head.fields_at = fields.at;
  return true;
}

bool take_task(const Task& task, LineHead& head) {
  head.format = task.format;
  head.comm = task.comm;
  head.pid = task.pid;
  return true;
}

/// The CPU in brackets.
bool read_bracketed(std::string_view line, LineHead& head, LineError& error) {
  std::size_t open = line.find('[');
  for (unsigned i = 0; i < kMostBrackets && open != std::string_view::npos;
       ++i, open = line.find('[', open + 1)) {
    const std::size_t close = line.find(']', open);
    if (close == std::string_view::npos) break;
    const auto cpu = whole_number(trimmed(line.substr(open + 1, close - open - 1)));
    const bool stands_alone = close + 1 == line.size() || is_blank(line[close + 1]);
    if (!cpu || *cpu > 0xFFFF || !stands_alone) continue;
    const auto task = task_of(line.substr(0, open));
    if (!task) {
      if (error.message.empty()) {
        error = {0, "there is no thread before the CPU", "comm-pid [cpu] or comm pid [cpu]"};
      }
      continue;
    }
    head.cpu = static_cast<std::uint32_t>(*cpu);
    head.context = Context::Task;
    if (read_tail(line, close + 1, head, error)) return take_task(*task, head);
  }
  return false;
}

/// The CPU joined with the flags, without brackets (trace-cmd report -l).
bool read_joined(std::string_view line, LineHead& head, LineError& error) {
  Token before;
  for (Token token = token_at(line, 0); !token.text.empty();
       token = token_at(line, end_of(token))) {
    if (!time_stamp(token.text)) {
      before = token;
      continue;
    }
    std::size_t digits = 0;
    while (digits < before.text.size() && is_digit(before.text[digits])) ++digits;
    const std::string_view flags = before.text.substr(digits);
    const auto cpu = whole_number(before.text.substr(0, digits));
    const auto task = task_of(line.substr(0, before.at));
    if (!cpu || *cpu > 0xFFFF || !is_flags(flags) || !task) return false;
    head.cpu = static_cast<std::uint32_t>(*cpu);
    if (!read_tail(line, token.at, head, error)) return false;
    head.context = context_of(flags);
    return take_task(*task, head);
  }
  return false;
}

}  // namespace

std::string_view name_of(Format format) {
  return format == Format::TraceCmd ? "a trace-cmd report" : "the text of perf script";
}

std::optional<LineHead> read_event_line(std::string_view line, LineError& error) {
  LineHead head;
  error = {};
  if (read_bracketed(line, head, error) || read_joined(line, head, error)) return head;
  if (error.message.empty()) {
    error = {token_at(line, 0).at, "this is no event of a trace-cmd report or of perf script",
             "comm-pid [cpu] seconds.fraction: event: fields"};
  }
  return std::nullopt;
}

namespace {

/// The first number in the text.
std::uint64_t number_in(std::string_view text) {
  const std::size_t at = text.find_first_of("0123456789");
  if (at == std::string_view::npos) return 0;
  FieldScanner in(text.substr(at));
  const std::uint64_t value = in.decimal(std::numeric_limits<std::uint64_t>::max());
  return in.ok() ? value : 0;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// ftrace's header says how many of the events it wrote are still in the buffer.
RemarkLine read_comment(std::string_view text) {
  constexpr std::string_view kEntries = "entries-in-buffer/entries-written:";
  const std::size_t at = text.find(kEntries);
  if (at == std::string_view::npos) return {Remark::Nothing, 0};
  const std::string_view counts = trimmed(text.substr(at + kEntries.size()));
  const std::uint64_t kept = number_in(counts);
  const std::size_t slash = counts.find('/');
  const std::uint64_t written =
      slash == std::string_view::npos ? 0 : number_in(counts.substr(slash));
  if (written <= kept) return {Remark::Nothing, 0};
  return {Remark::Lost, written - kept};
}

}  // namespace

RemarkLine read_remark(std::string_view line) {
  const std::string_view text = trimmed(line);
  if (text.empty()) return {Remark::Nothing, 0};
  if (text.front() == '#') return read_comment(text);
  const std::size_t bracket = text.find('[');
  if (starts_with(text, "CPU:") && bracket != std::string_view::npos) {
    const std::string_view what = text.substr(bracket);
    const bool lost = what.find("LOST") != std::string_view::npos ||
                      what.find("DROPPED") != std::string_view::npos;
    if (lost) return {Remark::Lost, number_in(what)};
  }
  if (starts_with(text, "Processed ") && text.find(" lost ") != std::string_view::npos) {
    return {Remark::Lost, 0};  // perf counts chunks, each of unknown size
  }
  const bool empty_cpu =
      starts_with(text, "CPU ") && text.find("is empty") != std::string_view::npos;
  if (empty_cpu || starts_with(text, "cpus=") || starts_with(text, "version = ") ||
      text == "Warning:" || starts_with(text, "Check IO/CPU overload")) {
    return {Remark::Nothing, 0};
  }
  return {};
}

bool continues_a_stack(std::string_view line, bool in_stack) {
  const std::string_view text = trimmed(line);
  if (starts_with(text, "=> ")) return true;
  if (text.empty() || !is_blank(line.front())) return false;
  if (in_stack && (line.front() == '\t' || text.back() == ')')) return true;  // inlined, or a place
  const Token address = token_at(line, 0);
  return address.text.size() >= 6 && token_at(line, end_of(address)).text.size() > 0 &&
         std::all_of(address.text.begin(), address.text.end(),
                     [](char c) { return hex_digit(c) >= 0; });
}

}  // namespace irqfab::recording
