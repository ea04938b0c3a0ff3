// The checksum of a trace file: CRC-32 as in zlib and PNG (ISO 3309), from 0.
#pragma once

#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "fabric/trace/layout.hpp"

namespace irqfab::trace {

inline std::uint32_t add_to_crc(std::uint32_t crc, const void* data, std::size_t size) {
  return static_cast<std::uint32_t>(::crc32_z(crc, static_cast<const unsigned char*>(data), size));
}

/// A checksum as the next member of the checksum of checksums.
inline std::uint32_t add_to_crc(std::uint32_t crc, std::uint32_t word) {
  std::array<unsigned char, sizeof word> bytes{};
  store(bytes.data(), word);
  return add_to_crc(crc, bytes.data(), bytes.size());
}

}  // namespace irqfab::trace
