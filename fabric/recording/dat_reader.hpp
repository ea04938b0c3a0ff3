// Reads a trace.dat of trace-cmd, event by event, through a confined child that has the libraries.
//
// Models: what dat_library.h and dat_fields.hpp name. A recording is whole or refused: an error
// says so when the child was stopped, could not read a page, or said something that makes no sense.
// Not modelled: damage inside a page. Pages of trace-cmd have no checksum, so a wrong number in one
// is a wrong number here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/recording/confined_child.hpp"
#include "fabric/recording/dat_wire.hpp"
#include "fabric/recording/event_reader.hpp"
#include "fabric/trace/descriptor.hpp"

namespace irqfab::recording {

/// The first bytes of a trace.dat.
constexpr std::string_view kDatMagic{"\x17\x08\x44tracing", 10};

/// For a file of this many bytes. Its address space grows with it because the library maps the
/// file; what it allocates does not.
ChildLimits dat_limits(std::uint64_t bytes);

class DatReader final : public EventReader {
 public:
  /// `name` for messages. An error if the host cannot start the child.
  static Result<DatReader> start(const trace::Descriptor& file, std::string name,
                                 const ChildLimits& limits);

  Result<std::optional<RecordedEvent>> next() override;
  const ReadReport& report() const override { return report_; }

 private:
  DatReader(ConfinedChild child, std::string name, const ChildLimits& limits);

  bool receive(std::size_t size);
  bool receive_message();
  std::optional<RecordedEvent> understood();
  std::optional<RecordedEvent> event_of(const DatHead& head);
  void count_lost(std::int64_t lost);
  void take_clock();
  void end();
  void refuse_ending();
  void fail(std::string code, std::string message, std::string expected);
  void note(std::string code, std::string message);
  Diagnostic diagnostic(std::string code, std::string message) const;

  ConfinedChild child_;
  std::string name_;
  ChildLimits limits_;
  std::vector<char> bytes_;  // received
  std::size_t from_ = 0;     // of them, what is not read yet
  std::size_t to_ = 0;
  DatHead head_;                               // of the last message
  std::string_view comm_, event_name_, text_;  // of the last message; into bytes_
  std::string shown_name_;  // of the last event, where its own is none for a terminal
  ReadReport report_;
  std::uint64_t latest_ = 0;
  bool noted_order_ = false;
  bool ended_ = false;
  std::optional<Diagnostic> error_;
};

}  // namespace irqfab::recording
