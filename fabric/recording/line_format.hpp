// One line of the text of a recording: which of the formats it has, and its parts.
//
// Models: the report of trace-cmd and ftrace's own file `trace`, with or without the columns of
// latency flags, of the thread group and of a buffer's name,
//     comm-pid (tgid) [cpu] flags seconds.fraction: event: fields
//     comm-pid cpuflags seconds.fraction: event: fields
// and the text of `perf script`, with or without a process id and a period,
//     comm pid/tid [cpu] seconds.fraction: period group:event: fields
// A comm may hold blanks, dashes, colons and brackets: the place where everything fits decides.
// Timestamps may be whole numbers of ticks (the clocks x86-tsc and counter).
// Not modelled: raw (-R) and per-function (function_graph) output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/recording/event_reader.hpp"

namespace irqfab::recording {

/// TraceCmd or PerfScript.
std::string_view name_of(Format format);

enum class TimeUnit : std::uint8_t { Nanoseconds, Ticks };

struct LineHead {
  Format format{};
  std::string_view comm;
  std::int32_t pid = 0;
  std::uint32_t cpu = 0;
  Context context{};
  std::uint64_t time = 0;
  TimeUnit unit{};
  std::string_view event;     // without its group
  std::string_view fields;    // blanks at both ends removed
  std::size_t fields_at = 0;  // index into the line
};

struct LineError {
  std::size_t at = 0;  // index into the line
  std::string message;
  std::string expected;
};

/// An event, or why the line is none.
std::optional<LineHead> read_event_line(std::string_view line, LineError& error);

/// Lines around the events.
enum class Remark : std::uint8_t {
  None,     // the line is no remark
  Nothing,  // blank, a comment, a line of a header
  Lost,     // events were lost here
};
struct RemarkLine {
  Remark remark = Remark::None;
  std::uint64_t lost = 0;  // events; 0 where the tool does not say how many
};
RemarkLine read_remark(std::string_view line);

/// Part of the stack below an event: an indented address, or an arrow.
bool continues_a_stack(std::string_view line, bool in_stack);

}  // namespace irqfab::recording
