// A queue, first in, first out, that allocates only when it holds more than it ever did.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace irqfab::vmm {

template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(T item) {
    if (size_ == items_.size()) grow();
    items_[(first_ + size_++) % items_.size()] = std::move(item);
  }
  /// The oldest; there is one.
  const T& front() const { return items_[first_]; }
  /// Takes it.
  T pop() {
    T item = std::exchange(items_[first_], T{});
    first_ = (first_ + 1) % items_.size();
    --size_;
    return item;
  }
  /// Oldest first.
  template <class F>
  void for_each(F&& f) const {
    for (std::size_t i = 0; i < size_; ++i) f(at(i));
  }
  /// The same items in the same order, wherever they lie.
  friend bool operator==(const Ring& a, const Ring& b) {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a.at(i) == b.at(i))) return false;
    }
    return true;
  }

 private:
  const T& at(std::size_t i) const { return items_[(first_ + i) % items_.size()]; }
  void grow() {
    std::vector<T> wider;
    wider.reserve(items_.empty() ? 8 : 2 * items_.size());
    for (std::size_t i = 0; i < size_; ++i) {
      wider.push_back(std::move(items_[(first_ + i) % items_.size()]));
    }
    wider.resize(wider.capacity());
    items_ = std::move(wider);
    first_ = 0;
  }

  std::vector<T> items_;  // a circle, of which size_ are in use from first_ on
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace irqfab::vmm
