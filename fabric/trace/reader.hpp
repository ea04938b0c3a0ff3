// Reads a trace file (traces/README.md), frame by frame, in bounded memory.
//
// Nothing in the file is believed before it is checked: a damaged or hostile file costs at most a
// header of 64 MiB and a frame of 16 MiB, and ends in a diagnostic with the offset of the damage.
// The frames before the damage stay readable. Records come out in this program's vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fabric/trace/descriptor.hpp"
#include "fabric/trace/header.hpp"
#include "fabric/trace/layout.hpp"
#include "fabric/trace/vocabulary.hpp"
#include "models/base/result.hpp"
#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

class Reader {
 public:
  /// Opens a trace and reads its header. `path` may be "-", standard input.
  static Result<Reader> open(const std::string& path);

  const TraceHeader& header() const { return header_; }

  /// The records of one frame; valid until the next call.
  class Frame {
   public:
    Frame(const TraceRecord* first, std::size_t size) : first_(first), size_(size) {}
    const TraceRecord* begin() const { return first_; }
    const TraceRecord* end() const { return first_ + size_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

   private:
    const TraceRecord* first_;
    std::size_t size_;
  };
  /// The next frame; an empty one after the last of a whole file. A damaged frame is a diagnostic,
  /// and the same again afterwards.
  Result<Frame> next_frame();

  /// Calls fn(const TraceRecord&) for every record left; how many there were, or the damage that
  /// ended it.
  template <class Fn>
  Result<std::uint64_t> for_each(Fn&& fn) {
    std::uint64_t count = 0;
    for (;;) {
      const Result<Frame> frame = next_frame();
      if (!frame) return frame.errors();
      if (frame->empty()) return count;
      for (const TraceRecord& record : *frame) fn(record);
      count += frame->size();
    }
  }

 private:
  using Check = std::optional<Diagnostic>;  // nothing: it held

  Reader(std::string shown, Descriptor file);
  Check read_header();
  Check read_text(std::size_t length, std::string& text);
  Check read_frame();
  Check check_frame(const FrameHeader& header) const;
  Check read_payload(const FrameHeader& header, const unsigned char* header_bytes);
  Check decode_records(const FrameHeader& header);
  /// Are its node and its source in the tables of the header?
  Check check_names(const TraceRecord& record, std::uint64_t offset) const;
  Check check_closing(const FrameHeader& header);

  /// Reads `size` bytes; `what` is what they are part of, for the diagnostic if the file ends
  /// first.
  Check read(void* to, std::size_t size, const char* what);
  Diagnostic damaged(std::uint64_t offset, const char* code, std::string message) const;

  std::string shown_;  // the path as the user gave it
  Descriptor file_;
  std::uint64_t offset_ = 0;       // of the next byte to read
  std::uint64_t frame_start_ = 0;  // offset of the frame being read
  TraceHeader header_;
  Translation translation_{{}, {}};
  std::vector<unsigned char> payload_;
  std::vector<TraceRecord> records_;  // of the frame, in this program's vocabulary
  std::uint64_t records_read_ = 0;
  std::uint64_t frames_read_ = 0;
  Time time_ = 0;  // of the latest record
  std::uint32_t crc_of_crcs_ = 0;
  bool closed_ = false;  // the closing frame was read
  Check damage_;         // given once the records before it have been
};

}  // namespace irqfab::trace
