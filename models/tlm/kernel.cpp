#include "models/tlm/kernel.hpp"

namespace irqfab {

Kernel::Kernel(sc_core::sc_module_name name, Engine& engine, RunAhead run_ahead)
    : sc_core::sc_module(name), engine_(engine), run_ahead_(run_ahead) {
  if (sc_core::sc_get_time_resolution() != sc_core::sc_time(1, sc_core::SC_PS)) {
    SC_REPORT_FATAL("irqfab", "the fabric counts picoseconds: the time resolution must be 1 ps");
  }
  SC_HAS_PROCESS(Kernel);
  SC_METHOD(pump);
  sensitive << due_;
}

void Kernel::disturb() {
  limit_is_stale_ = true;
  if (pumping_ || engine_.idle()) return;
  // Running ahead needs no time of the kernel's to pass first: the pump itself sees how far it may
  // go. So the kernel stays behind the fabric, which can be put back to an earlier time.
  due_.notify(run_ahead_ == RunAhead::On ? sc_core::SC_ZERO_TIME : from_now(engine_.next_time()));
}

Time Kernel::run_ahead_limit() const {
  if (run_ahead_ == RunAhead::Off) return now();
  const sc_core::sc_time pending = sc_core::sc_time_to_pending_activity();
  const Time gap = pending.value();
  return gap > kNever - now() ? kNever : now() + gap;
}

void Kernel::pump() {
  pumped_at_ = now();
  pumping_ = true;
  Time limit = run_ahead_limit();
  while (!engine_.idle()) {
    const Time next = engine_.next_time();
    if (next > horizon_) break;
    if (next > now() && next >= limit) {
      due_.notify(from_now(next));
      break;
    }
    engine_.step();
    if (limit_is_stale_) {
      limit_is_stale_ = false;
      limit = run_ahead_limit();
    }
  }
  pumping_ = false;
}

}  // namespace irqfab
