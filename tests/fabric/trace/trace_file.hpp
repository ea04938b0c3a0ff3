// A directory of its own for each test, and the bytes of small trace files in it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fabric/trace/checksum.hpp"
#include "fabric/trace/layout.hpp"
#include "fabric/trace/reader.hpp"
#include "fabric/trace/writer.hpp"

namespace irqfab::test {

using Records = std::vector<TraceRecord>;

inline TraceRecord record_of(Time time, Event event, SpanId span, std::uint64_t detail) {
  TraceRecord record;
  record.time = time;
  record.event = event;
  record.span = span;
  record.detail = detail;
  record.node = NodeId{1};
  return record;
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}
inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// What a reader made of a file.
struct ReadBack {
  Records records;
  Diagnostics errors;  // empty if the file is whole
  bool opened = false;
  std::string code() const { return errors.empty() ? "" : errors.front().code; }
};
inline ReadBack read_back(const std::string& path) {
  ReadBack back;
  Result<trace::Reader> reader = trace::Reader::open(path);
  back.opened = static_cast<bool>(reader);
  if (!reader) {
    back.errors = reader.errors();
    return back;
  }
  const Result<std::uint64_t> count =
      reader->for_each([&](const TraceRecord& record) { back.records.push_back(record); });
  if (!count) back.errors = count.errors();
  return back;
}

class TraceFile : public ::testing::Test {
 protected:
  TraceFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "irqfab-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/a.trace";
  }
  ~TraceFile() override { std::filesystem::remove_all(directory_); }

  static trace::TraceHeader header() {
    trace::TraceHeader header;
    header.irqfab = "0.1.0";
    header.scenario = "scenarios/two.yaml";
    header.seed = 18446744073709551615u;
    header.arch = "x86-ir";
    header.path = "bare-metal";
    header.profile = "default";
    header.behaviour = "spec";
    header.nodes.add("hb0");
    header.nodes.add("lapic.0");
    header.sources.add("nvme0:0");
    header.sources.add("nvme0:1");
    return header;
  }

  /// Three frames of 3, 1 and 2 records.
  static std::vector<Records> frames() {
    const SpanId a = make_span(SourceId{0}, 0);
    const SpanId b = make_span(SourceId{1}, 7);
    return {
        {record_of(1000, Event::Asserted, a, 0), record_of(1000, Event::MsiSent, a, 0x4021),
         record_of(2500, Event::Asserted, b, 1)},
        {record_of(3000, Event::Pended, a, 0x121)},
        {record_of(3000, Event::Coalesced, b, raw(a)), record_of(9000, Event::Handled, a, 0x21)}};
  }
  static Records joined(std::size_t count) {
    Records records;
    for (std::size_t i = 0; i < count; ++i) {
      const Records frame = frames()[i];
      records.insert(records.end(), frame.begin(), frame.end());
    }
    return records;
  }

  /// Writes frames() to path_ and returns its bytes.
  std::string write_sample() {
    Result<trace::Writer> writer = trace::Writer::create(path_, header());
    EXPECT_TRUE(writer);
    for (const Records& frame : frames()) {
      for (const TraceRecord& record : frame) writer->write(record);
      writer->end_frame();
    }
    EXPECT_TRUE(writer->finish());
    return read_bytes(path_);
  }

  static unsigned char* at(std::string& bytes, std::size_t offset) {
    return reinterpret_cast<unsigned char*>(&bytes[offset]);
  }
  /// Offsets of the frames and of the closing frame in write_sample().
  static std::vector<std::size_t> frame_starts(const std::string& bytes) {
    std::string copy = bytes;
    std::size_t start = trace::kHeaderSize + trace::load<std::uint32_t>(at(copy, 12));
    std::vector<std::size_t> starts;
    for (const Records& frame : frames()) {
      starts.push_back(start);
      start += trace::kFrameHeaderSize + frame.size() * trace::kRecordSize;
    }
    starts.push_back(start);
    return starts;
  }
  /// Makes the checksum of the frame at `start` right again after a change.
  static void seal(std::string& bytes, std::size_t start) {
    const auto length = trace::load<std::uint32_t>(at(bytes, start + 4));
    std::uint32_t crc = trace::add_to_crc(0, at(bytes, start), trace::kCrcInFrame);
    crc = trace::add_to_crc(crc, at(bytes, start + trace::kFrameHeaderSize), length);
    trace::store(at(bytes, start + trace::kCrcInFrame), crc);
  }
  /// The same for the header; its text may have another length than before.
  static std::string with_text(const std::string& bytes, const std::string& text) {
    std::string copy = bytes;
    const auto length = trace::load<std::uint32_t>(at(copy, 12));
    copy.replace(trace::kHeaderSize, length, text);
    trace::store(at(copy, 12), static_cast<std::uint32_t>(text.size()));
    std::uint32_t crc = trace::add_to_crc(0, at(copy, 0), trace::kCrcInHeader);
    crc = trace::add_to_crc(crc, text.data(), text.size());
    trace::store(at(copy, trace::kCrcInHeader), crc);
    return copy;
  }
  static std::string text_of(const std::string& bytes) {
    std::string copy = bytes;
    return bytes.substr(trace::kHeaderSize, trace::load<std::uint32_t>(at(copy, 12)));
  }
  ReadBack read(const std::string& bytes) {
    std::filesystem::remove(path_);  // far faster than to overwrite, on journalling file systems
    write_bytes(path_, bytes);
    return read_back(path_);
  }

  std::string directory_;
  std::string path_;
};

}  // namespace irqfab::test
