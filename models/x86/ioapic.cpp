#include "models/x86/ioapic.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "models/x86/register_data.hpp"

namespace irqfab::x86 {
namespace {

// Indirect registers (82093AA 3.2).
constexpr std::uint8_t kIoApicId = 0x00;
constexpr std::uint8_t kIoApicVer = 0x01;
constexpr std::uint8_t kIoApicArb = 0x02;
constexpr std::uint8_t kIoRedTbl = 0x10;  // two registers an entry, the low half first

using Id = Field<27, 24, std::uint32_t>;
using MaxRedirectionEntry = Field<23, 16, std::uint32_t>;
using ApicVersion = Field<7, 0, std::uint32_t>;
using LowHalf = Field<31, 0>;
using HighHalf = Field<63, 32>;
using PageOffset = Field<11, 0>;

/// One number for a driver and the edge of kPins it is on: no two edges share a contribution.
std::uint32_t driver_on(PortId port, std::uint32_t driver) {
  return edge_of(port) << (32 - kEdgeBits) | driver;
}

Pin pin_at(std::uint8_t index) { return Pin((index - kIoRedTbl) / 2); }
bool is_high_half(std::uint8_t index) { return index % 2 != 0; }

}  // namespace

IoApic::IoApic(const Config& config)
    : config_(config), ioapicid_(Id::set(0, config.id)), inputs_(config.pins) {
  assert(config.pins >= 1 && config.pins <= 120);
  for (const Pin pin : config.active_low) inputs_[pin].active_low = true;
}

void IoApic::receive(PortId port, const Message& message, Env& env) {
  if (const auto* change = std::get_if<PinChange>(&message)) {
    PinChange named = *change;
    named.driver = driver_on(port, change->driver);
    const auto& shared = config_.shared;
    const bool elsewhere = std::find(shared.begin(), shared.end(), edge_of(port)) != shared.end();
    change_pin(named, elsewhere ? Unnamed::RestsElsewhere : Unnamed::BeginsHere, env);
  } else if (const auto* eoi = std::get_if<EoiMessage>(&message)) {
    on_eoi(eoi->vector, env);
  } else if (const auto* access = std::get_if<BusWrite>(&message)) {
    // An interrupt message that was aimed at this page ends here, as data.
    if (access->span != kNoSpan) env.drop(access->span, DropReason::NoDecode);
    if (access->size != 4) return env.guest_error(GuestFault::WrongAccessSize);
    write(static_cast<std::uint32_t>(PageOffset::get(access->address)),
          static_cast<std::uint32_t>(access->data), env);
  } else if (const auto* question = std::get_if<BusRead>(&message)) {
    std::uint32_t value = 0;
    if (question->size == 4) {
      value = read(static_cast<std::uint32_t>(PageOffset::get(question->address)), env);
    } else {
      env.guest_error(GuestFault::WrongAccessSize);
    }
    env.send(port, register_data(value, question->tag, question->span));
  }
}

void IoApic::change_pin(const PinChange& change, Unnamed unnamed, Env& env) {
  if (!inputs_.contains(change.pin)) {
    if (change.span != kNoSpan) env.drop(change.span, DropReason::NoRoute);
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  Input& input = inputs_[change.pin];
  const bool before = active(input);
  input.line.drive(change.driver, change.level);
  const bool after = active(input);
  const bool repeats = before && after && change.level == Level::High && repeat_is_edge(change.pin);
  if ((after && !before) || repeats) {
    if (change.span != kNoSpan) return rise(change.pin, change.span, env);
    const bool elsewhere = unnamed == Unnamed::RestsElsewhere;
    if (elsewhere && !sends_at_rise(input)) return;
    // A line that is let go names no span either.
    return rise(change.pin, env.open(elsewhere ? Cause::Fork : Cause::Device, kNoSpan), env);
  }
  if (before && !after) fall(change.pin, env);
  if (change.span == kNoSpan || change.level == Level::Low) return;
  if (!after) return env.drop(change.span, DropReason::WrongPolarity);
  rise_again(change.pin, change.span, env);
}

/// Is the input at the level that its entry takes for an assertion?
bool IoApic::active(const Input& input) const {
  const bool asserted = input.line.level() == Level::High;
  if (config_.inputs == InputLevels::Asserted) return asserted;
  const bool agreed = Rte::INTPOL::is_set(input.rte.bits) == input.active_low;
  return asserted == agreed;
}

bool IoApic::sends_at_rise(const Input& input) const {
  if (input.rte.masked()) return false;
  return !is_level(input.rte) || !input.rte.remote_irr();
}

void IoApic::rise(Pin pin, SpanId span, Env& env) {
  Input& input = inputs_[pin];
  if (!is_level(input.rte) && input.rte.masked()) {
    return env.drop(span, DropReason::MaskedNotLatched);
  }
  env.note(Event::PinLatched, span, raw(pin));
  if (!is_level(input.rte)) return transmit(pin, span, env);
  input.waiting = span;
  send_if_due(pin, env);
}

void IoApic::rise_again(Pin pin, SpanId span, Env& env) {
  Input& input = inputs_[pin];
  if (!is_level(input.rte)) {
    if (input.sent == kNoSpan) return env.drop(span, DropReason::MaskedNotLatched);
    return env.coalesce(span, input.sent);
  }
  if (input.waiting != kNoSpan) return env.coalesce(span, input.waiting);
  env.note(Event::PinLatched, span, raw(pin));
  input.waiting = span;
}

void IoApic::fall(Pin pin, Env& env) {
  Input& input = inputs_[pin];
  if (input.waiting != kNoSpan) env.cancel(input.waiting, CancelOp::LineLow);
  input.waiting = kNoSpan;
  input.sent = kNoSpan;
}

void IoApic::on_eoi(Vector vector, Env& env) {
  if (config_.mutants.has(Mutant::RemoteIrrNeverCleared)) return;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Pin pin{static_cast<std::uint16_t>(i)};
    Rte& rte = inputs_[pin].rte;
    if (!rte.remote_irr() || rte.vector() != vector) continue;
    rte.set_remote_irr(false);
    env.note(Event::RemoteIrrCleared, kNoSpan, raw(pin));
    send_if_due(pin, env);
  }
}

/// Sends the message of a level input that is high, unmasked, and not in service already.
void IoApic::send_if_due(Pin pin, Env& env) {
  Input& input = inputs_[pin];
  if (!is_level(input.rte) || input.rte.masked() || input.rte.remote_irr()) return;
  if (!active(input)) return;
  SpanId span = input.waiting;
  input.waiting = kNoSpan;
  if (span == kNoSpan) {
    span = env.open(Cause::Resample, input.sent);
    env.note(Event::PinLatched, span, raw(pin));
  }
  input.rte.set_remote_irr(true);
  transmit(pin, span, env);
}

void IoApic::transmit(Pin pin, SpanId span, Env& env) {
  Input& input = inputs_[pin];
  input.sent = span;
  const MsiMessage message = input.rte.message();
  env.note(Event::IoapicSent, span, raw(pin));
  env.send(kMessages, BusWrite{message.address, message.data, span, config_.requester, 4});
}

void IoApic::write(std::uint32_t offset, std::uint32_t value, Env& env) {
  if (offset == kIoRegSel) {
    ioregsel_ = static_cast<std::uint8_t>(value);
  } else if (offset == kIoWin) {
    write_window(value, env);
  } else if (offset == kEoiRegister && config_.version == IoApicVersion::V20) {
    on_eoi(static_cast<Vector>(value & 0xFF), env);
  } else {
    env.guest_error(GuestFault::UnknownRegister);
  }
}

std::uint32_t IoApic::read(std::uint32_t offset, Env& env) const {
  if (offset == kIoRegSel) return ioregsel_;
  if (offset == kIoWin) return read_window(env);
  const bool write_only = offset == kEoiRegister && config_.version == IoApicVersion::V20;
  if (!write_only) env.guest_error(GuestFault::UnknownRegister);
  return 0;
}

void IoApic::write_window(std::uint32_t value, Env& env) {
  if (ioregsel_ == kIoApicId) {
    ioapicid_ = value & Id::kMask;
  } else if (ioregsel_ < kIoRedTbl) {
    const bool read_only = ioregsel_ == kIoApicVer || ioregsel_ == kIoApicArb;
    if (!read_only) env.guest_error(GuestFault::UnknownRegister);
  } else if (const Pin pin = pin_at(ioregsel_); !inputs_.contains(pin)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
  } else if (Rte written = inputs_[pin].rte; is_high_half(ioregsel_)) {
    const std::uint64_t high = HighHalf::set(0, value) & writable_high();
    written.bits = LowHalf::get(written.bits) | high;
    write_entry(pin, written, env);
  } else {
    written.bits = (written.bits & ~writable_low()) | (value & writable_low());
    write_entry(pin, written, env);
  }
}

std::uint32_t IoApic::read_window(Env& env) const {
  if (ioregsel_ == kIoApicId) return ioapicid_;
  // The arbitration id is loaded whenever the id is written (82093AA 3.2.3).
  if (ioregsel_ == kIoApicArb) return ioapicid_;
  if (ioregsel_ == kIoApicVer) {
    const auto last = static_cast<std::uint32_t>(inputs_.size() - 1);
    return MaxRedirectionEntry::set(0, last) |
           ApicVersion::set(0, static_cast<std::uint32_t>(config_.version));
  }
  if (ioregsel_ < kIoRedTbl) {
    env.guest_error(GuestFault::UnknownRegister);
    return 0;
  }
  const Pin pin = pin_at(ioregsel_);
  if (!inputs_.contains(pin)) {
    env.guest_error(GuestFault::TableIndexOutOfRange);
    return 0;
  }
  const std::uint64_t bits = inputs_[pin].rte.bits;
  return static_cast<std::uint32_t>(is_high_half(ioregsel_) ? HighHalf::get(bits)
                                                            : LowHalf::get(bits));
}

/// An edge entry has no Remote IRR, so a rewrite to edge clears it: the way to end a level
/// interrupt by hand on version 0x11. What waited for its level is then gone with it.
void IoApic::write_entry(Pin pin, Rte written, Env& env) {
  Input& input = inputs_[pin];
  const bool was_active = active(input);
  const Rte before = input.rte;
  input.rte = written;
  if (!is_level(written)) {
    if (!config_.mutants.has(Mutant::OldEoiWithRemapping)) input.rte.set_remote_irr(false);
    if (input.waiting != kNoSpan) env.cancel(input.waiting, CancelOp::RteRewrite);
    input.waiting = kNoSpan;
  }
  follow_polarity(pin, was_active, env);
  change_mode(pin, before, env);
  send_if_due(pin, env);
}

/// The wire is as it was, but another of its levels is the active one now.
void IoApic::follow_polarity(Pin pin, bool was_active, Env& env) {
  const bool is_active = active(inputs_[pin]);
  if (was_active && !is_active) fall(pin, env);
  if (is_active && !was_active) rise(pin, env.open(Cause::Device, kNoSpan), env);
}

void IoApic::held_spans(std::vector<SpanId>& out) const {
  for (const Input& input : inputs_) {
    if (input.waiting != kNoSpan) out.push_back(input.waiting);
  }
}

bool IoApic::Input::operator==(const Input& other) const {
  return std::tie(rte, line, active_low, waiting, sent) ==
         std::tie(other.rte, other.line, other.active_low, other.waiting, other.sent);
}

bool operator==(const IoApic& a, const IoApic& b) {
  return std::tie(a.ioregsel_, a.ioapicid_, a.inputs_) ==
         std::tie(b.ioregsel_, b.ioapicid_, b.inputs_);
}

}  // namespace irqfab::x86
