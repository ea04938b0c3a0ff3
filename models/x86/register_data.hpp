// The answer to a 32-bit register read.
#pragma once

#include "models/base/message.hpp"

namespace irqfab::x86 {

inline BusData register_data(std::uint32_t value, Tag tag, SpanId span) {
  BusData answer{{}, tag, BusStatus::Ok, span};
  for (unsigned i = 0; i < 4; ++i) answer.data[i] = static_cast<std::uint8_t>(value >> (8 * i));
  return answer;
}

}  // namespace irqfab::x86
