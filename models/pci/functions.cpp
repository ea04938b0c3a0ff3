#include "models/pci/functions.hpp"

#include <algorithm>
#include <cstring>

namespace irqfab::pci {
PciFunctions::PciFunctions(const Config& config) : config_(config), moderation_(config.moderation) {
  rows_.reserve(config.functions.size());
  std::uint32_t next = 0;
  for (const Function& function : config.functions) {
    Row row;
    row.first_vector = next;
    row.edge = function.kind == FunctionKind::Modelled ? config.modelled_edge : 0;
    next += function.msix_entries + (function.msi ? function.msi->vectors : 0u);
    rows_.push_back(row);
  }
  vectors_.resize(next);
  for (std::uint32_t row = 0; row < rows_.size(); ++row) {
    for (unsigned i = 0; i < msi_vectors(FunctionRow{row}); ++i) {
      msi_vec(FunctionRow{row}, i).entry.mask = Mask::Off;  // Mask Bits are 0 after reset
    }
  }
  for (const Moderation::Rule& rule : config.moderation) {
    for (std::uint32_t i = 0; i < rule.functions; ++i) rows_[raw(rule.first) + i].moderated = true;
  }
}

LaneId PciFunctions::lane_of(PortId, const Message& message) const {
  if (const auto* raised = std::get_if<Raise>(&message)) return LaneId{raw(raised->row)};
  std::uint64_t address = 0;
  if (const auto* write = std::get_if<BusWrite>(&message)) address = write->address;
  if (const auto* read = std::get_if<BusRead>(&message)) address = read->address;
  const auto place = decode(address);
  return place ? LaneId{raw(place->row)} : LaneId{0};
}

void PciFunctions::receive(PortId port, const Message& message, Env& env) {
  if (const auto* raised = std::get_if<Raise>(&message)) return on_raise(*raised, env);
  if (const auto* write = std::get_if<BusWrite>(&message)) return on_write(*write, env);
  if (const auto* read = std::get_if<BusRead>(&message)) return on_read(port, *read, env);
  if (const auto* elapsed = std::get_if<Elapsed>(&message)) on_elapsed(*elapsed, env);
}

void PciFunctions::on_raise(const Raise& raised, Env& env) {
  if (raised.kind == RaiseKind::Message) return raise(raised.row, raised.vector, env);
  if (raw(raised.row) >= rows_.size()) return env.guest_error(GuestFault::TableIndexOutOfRange);
  if (raised.kind != RaiseKind::IntxLow) set_intx(raised.row, Level::High, env);
  if (raised.kind != RaiseKind::IntxHigh) set_intx(raised.row, Level::Low, env);
}

void PciFunctions::on_elapsed(const Elapsed& elapsed, Env& env) {
  const FunctionRow row{elapsed.lane};
  signal_batch(row, Moderation::vector_of(elapsed.tag), moderation_.elapsed(row, elapsed.tag), env);
}

void PciFunctions::on_write(const BusWrite& write, Env& env) {
  const auto place = claim(write.address);
  if (!place) return env.guest_error(GuestFault::UnclaimedAddress);
  return place->config ? on_config_write(place->row, place->offset, write, env)
                       : on_window_write(place->row, place->offset, write, env);
}

void PciFunctions::on_read(PortId port, const BusRead& read, Env& env) {
  BusData answer{{}, read.tag, BusStatus::Ok, read.span};
  const auto place = claim(read.address);
  if (!place) answer.status = BusStatus::NoDecode;
  answer.data.fill(0xFF);
  const std::uint64_t value = read_at(place, read, env);
  std::memcpy(answer.data.data(), &value, sizeof value);
  env.send(port, answer);
}

// Inline: the way of most interrupts of most machines.
inline void PciFunctions::signal_msix(FunctionRow row, VectorIndex index, SpanId span, Env& env) {
  const Row& function = rows_[raw(row)];
  Vec& v = vectors_[function.first_vector + raw(index)];
  if (!masked(function, v)) return transmit(row, v.entry.address, v.entry.data, span, env);
  // PCI 3.0, 6.8.2.10: a masked vector's event sets its pending bit and sends nothing.
  if (v.pending != kNoSpan) return env.coalesce(span, v.pending);
  v.pending = span;
  env.note(Event::MsixPended, span, raw(index));
}

void PciFunctions::raise(FunctionRow row, VectorIndex index, Env& env) {
  if (!has(row, index) && !has_source(row, index)) {
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  const SpanId span = env.open(Cause::Device, kNoSpan, raw(index));
  const Row& function = rows_[raw(row)];
  if (function.msix_at_once) return signal_msix(row, index, span, env);
  if (!function.moderated) return signal_msi(row, index, span, env);
  signal_batch(row, index, moderation_.gather(row, index, span, env), env);
}

void PciFunctions::signal_batch(FunctionRow row, VectorIndex index, const Moderation::Batch& batch,
                                Env& env) {
  if (batch.span == kNoSpan) return;
  env.note(Event::Moderated, batch.span, batch.events);
  if (rows_[raw(row)].msix_enabled) return signal_msix(row, index, batch.span, env);
  signal_msi(row, index, batch.span, env);
}

void PciFunctions::set_intx(FunctionRow row, Level level, Env& env) {
  rows_[raw(row)].wants_intx = level == Level::High;
  drive_intx(row, env);
}

std::optional<FunctionRow> PciFunctions::row_of(RequesterId rid) const {
  const auto& all = config_.functions;
  const auto at = std::lower_bound(all.begin(), all.end(), rid,
                                   [](const Function& f, RequesterId id) { return f.rid < id; });
  if (at == all.end() || at->rid != rid) return std::nullopt;
  return FunctionRow(at - all.begin());
}

void PciFunctions::held_spans(std::vector<SpanId>& out) const {
  for (const Vec& v : vectors_) {
    if (v.pending != kNoSpan) out.push_back(v.pending);
  }
  moderation_.held_spans(out);
}

void PciFunctions::transmit(FunctionRow row, std::uint64_t address, std::uint32_t data, SpanId span,
                            Env& env) {
  const Row& function = rows_[raw(row)];
  // PCI 3.0, 6.2.2: without Bus Master Enable the function may write nothing, messages included.
  // Nor is it remembered: the function believes that it has sent it.
  if ((function.command & kBusMaster) == 0) return env.drop(span, DropReason::BusMasterOff);
  env.note(event_of(row, Event::MsiSent, Event::MsiNotified), span, data);
  env.send(
      port_of(spec_of(kLink), function.edge),
      BusWrite{address, data, span, Requester{config_.bridge, config_.functions[raw(row)].rid}, 4});
}

/// Messages were disabled with these vectors pending.
void PciFunctions::cancel_pending(FunctionRow row, unsigned first, unsigned count, Env& env) {
  if (config_.pending_when_off == PendingWhenOff::Kept) return;
  for (unsigned i = first; i < first + count; ++i) {
    SpanId& pending = vectors_[rows_[raw(row)].first_vector + i].pending;
    if (pending != kNoSpan) env.cancel(pending, CancelOp::PbaCleared);
    pending = kNoSpan;
  }
}

/// A modelled function that lowers its line works for the interrupt whose handler made it, `by`; on
/// a bus the message goes its own way.
void PciFunctions::drive_intx(FunctionRow row, SpanId by, Env& env) {
  Row& function = rows_[raw(row)];
  const Function& description = config_.functions[raw(row)];
  if (!description.intx) return;
  // PCI 3.0, 6.2.2, 6.8.1.3 and 6.8.2.3: Interrupt Disable, an enabled MSI and an enabled MSI-X
  // keep INTx off the wire.
  const bool messages = function.msix_enabled || msi_enabled(row);
  const bool forgotten = config_.intx_after_messages == IntxAfterMessages::Forgotten;
  if (messages && forgotten) function.wants_intx = false;
  const bool wanted =
      function.wants_intx && !messages && (function.command & kInterruptDisable) == 0;
  if (wanted == function.on_wire) return;
  function.on_wire = wanted;
  const auto pin = static_cast<std::uint16_t>(*description.intx);
  const std::uint32_t driver = config_.first_driver + raw(row);
  const PortId wire = port_of(spec_of(kIntx), function.edge);
  if (wanted) {
    const SpanId span = env.open(Cause::Device, kNoSpan, description.message_sources());
    env.note(event_of(row, Event::IntxAsserted, Event::MsiNotified), span, pin);
    env.send(wire, PinChange{Pin{pin}, Level::High, driver, span});
  } else {
    const bool modelled = description.kind != FunctionKind::Physical;
    env.note(event_of(row, Event::IntxDeasserted, Event::MsiNotified), modelled ? by : kNoSpan,
             pin);
    env.send(wire, PinChange{Pin{pin}, Level::Low, driver, kNoSpan});
  }
}

std::optional<PciFunctions::Place> PciFunctions::decode(std::uint64_t address) const {
  const std::uint64_t window = address - config_.window_base;
  if (address >= config_.window_base && window / kFunctionWindowBytes < rows_.size()) {
    return Place{FunctionRow(window / kFunctionWindowBytes), window % kFunctionWindowBytes, false};
  }
  const std::uint64_t ecam = address - config_.ecam_base;
  if (address >= config_.ecam_base && ecam / kConfigSpaceBytes <= 0xFFFF) {
    const auto row = row_of(RequesterId(ecam / kConfigSpaceBytes));
    if (row) return Place{*row, ecam % kConfigSpaceBytes, true};
  }
  return std::nullopt;
}

/// 6.2.2: without Memory Space a function does not respond in its window.
std::optional<PciFunctions::Place> PciFunctions::claim(std::uint64_t address) const {
  const auto place = decode(address);
  if (!place || place->config) return place;
  return (rows_[raw(place->row)].command & kMemorySpace) != 0 ? place : std::nullopt;
}

bool operator==(const PciFunctions& a, const PciFunctions& b) {
  const auto same_row = [](const PciFunctions::Row& x, const PciFunctions::Row& y) {
    return x.command == y.command && x.msi_control == y.msi_control &&
           x.interrupt_line == y.interrupt_line && x.sized_bars == y.sized_bars &&
           x.msix_enabled == y.msix_enabled && x.function_mask == y.function_mask &&
           x.wants_intx == y.wants_intx && x.on_wire == y.on_wire;
  };
  const auto same_vec = [](const PciFunctions::Vec& x, const PciFunctions::Vec& y) {
    return x.entry.address == y.entry.address && x.entry.data == y.entry.data &&
           x.entry.mask == y.entry.mask && x.pending == y.pending;
  };
  return std::equal(a.rows_.begin(), a.rows_.end(), b.rows_.begin(), b.rows_.end(), same_row) &&
         std::equal(a.vectors_.begin(), a.vectors_.end(), b.vectors_.begin(), b.vectors_.end(),
                    same_vec) &&
         a.moderation_ == b.moderation_ && a.reserved_control_ == b.reserved_control_;
}

}  // namespace irqfab::pci
