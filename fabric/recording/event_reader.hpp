// Where the roads of all formats meet: a recording as a row of events, and what was found on the
// way.
//
// Nothing is skipped in silence: an event that is not understood is counted by name.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "fabric/recording/recorded_event.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

enum class Format : std::uint8_t { TraceCmd, PerfScript, TraceDat };

using CountByName = std::map<std::string, std::uint64_t, std::less<>>;

struct ReadReport {
  std::optional<Format> format;
  std::uint64_t lines = 0;       // of a text
  std::uint64_t events = 0;      // understood + ignored
  std::uint64_t understood = 0;  // events whose fields were read
  CountByName understood_by_name;
  CountByName ignored;
  std::uint64_t lost = 0;           // events that the tool says are missing
  std::uint64_t gaps = 0;           // places where it says so, with or without a number
  std::uint64_t continuations = 0;  // lines of stacks below events
  Diagnostics notes;                // what else a person should know; never an error
};

constexpr std::size_t kNamesLimit = 8192;  // different events; Linux has some 2000

/// One more event of this name; false if there are too many names for a trace of Linux.
bool count_event(CountByName& counts, std::string_view name);
/// Counts an event whose fields are known as understood or as ignored; as count_event.
bool count_event(ReadReport& report, const RecordedEvent& event);

class EventReader {
 public:
  virtual ~EventReader() = default;
  /// The next event, nothing at the end of the recording, or what is wrong with the input. After an
  /// error every further call gives the same error.
  virtual Result<std::optional<RecordedEvent>> next() = 0;
  virtual const ReadReport& report() const = 0;
};

}  // namespace irqfab::recording
