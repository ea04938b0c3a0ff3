// The bytes of a trace file, version 1; traces/README.md describes them in prose. All numbers are
// little-endian, whatever the host.
//
//   file   = header frame* closing
//   header = magic[8] version:u32 text_length:u32 crc:u32 text        crc over the rest of the
//   header frame  = magic:u32 payload_length:u32 sequence:u64 time:u64 records:u32 crc:u32 payload
//                                                                     crc over the rest of the
//                                                                     frame
//   The payload of a frame is its records, 32 bytes each, and its time is that of the first; the
//   payload of the closing frame is records:u64 crc_of_crcs:u32, and its time is that of the last
//   record of the file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "models/sim/trace_record.hpp"

namespace irqfab::trace {

// As in PNG: a byte that is no ASCII, line ends that text transfers would change, and the name.
constexpr std::array<unsigned char, 8> kFileMagic = {0x89, 'I', 'R', 'Q', 'F', '\r', '\n', 0x1A};
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::uint32_t kFrameMagic = 0x4D415246;    // "FRAM"
constexpr std::uint32_t kClosingMagic = 0x534F4C43;  // "CLOS"

constexpr std::size_t kHeaderSize = 20;  // before its text
constexpr std::size_t kFrameHeaderSize = 32;
constexpr std::size_t kRecordSize = 32;
constexpr std::size_t kClosingPayload = 12;
// Offsets within the header, a frame, the closing frame's payload and a record.
constexpr std::size_t kCrcInHeader = 16;
constexpr std::size_t kLengthInFrame = 4;
constexpr std::size_t kSequenceInFrame = 8;
constexpr std::size_t kTimeInFrame = 16;
constexpr std::size_t kRecordsInFrame = 24;
constexpr std::size_t kCrcInFrame = 28;
constexpr std::size_t kCrcInClosing = 8;
constexpr std::size_t kSpanInRecord = 8;
constexpr std::size_t kNodeInRecord = 24;
constexpr std::size_t kEventInRecord = 28;

constexpr std::size_t kLongestText = std::size_t{64} << 20;
constexpr std::size_t kLongestPayload = std::size_t{16} << 20;
constexpr std::size_t kUsualPayload = std::size_t{1} << 20;  // what the writer gathers

/// A word as its bytes lie in the file: its own inverse.
template <class Word>
Word little_endian(Word word) {
  if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) return word;
  Word reversed = 0;
  for (std::size_t i = 0; i < sizeof(Word); ++i) {
    const auto byte = static_cast<unsigned char>(word >> (8 * i));
    reversed = static_cast<Word>(reversed | Word{byte} << (8 * (sizeof(Word) - 1 - i)));
  }
  return reversed;
}
template <class Word>
void store(unsigned char* to, Word word) {
  word = little_endian(word);
  std::memcpy(to, &word, sizeof word);
}
template <class Word>
Word load(const unsigned char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return little_endian(word);
}

struct FrameHeader {
  std::uint32_t magic = 0;
  std::uint32_t payload_length = 0;  // bytes
  std::uint64_t sequence = 0;        // of the frame in the file, from 0
  Time time = 0;
  std::uint32_t records = 0;
  std::uint32_t crc = 0;
};

inline void store_frame_header(unsigned char* to, const FrameHeader& header) {
  store(to, header.magic);
  store(to + kLengthInFrame, header.payload_length);
  store(to + kSequenceInFrame, header.sequence);
  store(to + kTimeInFrame, header.time);
  store(to + kRecordsInFrame, header.records);
  store(to + kCrcInFrame, header.crc);
}
inline FrameHeader load_frame_header(const unsigned char* from) {
  FrameHeader header;
  header.magic = load<std::uint32_t>(from);
  header.payload_length = load<std::uint32_t>(from + kLengthInFrame);
  header.sequence = load<std::uint64_t>(from + kSequenceInFrame);
  header.time = load<std::uint64_t>(from + kTimeInFrame);
  header.records = load<std::uint32_t>(from + kRecordsInFrame);
  header.crc = load<std::uint32_t>(from + kCrcInFrame);
  return header;
}

inline void store_record(unsigned char* to, const TraceRecord& record) {
  store(to, record.time);
  store(to + kSpanInRecord, raw(record.span));
  store(to + 16, record.detail);
  store(to + kNodeInRecord, raw(record.node));
  store(to + kEventInRecord, static_cast<std::uint16_t>(record.event));
  store(to + 30, record.round);
}
/// The event is the file's number, which only the file's own header explains.
inline TraceRecord load_record(const unsigned char* from) {
  TraceRecord record;
  record.time = load<std::uint64_t>(from);
  record.span = SpanId{load<std::uint64_t>(from + kSpanInRecord)};
  record.detail = load<std::uint64_t>(from + 16);
  record.node = NodeId{load<std::uint32_t>(from + kNodeInRecord)};
  record.event = Event{load<std::uint16_t>(from + kEventInRecord)};
  record.round = load<std::uint16_t>(from + 30);
  return record;
}

}  // namespace irqfab::trace
