// KVM's count of RTC interrupts that vCPUs have not ended (seen on Linux 6.18): while there are
// any, KVM_IRQ_LINE_STATUS of IOAPIC pin 8 answers 0, and does nothing. Guests that count ticks are
// told of a lost one that way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::kvm {

constexpr Pin kRtcPin{8};

class RtcTracking {
 public:
  explicit RtcTracking(std::size_t vcpus) : waiting_(vcpus) {}

  /// How many are not ended: of NMIs and the like, which have no EOI, all.
  std::int64_t left() const { return left_; }
  /// The vector whose EOI of this vCPU counts.
  std::optional<Vector> waiting(CpuId cpu) const { return waiting_[raw(cpu)]; }

  void sent(std::int64_t accepted) { left_ = accepted > 0 ? accepted : 0; }
  void accepted(CpuId cpu, Vector vector) { waiting_[raw(cpu)] = vector; }
  void ended(CpuId cpu, Vector vector) {
    if (waiting_[raw(cpu)] == vector) restore(cpu, std::nullopt);
  }
  /// What a restored state shows of this vCPU.
  void restore(CpuId cpu, std::optional<Vector> vector) {
    std::optional<Vector>& waiting = waiting_[raw(cpu)];
    if (vector.has_value() == waiting.has_value()) return;
    waiting = vector;
    left_ += vector ? 1 : -1;
  }
  void reset() { *this = RtcTracking(waiting_.size()); }

  friend bool operator==(const RtcTracking& a, const RtcTracking& b) {
    return a.left_ == b.left_ && a.waiting_ == b.waiting_;
  }

 private:
  std::int64_t left_ = 0;
  std::vector<std::optional<Vector>> waiting_;  // by vCPU
};

}  // namespace irqfab::kvm
