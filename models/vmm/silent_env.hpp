// For a register that a VMM keeps with a core of its own: whatever the core says is nobody's.
#pragma once

#include "models/base/env.hpp"

namespace irqfab::vmm {

class SilentEnv final : public Env {
 public:
  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message&) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }
};

}  // namespace irqfab::vmm
