// What an AMD-Vi unit remembers of its tables, until software invalidates it.
//
// Models: a direct-mapped cache, so replacement needs no state and no choice. The specification
// says what must not be in a cache after an invalidation, and leaves the cache itself to the
// hardware. Not modelled: associativity; caching of entries that are not valid (the NpCache
// capability).
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::x86::amdvi {

/// Entries of one kind, by DeviceID and index; a device's own entry has the index 0.
template <class Entry>
class Cache {
 public:
  /// `lines` 0 is no cache.
  explicit Cache(unsigned lines) : lines_(lines) {}

  const Entry* find(RequesterId device, std::uint32_t index) const {
    if (lines_.empty()) return nullptr;
    const Line& line = lines_[place_of(device, index)];
    return line.valid && line.device == device && line.index == index ? &line.entry : nullptr;
  }
  void fill(RequesterId device, std::uint32_t index, const Entry& entry) {
    if (!lines_.empty()) lines_[place_of(device, index)] = Line{entry, index, device, true};
  }
  void invalidate(RequesterId device) {
    for (Line& line : lines_) {
      if (line.device == device) line = Line{};
    }
  }
  void invalidate_all() { lines_.assign(lines_.size(), Line{}); }

  friend bool operator==(const Cache& a, const Cache& b) { return a.lines_ == b.lines_; }

 private:
  struct Line {
    Entry entry{};
    std::uint32_t index = 0;
    RequesterId device{};
    bool valid = false;
    auto parts() const { return std::tie(entry, index, device, valid); }
    friend bool operator==(const Line& a, const Line& b) { return a.parts() == b.parts(); }
  };
  /// Devices and the interrupts of each are numbered from low bits up: a factor keeps them apart.
  std::size_t place_of(RequesterId device, std::uint32_t index) const {
    constexpr std::uint32_t kApart = 0x9E3779B1;
    return ((raw(device) * kApart >> 16) + index) % lines_.size();
  }

  std::vector<Line> lines_;
};

}  // namespace irqfab::x86::amdvi
