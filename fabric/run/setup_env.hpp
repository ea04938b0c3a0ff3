// The Env of what happens before time 0: nothing is traced, nothing leaves, no time passes.
#pragma once

#include "models/base/env.hpp"

namespace irqfab::run {

class SetupEnv final : public Env {
 public:
  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message&) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }
};

}  // namespace irqfab::run
