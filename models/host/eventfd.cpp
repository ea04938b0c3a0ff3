#include "models/host/eventfd.hpp"

#include <algorithm>

namespace irqfab::host {

EventFdHandle EventFds::create(std::uint64_t count, EventFdMode mode) {
  if (free_.empty()) {
    if (rows_.size() == EventFdHandle{}.slot) return EventFdHandle{};
    free_.push_back(static_cast<std::uint16_t>(rows_.size()));
    rows_.emplace_back();
  }
  const std::uint16_t slot = free_.back();
  free_.pop_back();
  Row& row = rows_[slot];
  row.open = true;
  row.count = count;
  row.mode = mode;
  return handle(slot);
}

bool EventFds::close(EventFdHandle handle) {
  Row* row = find(handle);
  if (row == nullptr) return false;
  row->watchers.clear();
  row->open = false;
  ++row->generation;
  free_.push_back(handle.slot);
  return true;
}

void EventFds::signal(EventFdHandle handle, std::uint64_t count) {
  if (Row* row = find(handle)) row->count += std::min(count, ~std::uint64_t{0} - row->count);
}

std::uint64_t EventFds::consume(EventFdHandle handle) {
  Row* row = find(handle);
  if (row == nullptr) return 0;
  const std::uint64_t taken =
      row->mode == EventFdMode::Counter ? row->count : std::min<std::uint64_t>(row->count, 1);
  row->count -= taken;
  return taken;
}

std::uint64_t EventFds::count(EventFdHandle handle) const {
  const Row* row = find(handle);
  return row == nullptr ? 0 : row->count;
}

void EventFds::watch(EventFdHandle handle, const Watcher& watcher) {
  Row* row = find(handle);
  if (row == nullptr) return;
  const auto behind =
      std::upper_bound(row->watchers.begin(), row->watchers.end(), watcher,
                       [](const Watcher& a, const Watcher& b) { return a.order < b.order; });
  row->watchers.insert(behind, watcher);
}

bool EventFds::unwatch(EventFdHandle handle, std::uint64_t cookie) {
  Row* row = find(handle);
  if (row == nullptr) return false;
  const auto found =
      std::find_if(row->watchers.begin(), row->watchers.end(),
                   [cookie](const Watcher& watcher) { return watcher.cookie == cookie; });
  if (found == row->watchers.end()) return false;
  row->watchers.erase(found);
  return true;
}

EventFds::Called EventFds::called(EventFdHandle handle) const {
  const Row* row = find(handle);
  if (row == nullptr) return {};
  const Watcher* first = row->watchers.data();
  const Watcher* end = first + row->watchers.size();
  const Watcher* exclusive = std::find_if(
      first, end, [](const Watcher& watcher) { return watcher.share == WatchShare::Exclusive; });
  return {first, exclusive == end ? end : exclusive + 1};
}

EventFds::Row* EventFds::find(EventFdHandle handle) {
  return const_cast<Row*>(static_cast<const EventFds*>(this)->find(handle));
}

const EventFds::Row* EventFds::find(EventFdHandle handle) const {
  if (handle.slot >= rows_.size()) return nullptr;
  const Row& row = rows_[handle.slot];
  return row.open && row.generation == handle.generation ? &row : nullptr;
}

}  // namespace irqfab::host
