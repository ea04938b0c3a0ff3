// The pump: drives the engine's timeline from SystemC with one SC_METHOD. There is no kernel event
// per hop: as long as nothing else in the simulation is due earlier, the pump runs ahead within one
// activation.
#pragma once

#include <systemc>

#include "models/sim/engine.hpp"

namespace irqfab {

/// May the fabric's own time be ahead of sc_time_stamp()? Never past the next pending activity of
/// the kernel; but after sc_start(t) returns, a caller from outside would find the fabric in the
/// future.
enum class RunAhead : std::uint8_t { Off, On };

class Kernel final : public sc_core::sc_module {
 public:
  /// The engine must outlive the kernel. The time resolution must be 1 ps (SystemC's default).
  Kernel(sc_core::sc_module_name name, Engine& engine, RunAhead run_ahead);

  Engine& engine() { return engine_; }

  /// Nothing later than this is done; it stays in the timeline.
  void set_horizon(Time horizon) { horizon_ = horizon; }

  /// Something was put into the timeline from outside the pump, or something outside was called.
  void disturb();
  /// True while the fabric acts: what reaches a shell now was sent by another within this call.
  bool pumping() const { return pumping_; }

  /// The time of SystemC's kernel, which stands still while the fabric acts.
  Time now() const { return pumping_ ? pumped_at_ : sc_core::sc_time_stamp().value(); }
  sc_core::sc_time from_now(Time time) const {
    const Time since = now();
    return sc_core::sc_time::from_value(time > since ? time - since : 0);
  }
  /// The time of a call that is made with this delay.
  Time after(const sc_core::sc_time& delay) const { return now() + delay.value(); }

 private:
  void pump();
  Time run_ahead_limit() const;

  Engine& engine_;
  RunAhead run_ahead_;
  Time horizon_ = kNever;
  bool pumping_ = false;
  Time pumped_at_ = 0;
  bool limit_is_stale_ = false;
  sc_core::sc_event due_;
};

}  // namespace irqfab
