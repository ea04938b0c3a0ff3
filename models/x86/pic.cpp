#include "models/x86/pic.hpp"

#include <tuple>

#include "models/x86/pic_ports.hpp"
#include "models/x86/register_data.hpp"

namespace irqfab::x86 {
namespace {

constexpr std::uint8_t kOpenBus = 0xFF;
constexpr Ir kSlaveInput{raw(Pic::kCascade)};
/// A poll names no CPU: whoever reads the port takes the interrupt.
constexpr CpuId kPollingCpu{0};
constexpr std::uint8_t kPollFound = 0x80;

PicRole role_of(Pin pin) { return raw(pin) < kIrCount ? PicRole::Master : PicRole::Slave; }
Ir ir_of(Pin pin) { return Ir{static_cast<std::uint8_t>(raw(pin) % kIrCount)}; }
Pin pin_of(PicRole role, Ir ir) { return Pin(raw(ir) + (role == PicRole::Master ? 0 : kIrCount)); }

std::uint64_t cpu_and_vector(CpuId cpu, Vector vector) {
  return std::uint64_t{raw(cpu)} << 8 | raw(vector);
}

IntaAnswer spurious(CpuId cpu, Vector vector, Env& env) {
  env.note(Event::SpuriousAnswered, kNoSpan, cpu_and_vector(cpu, vector));
  return {cpu, vector, true, kNoSpan};
}

/// Calls f(pin, ir) for the inputs of `role` in a set of register bits, ascending.
template <class F>
void for_each(PicRole role, std::uint8_t bits, F f) {
  for (std::uint8_t i = 0; i < kIrCount; ++i) {
    if ((bits & bit_of(Ir{i})) != 0) f(pin_of(role, Ir{i}), Ir{i});
  }
}

}  // namespace

Pic::Pic(const Config& config)
    : config_(config),
      chips_{PicChip({PicRole::Master, config.trigger, config.quirks}),
             PicChip({PicRole::Slave, config.trigger, config.quirks})},
      inputs_(kPinCount) {}

void Pic::receive(PortId port, const Message& message, Env& env) {
  if (const auto* change = std::get_if<PinChange>(&message)) {
    PinChange named = *change;
    named.driver = edge_of(port) << (32 - kEdgeBits) | change->driver;
    on_pin(named, env);
  } else if (const auto* inta = std::get_if<Inta>(&message)) {
    env.send(port, on_inta(inta->cpu, env));
  } else if (const auto* access = std::get_if<BusWrite>(&message)) {
    // An interrupt message that was aimed at a port ends here, as data.
    if (access->span != kNoSpan) env.drop(access->span, DropReason::NoDecode);
    if (access->size != 1) return env.guest_error(GuestFault::WrongAccessSize);
    const std::optional<std::uint16_t> number = io_port_at(access->address);
    if (!number) return env.guest_error(GuestFault::UnclaimedAddress);
    write(*number, static_cast<std::uint8_t>(access->data), env);
  } else if (const auto* question = std::get_if<BusRead>(&message)) {
    const std::optional<std::uint16_t> number = io_port_at(question->address);
    std::uint8_t value = kOpenBus;
    if (question->size != 1) {
      env.guest_error(GuestFault::WrongAccessSize);
    } else if (!number) {
      env.guest_error(GuestFault::UnclaimedAddress);
    } else {
      value = read(*number, env);
    }
    env.send(port, register_data(value, question->tag, question->span));
  }
}

Level Pic::level_of(Pin pin) const {
  return pin == kCascade && cascade_ == Level::High ? Level::High : inputs_[pin].line.level();
}

void Pic::on_pin(const PinChange& change, Env& env) {
  if (!inputs_.contains(change.pin)) {
    if (change.span != kNoSpan) env.drop(change.span, DropReason::NoRoute);
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  inputs_[change.pin].line.drive(change.driver, change.level);
  const PicRole role = role_of(change.pin);
  const Ir ir = ir_of(change.pin);
  const bool was_high = (at(role).lines() & bit_of(ir)) != 0;
  at(role).set_line(ir, level_of(change.pin));
  if (change.level == Level::High) {
    assert_input(change.pin, was_high ? Level::High : Level::Low, change.span, env);
  }
  withdraw(role, CancelOp::LineLow, env);
  settle(env);
}

void Pic::assert_input(Pin pin, Level before, SpanId span, Env& env) {
  Input& input = inputs_[pin];
  const bool rises = before == Level::Low;
  if (span == kNoSpan && !rises) return;
  // A driver that names no span begins one here.
  if (span == kNoSpan) span = env.open(Cause::Device, kNoSpan);
  const bool level = (at(role_of(pin)).level_sensitive() & bit_of(ir_of(pin))) != 0;
  if (input.waiting != kNoSpan) {
    env.coalesce(span, input.waiting);
  } else if (rises || level) {
    wait(pin, span, env);
  } else {
    env.coalesce(span, input.latest);
  }
}

void Pic::wait(Pin pin, SpanId span, Env& env) {
  env.note(Event::PinLatched, span, raw(pin));
  inputs_[pin].waiting = span;
  inputs_[pin].latest = span;
}

/// What waited for IRR bits that are clear now is cancelled.
void Pic::withdraw(PicRole role, CancelOp op, Env& env) {
  const auto clear = static_cast<std::uint8_t>(~at(role).irr());
  for_each(role, clear, [&](Pin pin, Ir) {
    SpanId& waiting = inputs_[pin].waiting;
    if (waiting != kNoSpan) env.cancel(waiting, op);
    waiting = kNoSpan;
  });
}

IntaAnswer Pic::on_inta(CpuId cpu, Env& env) {
  set_intr(Level::Low, env);
  const IntaAnswer answer = acknowledge(cpu, env);
  settle(env);
  return answer;
}

/// "Interrupt Sequence" and "Cascade Mode": the first pulse is the master's, which puts the number
/// of its input on the cascade lines; who has that address answers the second.
IntaAnswer Pic::acknowledge(CpuId cpu, Env& env) {
  const std::optional<Taken> first = take(PicRole::Master, cpu, env);
  if (!first) return spurious(cpu, master().vector(PicChip::kDefault), env);
  if (!master().has_slave(first->ir)) {
    return {cpu, master().vector(first->ir), false, first->span};
  }
  if (slave().slave_address() != first->ir) return spurious(cpu, Vector{kOpenBus}, env);
  const std::optional<Taken> second = take(PicRole::Slave, cpu, env);
  if (!second) return spurious(cpu, slave().vector(PicChip::kDefault), env);
  return {cpu, slave().vector(second->ir), false, second->span};
}

/// A chip is acknowledged: the span of its request goes to the ISR bit, or ends with automatic EOI.
std::optional<Pic::Taken> Pic::take(PicRole role, CpuId cpu, Env& env) {
  const std::optional<Ir> ir = at(role).acknowledge();
  if (!ir) return std::nullopt;
  // The slave's INT falls; if more may interrupt, it rises again, and the master sees an edge.
  if (role == PicRole::Slave) drive_cascade(Level::Low);
  Input& input = inputs_[pin_of(role, *ir)];
  const SpanId span = input.waiting;
  input.waiting = kNoSpan;
  if (span == kNoSpan) return Taken{*ir, kNoSpan};
  const Vector vector = at(role).vector(*ir);
  env.note(Event::PicAcknowledged, span, raw(pin_of(role, *ir)));
  env.note(Event::Accepted, span, cpu_and_vector(cpu, vector));
  if (at(role).automatic_eoi()) {
    env.note(Event::Handled, span, raw(vector));
    return Taken{*ir, kNoSpan};
  }
  if (input.serviced != kNoSpan) {
    env.coalesce(span, input.serviced);
  } else {
    input.serviced = span;
  }
  return Taken{*ir, input.serviced};
}

/// "Poll Command": the read is the acknowledge, of this chip alone.
std::uint8_t Pic::poll(PicRole role, Env& env) {
  at(role).end_poll();
  if (role == PicRole::Master) set_intr(Level::Low, env);
  const std::optional<Taken> taken = take(role, kPollingCpu, env);
  settle(env);
  return taken ? kPollFound | raw(taken->ir) : raw(PicChip::kDefault);
}

void Pic::write(std::uint16_t port, std::uint8_t value, Env& env) {
  const std::optional<PicPort> place = pic_port(port);
  const bool has_elcr = config_.trigger == PicTrigger::Elcr;
  if (!place || (place->reg == PicRegister::Elcr && !has_elcr)) {
    return env.guest_error(GuestFault::UnknownRegister);
  }
  if (place->reg == PicRegister::Elcr) return write_elcr(place->role, value, env);
  write_chip(place->role, place->address(), value, env);
}

std::uint8_t Pic::read(std::uint16_t port, Env& env) {
  const std::optional<PicPort> place = pic_port(port);
  const bool has_elcr = config_.trigger == PicTrigger::Elcr;
  if (!place || (place->reg == PicRegister::Elcr && !has_elcr)) {
    env.guest_error(GuestFault::UnknownRegister);
    return kOpenBus;
  }
  const PicChip& chip = at(place->role);
  if (place->reg == PicRegister::Elcr) return chip.elcr();
  return chip.polled() ? poll(place->role, env) : chip.read(place->address());
}

void Pic::write_chip(PicRole role, PicAddress address, std::uint8_t value, Env& env) {
  const PicChip::Written written = at(role).write(address, value);
  if (written.command == PicChip::Command::Initialization) {
    reset(role, env);
  } else if (written.command == PicChip::Command::EndOfInterrupt) {
    if (written.ended == 0) env.guest_error(GuestFault::EoiWithoutInterrupt);
    end(role, written.ended, env);
  }
  settle(env);
}

void Pic::end(PicRole role, std::uint8_t isr_bits, Env& env) {
  for_each(role, isr_bits, [&](Pin pin, Ir ir) {
    SpanId& serviced = inputs_[pin].serviced;
    if (serviced != kNoSpan) env.note(Event::Handled, serviced, raw(at(role).vector(ir)));
    serviced = kNoSpan;
  });
}

/// ICW1: what was in service is given up, edges are forgotten.
void Pic::reset(PicRole role, Env& env) {
  for_each(role, 0xFF, [&](Pin pin, Ir) {
    SpanId& serviced = inputs_[pin].serviced;
    if (serviced != kNoSpan) env.cancel(serviced, CancelOp::Reset);
    serviced = kNoSpan;
  });
  withdraw(role, CancelOp::Reset, env);
}

void Pic::write_elcr(PicRole role, std::uint8_t value, Env& env) {
  at(role).write_elcr(value);
  withdraw(role, CancelOp::RteRewrite, env);
  settle(env);
}

void Pic::restore(PicRole role, const PicChip::Settings& settings, Env& env) {
  at(role).restore(settings);
  withdraw(role, CancelOp::RteRewrite, env);
  settle(env);
}

/// After any change: levels found high, the slave's request at the master, the master's at INT.
void Pic::settle(Env& env) {
  resample(PicRole::Slave, env);
  carry_request();
  withdraw(PicRole::Master, CancelOp::LineLow, env);
  resample(PicRole::Master, env);
  set_intr(master().request() ? Level::High : Level::Low, env);
}

void Pic::resample(PicRole role, Env& env) {
  const PicChip& from = at(role);
  if (!from.initialized()) return;
  const auto due =
      static_cast<std::uint8_t>(from.irr() & from.level_sensitive() & ~from.imr() & ~from.isr());
  for_each(role, due, [&](Pin pin, Ir) {
    const Input& input = inputs_[pin];
    if (input.waiting != kNoSpan || input.line.level() == Level::Low) return;
    wait(pin, env.open(Cause::Resample, input.latest), env);
  });
}

void Pic::carry_request() {
  const std::optional<Ir> request = slave().request();
  if (config_.quirks.has(Quirk::PicCascadePulsed)) {
    if (request) master().pulse(kSlaveInput);
    return;
  }
  if (request && level_of(kCascade) == Level::Low) {
    inputs_[kCascade].latest = inputs_[pin_of(PicRole::Slave, *request)].waiting;
  }
  drive_cascade(request ? Level::High : Level::Low);
}

void Pic::drive_cascade(Level level) {
  cascade_ = level;
  if (config_.quirks.has(Quirk::PicCascadePulsed)) return;
  master().set_line(kSlaveInput, level_of(kCascade));
}

void Pic::set_intr(Level level, Env& env) {
  if (level == intr_) return;
  intr_ = level;
  for (unsigned edge = 0; edge < config_.intr.size(); ++edge) {
    env.send(port_of(spec_of(kIntr), edge), PinChange{config_.intr[edge], level, 0, kNoSpan});
  }
}

void Pic::held_spans(std::vector<SpanId>& out) const {
  for (const Input& input : inputs_) {
    if (input.waiting != kNoSpan) out.push_back(input.waiting);
    if (input.serviced != kNoSpan) out.push_back(input.serviced);
  }
}

bool Pic::Input::operator==(const Input& other) const {
  return std::tie(line, waiting, latest, serviced) ==
         std::tie(other.line, other.waiting, other.latest, other.serviced);
}

bool operator==(const Pic& a, const Pic& b) {
  return std::tie(a.chips_, a.inputs_, a.cascade_, a.intr_) ==
         std::tie(b.chips_, b.inputs_, b.cascade_, b.intr_);
}

}  // namespace irqfab::x86
