#include "fabric/recording/open.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>
#include <utility>

#include "fabric/recording/byte_source.hpp"
#include "fabric/recording/dat_reader.hpp"
#include "fabric/recording/reconstruct.hpp"
#include "fabric/recording/text_reader.hpp"
#include "fabric/trace/failure.hpp"

namespace irqfab::recording {
namespace {

using trace::Descriptor;

Diagnostic unreadable(const std::string& name, std::string message, std::string expected) {
  Diagnostic d;
  d.code = "unreadable";
  d.where.file = name;
  d.message = std::move(message);
  d.expected = std::move(expected);
  return d;
}

Diagnostic cannot_open(const std::string& name, int error) {
  return trace::unreadable(name, "cannot be opened", error);
}

Diagnostic no_room(const std::string& name, int error) {
  return trace::refused(name, "cannot write a temporary file", error);
}

/// All bytes in a file without a name.
Result<Descriptor> spooled(ByteSource& bytes, const std::string& name, std::uint64_t largest) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  if (!file) return no_room(name, errno);
  std::uint64_t size = 0;
  for (std::string_view part = bytes.next(); !part.empty(); part = bytes.next()) {
    size += part.size();
    if (size > largest) {
      return unreadable(name, "the trace.dat is longer than " + std::to_string(largest) + " bytes",
                        "the name of a file that is neither compressed nor a pipe");
    }
    if (std::fwrite(part.data(), 1, part.size(), file.get()) != part.size()) {
      return no_room(name, errno);
    }
  }
  if (!bytes.failure().empty()) return unreadable(name, bytes.failure(), bytes.expected());
  if (std::fflush(file.get()) != 0) return no_room(name, errno);
  Descriptor result(::fcntl(::fileno(file.get()), F_DUPFD_CLOEXEC, 0));
  if (!result.open() || ::lseek(result.get(), 0, SEEK_SET) != 0) return no_room(name, errno);
  return result;
}

Result<Recording> read_dat(const Descriptor& file, const std::string& name) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return cannot_open(name, errno);
  auto reader =
      DatReader::start(file, name, dat_limits(static_cast<std::uint64_t>(status.st_size)));
  if (!reader) return reader.errors();
  return reconstruct(*reader, name);
}

/// The file itself, if it can be read from any place on.
Descriptor seekable(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return Descriptor();
  return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

Result<Recording> read_recording(const std::string& path, std::istream& standard_input,
                                 std::uint64_t largest_spool) {
  const bool is_file = path != "-";
  const std::string name = is_file ? path : "<stdin>";
  std::ifstream opened;
  if (is_file) {
    errno = 0;
    opened.open(path, std::ios::binary);
    if (!opened) return cannot_open(name, errno);
  }
  ByteSource bytes(is_file ? opened : standard_input);
  if (bytes.peek(kDatMagic.size()).substr(0, kDatMagic.size()) != kDatMagic) {
    ReadOptions options;
    options.file = name;
    TextReader reader(std::move(bytes), options);
    return reconstruct(reader, name);
  }
  if (is_file && !bytes.is_compressed()) {
    const Descriptor file = seekable(path);
    if (file.open()) return read_dat(file, name);
  }
  const auto file = spooled(bytes, name, largest_spool);
  if (!file) return file.errors();
  return read_dat(*file, name);
}

}  // namespace irqfab::recording
