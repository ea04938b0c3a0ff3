// Which handlers began on the CPUs, and which interrupts they acknowledged, in canonical order: for
// scenarios that expect an order. It stands before the run's sink and passes every record on.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "models/base/event.hpp"
#include "models/sim/ledger.hpp"

namespace irqfab::run {

class HandlerLog final : public RecordSink {
 public:
  /// The CPUs' nodes follow each other from `first_cpu` on. `next` may be null.
  HandlerLog(NodeId first_cpu, std::uint32_t cpus, RecordSink* next)
      : first_cpu_(raw(first_cpu)), cpus_(cpus), next_(next) {}

  void take(const Key& key, const TraceRecord& record) override {
    const std::uint32_t cpu = raw(record.node) - first_cpu_;
    if (cpu < cpus_) note(cpu, key, record);
    if (next_ != nullptr) next_->take(key, record);
  }

  std::vector<unsigned> entered(CpuId cpu) const { return vectors_in(entered_, cpu); }
  std::vector<unsigned> acknowledged(CpuId cpu) const { return vectors_in(acknowledged_, cpu); }

 private:
  using Log = std::map<std::uint32_t, std::multimap<Key, unsigned>>;

  void note(std::uint32_t cpu, const Key& key, const TraceRecord& record) {
    const auto vector = static_cast<unsigned>(record.detail);
    const bool begins =
        record.event == Event::HandlerEntered || record.event == Event::HandlerDispatched;
    if (begins) entered_[cpu].emplace(key, vector);
    // What has no EOI and a handler: NMIs and posted vectors. INIT, SIPI and SMI have no vector.
    const bool ends =
        record.event == Event::EoiWritten || (record.event == Event::Handled && vector != 0);
    if (ends) acknowledged_[cpu].emplace(key, vector);
  }
  static std::vector<unsigned> vectors_in(const Log& log, CpuId cpu) {
    std::vector<unsigned> vectors;
    const auto found = log.find(raw(cpu));
    if (found == log.end()) return vectors;
    for (const auto& entry : found->second) vectors.push_back(entry.second);
    return vectors;
  }

  std::uint32_t first_cpu_;
  std::uint32_t cpus_;
  RecordSink* next_;
  Log entered_, acknowledged_;
};

}  // namespace irqfab::run
