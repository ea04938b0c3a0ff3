// What a VT-d remapping unit remembers of its faults: FSTS_REG, the fault recording registers and
// IQERCD_REG.
//
// Models: VT-d 7.2.1 "Primary Fault Logging": faults are recorded in the registers one after the
// other, around; one that finds its register still pending only sets PFO, and while PFO is set
// nothing is recorded. Software writes 1 to clear. Further faults of a requester that has a record
// pending may be collapsed into it, which is the implementation's choice.
// Not modelled: advanced fault logging.
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <vector>

#include "models/base/ids.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::x86::vtd {

/// What becomes of a fault of a requester that has a record pending.
enum class FaultCollapsing : std::uint8_t { Off, SameRequester };

class FaultLog {
 public:
  enum class Outcome : std::uint8_t { Recorded, Collapsed, Lost };

  /// FRCD_REG, bits 63:0 and 127:64.
  struct Record {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool pending() const { return Frcd::F::is_set(high); }
    friend bool operator==(const Record& a, const Record& b) {
      return std::tie(a.low, a.high) == std::tie(b.low, b.high);
    }
  };

  /// `records` registers, at least 1.
  FaultLog(unsigned records, FaultCollapsing collapsing)
      : records_(records), collapsing_(collapsing) {}

  Outcome record(FaultReason reason, RequesterId requester, std::uint32_t index) {
    if (overflow_) return Outcome::Lost;
    if (collapsing_ == FaultCollapsing::SameRequester && has_pending_of(requester)) {
      return Outcome::Collapsed;
    }
    Record& record = records_[next_];
    if (record.pending()) {
      overflow_ = true;
      return Outcome::Lost;
    }
    if (!any_pending()) first_ = next_;
    record.low = Frcd::InterruptIndex::set(0, index);
    record.high = Frcd::SID::set(0, raw(requester));
    record.high = Frcd::FR::set(record.high, static_cast<std::uint64_t>(reason));
    record.high = Frcd::F::set(record.high, 1);
    next_ = static_cast<unsigned>((next_ + 1) % records_.size());
    return Outcome::Recorded;
  }

  /// The invalidation queue stops until software clears IQE.
  void set_queue_error(QueueError error) { queue_error_ = error; }
  bool queue_error() const { return queue_error_ != QueueError::None; }
  std::uint64_t IQERCD_REG() const {
    return Iqei::set(0, static_cast<std::uint64_t>(queue_error_));
  }

  std::uint32_t FSTS_REG() const {
    std::uint32_t value = Fsts::PFO::set(0, overflow_);
    value = Fsts::PPF::set(value, any_pending());
    value = Fsts::FRI::set(value, first_);
    return Fsts::IQE::set(value, queue_error());
  }
  void write_FSTS_REG(std::uint32_t value) {
    if (Fsts::PFO::is_set(value)) overflow_ = false;
    if (Fsts::IQE::is_set(value)) queue_error_ = QueueError::None;
  }
  /// Is any of the conditions reported that fault events are about (FECTL_REG.IP)?
  bool any_reported() const { return overflow_ || queue_error() || any_pending(); }

  std::size_t size() const { return records_.size(); }
  const Record& at(std::size_t index) const { return records_[index]; }
  void write_high(std::size_t index, std::uint64_t value) {
    if (!Frcd::F::is_set(value)) return;
    records_[index].high = Frcd::F::set(records_[index].high, 0);
    if (!any_pending()) first_ = 0;
  }

  friend bool operator==(const FaultLog& a, const FaultLog& b) {
    return std::tie(a.records_, a.next_, a.first_, a.overflow_, a.queue_error_) ==
           std::tie(b.records_, b.next_, b.first_, b.overflow_, b.queue_error_);
  }

 private:
  bool any_pending() const {
    return std::any_of(records_.begin(), records_.end(),
                       [](const Record& record) { return record.pending(); });
  }
  bool has_pending_of(RequesterId requester) const {
    return std::any_of(records_.begin(), records_.end(), [&](const Record& record) {
      return record.pending() && Frcd::SID::get(record.high) == raw(requester);
    });
  }

  std::vector<Record> records_;  // of the constructor's size for life
  FaultCollapsing collapsing_;
  unsigned next_ = 0;   // the record that the next fault takes
  unsigned first_ = 0;  // FRI; 0 while nothing is pending, when its value is undefined
  bool overflow_ = false;
  QueueError queue_error_ = QueueError::None;
};

}  // namespace irqfab::x86::vtd
