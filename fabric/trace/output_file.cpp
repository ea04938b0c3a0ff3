#include "fabric/trace/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fabric/trace/failure.hpp"

namespace irqfab::trace {
namespace {

constexpr const char* kCannotCreate = "cannot create";
constexpr const char* kCannotWrite = "cannot write";

/// The file behind symbolic links, or the path itself if there is none.
std::string resolved(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  const std::string result = real;
  std::free(real);
  return result;
}

/// With the slash at its end; empty for the one we are in.
std::string directory_of(const std::string& target) {
  const std::size_t slash = target.rfind('/');
  return slash == target.npos ? "" : target.substr(0, slash + 1);
}

/// By this path a file without a name gets one (linkat(2)).
std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

/// Calls `make` with names beside `target` until it finds one that is not taken.
template <class Make>
int name_beside(const std::string& target, std::string& name, Make&& make) {
  for (unsigned attempt = 0;; ++attempt) {
    name = directory_of(target) + ".irqfab-" + std::to_string(::getpid()) + '-' +
           std::to_string(attempt);
    const int made = make(name.c_str());
    if (made >= 0 || errno != EEXIST) return made;
  }
}

/// A new file in the directory of `target`, with the permissions any new file gets. Without a name
/// where that is possible; otherwise that is put into `name`.
int open_beside(const std::string& target, std::string& name) {
  const std::string directory = directory_of(target);
  Descriptor unnamed(
      ::open(directory.empty() ? "." : directory.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666));
  if (unnamed.open() && ::access(path_of(unnamed.get()).c_str(), F_OK) == 0) {
    return unnamed.release();
  }
  return name_beside(target, name, [](const char* path) {
    return ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  });
}

/// Puts the name that a file without one gets into `name`; 0, or negative with errno set.
int give_name(int fd, const std::string& target, std::string& name) {
  const std::string path = path_of(fd);
  const int given = name_beside(target, name, [&path](const char* to) {
    return ::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, to, AT_SYMLINK_FOLLOW);
  });
  if (given < 0) name.clear();
  return given;
}

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path) {
  if (path == "-") {
    Descriptor file(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!file.open()) return refused("<stdout>", kCannotWrite, errno);
    return OutputFile("<stdout>", std::move(file));
  }
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && !S_ISREG(status.st_mode)) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.open()) return refused(path, kCannotWrite, errno);
    return OutputFile(path, std::move(file));
  }
  const std::string target = resolved(path);
  std::string temporary;
  Descriptor file(open_beside(target, temporary));
  if (!file.open()) return refused(path, kCannotCreate, errno);
  // What is replaced keeps its permissions; where that is not to be had, the usual ones do.
  if (exists) static_cast<void>(::fchmod(file.get(), status.st_mode & 07777));
  OutputFile output(path, std::move(file));
  output.target_ = target;
  output.temporary_ = temporary;
  return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : shown_(std::move(other.shown_)),
      file_(std::move(other.file_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      written_(other.written_) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<std::uint64_t> OutputFile::write(const void* data, std::size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = ::write(file_.get(), next, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return refused(shown_, kCannotWrite, count == 0 ? EIO : errno);
    next += count;
    size -= static_cast<std::size_t>(count);
    written_ += static_cast<std::uint64_t>(count);
  }
  return written_;
}

Result<std::uint64_t> OutputFile::commit() {
  const Result<std::uint64_t> whole = complete();
  return whole ? publish() : whole;
}

Result<std::uint64_t> OutputFile::complete() {
  const bool replaces = !target_.empty();
  // EINVAL: a file system on which there is nothing to wait for.
  const bool synced = !replaces || ::fsync(file_.get()) == 0 || errno == EINVAL;
  if (!synced) return refused(shown_, kCannotWrite, errno);
  if (replaces && temporary_.empty() && give_name(file_.get(), target_, temporary_) < 0) {
    return refused(shown_, kCannotCreate, errno);
  }
  // Some file systems report a failed write only here.
  if (::close(file_.release()) != 0) return refused(shown_, kCannotWrite, errno);
  return written_;
}

Result<std::uint64_t> OutputFile::publish() {
  if (target_.empty()) return written_;
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    return refused(shown_, kCannotCreate, errno);
  }
  temporary_.clear();
  return written_;
}

Result<std::uint64_t> OutputFile::withdraw_old() {
  if (!target_.empty() && ::unlink(target_.c_str()) != 0 && errno != ENOENT) {
    return refused(shown_, "cannot replace", errno);
  }
  return written_;
}

}  // namespace irqfab::trace
