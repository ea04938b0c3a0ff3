// What a VT-d remapping unit remembers of its faults: FSTS_REG and one fault recording register.
//
// Models: VT-d, "Primary Fault Logging": the first fault is recorded; while its record is pending a
// further one only sets PFO, and while PFO is set nothing is recorded. Software writes 1 to clear.
// Not modelled: several records and their collapsing, the fault event (FECTL_REG and its message),
// advanced fault logging.
#pragma once

#include <cstdint>

#include "models/base/ids.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::x86::vtd {

class FaultLog {
 public:
  void record(FaultReason reason, RequesterId requester, std::uint32_t index) {
    if (overflow_) return;
    if (Frcd::F::is_set(high_)) {
      overflow_ = true;
      return;
    }
    low_ = Frcd::InterruptIndex::set(0, index);
    high_ = Frcd::SID::set(0, raw(requester));
    high_ = Frcd::FR::set(high_, static_cast<std::uint64_t>(reason));
    high_ = Frcd::F::set(high_, 1);
  }

  /// The invalidation queue stops until software clears IQE.
  void set_queue_error() { queue_error_ = true; }
  bool queue_error() const { return queue_error_; }

  std::uint32_t FSTS_REG() const {
    std::uint32_t value = Fsts::PFO::set(0, overflow_);
    value = Fsts::PPF::set(value, Frcd::F::is_set(high_));
    return Fsts::IQE::set(value, queue_error_);
  }
  void write_FSTS_REG(std::uint32_t value) {
    if (Fsts::PFO::is_set(value)) overflow_ = false;
    if (Fsts::IQE::is_set(value)) queue_error_ = false;
  }

  /// FRCD_REG, bits 63:0 and 127:64.
  std::uint64_t low() const { return low_; }
  std::uint64_t high() const { return high_; }
  void write_high(std::uint64_t value) {
    if (Frcd::F::is_set(value)) high_ = Frcd::F::set(high_, 0);
  }

  friend bool operator==(const FaultLog& a, const FaultLog& b) {
    return a.low_ == b.low_ && a.high_ == b.high_ && a.overflow_ == b.overflow_ &&
           a.queue_error_ == b.queue_error_;
  }

 private:
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
  bool overflow_ = false;
  bool queue_error_ = false;
};

}  // namespace irqfab::x86::vtd
