#include "fabric/recording/acknowledge_ledger.hpp"

#include <algorithm>
#include <utility>

namespace irqfab::recording {
namespace {

/// A vector may wait for its turn behind this many higher ones that came later; more, and its EOI
/// has been missed.
constexpr unsigned kPatience = 8;

}  // namespace

void AcknowledgeLedger::accepted(ApicId apic, const Pending& interrupt) {
  any_accepted_ = true;
  Row& row = rows_[apic];
  Slot& slot = row.slots[raw(interrupt.vector)];
  if (slot.waiting) {
    merged_ = true;
    return;
  }
  slot = {true, interrupt, 0};
  row.waiting.push_back(interrupt.vector);
}

void AcknowledgeLedger::pass_over(Row& row, const Pending& later) {
  if (later.delivery == Delivery::Again) return;
  for (const Vector vector : row.waiting) {
    Slot& slot = row.slots[raw(vector)];
    if (slot.interrupt.accepted_ns >= later.accepted_ns) continue;
    slot.passes += vector > later.vector ? kPatience : 1;
    if (slot.passes >= kPatience) passed_over_ = true;
  }
}

AcknowledgeLedger::Origin AcknowledgeLedger::acknowledged(ApicId apic, Vector vector,
                                                          std::uint64_t ns) {
  Row& row = rows_[apic];
  const std::uint64_t before = std::exchange(row.last_eoi_ns, ns);
  any_eoi_ = true;
  Slot& slot = row.slots[raw(vector)];
  if (!slot.waiting) return Origin::Earlier;
  slot.waiting = false;
  row.waiting.erase(std::find(row.waiting.begin(), row.waiting.end(), vector));
  pass_over(row, slot.interrupt);
  const std::uint64_t began = std::max(before, slot.interrupt.accepted_ns);
  if (ns > began) services_.push_back(ns - began);
  return Origin::Recorded;
}

std::optional<std::uint64_t> AcknowledgeLedger::usual_service() const {
  if (services_.empty()) return std::nullopt;
  std::vector<std::uint64_t> sorted = services_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

EoisSeen AcknowledgeLedger::eois() const {
  if (!any_eoi_) return EoisSeen::None;
  return passed_over_ ? EoisSeen::Partly : EoisSeen::All;
}

std::vector<AcknowledgeLedger::Pending> AcknowledgeLedger::left_by(ApicId apic) const {
  const auto row = rows_.find(apic);
  if (row == rows_.end()) return {};
  std::vector<Pending> left;
  for (const Vector vector : row->second.waiting) {
    left.push_back(row->second.slots[raw(vector)].interrupt);
  }
  std::sort(left.begin(), left.end(),
            [](const Pending& a, const Pending& b) { return a.vector < b.vector; });
  return left;
}

std::optional<std::uint64_t> AcknowledgeLedger::stop_of(ApicId apic) const {
  const std::vector<Pending> left = left_by(apic);
  if (left.empty() || eois() != EoisSeen::All) return std::nullopt;
  const auto first =
      std::min_element(left.begin(), left.end(),
                       [](const Pending& a, const Pending& b) { return a.sent_ns < b.sent_ns; });
  // As late as possible: what came before has the most time to be handled in the replay too.
  const std::uint64_t before = first->sent_ns > 0 ? first->sent_ns - 1 : 0;
  const std::uint64_t last_eoi = rows_.at(apic).last_eoi_ns;
  return std::max(before, last_eoi > 0 ? last_eoi + 1 : 0);
}

}  // namespace irqfab::recording
