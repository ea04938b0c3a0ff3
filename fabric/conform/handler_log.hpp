// Which handlers a machine's CPUs ran, in order: a sink of trace records that keeps nothing else.
#pragma once

#include <vector>

#include "models/sim/ledger.hpp"

namespace irqfab::conform {

class HandlerLog final : public RecordSink {
 public:
  void take(const Key&, const TraceRecord& record) override {
    if (record.event != Event::HandlerEntered) return;
    entries_.push_back(record);
    ++total_;
  }
  void clear() { entries_.clear(); }
  std::size_t size() const { return entries_.size(); }
  /// Of all, those that were cleared too.
  std::size_t total() const { return total_; }

  /// Vectors of interrupts that the CPU at `node` took. Who has an NMI's vector counts as one.
  std::vector<unsigned> vectors(NodeId node) const {
    constexpr std::uint64_t kNmi = 2;
    std::vector<unsigned> taken;
    for (const TraceRecord& entry : entries_) {
      if (entry.node != node || entry.detail == kNmi) continue;
      taken.push_back(static_cast<unsigned>(entry.detail));
    }
    return taken;
  }

 private:
  std::vector<TraceRecord> entries_;
  std::size_t total_ = 0;
};

}  // namespace irqfab::conform
