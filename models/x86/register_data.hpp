// The answer to a register read.
#pragma once

#include "models/base/message.hpp"

namespace irqfab::x86 {

/// The low 8 bytes hold `value`; a register of 32 bits has zeros above them.
inline BusData register_data(std::uint64_t value, Tag tag, SpanId span) {
  BusData answer{{}, tag, BusStatus::Ok, span};
  for (unsigned i = 0; i < 8; ++i) answer.data[i] = static_cast<std::uint8_t>(value >> (8 * i));
  return answer;
}

}  // namespace irqfab::x86
