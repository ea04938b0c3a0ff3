// eventfd counters, and who is to be told when one is signalled.
//
// Models: eventfd(2): a 64-bit counter, taken as a whole or one at a time (EFD_SEMAPHORE), that
// saturates instead of overflowing when the kernel signals it; its wait queue, with the kernel's
// own entries (an irqfd, an eventfd that a VMM polls) called in the signaller's context, those with
// priority first, and an exclusive one ending the walk.
// Not modelled: write(2) that would block (a signal saturates), non-blocking reads, poll flags.
#pragma once

#include <cstdint>
#include <vector>

#include "models/host/task.hpp"

namespace irqfab::host {

enum class EventFdMode : std::uint8_t {
  Counter,    // a read takes all
  Semaphore,  // a read takes one
};

enum class WatchOrder : std::uint8_t { Priority, Normal };
enum class WatchShare : std::uint8_t { Shared, Exclusive };

/// An entry of the wait queue that is called, not woken. What it means is the software's affair.
struct Watcher {
  std::uint64_t cookie = 0;
  WatchOrder order = WatchOrder::Normal;
  WatchShare share = WatchShare::Shared;
  friend bool operator==(const Watcher& a, const Watcher& b) {
    return a.cookie == b.cookie && a.order == b.order && a.share == b.share;
  }
};

class EventFds {
 public:
  /// A closed handle if 65535 are open already.
  EventFdHandle create(std::uint64_t count, EventFdMode mode);
  /// Nobody sleeps in a read of it any more; its watchers are gone. False if it is closed already.
  bool close(EventFdHandle handle);
  bool open(EventFdHandle handle) const { return find(handle) != nullptr; }

  /// Adds to the counter, which stops at 2^64 - 1.
  void signal(EventFdHandle handle, std::uint64_t count);
  /// Takes what a read answers; 0 if the counter is 0 or the eventfd closed.
  std::uint64_t consume(EventFdHandle handle);
  std::uint64_t count(EventFdHandle handle) const;

  /// Behind those of the same order that are there.
  void watch(EventFdHandle handle, const Watcher& watcher);
  /// False if no watcher has the cookie.
  bool unwatch(EventFdHandle handle, std::uint64_t cookie);
  /// In the order in which a signal calls them, up to and with the first exclusive one. A copy
  /// would allocate: the list is valid until the next watch, unwatch or close of this eventfd.
  struct Called {
    const Watcher* first = nullptr;
    const Watcher* last = nullptr;
    const Watcher* begin() const { return first; }
    const Watcher* end() const { return last; }
    std::size_t size() const { return static_cast<std::size_t>(last - first); }
    bool ends_exclusively() const {
      return first != last && last[-1].share == WatchShare::Exclusive;
    }
  };
  Called called(EventFdHandle handle) const;

  /// The tasks that sleep in a read of `slot`.
  TaskQueue& readers(std::uint16_t slot) { return rows_[slot].readers; }
  EventFdHandle handle(std::uint16_t slot) const { return {slot, rows_[slot].generation}; }

  friend bool operator==(const EventFds& a, const EventFds& b) {
    return a.rows_ == b.rows_ && a.free_ == b.free_;
  }

 private:
  struct Row {
    std::uint64_t count = 0;
    std::uint32_t generation = 0;
    bool open = false;
    EventFdMode mode = EventFdMode::Counter;
    TaskQueue readers;
    std::vector<Watcher> watchers;  // in the order of the walk
    friend bool operator==(const Row& a, const Row& b) {
      return a.count == b.count && a.generation == b.generation && a.open == b.open &&
             a.mode == b.mode && a.readers == b.readers && a.watchers == b.watchers;
    }
  };
  Row* find(EventFdHandle handle);
  const Row* find(EventFdHandle handle) const;

  std::vector<Row> rows_;
  std::vector<std::uint16_t> free_;
};

}  // namespace irqfab::host
