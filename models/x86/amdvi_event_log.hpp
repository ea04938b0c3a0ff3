// The event log of an AMD-Vi unit: a ring in memory that the unit writes and software reads.
//
// Models: AMD IOMMU specification (48882), 2.5 "Event Logging" and the bits of the status register
// that are about it: an event that finds no room is lost and sets EventOverflow, and nothing is
// logged from then on until software has cleared EventOverflow and has written EventLogEn again.
// Not modelled: dual logs, early overflow.
#pragma once

#include <cstdint>
#include <optional>
#include <tuple>

#include "models/x86/amdvi_registers.hpp"

namespace irqfab::x86::amdvi {

/// Bytes of a ring whose length the register says; the reserved lengths mean the least.
constexpr std::uint64_t ring_bytes(std::uint64_t base) {
  constexpr std::uint64_t kLeast = 8;
  const std::uint64_t length = BufferBase::Length::get(base);
  return kEntryBytes << (length < kLeast ? kLeast : length);
}

class EventLog {
 public:
  /// Room for one entry: its address. Sets EventLogInt; without room, EventOverflow.
  std::optional<std::uint64_t> append() {
    if (!running_) return std::nullopt;
    const std::uint64_t next = (tail_ + kEntryBytes) % ring_bytes(base_);
    if (next == head_ % ring_bytes(base_)) {
      status_ = Status::EventOverflow::set(status_, 1);
      running_ = false;
      return std::nullopt;
    }
    const std::uint64_t address = (base_ & BufferBase::Base::kMask) + tail_;
    tail_ = next;
    status_ = Status::EventLogInt::set(status_, 1);
    return address;
  }

  /// Software wrote EventLogEn.
  void enable(bool enabled) { running_ = enabled && !Status::EventOverflow::is_set(status_); }

  std::uint64_t base() const { return base_; }
  std::uint64_t head() const { return head_; }
  std::uint64_t tail() const { return tail_; }
  /// Empties the log.
  void set_base(std::uint64_t value) {
    base_ = value & (BufferBase::Base::kMask | BufferBase::Length::kMask);
    head_ = tail_ = 0;
  }
  void set_head(std::uint64_t value) { head_ = value & BufferOffset::kMask; }
  /// For software that sets a log up; taken while the log does not run.
  void set_tail(std::uint64_t value) {
    if (!running_) tail_ = (value & BufferOffset::kMask) % ring_bytes(base_);
  }

  /// EventOverflow, EventLogInt and EventLogRun.
  std::uint64_t status() const { return Status::EventLogRun::set(status_, running_); }
  /// 1 clears.
  void write_status(std::uint64_t value) {
    status_ &= ~(value & (Status::EventOverflow::kMask | Status::EventLogInt::kMask));
  }

  friend bool operator==(const EventLog& a, const EventLog& b) {
    return std::tie(a.base_, a.head_, a.tail_, a.status_, a.running_) ==
           std::tie(b.base_, b.head_, b.tail_, b.status_, b.running_);
  }

 private:
  std::uint64_t base_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t status_ = 0;
  bool running_ = false;
};

}  // namespace irqfab::x86::amdvi
