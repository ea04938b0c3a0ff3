// The SystemC library brings a main of its own, which prints a banner and takes the process over
// even for commands that simulate nothing. This one comes first.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <systemc>

#include "fabric/cli/commands.hpp"

int sc_main(int argc, char** argv) { return irqfab::cli::run_command_line(argc, argv); }

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
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
