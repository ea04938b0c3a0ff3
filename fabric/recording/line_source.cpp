#include "fabric/recording/line_source.hpp"

#include <zlib.h>

namespace irqfab::recording {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr std::string_view kGzipMagic = "\x1F\x8B";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr int kGzipWindow = 16 + MAX_WBITS;  // zlib.h: 16 asks for the gzip wrapper

}  // namespace

/// Inflates one member after the other.
class LineSource::Gunzip {
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

LineSource::LineSource(std::istream& in) : in_(in), chunk_(kChunk) {}
LineSource::~LineSource() = default;

bool LineSource::fail(std::string failure, std::string expected) {
  failure_ = std::move(failure);
  expected_ = std::move(expected);
  rest_ = {};
  return false;
}

/// The next chunk as it was read becomes rest_.
bool LineSource::read_input() {
  in_.read(chunk_.data(), static_cast<std::streamsize>(chunk_.size()));
  rest_ = std::string_view(chunk_.data(), static_cast<std::size_t>(in_.gcount()));
  if (in_.bad()) return fail("the input could not be read", "a readable file");
  return !rest_.empty();
}

bool LineSource::fill() {
  if (!started_) {
    started_ = true;
    if (!read_input()) return false;
    if (rest_.substr(0, kGzipMagic.size()) != kGzipMagic) {
      if (rest_.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        rest_.remove_prefix(kByteOrderMark.size());
      }
      return !rest_.empty() || read_input();
    }
    gunzip_ = std::make_unique<Gunzip>();
    gunzip_->give(rest_);
    text_.resize(kChunk);
  }
  if (!gunzip_) return read_input();
  while (true) {
    if (gunzip_->hungry()) {
      const bool more = read_input();
      if (!failure_.empty()) return false;
      if (!more && gunzip_->at_boundary()) return false;
      if (!more) return fail("the compressed data ends too early", "a whole gzip file");
      gunzip_->give(rest_);
    }
    std::size_t size = 0;
    if (gunzip_->take(text_, size) == Gunzip::Status::Damaged) {
      return fail("the compressed data is damaged", "a whole gzip file");
    }
    rest_ = std::string_view(text_.data(), size);
    if (size > 0) return true;
  }
}

std::optional<std::string_view> LineSource::next() {
  if (!failure_.empty()) return std::nullopt;
  line_.clear();
  bool any = false;
  bool ended = false;
  while (!ended && (!rest_.empty() || fill())) {
    any = true;
    const std::size_t end = rest_.find('\n');
    ended = end != std::string_view::npos;
    const std::string_view part = rest_.substr(0, end);
    if (line_.size() + part.size() > kLongestLine) {
      ++number_;
      fail("the line is longer than " + std::to_string(kLongestLine) + " bytes",
           "the text of a recording, an event a line");
      return std::nullopt;
    }
    line_.append(part);
    rest_.remove_prefix(ended ? end + 1 : part.size());
  }
  if (!failure_.empty()) {
    ++number_;
    return std::nullopt;
  }
  if (!any) return std::nullopt;
  ++number_;
  std::string_view line = line_;
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace irqfab::recording
