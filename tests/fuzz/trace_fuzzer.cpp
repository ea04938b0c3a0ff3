// Any bytes as a trace file: read as they are, and once more with the checksums put right, which no
// mutation would guess; as text, and written and read again when the file is whole.
//
// What must hold: no file crashes, hangs or takes memory without bound; damage has a code, a
// message and an offset within the file; records come in order of time; a whole file is the same
// when it has been written anew.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fabric/trace/checksum.hpp"
#include "fabric/trace/layout.hpp"
#include "fabric/trace/reader.hpp"
#include "fabric/trace/text.hpp"
#include "fabric/trace/writer.hpp"
#include "tests/fuzz/must.hpp"

namespace {

using namespace irqfab;
using Bytes = std::vector<unsigned char>;

/// A file without a name.
class MemoryFile {
 public:
  MemoryFile() : file_(::memfd_create("fuzzed", MFD_CLOEXEC)) {
    fuzz::must(file_ >= 0, "no file in memory");
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }
  void hold(const Bytes& bytes) {
    const auto size = static_cast<ssize_t>(bytes.size());
    const bool held =
        ::ftruncate(file_, 0) == 0 && ::pwrite(file_, bytes.data(), bytes.size(), 0) == size;
    fuzz::must(held, "no room in memory");
  }

 private:
  int file_;
};

/// A directory for what is written anew.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "irqfab-fuzz-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string file() const { return path_ + "/again.trace"; }

 private:
  std::string path_;
};

/// Puts the checksums of the header and of every frame right, as far as the lengths make sense.
void put_checksums_right(Bytes& bytes) {
  if (bytes.size() < trace::kHeaderSize) return;
  const auto text = trace::load<std::uint32_t>(&bytes[12]);
  if (text > bytes.size() - trace::kHeaderSize) return;
  std::uint32_t crc = trace::add_to_crc(0, bytes.data(), trace::kCrcInHeader);
  crc = trace::add_to_crc(crc, bytes.data() + trace::kHeaderSize, text);
  trace::store(&bytes[trace::kCrcInHeader], crc);
  std::uint32_t all = trace::add_to_crc(0, crc);
  std::size_t at = trace::kHeaderSize + text;
  while (bytes.size() - at >= trace::kFrameHeaderSize) {
    const trace::FrameHeader header = trace::load_frame_header(&bytes[at]);
    const std::size_t payload = at + trace::kFrameHeaderSize;
    if (header.payload_length > bytes.size() - payload) return;
    const bool closing = header.magic == trace::kClosingMagic;
    if (closing && header.payload_length == trace::kClosingPayload) {
      trace::store(&bytes[payload + 8], all);
    }
    crc = trace::add_to_crc(0, &bytes[at], trace::kCrcInFrame);
    crc = trace::add_to_crc(crc, bytes.data() + payload, header.payload_length);
    trace::store(&bytes[at + trace::kCrcInFrame], crc);
    all = trace::add_to_crc(all, crc);
    at = payload + header.payload_length;
  }
}

struct Read {
  trace::TraceHeader header;
  std::vector<TraceRecord> records;
  bool whole = false;
};

void damaged(const Diagnostics& errors, std::size_t size) {
  fuzz::must(errors.size() == 1, "damage is one thing");
  const Diagnostic& error = errors.front();
  fuzz::must(!error.code.empty() && !error.message.empty(), "a diagnostic that says nothing");
  fuzz::must(error.where.offset && *error.where.offset <= size, "damage outside the file");
}

Read read(const std::string& path, std::size_t size) {
  Read found;
  auto reader = trace::Reader::open(path);
  if (!reader) {
    damaged(reader.errors(), size);
    return found;
  }
  found.header = reader->header();
  const auto count =
      reader->for_each([&found](const TraceRecord& record) { found.records.push_back(record); });
  found.whole = static_cast<bool>(count);
  if (!found.whole) damaged(count.errors(), size);
  return found;
}

void shown(const Read& read) {
  const trace::TextFormat format(read.header);
  Time latest = 0;
  for (const TraceRecord& record : read.records) {
    fuzz::must(record.time >= latest, "time runs backwards");
    latest = record.time;
    std::string line;
    format.append(record, line);
    fuzz::must(!line.empty() && line.find('\n') == line.size() - 1, "not one line a record");
  }
}

void written_and_read_again(const Read& first, const std::string& path) {
  auto writer = trace::Writer::create(path, first.header);
  fuzz::must(static_cast<bool>(writer), "no file to write");
  for (const TraceRecord& record : first.records) writer->write(record);
  const auto written = writer->finish();
  fuzz::must(static_cast<bool>(written), "no file was written");
  const Read again = read(path, written->bytes);
  fuzz::must(again.whole, "a file of our own that is damaged");
  fuzz::must(again.header == first.header, "another header");
  fuzz::must(again.records == first.records, "other records");
}

void one_file(const Bytes& bytes) {
  static const Folder folder;
  static MemoryFile file;
  file.hold(bytes);
  const Read found = read(file.path(), bytes.size());
  shown(found);
  if (found.whole) written_and_read_again(found, folder.file());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, data + size);
  one_file(bytes);
  put_checksums_right(bytes);
  one_file(bytes);
  return 0;
}
