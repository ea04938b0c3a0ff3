// How long a vCPU that has halted burns its host CPU before its thread sleeps.
//
// Models: Linux, Documentation/virt/kvm/halt-polling.rst: a window a vCPU, which grows after blocks
// that a longer window would have saved, and shrinks after blocks that none could have. Not
// modelled: statistics, a window a VM set by KVM_CAP_HALT_POLL, polling in the guest.
#pragma once

#include "models/base/time.hpp"

namespace irqfab::kvm {

/// Names and defaults are those of the module's parameters on x86.
struct HaltPolling {
  Duration most = 200 * kPsPerUs;  // halt_poll_ns; 0: a halted vCPU sleeps at once
  Duration start = 10 * kPsPerUs;  // halt_poll_ns_grow_start
  unsigned grow = 2;               // halt_poll_ns_grow: factor; 0: the window never grows
  unsigned shrink = 2;             // halt_poll_ns_shrink: divisor; 0: the window closes at once
};

class HaltPollWindow {
 public:
  Duration length() const { return length_; }

  /// The vCPU had nothing to do for `idle`, polling included.
  void learn(Duration idle, const HaltPolling& config) {
    if (config.most == 0 || idle <= length_) return;
    if (idle >= config.most) {
      length_ = config.shrink == 0 ? 0 : length_ / config.shrink;
      if (length_ < config.start) length_ = 0;
    } else if (config.grow > 0 && length_ < config.most) {
      const bool exceeds = length_ > config.most / config.grow;
      length_ = exceeds ? config.most : length_ * config.grow;
      if (length_ < config.start) length_ = config.start;
      if (length_ > config.most) length_ = config.most;
    }
  }

  friend bool operator==(HaltPollWindow a, HaltPollWindow b) { return a.length_ == b.length_; }

 private:
  Duration length_ = 0;
};

}  // namespace irqfab::kvm
