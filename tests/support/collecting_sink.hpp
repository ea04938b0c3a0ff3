// A RecordSink that keeps every record, and gives them back in canonical order.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "models/sim/ledger.hpp"

namespace irqfab::test {

class CollectingSink final : public RecordSink {
 public:
  void take(const Key& key, const TraceRecord& record) override { taken_.emplace_back(key, record); }

  std::vector<TraceRecord> records() const {
    auto sorted = taken_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<TraceRecord> records;
    for (const auto& item : sorted) records.push_back(item.second);
    return records;
  }

 private:
  std::vector<std::pair<Key, TraceRecord>> taken_;
};

}  // namespace irqfab::test
