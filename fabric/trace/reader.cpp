#include "fabric/trace/reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <variant>

#include "fabric/trace/checksum.hpp"
#include "fabric/trace/failure.hpp"
#include "fabric/trace/header_text.hpp"

namespace irqfab::trace {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;  // a text's memory grows as it is read

}  // namespace

Result<Reader> Reader::open(const std::string& path) {
  const bool standard = path == "-";
  const std::string shown = standard ? "<stdin>" : path;
  Descriptor file(standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                           : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) return unreadable(shown, "cannot open", errno);
  Reader reader(shown, std::move(file));
  if (Check problem = reader.read_header()) return *std::move(problem);
  return reader;
}

Reader::Reader(std::string shown, Descriptor file)
    : shown_(std::move(shown)), file_(std::move(file)) {}

Reader::Check Reader::read_header() {
  std::array<unsigned char, kHeaderSize> bytes{};
  if (Check problem = read(bytes.data(), kFileMagic.size(), "the magic number")) return problem;
  if (!std::equal(kFileMagic.begin(), kFileMagic.end(), bytes.begin())) {
    return damaged(0, "trace-magic",
                   "not an irqfab trace: it does not begin with the magic number");
  }
  if (Check problem = read(bytes.data() + 8, kHeaderSize - 8, "the header")) return problem;
  const auto version = load<std::uint32_t>(bytes.data() + 8);
  if (version != kFormatVersion) {
    return damaged(8, "trace-version",
                   "version " + std::to_string(version) + " of the format; this program reads " +
                       std::to_string(kFormatVersion));
  }
  const auto length = load<std::uint32_t>(bytes.data() + 12);
  if (length > kLongestText) {
    return damaged(12, "trace-header",
                   "a header of " + std::to_string(length) + " bytes is too long");
  }
  std::string text;
  if (Check problem = read_text(length, text)) return problem;
  const std::uint32_t crc =
      add_to_crc(add_to_crc(0, bytes.data(), kCrcInHeader), text.data(), text.size());
  if (crc != load<std::uint32_t>(bytes.data() + kCrcInHeader)) {
    return damaged(kCrcInHeader, "trace-checksum", "the checksum of the header is wrong");
  }
  crc_of_crcs_ = add_to_crc(crc_of_crcs_, crc);
  std::variant<ParsedHeader, std::string> parsed = from_text(text);
  if (const auto* problem = std::get_if<std::string>(&parsed)) {
    return damaged(kHeaderSize, "trace-header", "the header's text: " + *problem);
  }
  ParsedHeader& result = std::get<ParsedHeader>(parsed);
  header_ = std::move(result.header);
  translation_ = Translation(result.events, result.codes);
  return std::nullopt;
}

Reader::Check Reader::read_text(std::size_t length, std::string& text) {
  while (text.size() < length) {
    const std::size_t start = text.size();
    text.resize(start + std::min(kChunk, length - start));
    if (Check problem = read(&text[start], text.size() - start, "the header")) return problem;
  }
  return std::nullopt;
}

Result<Reader::Frame> Reader::next_frame() {
  records_.clear();
  if (!closed_ && !damage_) damage_ = read_frame();
  if (records_.empty() && damage_) return *damage_;
  return Frame(records_.data(), records_.size());
}

Reader::Check Reader::read_frame() {
  frame_start_ = offset_;
  std::array<unsigned char, kFrameHeaderSize> bytes{};
  if (Check problem = read(bytes.data(), bytes.size(), "a frame")) {
    const bool between_frames = offset_ == frame_start_ && problem->code == "trace-truncated";
    if (between_frames) problem->message = "the file ends without its closing frame";
    return problem;
  }
  const FrameHeader header = load_frame_header(bytes.data());
  if (Check problem = check_frame(header)) return problem;
  if (Check problem = read_payload(header, bytes.data())) return problem;
  if (header.sequence != frames_read_) {
    return damaged(frame_start_ + kSequenceInFrame, "trace-sequence",
                   "frame " + std::to_string(header.sequence) + " where " +
                       std::to_string(frames_read_) + " should follow");
  }
  if (header.magic == kClosingMagic) return check_closing(header);
  ++frames_read_;
  crc_of_crcs_ = add_to_crc(crc_of_crcs_, header.crc);
  return decode_records(header);
}

Reader::Check Reader::check_frame(const FrameHeader& header) const {
  const bool closing = header.magic == kClosingMagic;
  if (!closing && header.magic != kFrameMagic) {
    return damaged(frame_start_, "trace-magic", "neither a frame nor the closing frame");
  }
  const std::uint64_t expected =
      closing ? kClosingPayload : std::uint64_t{header.records} * kRecordSize;
  const bool none = header.records == 0;
  const bool fits = header.payload_length == expected && header.payload_length <= kLongestPayload;
  if (fits && none == closing) return std::nullopt;
  return damaged(frame_start_ + (none == closing ? kLengthInFrame : kRecordsInFrame), "trace-count",
                 "a frame of " + std::to_string(header.payload_length) + " bytes and " +
                     std::to_string(header.records) + " records");
}

Reader::Check Reader::read_payload(const FrameHeader& header, const unsigned char* header_bytes) {
  payload_.resize(header.payload_length);
  if (Check problem = read(payload_.data(), payload_.size(), "a frame")) return problem;
  std::uint32_t crc = add_to_crc(0, header_bytes, kCrcInFrame);
  crc = add_to_crc(crc, payload_.data(), payload_.size());
  if (crc == header.crc) return std::nullopt;
  return damaged(frame_start_ + kCrcInFrame, "trace-checksum",
                 "the checksum of the frame is wrong");
}

Reader::Check Reader::decode_records(const FrameHeader& header) {
  records_.reserve(header.records);
  for (std::size_t i = 0; i < header.records; ++i) {
    const std::size_t at = i * kRecordSize;
    const std::uint64_t offset = frame_start_ + kFrameHeaderSize + at;
    TraceRecord record = load_record(payload_.data() + at);
    if (record.time < time_) return damaged(offset, "trace-order", "time runs backwards");
    if (i == 0 && record.time != header.time) {
      return damaged(frame_start_ + kTimeInFrame, "trace-time",
                     "the frame's time is not that of its first record");
    }
    if (const std::optional<std::string> problem = translation_.apply(record)) {
      return damaged(offset + kEventInRecord, "trace-vocabulary", *problem);
    }
    if (Check problem = check_names(record, offset)) return problem;
    time_ = record.time;
    records_.push_back(record);
    ++records_read_;
  }
  return std::nullopt;
}

Reader::Check Reader::check_names(const TraceRecord& record, std::uint64_t offset) const {
  if (!header_.nodes.contains(record.node)) {
    return damaged(offset + kNodeInRecord, "trace-node",
                   "node " + std::to_string(raw(record.node)) + ", and the header names " +
                       std::to_string(header_.nodes.size()));
  }
  if (record.span == kNoSpan) return std::nullopt;
  const SourceId source = source_of(record.span);
  const bool counted = record.span != make_span(source, ~std::uint64_t{0});
  if (counted && header_.sources.contains(source)) return std::nullopt;
  return damaged(offset + kSpanInRecord, "trace-span",
                 counted ? "a span of source " + std::to_string(raw(source)) +
                               ", and the header names " + std::to_string(header_.sources.size())
                         : "a span without a number");
}

Reader::Check Reader::check_closing(const FrameHeader& header) {
  const auto records = load<std::uint64_t>(payload_.data());
  const auto crc_of_crcs = load<std::uint32_t>(payload_.data() + kCrcInClosing);
  const std::uint64_t payload = frame_start_ + kFrameHeaderSize;
  if (records != records_read_) {
    return damaged(payload, "trace-count",
                   "the closing frame counts " + std::to_string(records) + " records, there are " +
                       std::to_string(records_read_));
  }
  if (header.time != time_) {
    return damaged(frame_start_ + kTimeInFrame, "trace-time",
                   "the closing frame's time is not that of the last record");
  }
  if (crc_of_crcs != crc_of_crcs_) {
    return damaged(payload + kCrcInClosing, "trace-checksum", "the checksum of checksums is wrong");
  }
  const std::uint64_t end = offset_;
  unsigned char more = 0;
  const Check at_end = read(&more, 1, "");
  if (!at_end) return damaged(end, "trace-trailing", "bytes follow the closing frame");
  if (at_end->code != "trace-truncated") return at_end;
  closed_ = true;
  return std::nullopt;
}

Reader::Check Reader::read(void* to, std::size_t size, const char* what) {
  char* next = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t count = ::read(file_.get(), next, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return unreadable(shown_, "cannot read", errno);
    if (count == 0) {
      return damaged(offset_, "trace-truncated", std::string("the file ends within ") + what);
    }
    next += count;
    size -= static_cast<std::size_t>(count);
    offset_ += static_cast<std::uint64_t>(count);
  }
  return std::nullopt;
}

Diagnostic Reader::damaged(std::uint64_t offset, const char* code, std::string message) const {
  return damage(shown_, offset, code, std::move(message));
}

}  // namespace irqfab::trace
