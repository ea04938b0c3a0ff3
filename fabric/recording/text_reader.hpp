// Reads a recorded Linux KVM trace in text form, event by event.
//
// Models: what line_format.hpp and fields.hpp name; the first event decides the format of the file.
// Nothing is skipped in silence: an event that is not understood is counted by name, a line that is
// neither an event nor known to stand between events is an error with its place.
// Not modelled: choosing among several buffers or virtual machines of one recording; markers of
// more than one line.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fabric/recording/line_format.hpp"
#include "fabric/recording/line_source.hpp"
#include "fabric/recording/recorded_event.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

struct ReadOptions {
  std::string file = "-";  // for messages
  /// What a timestamp without a decimal point counts, in ticks a second.
  std::uint64_t ticks_per_second = 1'000'000'000;
};

using CountByName = std::map<std::string, std::uint64_t, std::less<>>;

struct ReadReport {
  std::optional<Format> format;
  std::uint64_t lines = 0;
  std::uint64_t events = 0;      // understood + ignored
  std::uint64_t understood = 0;  // events whose fields were read
  CountByName understood_by_name;
  CountByName ignored;
  std::uint64_t lost = 0;           // events that the tool says are missing
  std::uint64_t gaps = 0;           // places where it says so, with or without a number
  std::uint64_t continuations = 0;  // lines of stacks below events
  Diagnostics notes;                // what else a person should know; never an error
};

class TextReader {
 public:
  /// `in` must outlive the reader.
  explicit TextReader(std::istream& in, ReadOptions options = {});

  /// The next event, nothing at the end of the recording, or what is wrong with the input. After an
  /// error every further call gives the same error.
  Result<std::optional<RecordedEvent>> next();
  const ReadReport& report() const { return report_; }

 private:
  enum class Last : std::uint8_t { Event, Stack };  // what the last line was part of

  std::optional<RecordedEvent> read(std::string_view line);
  std::optional<RecordedEvent> read_event(std::string_view line, const LineHead& head);
  bool belongs_to_last_event(std::string_view line) const;
  bool settle_format(std::string_view line, const LineHead& head);
  std::uint64_t nanoseconds(const LineHead& head);
  bool count(CountByName& counts, std::string_view name, std::string_view line, std::size_t at);
  void note(std::string code, std::string_view line, std::size_t at, std::string message);
  void fail(std::string code, std::string_view line, std::size_t at, std::string message,
            std::string expected);
  Diagnostic diagnostic(std::string code, std::string_view line, std::size_t at,
                        std::string message) const;

  ReadOptions options_;
  LineSource lines_;
  ReadReport report_;
  std::optional<TimeUnit> unit_;
  std::uint64_t latest_ns_ = 0;
  Last last_ = Last::Event;
  bool noted_order_ = false;
  bool noted_rest_ = false;
  std::optional<Diagnostic> error_;
};

}  // namespace irqfab::recording
