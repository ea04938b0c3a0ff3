#include "models/host/eventfd.hpp"

#include <gtest/gtest.h>

namespace irqfab::host {
namespace {

constexpr std::uint64_t kMax = ~std::uint64_t{0};

TEST(EventFds, AReadTakesTheWholeCounter) {
  EventFds eventfds;
  const EventFdHandle fd = eventfds.create(2, EventFdMode::Counter);
  eventfds.signal(fd, 5);
  EXPECT_EQ(eventfds.consume(fd), 7u);
  EXPECT_EQ(eventfds.consume(fd), 0u);
}

TEST(EventFds, ASemaphoreIsTakenOneByOne) {
  EventFds eventfds;
  const EventFdHandle fd = eventfds.create(0, EventFdMode::Semaphore);
  eventfds.signal(fd, 2);
  EXPECT_EQ(eventfds.consume(fd), 1u);
  EXPECT_EQ(eventfds.consume(fd), 1u);
  EXPECT_EQ(eventfds.consume(fd), 0u);
}

TEST(EventFds, TheCounterSaturates) {
  EventFds eventfds;
  const EventFdHandle fd = eventfds.create(kMax - 1, EventFdMode::Counter);
  eventfds.signal(fd, 5);
  EXPECT_EQ(eventfds.count(fd), kMax);
}

TEST(EventFds, AClosedHandleReachesNothingOfTheNextInItsSlot) {
  EventFds eventfds;
  const EventFdHandle old = eventfds.create(0, EventFdMode::Counter);
  EXPECT_TRUE(eventfds.close(old));
  EXPECT_FALSE(eventfds.close(old));
  const EventFdHandle young = eventfds.create(0, EventFdMode::Counter);
  EXPECT_EQ(young.slot, old.slot);
  eventfds.signal(old, 1);
  eventfds.watch(old, {1});
  EXPECT_EQ(eventfds.count(young), 0u);
  EXPECT_EQ(eventfds.called(young).size(), 0u);
  EXPECT_FALSE(eventfds.open(old));
  EXPECT_TRUE(eventfds.open(young));
}

TEST(EventFds, AHandleOfNothingIsClosed) {
  EventFds eventfds;
  EXPECT_FALSE(eventfds.open(EventFdHandle{}));
  EXPECT_EQ(eventfds.consume(EventFdHandle{}), 0u);
}

std::vector<std::uint64_t> cookies(const EventFds& eventfds, EventFdHandle fd) {
  std::vector<std::uint64_t> found;
  for (const Watcher& watcher : eventfds.called(fd)) found.push_back(watcher.cookie);
  return found;
}

TEST(EventFds, WatchersWithPriorityAreCalledFirstOthersInOrderOfArrival) {
  EventFds eventfds;
  const EventFdHandle fd = eventfds.create(0, EventFdMode::Counter);
  eventfds.watch(fd, {1, WatchOrder::Normal, WatchShare::Shared});
  eventfds.watch(fd, {2, WatchOrder::Priority, WatchShare::Shared});
  eventfds.watch(fd, {3, WatchOrder::Normal, WatchShare::Shared});
  eventfds.watch(fd, {4, WatchOrder::Priority, WatchShare::Shared});
  EXPECT_EQ(cookies(eventfds, fd), (std::vector<std::uint64_t>{2, 4, 1, 3}));
}

TEST(EventFds, AnExclusiveWatcherIsTheLastToBeCalled) {
  EventFds eventfds;
  const EventFdHandle fd = eventfds.create(0, EventFdMode::Counter);
  eventfds.watch(fd, {1, WatchOrder::Normal, WatchShare::Shared});
  eventfds.watch(fd, {2, WatchOrder::Priority, WatchShare::Exclusive});
  eventfds.watch(fd, {3, WatchOrder::Priority, WatchShare::Exclusive});
  EXPECT_EQ(cookies(eventfds, fd), (std::vector<std::uint64_t>{2}));
  EXPECT_TRUE(eventfds.called(fd).ends_exclusively());
  EXPECT_TRUE(eventfds.unwatch(fd, 2));
  EXPECT_TRUE(eventfds.unwatch(fd, 3));
  EXPECT_FALSE(eventfds.unwatch(fd, 3));
  EXPECT_EQ(cookies(eventfds, fd), (std::vector<std::uint64_t>{1}));
  EXPECT_FALSE(eventfds.called(fd).ends_exclusively());
}

TEST(EventFds, CopiesAreIndependentAndCompare) {
  EventFds a;
  const EventFdHandle fd = a.create(0, EventFdMode::Counter);
  EventFds b = a;
  EXPECT_TRUE(a == b);
  b.signal(fd, 1);
  EXPECT_FALSE(a == b);
  EXPECT_EQ(a.count(fd), 0u);
}

}  // namespace
}  // namespace irqfab::host
