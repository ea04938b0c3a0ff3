#include "models/vmm/vector_state.hpp"

#include <utility>

namespace irqfab::vmm {
namespace {

constexpr std::uint64_t kEntryBytes = 16;

/// The dwords of an entry of the MSI-X table.
enum class EntryDword : std::uint8_t { LowerAddress, UpperAddress, Data, VectorControl };
constexpr std::uint32_t kMaskBit = 1;

EntryDword dword_of(std::uint64_t offset) {
  return static_cast<EntryDword>(offset % kEntryBytes / sizeof(std::uint32_t));
}

}  // namespace

FunctionVectors::FunctionVectors(const Config& config) : config_(config), rows_(config.vectors) {
  changed_.reserve(config.vectors);
}

void FunctionVectors::write_table(std::uint64_t offset, std::uint32_t value) {
  if (offset / kEntryBytes >= rows_.size()) return;
  const VectorIndex index{static_cast<std::uint16_t>(offset / kEntryBytes)};
  x86::MsiMessage message = rows_[index].message;
  switch (dword_of(offset)) {
    case EntryDword::LowerAddress:
      message.address = message.address >> 32 << 32 | value;
      return set_message(index, message);
    case EntryDword::UpperAddress:
      message.address = std::uint64_t{value} << 32 | static_cast<std::uint32_t>(message.address);
      return set_message(index, message);
    case EntryDword::Data:
      message.data = value;
      return set_message(index, message);
    case EntryDword::VectorControl:
      return set_mask(index, (value & kMaskBit) != 0 ? Mask::On : Mask::Off);
  }
}

std::uint32_t FunctionVectors::read_table(std::uint64_t offset) const {
  if (offset / kEntryBytes >= rows_.size()) return 0;
  const Row& row = rows_[VectorIndex{static_cast<std::uint16_t>(offset / kEntryBytes)}];
  switch (dword_of(offset)) {
    case EntryDword::LowerAddress:
      return static_cast<std::uint32_t>(row.message.address);
    case EntryDword::UpperAddress:
      return static_cast<std::uint32_t>(row.message.address >> 32);
    case EntryDword::Data:
      return row.message.data;
    case EntryDword::VectorControl:
      break;
  }
  return row.mask == Mask::On ? kMaskBit : 0;
}

void FunctionVectors::set_message(VectorIndex index, const x86::MsiMessage& message) {
  if (!rows_.contains(index)) return;
  rows_[index].message = message;
  change(index);
}

void FunctionVectors::set_mask(VectorIndex index, Mask mask) {
  if (!rows_.contains(index)) return;
  rows_[index].mask = mask;
  change(index);
}

void FunctionVectors::set_function_mask(Mask mask) {
  function_mask_ = mask;
  change_all();
}

void FunctionVectors::enable() {
  enabled_ = true;
  change_all();
}

void FunctionVectors::disable() {
  enabled_ = false;
  change_all();
}

void FunctionVectors::use(VectorIndex index) {
  if (!rows_.contains(index)) return;
  ++rows_[index].users;
  change(index);
}

void FunctionVectors::release(VectorIndex index) {
  if (!rows_.contains(index) || rows_[index].users == 0) return;
  --rows_[index].users;
  change(index);
}

void FunctionVectors::reset() {
  enabled_ = false;
  function_mask_ = Mask::Off;
  for (Row& row : rows_) {
    row.message = {};
    row.mask = Mask::On;
    row.users = 0;
  }
  change_all();
}

void FunctionVectors::change(VectorIndex index) {
  Row& row = rows_[index];
  // Whoever masks and unmasks a vector that was refused has another try.
  if (!live(row) || masked(row)) row.refused = false;
  row.opened = live(row) && (row.opened || !masked(row));
  if (!row.queued) changed_.push_back(index);
  row.queued = true;
  look_again();
}

void FunctionVectors::change_all() {
  for (std::size_t n = 0; n < rows_.size(); ++n) change(VectorIndex(static_cast<std::uint16_t>(n)));
}

bool FunctionVectors::wants_route(const Row& row) const {
  if (!live(row) || row.refused) return false;
  switch (config_.policy) {
    case RoutePolicy::Eager:
      return true;
    case RoutePolicy::OnUnmask:
      return row.opened;
    case RoutePolicy::OnDemand:
      break;
  }
  return false;
}

bool FunctionVectors::wants_irqfd(const Row& row) const {
  return row.gsi && wants_route(row) && (config_.attach != Attach::Emulated || !masked(row));
}

Carrier FunctionVectors::wanted(const Row& row, const RouteTable& table) const {
  if (!live(row)) return Carrier::Nobody;
  if (!wants_irqfd(row) || masked(row)) return Carrier::Handler;
  const bool ready = row.irqfd && table.in_kernel(*row.gsi);
  return ready || row.carrier == Carrier::Irqfd ? Carrier::Irqfd : Carrier::Handler;
}

std::optional<VectorDuty> FunctionVectors::next(RouteTable& table) {
  const auto duty = [this](Duty what, VectorIndex index) {
    return VectorDuty{what, index, rows_[index].gsi.value_or(Gsi{})};
  };
  for (; prepared_ < changed_.size(); ++prepared_) {
    const VectorIndex index = changed_[prepared_];
    if (const auto what = prepare(rows_[index], table)) return duty(*what, index);
  }
  for (; completed_ < changed_.size(); ++completed_) {
    const VectorIndex index = changed_[completed_];
    if (const auto what = complete(rows_[index], table)) return duty(*what, index);
  }
  for (const VectorIndex index : changed_) rows_[index].queued = false;
  changed_.clear();
  look_again();
  return std::nullopt;
}

/// Takes away what must not be there any longer, source first, and writes the route.
std::optional<Duty> FunctionVectors::prepare(Row& row, RouteTable& table) {
  if (!live(row)) {
    row.carrier = Carrier::Nobody;
    if (row.pending != kNoSpan) return Duty::Cancel;
  } else if (row.carrier != Carrier::Handler && wanted(row, table) == Carrier::Handler) {
    return Duty::ToHandler;
  }
  if (row.irqfd && !wants_irqfd(row)) return Duty::Deassign;
  if (row.gsi && !wants_route(row)) {
    table.remove(*row.gsi);
    row.gsi.reset();
  }
  if (!row.gsi && wants_route(row)) {
    row.gsi = table.add(row.message);
    row.refused = !row.gsi;
  }
  if (row.gsi && !masked(row)) table.set(*row.gsi, row.message);
  return std::nullopt;
}

/// Once the table has all routes: the kernel gets them, then the irqfd, then the source.
std::optional<Duty> FunctionVectors::complete(const Row& row, const RouteTable& table) const {
  if (row.gsi && !table.in_kernel(*row.gsi)) return Duty::Commit;
  if (!row.irqfd && wants_irqfd(row)) return Duty::Assign;
  if (row.carrier != wanted(row, table)) return Duty::ToIrqfd;
  if (row.pending != kNoSpan && live(row) && !masked(row)) return Duty::Signal;
  return std::nullopt;
}

void FunctionVectors::done(const VectorDuty& duty, kvm::Answer answer, RouteTable& table) {
  Row& row = rows_[duty.vector];
  switch (duty.duty) {
    case Duty::Deassign:
      row.irqfd = false;
      break;
    case Duty::Commit:
      commit_answered(answer, table);
      break;
    case Duty::Assign:
      row.irqfd = answer == 0;
      row.refused = answer != 0;
      if (answer != 0) look_again();
      break;
    case Duty::ToHandler:
      row.carrier = Carrier::Handler;
      break;
    case Duty::ToIrqfd:
      row.carrier = Carrier::Irqfd;
      break;
    case Duty::Signal:
    case Duty::Cancel:
      break;
  }
}

/// Vectors whose route the kernel did not take stay with the handler.
void FunctionVectors::commit_answered(kvm::Answer answer, RouteTable& table) {
  if (answer != 0) {
    for (const VectorIndex index : changed_) {
      Row& row = rows_[index];
      row.refused = row.refused || (row.gsi && !table.in_kernel(*row.gsi));
    }
  }
  table.answered(answer);
  if (answer == 0) return;
  for (const VectorIndex index : changed_) {
    Row& row = rows_[index];
    if (row.gsi && table.message(*row.gsi) == nullptr) row.gsi.reset();
  }
  look_again();
}

Carrier FunctionVectors::carrier(VectorIndex index) const {
  return rows_.contains(index) ? rows_[index].carrier : Carrier::Nobody;
}

bool FunctionVectors::masked(VectorIndex index) const {
  return !rows_.contains(index) || masked(rows_[index]);
}

SpanId FunctionVectors::pend(VectorIndex index, SpanId span) {
  SpanId& pending = rows_[index].pending;
  if (pending != kNoSpan) return pending;
  pending = span;
  return kNoSpan;
}

SpanId FunctionVectors::take_pending(VectorIndex index) {
  return std::exchange(rows_[index].pending, kNoSpan);
}

void FunctionVectors::held_spans(std::vector<SpanId>& out) const {
  for (const Row& row : rows_) {
    if (row.pending != kNoSpan) out.push_back(row.pending);
  }
}

}  // namespace irqfab::vmm
