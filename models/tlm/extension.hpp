// What a TLM-2.0 payload says beyond address and data: who sent it and which interrupt it is.
// Modules that do not know the extension may pass payloads on; those without it are given defaults.
#pragma once

#include <tlm>

#include "models/base/message.hpp"

namespace irqfab {

struct InterruptExtension final : tlm::tlm_extension<InterruptExtension> {
  Requester requester;
  SpanId span = kNoSpan;
  Tag tag{};                // of a read or a marker
  std::uint16_t round = 0;  // zero-price hops before it within its time
  /// What a transaction with TLM_IGNORE_COMMAND asks for.
  enum class Question : std::uint8_t {
    None,    // a read or a write
    Marker,  // an answer when older messages have landed
    Post,    // PostInterrupt, with the vector and the urgency below
  };
  Question question = Question::None;
  Vector vector{};
  Urgency urgency = Urgency::Normal;

  tlm_extension_base* clone() const override { return new InterruptExtension(*this); }
  void copy_from(const tlm_extension_base& other) override {
    *this = static_cast<const InterruptExtension&>(other);
  }
};

}  // namespace irqfab
