#include "fabric/trace/writer.hpp"

#include <array>
#include <cassert>
#include <cstring>
#include <utility>

#include "fabric/trace/checksum.hpp"
#include "fabric/trace/failure.hpp"
#include "fabric/trace/header_text.hpp"

namespace irqfab::trace {

Result<Writer> Writer::create(const std::string& path, const TraceHeader& header) {
  std::string text = to_text(header);
  // Spaces and a line end after the document let frames and records start at multiples of 32 bytes.
  text.resize(text.size() + kRecordSize - (kHeaderSize + text.size()) % kRecordSize, ' ');
  text.back() = '\n';
  if (text.size() > kLongestText) {
    Diagnostic error;
    error.code = "trace-header";
    error.where.file = path;
    error.message = "the names of nodes and sources do not fit into a trace's header";
    error.expected = "at most " + std::to_string(kLongestText) + " bytes";
    return error;
  }
  Result<OutputFile> file = OutputFile::create(path);
  if (!file) return file.errors();
  Writer writer(std::move(*file));
  writer.write_header(text);
  if (writer.failure_) return *writer.failure_;
  return writer;
}

Writer::Writer(OutputFile file)
    : file_(std::move(file)), buffer_(kFrameHeaderSize + kUsualPayload) {}

void Writer::write_header(const std::string& text) {
  std::array<unsigned char, kHeaderSize> header{};
  std::memcpy(header.data(), kFileMagic.data(), kFileMagic.size());
  store(header.data() + 8, kFormatVersion);
  store(header.data() + 12, static_cast<std::uint32_t>(text.size()));
  std::uint32_t crc = add_to_crc(0, header.data(), kCrcInHeader);
  crc = add_to_crc(crc, text.data(), text.size());
  store(header.data() + kCrcInHeader, crc);
  crc_of_crcs_ = add_to_crc(crc_of_crcs_, crc);
  write_bytes(header.data(), header.size());
  write_bytes(text.data(), text.size());
}

void Writer::write(const TraceRecord& record) {
  assert(record.time >= time_);
  if (records_in_frame_ == 0) frame_time_ = record.time;
  time_ = record.time;
  store_record(buffer_.data() + end_, record);
  end_ += kRecordSize;
  ++records_in_frame_;
  if (end_ == buffer_.size()) end_frame();
}

void Writer::end_frame() {
  if (records_in_frame_ == 0) return;
  FrameHeader header;
  header.magic = kFrameMagic;
  header.time = frame_time_;
  header.records = records_in_frame_;
  write_frame(header);
  records_ += std::exchange(records_in_frame_, 0);
}

Result<Writer::Written> Writer::finish() {
  const Result<Written> written = complete();
  if (!written) return written;
  const Result<std::uint64_t> published = publish();
  if (!published) return published.errors();
  return written;
}

Result<Writer::Written> Writer::complete() {
  end_frame();
  store(buffer_.data() + kFrameHeaderSize, records_);
  store(buffer_.data() + kFrameHeaderSize + 8, crc_of_crcs_);
  end_ += kClosingPayload;
  FrameHeader closing;
  closing.magic = kClosingMagic;
  closing.time = time_;
  write_frame(closing);
  if (failure_) return *failure_;
  const Result<std::uint64_t> bytes = file_.complete();
  if (!bytes) return bytes.errors();
  return Written{records_, *bytes};
}

void Writer::write_frame(FrameHeader header) {
  header.payload_length = static_cast<std::uint32_t>(end_ - kFrameHeaderSize);
  header.sequence = frames_++;
  store_frame_header(buffer_.data(), header);
  std::uint32_t crc = add_to_crc(0, buffer_.data(), kCrcInFrame);
  crc = add_to_crc(crc, buffer_.data() + kFrameHeaderSize, header.payload_length);
  store(buffer_.data() + kCrcInFrame, crc);
  crc_of_crcs_ = add_to_crc(crc_of_crcs_, crc);
  write_bytes(buffer_.data(), end_);
  end_ = kFrameHeaderSize;
}

void Writer::write_bytes(const void* data, std::size_t size) {
  if (failure_) return;
  const Result<std::uint64_t> written = file_.write(data, size);
  if (!written) failure_ = written.errors().front();
}

}  // namespace irqfab::trace
