// The Env of what happens beside a run, before time 0 or on a copy: nothing is traced, nothing
// leaves, no time passes.
#pragma once

#include "models/base/silent_env.hpp"

namespace irqfab::run {

class SetupEnv final : public SilentEnv {
 public:
  SetupEnv() = default;
  /// It is `now`, for registers that show time.
  explicit SetupEnv(Time now) : now_(now) {}

  Time now() const override { return now_; }

 private:
  Time now_ = 0;
};

}  // namespace irqfab::run
