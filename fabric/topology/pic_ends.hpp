// How the handlers of the vectors that the 8259s name end an interrupt: by writes to I/O ports.
#pragma once

#include <cstdint>
#include <vector>

#include "models/cpu/program.hpp"
#include "models/x86/pic_chip.hpp"

namespace irqfab::topology {

/// The first of the eight vectors of an 8259, as its ICW2 says.
struct PicVectors {
  x86::PicRole chip{};
  std::uint8_t first = 0;  // a multiple of 8
  friend bool operator==(PicVectors a, PicVectors b) {
    return a.chip == b.chip && a.first == b.first;
  }
};

/// Specific EOIs, of the slave first (8259A, "End of Interrupt"): a row a vector.
std::vector<cpu::EndOverBus> ends_at_pic(PicVectors vectors);

}  // namespace irqfab::topology
