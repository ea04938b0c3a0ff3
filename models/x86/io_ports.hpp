// I/O ports on a bus that knows addresses only: port p is the byte at kIoPortBase + p.
#pragma once

#include <cstdint>
#include <optional>

namespace irqfab::x86 {

/// Above every physical address (52 bits) and every window of a machine.
constexpr std::uint64_t kIoPortBase = std::uint64_t{1} << 60;
constexpr std::uint64_t kIoPorts = 0x10000;

/// The port that an address stands for, if it is one.
constexpr std::optional<std::uint16_t> io_port_at(std::uint64_t address) {
  if (address < kIoPortBase || address - kIoPortBase >= kIoPorts) return std::nullopt;
  return static_cast<std::uint16_t>(address - kIoPortBase);
}

}  // namespace irqfab::x86
