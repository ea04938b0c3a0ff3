// Writes a trace file (traces/README.md), record by record, in bounded memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/trace/header.hpp"
#include "fabric/trace/layout.hpp"
#include "fabric/trace/output_file.hpp"
#include "models/base/result.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

class Writer {
 public:
  /// `path` may be "-", standard output. The file appears under its name when finish() succeeds; a
  /// writer that goes away before that leaves nothing behind.
  static Result<Writer> create(const std::string& path, const TraceHeader& header);

  /// Appends a record; records come in canonical order. After a failure it does nothing more.
  void write(const TraceRecord& record);

  /// Ends the frame, so that damage to what follows leaves what came so far readable. Frames end by
  /// themselves every 32,768 records.
  void end_frame();

  /// Time of the latest record; 0 before the first.
  Time latest() const { return time_; }

  /// The first failure of the host, if there was one: a long run can stop early.
  const std::optional<Diagnostic>& failure() const { return failure_; }

  struct Written {
    std::uint64_t records;
    std::uint64_t bytes;
  };
  /// Closes the trace: both of the next two. Nothing may be written afterwards.
  Result<Written> finish();
  /// The trace is whole and on the disk, yet under a temporary name.
  Result<Written> complete();
  /// Makes it appear under its own.
  Result<std::uint64_t> publish() { return file_.publish(); }

 private:
  explicit Writer(OutputFile file);
  void write_header(const std::string& text);
  /// Writes the payload in buffer_ as one frame or closing frame, and counts its checksum in.
  void write_frame(FrameHeader header);
  void write_bytes(const void* data, std::size_t size);

  OutputFile file_;
  std::vector<unsigned char> buffer_;   // room for a frame's header, then its payload
  std::size_t end_ = kFrameHeaderSize;  // of what the buffer holds
  std::uint32_t records_in_frame_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t frames_ = 0;
  Time frame_time_ = 0;  // of the first record of the frame
  Time time_ = 0;        // of the latest record
  std::uint32_t crc_of_crcs_ = 0;
  std::optional<Diagnostic> failure_;
};

}  // namespace irqfab::trace
