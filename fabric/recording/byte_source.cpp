#include "fabric/recording/byte_source.hpp"

#include <zlib.h>

#include <utility>

namespace irqfab::recording {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr std::string_view kGzipMagic = "\x1F\x8B";
constexpr int kGzipWindow = 16 + MAX_WBITS;  // zlib.h: 16 asks for the gzip wrapper

}  // namespace

/// Inflates one member after the other.
class ByteSource::Gunzip {
 public:
  enum class Status : std::uint8_t { Ok, Damaged };

  Gunzip() { ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK; }
  ~Gunzip() {
    if (ready_) inflateEnd(&stream_);
  }
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  void give(std::string_view compressed) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
    stream_.avail_in = static_cast<uInt>(compressed.size());
  }
  /// All that was given is used up, and no output waits for room.
  bool hungry() const {
    return stream_.avail_in == 0 && (stream_.avail_out > 0 || between_members_);
  }
  /// Between two members: the input may end here.
  bool at_boundary() const { return between_members_; }

  Status take(std::vector<char>& out, std::size_t& size) {
    size = 0;
    if (!ready_) return Status::Damaged;
    if (between_members_ && inflateReset(&stream_) != Z_OK) return Status::Damaged;
    between_members_ = false;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    size = out.size() - stream_.avail_out;
    between_members_ = status == Z_STREAM_END;
    const bool going = status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR;
    return going ? Status::Ok : Status::Damaged;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
  bool between_members_ = true;
};

ByteSource::ByteSource(std::istream& in) : in_(&in), chunk_(kChunk) {}
ByteSource::ByteSource(ByteSource&&) noexcept = default;
ByteSource::~ByteSource() = default;

std::string_view ByteSource::fail(std::string failure, std::string expected) {
  failure_ = std::move(failure);
  expected_ = std::move(expected);
  return {};
}

/// The next chunk as it was read.
std::string_view ByteSource::read_input() {
  in_->read(chunk_.data(), static_cast<std::streamsize>(chunk_.size()));
  if (in_->bad()) return fail("the input could not be read", "a readable file");
  return {chunk_.data(), static_cast<std::size_t>(in_->gcount())};
}

/// The next bytes as they are meant.
std::string_view ByteSource::fill() {
  if (!failure_.empty()) return {};
  if (!std::exchange(started_, true)) {
    const std::string_view first = read_input();
    if (first.substr(0, kGzipMagic.size()) != kGzipMagic) return first;
    gunzip_ = std::make_unique<Gunzip>();
    gunzip_->give(first);
    text_.resize(kChunk);
  }
  if (!gunzip_) return read_input();
  while (true) {
    if (gunzip_->hungry()) {
      const std::string_view more = read_input();
      if (!failure_.empty()) return {};
      if (more.empty() && gunzip_->at_boundary()) return {};
      if (more.empty()) return fail("the compressed data ends too early", "a whole gzip file");
      gunzip_->give(more);
    }
    std::size_t size = 0;
    if (gunzip_->take(text_, size) == Gunzip::Status::Damaged) {
      return fail("the compressed data is damaged", "a whole gzip file");
    }
    if (size > 0) return {text_.data(), size};
  }
}

std::string_view ByteSource::peek(std::size_t size) {
  while (peeked_.size() < size) {
    const std::string_view more = fill();
    if (more.empty()) break;
    peeked_.append(more);
  }
  return peeked_;
}

std::string_view ByteSource::next() {
  if (peeked_.empty()) return fill();
  given_ = std::exchange(peeked_, {});
  return given_;
}

}  // namespace irqfab::recording
