// Split transactions: how a model walks tables in memory without stopping for the memory.
//
// A miss takes a slot, whose number is the tag of its BusRead, and its message goes on a list until
// BusData with that tag lands. A second miss on the same key joins the first. The list is in order
// of arrival and also holds messages that need no memory themselves but must not overtake an older
// one of their input: posted writes keep their order whatever they missed (PCI Express Base 2.4.1).
// Slots and list are of fixed size; when one is short, the model tells its caller that it is busy.
//
// Fences. Time is cut into epochs: `fence()` begins one, and a command that must wait for
// everything under older tables (VT-d invalidation wait, ITS SYNC) asks `any_older_than` it. An
// invalidation also makes the walks it covers stale: what they bring may serve their own messages,
// which are older than the invalidation, but no younger message joins and nothing of it may be
// cached.
//
// Deliveries. A message may have to be answered, too: an atomic update of memory is only over when
// it has taken effect. It keeps its place on the list until then, so that nothing of its input
// passes it and fences see it; deliveries of one input may follow each other unanswered.
//
// Key: what is fetched, an index or, where a walk has stages, a (stage, index) pair; each stage is
// then a walk of its own. A model whose list is no longer than its slots always finds one for the
// next stage.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab {

/// A stretch of time between two fences of one model, from 0.
using Epoch = std::uint64_t;

template <class Key, class Item>
class WalkSlots {
 public:
  /// A fetch under way.
  struct Walk {
    Tag tag{};  // the slot, 0 .. walks - 1
    Key key{};
    Epoch epoch = 0;  // in which it began
    bool in_use = false;
    bool stale = false;  // invalidated since it began
  };

  /// What becomes of a message when the data it waited for has landed.
  class Next {
   public:
    static Next ready() { return Next(Kind::Ready, Tag{}); }     // it may leave, in its turn
    static Next gone() { return Next(Kind::Gone, Tag{}); }       // nothing is left to send
    static Next walk(Tag tag) { return Next(Kind::Walk, tag); }  // on to the next stage

   private:
    friend class WalkSlots;
    enum class Kind : std::uint8_t { Ready, Gone, Walk };
    Next(Kind kind, Tag tag) : kind_(kind), tag_(tag) {}
    Kind kind_;
    Tag tag_;
  };

  /// Did a message have to wait for others after it was ready itself?
  enum class Turn : std::uint8_t { AtOnce, HeldForOrder };

  /// What is older than a message that may leave, of its input: nothing, or deliveries only.
  enum class Ahead : std::uint8_t { Nothing, Deliveries };

  /// What became of a message that might leave.
  class Departure {
   public:
    static Departure gone() { return Departure(Kind::Gone, Tag{}); }
    static Departure stays() { return Departure(Kind::Stays, Tag{}); }  // to be offered again
    static Departure delivery(Tag tag) { return Departure(Kind::Delivery, tag); }

   private:
    friend class WalkSlots;
    enum class Kind : std::uint8_t { Gone, Stays, Delivery };
    Departure(Kind kind, Tag tag) : kind_(kind), tag_(tag) {}
    Kind kind_;
    Tag tag_;
  };

  /// `walks` fetches at once, at least 1; `listed` messages, at least 1.
  WalkSlots(unsigned walks, unsigned listed) : walks_(walks), list_(listed) {
    assert(walks > 0 && listed > 0);
  }

  bool can_start() const {
    return std::any_of(walks_.begin(), walks_.end(), [](const Walk& w) { return !w.in_use; });
  }
  bool has_room() const { return count_ < list_.size(); }

  /// The walk whose data carries this tag; null for a tag that is not under way.
  const Walk* find(Tag tag) const {
    return raw(tag) < walks_.size() && walks_[raw(tag)].in_use ? &walks_[raw(tag)] : nullptr;
  }
  /// The walk that a new miss on `key` joins, or null.
  const Walk* joinable(const Key& key) const {
    const auto at = std::find_if(walks_.begin(), walks_.end(), [&](const Walk& w) {
      return w.in_use && !w.stale && w.key == key;
    });
    return at == walks_.end() ? nullptr : &*at;
  }

  /// Takes the first free slot; needs can_start(). The caller sends the read with the tag.
  Tag start(const Key& key) {
    const auto at =
        std::find_if(walks_.begin(), walks_.end(), [](const Walk& w) { return !w.in_use; });
    assert(at != walks_.end());
    *at = Walk{Tag(at - walks_.begin()), key, epoch_, true, false};
    return at->tag;
  }

  /// Lists a message of `input` that waits for a walk; needs has_room().
  void wait(Tag tag, PortId input, const Item& item) {
    assert(find(tag) != nullptr);
    append(Listed{item, epoch_, tag, input, State::Walking});
  }
  /// Lists a message that only waits for its turn; needs has_room().
  void hold(PortId input, const Item& item) {
    append(Listed{item, epoch_, Tag{}, input, State::Held});
  }
  /// Lists a message that is ready; release() or offer() afterwards. Needs has_room().
  void ready(PortId input, const Item& item) {
    append(Listed{item, epoch_, Tag{}, input, State::Landed});
  }
  /// Is there a message of `input` that a new one must not overtake?
  bool holds_any_of(PortId input) const { return any_of_input(input, count_); }

  /// The data of a walk has landed: frees the slot and calls `Next apply(Item&)` for each of its
  /// messages, oldest first. Release afterwards.
  template <class Apply>
  void land(Tag tag, Apply&& apply) {
    assert(find(tag) != nullptr);
    walks_[raw(tag)] = Walk{};
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      Listed entry = list_[i];
      if (entry.state == State::Walking && entry.tag == tag) {
        const Next next = apply(entry.item);
        if (next.kind_ == Next::Kind::Gone) continue;
        entry.state = next.kind_ == Next::Kind::Walk ? State::Walking : State::Landed;
        entry.tag = next.tag_;
      }
      list_[kept++] = entry;
    }
    count_ = kept;
  }

  /// Calls `send(const Item&, Turn)` for each message that is ready and behind nothing older of its
  /// input, oldest first, and takes it off the list.
  template <class Send>
  void release(Send&& send) {
    offer([&](const Item& item, Turn turn, Ahead ahead) {
      if (ahead == Ahead::Deliveries) return Departure::stays();
      send(item, turn);
      return Departure::gone();
    });
  }

  /// Calls `Departure send(Item&, Turn, Ahead)` for each message that is ready and behind nothing
  /// older of its input but deliveries, oldest first.
  template <class Send>
  void offer(Send&& send) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      Listed entry = list_[i];
      if (is_ready(entry) && !waits_for_any_of(entry.input, kept)) {
        const Turn turn = entry.state == State::Held ? Turn::HeldForOrder : Turn::AtOnce;
        const Ahead ahead = any_of_input(entry.input, kept) ? Ahead::Deliveries : Ahead::Nothing;
        const Departure departure = send(entry.item, turn, ahead);
        if (departure.kind_ == Departure::Kind::Gone) continue;
        if (departure.kind_ == Departure::Kind::Delivery) {
          entry.state = State::Delivering;
          entry.tag = departure.tag_;
        }
      }
      if (entry.state == State::Landed) entry.state = State::Held;
      list_[kept++] = entry;
    }
    count_ = kept;
  }

  /// A tag that no delivery under way has; those of walks are lower.
  Tag next_delivery() { return Tag{kDeliveries | (deliveries_++ & (kDeliveries - 1))}; }
  static bool is_delivery(Tag tag) { return (raw(tag) & kDeliveries) != 0; }

  /// A delivery has been answered: takes its message off the list and calls `apply(Item&)`. False
  /// for a tag that is not under way. Release or offer afterwards.
  template <class Apply>
  bool finish(Tag tag, Apply&& apply) {
    const auto end = list_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto at = std::find_if(list_.begin(), end, [&](const Listed& entry) {
      return entry.state == State::Delivering && entry.tag == tag;
    });
    if (at == end) return false;
    Item item = at->item;
    std::copy(at + 1, end, at);
    --count_;
    apply(item);
    return true;
  }

  /// Makes the walks stale whose key `covers(key)`.
  template <class Covers>
  void invalidate(Covers&& covers) {
    for (Walk& walk : walks_) {
      if (walk.in_use && covers(walk.key)) walk.stale = true;
    }
  }

  /// Begins an epoch: what is here already is older, what comes later is not.
  Epoch fence() { return ++epoch_; }
  bool any_older_than(Epoch epoch) const {
    return std::any_of(walks_.begin(), walks_.end(),
                       [&](const Walk& w) { return w.in_use && w.epoch < epoch; }) ||
           std::any_of(list_.begin(), list_end(), [&](const Listed& e) { return e.epoch < epoch; });
  }

  /// Calls `visit(const Item&)` for each message, oldest first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::for_each(list_.begin(), list_end(), [&](const Listed& entry) { visit(entry.item); });
  }

  friend bool operator==(const WalkSlots& a, const WalkSlots& b) {
    return a.epoch_ == b.epoch_ && a.walks_.size() == b.walks_.size() &&
           std::equal(a.walks_.begin(), a.walks_.end(), b.walks_.begin(), same_walk) &&
           std::equal(a.list_.begin(), a.list_end(), b.list_.begin(), b.list_end(), same_entry);
  }

 private:
  enum class State : std::uint8_t {
    Walking,     // waits for the data of `tag`
    Landed,      // ready; release() has not looked at it yet
    Held,        // ready, behind an older message of its input
    Delivering,  // has left, and its answer with `tag` has not come
  };
  static constexpr std::uint32_t kDeliveries = 1u << 31;

  struct Listed {
    Item item{};
    Epoch epoch = 0;  // in which it arrived
    Tag tag{};
    PortId input{};
    State state = State::Walking;
  };

  typename std::vector<Listed>::const_iterator list_end() const {
    return list_.begin() + static_cast<std::ptrdiff_t>(count_);
  }
  bool any_of_input(PortId input, std::size_t among) const {
    return std::any_of(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(among),
                       [&](const Listed& entry) { return entry.input == input; });
  }
  static bool is_ready(const Listed& entry) {
    return entry.state == State::Landed || entry.state == State::Held;
  }
  bool waits_for_any_of(PortId input, std::size_t among) const {
    return std::any_of(list_.begin(), list_.begin() + static_cast<std::ptrdiff_t>(among),
                       [&](const Listed& entry) {
                         return entry.input == input && entry.state != State::Delivering;
                       });
  }
  void append(const Listed& entry) {
    assert(has_room());
    list_[count_++] = entry;
  }
  static bool same_walk(const Walk& a, const Walk& b) {
    return a.in_use == b.in_use && a.tag == b.tag && a.key == b.key && a.epoch == b.epoch &&
           a.stale == b.stale;
  }
  static bool same_entry(const Listed& a, const Listed& b) {
    return a.item == b.item && a.epoch == b.epoch && a.tag == b.tag && a.input == b.input &&
           a.state == b.state;
  }

  std::vector<Walk> walks_;   // of the constructor's size for life
  std::vector<Listed> list_;  // likewise; the first count_ are in use, oldest first
  std::size_t count_ = 0;
  Epoch epoch_ = 0;
  std::uint32_t deliveries_ = 0;  // so far, modulo 2^31
};

}  // namespace irqfab
