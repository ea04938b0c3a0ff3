// The SystemC library brings a main of its own, which prints a banner and takes the process over
// even for commands that simulate nothing. This one comes first.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>
#include <systemc>

#include "fabric/cli/commands.hpp"
#include "fabric/cli/output.hpp"

int sc_main(int argc, char** argv) {
  using namespace irqfab::cli;
  constexpr const char* kNoMemory = "this host has too little memory for it";
  try {
    return run_command_line(argc, argv);
  } catch (const std::bad_alloc&) {
    return fail(kCannot, kNoMemory);
  } catch (const sc_core::sc_report& report) {
    // What is thrown while the simulation runs arrives as SystemC's own.
    if (std::strstr(report.what(), "bad_alloc") == nullptr) throw;
    return fail(kCannot, kNoMemory);
  }
}

namespace {

/// If the caller has closed one of the standard files, the next file that is opened gets its
/// number, and messages would go into a trace. What stands in for it can be neither read nor
/// written.
void occupy_standard_files() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) std::abort();
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_files();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow any more is an error of write()
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
