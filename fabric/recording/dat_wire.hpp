// What the child that reads a trace.dat tells its parent: a row of messages, each a head and the
// texts that its lengths announce. Both ends are one program, so numbers are as in memory; the
// parent yet believes none of them, because a damaged file may have damaged the child.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fabric/recording/dat_fields.hpp"
#include "fabric/recording/dat_library.h"

namespace irqfab::recording {

enum class DatMessage : std::uint8_t {
  Clock,  // text: the name of the recording's clock
  Event,
  End,  // of the recording; number: irqfab_dat_status
};

constexpr std::size_t kLongestComm = 64;      // bytes; the kernel's are at most 15
constexpr std::size_t kLongestName = 256;     // bytes
constexpr std::size_t kLongestMarker = 4096;  // bytes; longer ones are cut
constexpr std::uint8_t kNoKind = 0xFF;

struct DatHead {
  DatMessage message{};
  std::uint8_t kind = kNoKind;
  std::uint8_t is_marker = 0;
  std::uint16_t comm_length = 0;
  std::uint16_t name_length = 0;
  std::uint16_t text_length = 0;
  std::uint32_t flags = 0;
  std::uint32_t cpu = 0;
  std::int32_t pid = 0;
  std::uint64_t time = 0;
  std::int64_t lost = 0;
  std::uint64_t number = 0;
  DatNumbers numbers;
};

constexpr std::size_t kLongestDatMessage =
    sizeof(DatHead) + kLongestComm + kLongestName + kLongestMarker;

}  // namespace irqfab::recording
