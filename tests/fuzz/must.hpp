// What a fuzz target takes for granted; the process ends where it does not hold.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace irqfab::fuzz {

inline void must(bool holds, const char* otherwise) {
  if (holds) return;
  std::fprintf(stderr, "found: %s\n", otherwise);
  std::abort();
}

}  // namespace irqfab::fuzz
