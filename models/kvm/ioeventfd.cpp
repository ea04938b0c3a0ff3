#include "models/kvm/ioeventfd.hpp"

#include <algorithm>

namespace irqfab::kvm {
namespace {

constexpr std::uint32_t kFlags = 7;

bool has(const IoEventfd& call, IoEventfdFlag flag) {
  return (call.flags & static_cast<std::uint32_t>(flag)) != 0;
}

bool known_length(std::uint32_t length) {
  return length == 0 || length == 1 || length == 2 || length == 4 || length == 8;
}

}  // namespace

Answer IoEventfds::change(const IoEventfd& call) {
  const bool wraps = call.address + call.length < call.address;
  const bool matches_nothing = call.length == 0 && has(call, IoEventfdFlag::Datamatch);
  if ((call.flags & ~kFlags) != 0 || !known_length(call.length) || wraps || matches_nothing) {
    return kEINVAL;
  }
  Row row{has(call, IoEventfdFlag::Pio) ? StoreSpace::Ports : StoreSpace::Memory, call.address,
          call.length, std::nullopt, call.eventfd};
  if (has(call, IoEventfdFlag::Datamatch)) row.datamatch = call.datamatch;
  if (has(call, IoEventfdFlag::Deassign)) {
    const auto at = std::find(rows_.begin(), rows_.end(), row);
    if (at == rows_.end()) return kENOENT;
    rows_.erase(at);
    return 0;
  }
  for (const Row& other : rows_) {
    if (collide(row, other)) return kEEXIST;
  }
  rows_.push_back(row);
  return 0;
}

bool IoEventfds::collide(const Row& a, const Row& b) {
  if (a.space != b.space || a.address != b.address) return false;
  if (a.length == 0 || b.length == 0) return true;
  return a.length == b.length && (!a.datamatch || !b.datamatch || a.datamatch == b.datamatch);
}

std::optional<std::uint32_t> IoEventfds::matching(StoreSpace space, std::uint64_t address,
                                                  std::uint32_t length, std::uint64_t value) const {
  for (const Row& row : rows_) {
    if (row.space != space || row.address != address) continue;
    if (row.length != 0 && row.length != length) continue;
    if (!row.datamatch || *row.datamatch == value) return row.eventfd;
  }
  return std::nullopt;
}

}  // namespace irqfab::kvm
