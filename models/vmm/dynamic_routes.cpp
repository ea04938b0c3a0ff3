#include "models/vmm/dynamic_routes.hpp"

namespace irqfab::vmm {
namespace {

constexpr std::uint32_t kNone = ~0u;

}  // namespace

DynamicRoutes::DynamicRoutes(std::uint32_t gsis, Mutants mutants)
    : mutants_(mutants), rows_(gsis + (mutants.has(Mutant::GsiLimitOffByOne) ? 1 : 0)) {
  first_.fill(kNone);
}

std::optional<Gsi> DynamicRoutes::find(const x86::MsiMessage& message) const {
  for (std::uint32_t at = first_[bucket(message)]; at != kNone; at = rows_[Gsi{at}].next) {
    if (rows_[Gsi{at}].message == message) return Gsi{at};
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
  std::uint32_t& first = first_[bucket(wanted_)];
  rows_[gsi] = {wanted_, first};
  first = raw(gsi);
  ++size_;
}

void DynamicRoutes::forget_flushed(const RouteTable& table) {
  for (std::uint32_t& first : first_) {
    std::uint32_t* link = &first;
    while (*link != kNone) {
      Row& row = rows_[Gsi{*link}];
      if (table.message(Gsi{*link}) != nullptr) {
        link = &row.next;
      } else {
        *link = row.next;
        --size_;
      }
    }
  }
}

}  // namespace irqfab::vmm
