#include "models/pci/functions.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace irqfab::pci {
namespace {

constexpr std::uint64_t kConfigStatus = 0x06;
constexpr std::uint64_t kConfigMsixCapability = 0x40;
constexpr std::uint32_t kMsixCapabilityId = 0x11;      // PCI 3.0, appendix H
constexpr std::uint32_t kInterruptStatus = 1u << 3;    // of Status
constexpr std::uint32_t kMsixFunctionMask = 1u << 14;  // of Message Control (6.8.2.3)
constexpr std::uint32_t kMsixEnable = 1u << 15;

}  // namespace

PciFunctions::PciFunctions(const Config& config) : config_(config) {
  rows_.reserve(config.functions.size());
  std::uint32_t next = 0;
  for (const Function& function : config.functions) {
    Row row;
    row.first_vector = next;
    next += function.msix_entries;
    rows_.push_back(row);
  }
  vectors_.resize(next);
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
  if (const auto* read = std::get_if<BusRead>(&message)) on_read(port, *read, env);
}

void PciFunctions::on_raise(const Raise& raised, Env& env) {
  if (raised.kind == RaiseKind::Msix) return raise(raised.row, raised.vector, env);
  if (raw(raised.row) >= rows_.size()) return env.guest_error(GuestFault::TableIndexOutOfRange);
  if (raised.kind != RaiseKind::IntxLow) set_intx(raised.row, Level::High, env);
  if (raised.kind != RaiseKind::IntxHigh) set_intx(raised.row, Level::Low, env);
}

void PciFunctions::on_write(const BusWrite& write, Env& env) {
  const auto place = decode(write.address);
  if (!place) return env.guest_error(GuestFault::UnclaimedAddress);
  return place->config ? on_config_write(place->row, place->offset, write, env)
                       : on_window_write(place->row, place->offset, write, env);
}

void PciFunctions::on_read(PortId port, const BusRead& read, Env& env) {
  BusData answer{{}, read.tag, BusStatus::Ok, read.span};
  const auto place = decode(read.address);
  if (!place) answer.status = BusStatus::NoDecode;
  answer.data.fill(0xFF);
  const std::uint64_t value = read_at(place, read, env);
  std::memcpy(answer.data.data(), &value, sizeof value);
  env.send(port, answer);
}

void PciFunctions::raise(FunctionRow row, VectorIndex index, Env& env) {
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  const SpanId span = env.open(Cause::Device, kNoSpan, raw(index));
  const Row& function = rows_[raw(row)];
  Vec& v = vectors_[function.first_vector + raw(index)];
  if (!function.msix_enabled) return env.drop(span, DropReason::MessagesOff);
  if (!masked(function, v)) return transmit(row, v, span, env);
  // PCI 3.0, 6.8.2.10: a masked vector's event sets its pending bit and sends nothing.
  if (v.pending != kNoSpan) return env.coalesce(span, v.pending);
  v.pending = span;
  env.note(Event::MsixPended, span, raw(index));
}

void PciFunctions::set_intx(FunctionRow row, Level level, Env& env) {
  rows_[raw(row)].wants_intx = level == Level::High;
  drive_intx(row, env);
}

void PciFunctions::write_entry(FunctionRow row, VectorIndex index, const MsixEntry& entry,
                               Env& env) {
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  vec(row, index).entry = entry;
  release_pending(row, index, env);
}

void PciFunctions::set_vector_mask(FunctionRow row, VectorIndex index, Mask mask, Env& env) {
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  vec(row, index).entry.mask = mask;
  release_pending(row, index, env);
}

void PciFunctions::set_msix_enable(FunctionRow row, bool enabled, Env& env) {
  Row& function = rows_[raw(row)];
  function.msix_enabled = enabled;
  if (!enabled) {
    for (unsigned i = 0; i < config_.functions[raw(row)].msix_entries; ++i) {
      SpanId& pending = vectors_[function.first_vector + i].pending;
      if (pending != kNoSpan) env.cancel(pending, CancelOp::PbaCleared);
      pending = kNoSpan;
    }
  }
  release_pending(row, env);
  drive_intx(row, env);
}

void PciFunctions::write_command(FunctionRow row, std::uint16_t value, Env& env) {
  rows_[raw(row)].command = value & (kBusMaster | kInterruptDisable | 0x3);
  drive_intx(row, env);
}

const MsixEntry& PciFunctions::entry(FunctionRow row, VectorIndex index) const {
  return vec(row, index).entry;
}

bool PciFunctions::pending(FunctionRow row, VectorIndex index) const {
  return has(row, index) && vec(row, index).pending != kNoSpan;
}

std::uint64_t PciFunctions::pba_word(FunctionRow row, unsigned word) const {
  const unsigned entries = raw(row) < rows_.size() ? config_.functions[raw(row)].msix_entries : 0;
  std::uint64_t bits = 0;
  for (unsigned bit = 0; bit < 64 && word * 64 + bit < entries; ++bit) {
    if (pending(row, VectorIndex(word * 64 + bit))) bits |= std::uint64_t{1} << bit;
  }
  return bits;
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
}

PciFunctions::Vec& PciFunctions::vec(FunctionRow row, VectorIndex index) {
  assert(has(row, index));
  return vectors_[rows_[raw(row)].first_vector + raw(index)];
}

const PciFunctions::Vec& PciFunctions::vec(FunctionRow row, VectorIndex index) const {
  assert(has(row, index));
  return vectors_[rows_[raw(row)].first_vector + raw(index)];
}

void PciFunctions::transmit(FunctionRow row, const Vec& v, SpanId span, Env& env) {
  // PCI 3.0, 6.2.2: without Bus Master Enable the function may write nothing, messages included.
  if ((rows_[raw(row)].command & kBusMaster) == 0) return env.drop(span, DropReason::BusMasterOff);
  env.note(Event::MsiSent, span, v.entry.data);
  env.send(kLink, BusWrite{v.entry.address, v.entry.data, span,
                           Requester{config_.bridge, config_.functions[raw(row)].rid}, 4});
}

/// Sends every pending vector that nothing masks any more.
void PciFunctions::release_pending(FunctionRow row, Env& env) {
  for (unsigned i = 0; i < config_.functions[raw(row)].msix_entries; ++i) {
    release_pending(row, VectorIndex(static_cast<std::uint16_t>(i)), env);
  }
}

/// Sends the vector, if it is pending and nothing masks it, with its entry's current message.
void PciFunctions::release_pending(FunctionRow row, VectorIndex index, Env& env) {
  const Row& function = rows_[raw(row)];
  Vec& v = vec(row, index);
  if (!function.msix_enabled || v.pending == kNoSpan || masked(function, v)) return;
  const SpanId span = v.pending;
  v.pending = kNoSpan;
  transmit(row, v, span, env);
}

void PciFunctions::drive_intx(FunctionRow row, Env& env) {
  Row& function = rows_[raw(row)];
  const Function& description = config_.functions[raw(row)];
  if (!description.intx) return;
  // PCI 3.0, 6.2.2 and 6.8.2.3: Interrupt Disable and an enabled MSI-X keep INTx off the wire.
  const bool wanted =
      function.wants_intx && !function.msix_enabled && (function.command & kInterruptDisable) == 0;
  if (wanted == function.on_wire) return;
  function.on_wire = wanted;
  const auto pin = static_cast<std::uint16_t>(*description.intx);
  if (wanted) {
    const SpanId span = env.open(Cause::Device, kNoSpan, description.msix_entries);
    env.note(Event::IntxAsserted, span, pin);
    env.send(kIntx, PinChange{Pin{pin}, Level::High, raw(row), span});
  } else {
    env.note(Event::IntxDeasserted, kNoSpan, pin);
    env.send(kIntx, PinChange{Pin{pin}, Level::Low, raw(row), kNoSpan});
  }
}

void PciFunctions::on_window_write(FunctionRow row, std::uint64_t offset, const BusWrite& write,
                                   Env& env) {
  if (offset >= kMsixPbaOffset) return;  // the PBA is read-only; the device register ignores writes
  // PCI 3.0, 6.8.2: table accesses are aligned DWORDs or QWORDs; others have undefined results,
  // here none.
  const bool dword = write.size == 4 && offset % 4 == 0;
  const bool qword = write.size == 8 && offset % 8 == 0;
  if (!dword && !qword) return env.guest_error(GuestFault::WrongAccessSize);
  on_table_dword(row, offset, static_cast<std::uint32_t>(write.data), env);
  if (qword) on_table_dword(row, offset + 4, static_cast<std::uint32_t>(write.data >> 32), env);
}

void PciFunctions::on_table_dword(FunctionRow row, std::uint64_t offset, std::uint32_t value,
                                  Env& env) {
  const auto index = VectorIndex(offset / 16);
  if (!has(row, index)) return env.guest_error(GuestFault::TableIndexOutOfRange);
  MsixEntry& entry = vec(row, index).entry;
  switch (offset % 16 / 4) {
    case 0:
      entry.address = (entry.address & ~std::uint64_t{0xFFFFFFFF}) | (value & ~std::uint32_t{3});
      return;
    case 1:
      entry.address = (entry.address & 0xFFFFFFFF) | (std::uint64_t{value} << 32);
      return;
    case 2:
      entry.data = value;
      return;
    default:
      return set_vector_mask(row, index, value & 1 ? Mask::On : Mask::Off, env);
  }
}

void PciFunctions::on_config_write(FunctionRow row, std::uint64_t offset, const BusWrite& write,
                                   Env& env) {
  const bool word = write.size == 2 && offset % 2 == 0;
  const bool dword = write.size == 4 && offset % 4 == 0;
  if (!word && !dword) return env.guest_error(GuestFault::WrongAccessSize);
  write_config_word(row, offset, static_cast<std::uint16_t>(write.data), env);
  if (dword) write_config_word(row, offset + 2, static_cast<std::uint16_t>(write.data >> 16), env);
}

void PciFunctions::write_config_word(FunctionRow row, std::uint64_t offset, std::uint16_t value,
                                     Env& env) {
  const bool has_msix = config_.functions[raw(row)].msix_entries > 0;
  if (offset == kConfigCommand) {
    write_command(row, value, env);
  } else if (offset == kConfigMsixControl && has_msix) {
    // One write: what it disables is not unmasked first.
    rows_[raw(row)].function_mask = value & kMsixFunctionMask ? Mask::On : Mask::Off;
    set_msix_enable(row, (value & kMsixEnable) != 0, env);
  } else if (offset != kConfigStatus && !(offset == kConfigMsixCapability && has_msix)) {
    env.guest_error(GuestFault::UnknownRegister);
  }
}

std::uint64_t PciFunctions::read_at(const std::optional<Place>& place, const BusRead& read,
                                    Env& env) {
  if (!place) {
    env.guest_error(GuestFault::UnclaimedAddress);
    return ~std::uint64_t{0};  // nobody drives the bus (PCI 3.0, 6.1)
  }
  if (!place->config) return read_window(place->row, place->offset, read, env);
  const std::uint64_t offset = place->offset;
  const std::uint64_t low = config_dword(place->row, offset & ~std::uint64_t{3});
  const std::uint64_t high = config_dword(place->row, (offset & ~std::uint64_t{3}) + 4);
  return (low | high << 32) >> (offset % 4 * 8);
}

/// Reserved and unimplemented registers read 0 (PCI 3.0, 6.1).
std::uint32_t PciFunctions::config_dword(FunctionRow row, std::uint64_t offset) const {
  const Row& function = rows_[raw(row)];
  const std::uint32_t entries = config_.functions[raw(row)].msix_entries;
  if (offset == kConfigCommand) {
    return function.command | (function.wants_intx ? kInterruptStatus : 0u) << 16;
  }
  if (offset != kConfigMsixCapability || entries == 0) return 0;
  const std::uint32_t control = (entries - 1) |
                                (function.function_mask == Mask::On ? kMsixFunctionMask : 0u) |
                                (function.msix_enabled ? kMsixEnable : 0u);
  return kMsixCapabilityId | control << 16;
}

std::uint64_t PciFunctions::read_window(FunctionRow row, std::uint64_t offset, const BusRead& read,
                                        Env& env) {
  if (offset >= kDeviceRegisterOffset) {
    env.note(Event::DeviceRead, read.span, offset);
    const bool interrupting = rows_[raw(row)].wants_intx;
    set_intx(row, Level::Low, env);  // ahead of the completion: posted messages may not fall behind
    return interrupting ? 1 : 0;
  }
  // PCI 3.0, 6.8.2: the table and the PBA take aligned DWORDs and QWORDs; the result of others is
  // undefined.
  const bool aligned = (read.size == 4 || read.size == 8) && offset % read.size == 0;
  if (!aligned) {
    env.guest_error(GuestFault::WrongAccessSize);
    return ~std::uint64_t{0};
  }
  if (offset >= kMsixPbaOffset) {
    const std::uint64_t bits = pba_word(row, static_cast<unsigned>((offset - kMsixPbaOffset) / 8));
    return read.size == 4 ? bits >> (offset % 8 * 8) : bits;
  }
  const std::uint64_t low = table_dword(row, offset);
  return read.size == 8 ? low | std::uint64_t{table_dword(row, offset + 4)} << 32 : low;
}

std::uint32_t PciFunctions::table_dword(FunctionRow row, std::uint64_t offset) const {
  const auto index = VectorIndex(offset / 16);
  if (!has(row, index)) return 0;
  const MsixEntry& e = vec(row, index).entry;
  switch (offset % 16 / 4) {
    case 0:
      return static_cast<std::uint32_t>(e.address);
    case 1:
      return static_cast<std::uint32_t>(e.address >> 32);
    case 2:
      return e.data;
    default:
      return e.mask == Mask::On ? 1 : 0;
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

bool operator==(const PciFunctions& a, const PciFunctions& b) {
  const auto same_row = [](const PciFunctions::Row& x, const PciFunctions::Row& y) {
    return x.command == y.command && x.msix_enabled == y.msix_enabled &&
           x.function_mask == y.function_mask && x.wants_intx == y.wants_intx &&
           x.on_wire == y.on_wire;
  };
  const auto same_vec = [](const PciFunctions::Vec& x, const PciFunctions::Vec& y) {
    return x.entry.address == y.entry.address && x.entry.data == y.entry.data &&
           x.entry.mask == y.entry.mask && x.pending == y.pending;
  };
  return std::equal(a.rows_.begin(), a.rows_.end(), b.rows_.begin(), b.rows_.end(), same_row) &&
         std::equal(a.vectors_.begin(), a.vectors_.end(), b.vectors_.begin(), b.vectors_.end(),
                    same_vec);
}

}  // namespace irqfab::pci
