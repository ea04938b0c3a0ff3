#include "models/vmm/dynamic_routes.hpp"

#include <algorithm>

namespace irqfab::vmm {

std::optional<Gsi> DynamicRoutes::find(const x86::MsiMessage& message) const {
  for (const Row& row : buckets_[bucket(message)]) {
    if (row.message == message) return row.gsi;
  }
  return std::nullopt;
}

DynamicRoutes::Answer DynamicRoutes::seek(const x86::MsiMessage& message, RouteTable& table) {
  if (const std::optional<Gsi> gsi = find(message)) {
    ++counters_.hits;
    table.name(*gsi);
    return {Next::Inject, *gsi};
  }
  ++counters_.misses;
  wanted_ = message;
  const Answer answer = allocate(table);
  if (answer.next != Next::NoGsi) return answer;
  const std::uint32_t flushed = table.flush();
  if (flushed == 0) return answer;
  forget_flushed(table);
  ++counters_.flushes;
  counters_.flushed += flushed;
  if (!mutants_.has(Mutant::FlushWithoutCommit)) {
    stage_ = Stage::Flush;
    return {Next::Commit, Gsi{}, false, flushed};
  }
  Answer retried = allocate(table);
  retried.flushed = flushed;
  return retried;
}

DynamicRoutes::Answer DynamicRoutes::allocate(RouteTable& table) {
  const std::optional<Gsi> gsi = table.add(wanted_);
  if (!gsi) return {Next::NoGsi};
  stage_ = Stage::Route;
  new_gsi_ = *gsi;
  if (mutants_.has(Mutant::HashBeforeCommit)) enter(*gsi);
  return {Next::Commit, *gsi, true};
}

DynamicRoutes::Answer DynamicRoutes::committed(kvm::Answer answer, RouteTable& table) {
  table.answered(answer);
  const Stage stage = stage_;
  stage_ = Stage::Idle;
  if (answer != 0) return {Next::Failed};
  if (stage == Stage::Flush) return allocate(table);
  if (!mutants_.has(Mutant::HashBeforeCommit)) enter(new_gsi_);
  return {Next::Inject, new_gsi_};
}

void DynamicRoutes::enter(Gsi gsi) {
  buckets_[bucket(wanted_)].push_back({wanted_, gsi});
  ++size_;
}

void DynamicRoutes::forget_flushed(const RouteTable& table) {
  const auto gone = [&table](const Row& row) { return table.message(row.gsi) == nullptr; };
  size_ = 0;
  for (std::vector<Row>& rows : buckets_) {
    rows.erase(std::remove_if(rows.begin(), rows.end(), gone), rows.end());
    size_ += static_cast<std::uint32_t>(rows.size());
  }
}

}  // namespace irqfab::vmm
