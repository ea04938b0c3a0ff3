// The Env of what happens beside a run: a look at what would be, or a register that is kept with a
// core of one's own. Nothing is traced, nothing leaves, nobody is asked later.
#pragma once

#include "models/base/env.hpp"

namespace irqfab {

class SilentEnv : public Env {
 public:
  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message&) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }
};

}  // namespace irqfab
