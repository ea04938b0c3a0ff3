// The interrupt entry cache of a remapping unit: IRTEs by index, which software keeps coherent with
// its table by invalidating (VT-d 6.5.2.7).
//
// Models: a direct-mapped cache, so replacement needs no state and no choice. Only entries that
// translate are cached: without caching mode (CAP_REG.CM = 0) software need not invalidate after it
// makes an entry present.
// Not modelled: associativity, sharing of the cache between units.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "models/x86/irte.hpp"

namespace irqfab::x86 {

/// The indices that a selective invalidation names: 2^mask of them, aligned (VT-d 6.5.2.7, IM).
struct IndexRange {
  std::uint32_t first = 0;
  unsigned mask = 0;  // 0..31
  bool covers(std::uint32_t index) const { return index >> mask == first >> mask; }
};

class InterruptEntryCache {
 public:
  /// `entries` 0 is no cache.
  explicit InterruptEntryCache(unsigned entries) : lines_(entries) {}

  const Irte* find(std::uint32_t index) const {
    if (lines_.empty()) return nullptr;
    const Line& line = lines_[index % lines_.size()];
    return line.valid && line.index == index ? &line.irte : nullptr;
  }
  void fill(std::uint32_t index, const Irte& irte) {
    if (!lines_.empty()) lines_[index % lines_.size()] = Line{irte, index, true};
  }
  void invalidate(const IndexRange& range) {
    for (Line& line : lines_) {
      if (range.covers(line.index)) line = Line{};
    }
  }
  void invalidate_all() { lines_.assign(lines_.size(), Line{}); }

  friend bool operator==(const InterruptEntryCache& a, const InterruptEntryCache& b) {
    return a.lines_ == b.lines_;
  }

 private:
  struct Line {
    Irte irte;
    std::uint32_t index = 0;
    bool valid = false;
    friend bool operator==(const Line& a, const Line& b) {
      return std::tie(a.irte, a.index, a.valid) == std::tie(b.irte, b.index, b.valid);
    }
  };
  std::vector<Line> lines_;
};

}  // namespace irqfab::x86
