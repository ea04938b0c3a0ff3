// Simulated time: integers only, in picoseconds since the start of the run.
#pragma once

#include <cstdint>

namespace irqfab {

using Time = std::uint64_t;      // a point in simulated time, ps
using Duration = std::uint64_t;  // a length of simulated time, ps

constexpr Duration kPsPerNs = 1'000;
constexpr Duration kPsPerUs = 1'000'000;
constexpr Duration kPsPerMs = 1'000'000'000;
constexpr Duration kPsPerSecond = 1'000'000'000'000;
constexpr Time kNever = ~Time{0};

}  // namespace irqfab
