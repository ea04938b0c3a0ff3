// SystemC's library wants sc_main and brings a main of its own; tests run inside the first through
// this second one, which keeps its banner quiet.
#include <gtest/gtest.h>

#include <cstdlib>
#include <systemc>

int sc_main(int, char**) { return RUN_ALL_TESTS(); }

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  testing::InitGoogleTest(&argc, argv);
  return sc_core::sc_elab_and_sim(argc, argv);
}
