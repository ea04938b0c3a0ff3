// What is due when: a hierarchical timing wheel over the whole range of Time, ordered exactly by
// Key.
//
// Times are cut into granules of 2^7 ps, and the number of a granule into digits of 8 bits. An item
// lies on the level of the highest digit in which its granule differs from that of the latest pop,
// in the slot of its own digit there; so the items of a level precede those of the levels above,
// and the slots of a level precede each other. A slot of level 0 is one granule and holds a pairing
// heap, so many equal times cost no more than a heap does. A slot above is a list with its least
// item in front: looking at what comes next moves nothing, and only a pop spreads the rest of a
// slot over the levels below. That is why a push at any time from the latest pop onwards is
// accepted, whatever was peeked.
//
// A value: copies are independent. Not modelled: items cannot be withdrawn; who no longer wants one
// recognises it when it comes out.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "models/sim/key.hpp"

namespace irqfab {

template <class T>
class Timeline {
  static_assert(std::is_trivially_copyable_v<T>, "items are moved between slots by copying");

 public:
  /// Makes room for `count` items, so that no push allocates before there are more.
  void reserve(std::size_t count) { nodes_.reserve(count); }

  /// key.time must not lie before the time of the latest pop. Items of equal keys keep the order of
  /// their pushes.
  void push(const Key& key, const T& item) { push(key) = item; }
  /// The same for an item that is made in its place: what is returned must be assigned at once.
  T& push(const Key& key) {
    assert(key.time >= now_);
    const Index node = take_node(key);
    place(node);
    ++size_;
    return nodes_[node].item;
  }

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  /// The key of the item that comes next; valid until the next push or pop. Not for an empty
  /// timeline.
  const Key& next() const {
    assert(!empty());
    return nodes_[heads_[first_]].key;
  }

  /// Takes the item that comes next, the one of next(). Not for an empty timeline.
  T pop() {
    assert(!empty());
    const Index node = heads_[first_];
    now_ = nodes_[node].key.time;
    if (first_ < kDigits) {
      take_root(nodes_[node].child);
    } else {
      vacate();
      spread(nodes_[node].next);
    }
    --size_;
    return release(node);
  }

  /// Calls fn(const Key&, const T&) for every item, in order. Allocates: for snapshots, not for the
  /// path of an interrupt.
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (const Index node : in_order()) fn(nodes_[node].key, nodes_[node].item);
  }

  /// Equal if the same items come out in the same order, however they got in.
  friend bool operator==(const Timeline& a, const Timeline& b) {
    if (a.size_ != b.size_) return false;
    const std::vector<Index> left = a.in_order();
    const std::vector<Index> right = b.in_order();
    return std::equal(left.begin(), left.end(), right.begin(), [&](Index l, Index r) {
      return a.nodes_[l].key == b.nodes_[r].key && a.nodes_[l].item == b.nodes_[r].item;
    });
  }
  friend bool operator!=(const Timeline& a, const Timeline& b) { return !(a == b); }

 private:
  using Index = std::uint32_t;  // of a node in the slab
  static constexpr Index kNone = ~Index{0};
  static constexpr Index kFree = kNone - 1;  // as a child: the node is on the free list
  static constexpr unsigned kGranuleBits = 7;
  static constexpr unsigned kDigitBits = 8;
  static constexpr unsigned kDigits = 1u << kDigitBits;
  static constexpr unsigned kLevels = (64 - kGranuleBits + kDigitBits - 1) / kDigitBits;
  static constexpr unsigned kWords = kLevels * kDigits / 64;
  static_assert(kWords <= 64, "one word says which words of occupied_ are not zero");
  static constexpr unsigned kNoSlot = kLevels * kDigits;

  struct Node {
    Key key;
    std::uint64_t order;  // of the push, for equal keys
    Index next;           // sibling in a heap, successor in a list or in the free list
    Index child;          // first child in a heap
    T item;
  };
  using Heads = std::array<Index, kLevels * kDigits>;

  static unsigned lowest(std::uint64_t bits) {
    return static_cast<unsigned>(__builtin_ctzll(bits));
  }
  static Heads no_heads() {
    Heads heads;
    heads.fill(kNone);
    return heads;
  }

  bool before(Index a, Index b) const {
    const Node& l = nodes_[a];
    const Node& r = nodes_[b];
    return l.key.time != r.key.time ? l.key.time < r.key.time : before_at_one_time(l, r);
  }
  // Ties are rare enough: out of line, so that comparing times stays inline.
  [[gnu::noinline]] static bool before_at_one_time(const Node& l, const Node& r) {
    return l.key == r.key ? l.order < r.order : l.key < r.key;
  }

  Index take_node(const Key& key) {
    if (free_ == kNone) {
      nodes_.push_back({key, pushes_++, kNone, kNone, T{}});
      return static_cast<Index>(nodes_.size() - 1);
    }
    const Index index = free_;
    Node& node = nodes_[index];
    free_ = node.next;
    node.key = key;
    node.order = pushes_++;
    node.next = kNone;
    node.child = kNone;
    return index;
  }
  T release(Index node) {
    nodes_[node].child = kFree;
    nodes_[node].next = free_;
    free_ = node;
    return nodes_[node].item;
  }

  /// The slot of a time, from now_ onwards.
  unsigned slot_of(Time time) const {
    const std::uint64_t granule = time >> kGranuleBits;
    const std::uint64_t differs = granule ^ (now_ >> kGranuleBits);
    const unsigned highest = 63 - static_cast<unsigned>(__builtin_clzll(differs | 1));
    const unsigned level = highest / kDigitBits;
    return level * kDigits + static_cast<unsigned>((granule >> (level * kDigitBits)) % kDigits);
  }
  /// Puts a node that hangs nowhere into its slot.
  void place(Index node) {
    const unsigned slot = slot_of(nodes_[node].key.time);
    if (heads_[slot] != kNone) return join(slot, node);
    heads_[slot] = node;
    occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
    words_ |= std::uint64_t{1} << (slot / 64);
    if (slot < first_) first_ = slot;
  }
  // Out of line, so that the push into an empty slot, the usual one, saves no registers for it.
  [[gnu::noinline]] void join(unsigned slot, Index node) {
    const Index head = heads_[slot];
    if (slot < kDigits) {
      heads_[slot] = meld(head, node);
    } else if (before(node, head)) {
      nodes_[node].next = head;
      heads_[slot] = node;
    } else {
      nodes_[node].next = nodes_[head].next;
      nodes_[head].next = node;
    }
  }
  /// Empties the first slot; the next that holds something is the first.
  void vacate() {
    heads_[first_] = kNone;
    std::uint64_t& word = occupied_[first_ / 64];
    word &= word - 1;
    if (word == 0) words_ &= words_ - 1;
    if (words_ == 0) {
      first_ = kNoSlot;
    } else {
      const unsigned next = lowest(words_);
      first_ = next * 64 + lowest(occupied_[next]);
    }
  }
  /// Leaves the children of a root that was taken in the first slot.
  void take_root(Index children) {
    if (children == kNone) return vacate();
    heads_[first_] = merge(children);
  }
  /// Places the nodes of a list anew, each on a lower level than before.
  void spread(Index list) {
    while (list != kNone) {
      const Index rest = nodes_[list].next;
      nodes_[list].next = kNone;
      place(list);
      list = rest;
    }
  }

  /// Joins two heaps; the greater root becomes the first child of the lesser.
  Index meld(Index a, Index b) {
    if (before(b, a)) std::swap(a, b);
    nodes_[b].next = nodes_[a].child;
    nodes_[a].child = b;
    return a;
  }
  /// One heap of a list of siblings: melds them in pairs, then the pairs from last to first.
  Index merge(Index siblings) {
    Index pairs = kNone;
    while (siblings != kNone) {
      Index pair = siblings;
      const Index second = nodes_[pair].next;
      siblings = second == kNone ? kNone : nodes_[second].next;
      if (second != kNone) pair = meld(pair, second);
      nodes_[pair].next = pairs;
      pairs = pair;
    }
    Index root = kNone;
    while (pairs != kNone) {
      const Index rest = nodes_[pairs].next;
      root = root == kNone ? pairs : meld(root, pairs);
      pairs = rest;
    }
    return root;
  }

  std::vector<Index> in_order() const {
    std::vector<Index> order;
    order.reserve(size_);
    for (Index node = 0; node < nodes_.size(); ++node) {
      if (nodes_[node].child != kFree) order.push_back(node);
    }
    std::sort(order.begin(), order.end(), [this](Index a, Index b) { return before(a, b); });
    return order;
  }

  std::vector<Node> nodes_;  // the slab; never shrinks
  Index free_ = kNone;
  std::uint64_t pushes_ = 0;
  std::size_t size_ = 0;
  unsigned first_ = kNoSlot;                      // the first slot that holds items
  Time now_ = 0;                                  // of the latest pop
  std::uint64_t words_ = 0;                       // bit n: occupied_[n] is not zero
  std::array<std::uint64_t, kWords> occupied_{};  // a bit for each slot that holds items
  Heads heads_ = no_heads();
};

}  // namespace irqfab
