// The Env of what happens beside a run, before time 0 or on a copy: nothing is traced, nothing
// leaves, no time passes.
#pragma once

#include "models/base/env.hpp"

namespace irqfab::run {

class SetupEnv final : public Env {
 public:
  SetupEnv() = default;
  /// It is `now`, for registers that show time.
  explicit SetupEnv(Time now) : now_(now) {}

  void note(Event, SpanId, std::uint64_t) override {}
  void send(PortId, const Message&) override {}
  void after(Duration, Tag) override {}
  void after(Duration, Tag, LaneId) override {}
  SpanId open(Cause, SpanId, std::uint32_t) override { return kNoSpan; }
  Time now() const override { return now_; }

 private:
  Time now_ = 0;
};

}  // namespace irqfab::run
