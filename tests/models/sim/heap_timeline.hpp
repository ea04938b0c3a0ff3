// The oracle of Timeline: the same face on a std::set, slow and plainly right.
#pragma once

#include <set>

#include "models/sim/key.hpp"

namespace irqfab::test {

template <class T>
class HeapTimeline {
 public:
  void push(const Key& key, const T& item) { entries_.insert({key, pushes_++, item}); }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const Key& next() const { return entries_.begin()->key; }
  T pop() {
    const T item = entries_.begin()->item;
    entries_.erase(entries_.begin());
    return item;
  }

 private:
  struct Entry {
    Key key;
    std::uint64_t order;
    T item;
    friend bool operator<(const Entry& a, const Entry& b) {
      if (a.key < b.key) return true;
      if (b.key < a.key) return false;
      return a.order < b.order;
    }
  };

  std::set<Entry> entries_;
  std::uint64_t pushes_ = 0;
};

}  // namespace irqfab::test
