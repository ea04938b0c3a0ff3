// Prints one random scenario: make_scenario anything|ties SEED [ARRANGEMENT].
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/support/scenario_maker.hpp"

int main(int argc, char** argv) {
  using namespace irqfab::test;
  if (argc < 3 || argc > 4) {
    std::fputs("usage: make_scenario anything|ties SEED [ARRANGEMENT]\n", stderr);
    return 2;
  }
  const Purpose purpose = std::strcmp(argv[1], "ties") == 0 ? Purpose::Ties : Purpose::Anything;
  const std::uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  const Arrangement arrangement{argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 0};
  std::fputs(make_scenario(purpose, seed, arrangement).text.c_str(), stdout);
}
