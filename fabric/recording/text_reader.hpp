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
#include <optional>
#include <string>
#include <vector>

#include "fabric/recording/event_reader.hpp"
#include "fabric/recording/line_format.hpp"
#include "fabric/recording/line_source.hpp"
#include "models/base/result.hpp"

namespace irqfab::recording {

struct ReadOptions {
  std::string file = "-";  // for messages
  /// What a timestamp without a decimal point counts, in ticks a second.
  std::uint64_t ticks_per_second = 1'000'000'000;
};

class TextReader final : public EventReader {
 public:
  /// `in` must outlive the reader.
  explicit TextReader(std::istream& in, ReadOptions options = {});
  explicit TextReader(ByteSource bytes, ReadOptions options = {});

  Result<std::optional<RecordedEvent>> next() override;
  const ReadReport& report() const override { return report_; }

 private:
  enum class Last : std::uint8_t { Event, Stack };  // what the last line was part of

  std::optional<RecordedEvent> read(std::string_view line);
  std::optional<RecordedEvent> read_event(std::string_view line, const LineHead& head);
  bool belongs_to_last_event(std::string_view line) const;
  bool settle_format(std::string_view line, const LineHead& head);
  std::uint64_t nanoseconds(const LineHead& head);
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
