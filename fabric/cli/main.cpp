// The SystemC library brings a main of its own, which prints a banner and takes the process over even
// for commands that simulate nothing. This one comes first.
#include <cstdlib>
#include <systemc>

#include "fabric/cli/commands.hpp"

int sc_main(int argc, char** argv) { return irqfab::cli::run_command_line(argc, argv); }

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}
