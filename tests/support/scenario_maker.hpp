// Random scenarios from a seed, as text: small machines and loads that reach every corner of the
// portable language together. The same seed makes the same scenario in every build.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace irqfab::test {

enum class Purpose : std::uint8_t {
  Anything,  // any load on any machine, with a few prices of its own
  Ties,      // everything at equal times, on equal prices: only the tie rule decides
};

/// One way to write a scenario down. 0 is the way it was made; any other shuffles every list whose
/// order has no meaning (bridges, devices, affinity, workload, handlers, during, prices) and gives
/// bridges and devices other names, which sort differently.
enum class Arrangement : std::uint64_t {};
constexpr Arrangement kAsMade{0};

struct MadeScenario {
  std::string text;  // YAML
  std::vector<std::string>
      ids;  // of bridges, then devices, in an order that no arrangement changes
};

/// About 200 to 2000 interrupts on 1 to 16 CPUs, 1 to 3 host bridges, IOAPICs and 1 to 12 devices;
/// with one CPU also through 8259s.
MadeScenario make_scenario(Purpose purpose, std::uint64_t seed, Arrangement arrangement = kAsMade);

}  // namespace irqfab::test
