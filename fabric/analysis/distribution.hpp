// Durations of one key of a table. While they are few they are kept as they are, so that a table
// may have very many keys; many become a histogram. Either way the quantiles are those of
// Histogram.
#pragma once

#include <vector>

#include "models/sim/histogram.hpp"

namespace irqfab::analysis {

class Distribution {
 public:
  void record(Duration duration) {
    if (!many_.empty()) return many_.front().record(duration);
    few_.push_back(duration);
    if (few_.size() == kFew) become_many();
  }
  Histogram histogram() const {
    if (!many_.empty()) return many_.front();
    Histogram histogram;
    for (const Duration duration : few_) histogram.record(duration);
    return histogram;
  }
  bool empty() const { return few_.empty() && many_.empty(); }

 private:
  static constexpr std::size_t kFew = 4096;  // half of a histogram's memory

  void become_many() {
    many_.push_back(histogram());
    std::vector<Duration>().swap(few_);
  }

  std::vector<Duration> few_;
  std::vector<Histogram> many_;  // none or one
};

}  // namespace irqfab::analysis
