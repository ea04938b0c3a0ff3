#include "fabric/recording/confined_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "fabric/trace/failure.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define IRQFAB_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IRQFAB_UNDER_ASAN 1
#endif
#endif

namespace irqfab::recording {
namespace {

#ifdef IRQFAB_UNDER_ASAN
constexpr bool kMemoryIsLimited = false;
#else
constexpr bool kMemoryIsLimited = true;
#endif

constexpr int kDone = 0, kConfinementFailed = 1;  // exit codes of the child

bool limit(int resource, std::uint64_t soft, std::uint64_t hard) {
  rlimit now{};
  if (::getrlimit(static_cast<__rlimit_resource>(resource), &now) != 0) return false;
  const rlimit wanted{std::min<rlim_t>(soft, now.rlim_max), std::min<rlim_t>(hard, now.rlim_max)};
  return ::setrlimit(static_cast<__rlimit_resource>(resource), &wanted) == 0;
}

/// The library prints what it thinks of a damaged file.
bool silence() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  return null >= 0 && ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(null, STDOUT_FILENO) >= 0 &&
         ::dup2(null, STDERR_FILENO) >= 0;
}

bool confine(const ChildLimits& limits, pid_t parent) {
  // A second of grace: SIGXCPU, which tells why, comes before SIGKILL.
  const bool limited =
      limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1) &&
      limit(RLIMIT_FSIZE, limits.written_bytes, limits.written_bytes) && limit(RLIMIT_CORE, 0, 0) &&
      (!kMemoryIsLimited || limit(RLIMIT_AS, limits.memory_bytes, limits.memory_bytes));
  for (const int signal : {SIGXCPU, SIGXFSZ, SIGPIPE}) ::signal(signal, SIG_DFL);
  return limited && ::prctl(PR_SET_DUMPABLE, 0) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
         ::getppid() == parent && silence();
}

}  // namespace

bool ConfinedChild::limits_memory() { return kMemoryIsLimited; }

void ChildOutput::write(const void* data, std::size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = ::write(fd_, next, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) ::_exit(kConfinementFailed);
    next += count;
    size -= static_cast<std::size_t>(count);
  }
}

Result<ConfinedChild> ConfinedChild::start(const Work& work, const ChildLimits& limits) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return trace::refused("", "cannot make a pipe", errno);
  trace::Descriptor from(ends[0]);
  const trace::Descriptor to(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return trace::refused("", "cannot start a process", errno);
  if (pid == 0) {
    if (!confine(limits, parent)) ::_exit(kConfinementFailed);
    ChildOutput output(to.get());
    work(output);
    ::_exit(kDone);  // without the ends that belong to the parent: buffers, temporary files
  }
  return ConfinedChild(pid, std::move(from), limits);
}

ConfinedChild::ConfinedChild(ConfinedChild&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      from_(std::move(other.from_)),
      limits_(other.limits_),
      status_(other.status_),
      silent_(other.silent_) {}

ConfinedChild::~ConfinedChild() { kill_and_wait(); }

void ConfinedChild::kill_and_wait() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

std::size_t ConfinedChild::read(void* data, std::size_t size) {
  constexpr std::uint64_t kMsPerSecond = 1000;
  const std::uint64_t longest = static_cast<std::uint64_t>(std::numeric_limits<int>::max());
  const int timeout =
      static_cast<int>(std::min(longest / kMsPerSecond, limits_.silent_seconds) * kMsPerSecond);
  while (!silent_) {
    pollfd ready{from_.get(), POLLIN, 0};
    const int events = ::poll(&ready, 1, timeout);
    if (events == 0) {
      silent_ = true;
      kill_and_wait();
      break;
    }
    const ssize_t count = events < 0 ? -1 : ::read(from_.get(), data, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) break;
  }
  return 0;
}

ConfinedChild::Ending ConfinedChild::ending() {
  if (silent_) return Ending::Silent;
  // Its end of the pipe is closed, so it is ending, with a status that no signal changes any more,
  // or it has lost the pipe and nobody would hear of it again.
  kill_and_wait();
  if (WIFEXITED(status_)) return WEXITSTATUS(status_) == kDone ? Ending::Done : Ending::Crashed;
  if (WTERMSIG(status_) == SIGXCPU) return Ending::OutOfTime;
  return WTERMSIG(status_) == SIGXFSZ ? Ending::Oversized : Ending::Crashed;
}

}  // namespace irqfab::recording
