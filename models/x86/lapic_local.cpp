// The local vector table (SDM vol. 3, 11.5.1): what a local APIC is asked for from within, by its
// pins, sensors and timer.

#include "models/x86/lapic.hpp"

namespace irqfab::x86 {
namespace {

LocalInterrupt entry_of(LocalPin pin) {
  switch (pin) {
    case LocalPin::Lint0:
      return LocalInterrupt::Lint0;
    case LocalPin::Lint1:
      return LocalInterrupt::Lint1;
    case LocalPin::Thermal:
      return LocalInterrupt::Thermal;
    case LocalPin::Performance:
      return LocalInterrupt::Performance;
    case LocalPin::Cmci:
      break;
  }
  return LocalInterrupt::Cmci;
}

DeliveryMode mode_of_entry(std::uint32_t entry) {
  return static_cast<DeliveryMode>(Lvt::DeliveryMode::get(entry));
}

}  // namespace

/// One entry of the table is asked for. `span` is kNoSpan if nobody began one.
void LapicBank::raise(CpuId cpu, LocalInterrupt which, TriggerMode trigger_mode, SpanId span,
                      Env& env) {
  std::uint32_t& entry = lvt(cpu, which);
  if (Lvt::Masked::is_set(entry)) {
    if (span != kNoSpan) env.drop(span, DropReason::MaskedNotLatched);
    return;
  }
  if (span == kNoSpan) span = env.open(Cause::Local, kNoSpan);
  ApicMessage m;
  m.vector = static_cast<Vector>(Lvt::Vector::get(entry));
  m.delivery_mode = mode_of_entry(entry);
  m.trigger_mode = trigger_mode;
  // A performance counter that overflows masks its entry (SDM vol. 3, 11.5.1, "Mask").
  if (which == LocalInterrupt::Performance) entry = Lvt::Masked::set(entry, 1);
  switch (m.delivery_mode) {
    case DeliveryMode::Fixed:
      if (legal(m.vector)) return accept(cpu, m, span, env);
      env.drop(span, DropReason::IllegalVector);
      return record_error(cpu, Esr::ReceivedIllegalVector::kMask, env);
    case DeliveryMode::Smi:
    case DeliveryMode::Nmi:
    case DeliveryMode::Init:
      return accept(cpu, m, span, env);
    default:
      return env.drop(span, DropReason::ReservedDeliveryMode);
  }
}

void LapicBank::on_pin(const PinChange& change, Env& env) {
  const CpuId cpu{raw(change.pin) / kPinsPerCpu};
  const auto pin = static_cast<LocalPin>(raw(change.pin) % kPinsPerCpu);
  if (!rows_.contains(cpu) || static_cast<unsigned>(pin) >= kLocalPins) {
    if (change.span != kNoSpan) env.drop(change.span, DropReason::NoSuchTarget);
    return env.guest_error(GuestFault::TableIndexOutOfRange);
  }
  Input& input = locals_[cpu].inputs[static_cast<std::size_t>(pin)];
  const bool was_active = active(cpu, pin);
  input.wire.drive(change.driver, change.level);
  const bool rises = !was_active && active(cpu, pin);
  const bool falls = was_active && !active(cpu, pin);
  if (asks_extint(cpu, pin)) return update_extint(cpu, env);  // the span is the 8259's

  if (pin == LocalPin::Lint0 && level_lint0(cpu)) {
    wait_at_lint0(cpu, change.span, env);
    if (falls && input.waiting != kNoSpan) {
      env.cancel(input.waiting, CancelOp::LineLow);
      input.waiting = kNoSpan;
    }
    return sample_lint0(cpu, Cause::Local, env);
  }
  if (rises) return on_edge(cpu, pin, change.span, env);
  if (change.span != kNoSpan) env.drop(change.span, DropReason::PresentedAlready);
}

/// The asserted level of an input; polarity is the entry's to say for the LINT pins.
bool LapicBank::active(CpuId cpu, LocalPin pin) const {
  const Local& local = locals_[cpu];
  const bool high = local.inputs[static_cast<std::size_t>(pin)].wire.level() == Level::High;
  const std::uint32_t entry = local.lvt[static_cast<std::size_t>(entry_of(pin))];
  return high != Lvt::ActiveLow::is_set(entry);
}

/// A LAPIC that IA32_APIC_BASE disabled leaves LINT1 to the CPU as its NMI (SDM vol. 3, 11.4.3).
void LapicBank::on_edge(CpuId cpu, LocalPin pin, SpanId span, Env& env) {
  if (pin != LocalPin::Lint1 || mode(cpu) != LapicMode::Disabled) {
    return raise(cpu, entry_of(pin), TriggerMode::Edge, span, env);
  }
  if (span == kNoSpan) span = env.open(Cause::Local, kNoSpan);
  ApicMessage nmi;
  nmi.delivery_mode = DeliveryMode::Nmi;
  accept(cpu, nmi, span, env);
}

bool LapicBank::level_lint0(CpuId cpu) const {
  const std::uint32_t entry = locals_[cpu].lvt[static_cast<std::size_t>(LocalInterrupt::Lint0)];
  return Lvt::LevelTriggered::is_set(entry) && mode_of_entry(entry) == DeliveryMode::Fixed;
}

void LapicBank::wait_at_lint0(CpuId cpu, SpanId span, Env& env) {
  if (span == kNoSpan) return;
  SpanId& waiting = locals_[cpu].inputs[static_cast<std::size_t>(LocalPin::Lint0)].waiting;
  if (waiting != kNoSpan) return env.coalesce(span, waiting);
  waiting = span;
}

/// A level is taken once, until its EOI (SDM vol. 3, 11.5.1, "Remote IRR Flag").
void LapicBank::sample_lint0(CpuId cpu, Cause cause, Env& env) {
  std::uint32_t& entry = lvt(cpu, LocalInterrupt::Lint0);
  const bool takes = level_lint0(cpu) && active(cpu, LocalPin::Lint0) &&
                     !Lvt::Masked::is_set(entry) && !Lvt::RemoteIrr::is_set(entry);
  if (!takes) return;
  SpanId& waiting = locals_[cpu].inputs[static_cast<std::size_t>(LocalPin::Lint0)].waiting;
  const SpanId span = waiting != kNoSpan ? waiting : env.open(cause, kNoSpan);
  waiting = kNoSpan;
  if (legal(static_cast<Vector>(Lvt::Vector::get(entry)))) entry = Lvt::RemoteIrr::set(entry, 1);
  raise(cpu, LocalInterrupt::Lint0, TriggerMode::Level, span, env);
}

void LapicBank::end_lint0(CpuId cpu, Vector ended, Env& env) {
  std::uint32_t& entry = lvt(cpu, LocalInterrupt::Lint0);
  if (!Lvt::RemoteIrr::is_set(entry) || Lvt::Vector::get(entry) != raw(ended)) return;
  entry = Lvt::RemoteIrr::set(entry, 0);
  sample_lint0(cpu, Cause::Resample, env);
}

/// Does this pin pass the 8259s' line on? LINT0 is the CPU's INTR while the LAPIC is disabled (SDM
/// vol. 3, 11.4.3).
bool LapicBank::asks_extint(CpuId cpu, LocalPin pin) const {
  if (pin != LocalPin::Lint0 && pin != LocalPin::Lint1) return false;
  if (mode(cpu) == LapicMode::Disabled) return pin == LocalPin::Lint0;
  const std::uint32_t entry = locals_[cpu].lvt[static_cast<std::size_t>(entry_of(pin))];
  return mode_of_entry(entry) == DeliveryMode::ExtInt;
}

/// ExtINT is a level whatever the entry says, and no priority holds it back (SDM vol. 3, 11.5.1).
void LapicBank::update_extint(CpuId cpu, Env& env) {
  const Local& local = locals_[cpu];
  bool asks = local.extint_message;
  for (const LocalPin pin : {LocalPin::Lint0, LocalPin::Lint1}) {
    const bool open = mode(cpu) == LapicMode::Disabled ||
                      !Lvt::Masked::is_set(local.lvt[static_cast<std::size_t>(entry_of(pin))]);
    asks = asks || (open && asks_extint(cpu, pin) && active(cpu, pin));
  }
  const bool can_ask = config_.pic == ExternalPic::Present;
  rows_[cpu].extint = asks && can_ask ? Level::High : Level::Low;
  update_intr(cpu, env);
}

void LapicBank::extint_asked(CpuId cpu) {
  Row& row = rows_[cpu];
  row.intr = Level::Low;
  row.extint = Level::Low;
  locals_[cpu].extint_message = false;
}

void LapicBank::extint_answered(const IntaAnswer& answer, Env& env) {
  SpanId& span = locals_[answer.cpu].extint_span;
  if (span != kNoSpan && span != answer.span) {
    if (answer.span == kNoSpan) env.cancel(span, CancelOp::LineLow);
    if (answer.span != kNoSpan) env.coalesce(span, answer.span);
  }
  span = kNoSpan;
  update_intr(answer.cpu, env);
}

/// The inputs keep their levels; what waited there was not seen, and is asked for anew.
void LapicBank::reset_local(CpuId cpu, Env& env) {
  Local& local = locals_[cpu];
  local.lvt.fill(Lvt::kReset);
  const bool virtual_wire = is_bootstrap(cpu) && config_.quirks.has(Quirk::Lint0ResetsToExtInt);
  if (virtual_wire) lvt(cpu, LocalInterrupt::Lint0) = kExtInt;
  local.timer.reset();
  for (Input& input : local.inputs) {
    if (input.waiting != kNoSpan) env.cancel(input.waiting, CancelOp::Reset);
    input.waiting = kNoSpan;
  }
  if (local.extint_span != kNoSpan) env.cancel(local.extint_span, CancelOp::Reset);
  local.extint_span = kNoSpan;
  local.extint_message = false;
}

// ---- the timer (11.5.4) -----------------------------------------------------------------------

TimerMode LapicBank::timer_mode(CpuId cpu) const {
  const std::uint32_t entry = locals_[cpu].lvt[static_cast<std::size_t>(LocalInterrupt::Timer)];
  return static_cast<TimerMode>(Lvt::TimerMode::get(entry));
}

/// A change of mode disarms the timer (SDM vol. 3, 11.5.4.1). With the quirk one-shot and periodic
/// are told apart when it expires.
void LapicBank::change_timer_mode(CpuId cpu, std::uint32_t before) {
  const auto was = static_cast<TimerMode>(Lvt::TimerMode::get(before));
  const TimerMode is = timer_mode(cpu);
  const bool same_clock = was != TimerMode::TscDeadline && is != TimerMode::TscDeadline;
  const bool runs_on = same_clock && config_.quirks.has(Quirk::TimerRunsOn);
  if (was != is && !runs_on) locals_[cpu].timer.stop();
}

void LapicBank::write_initial_count(CpuId cpu, std::uint32_t value, Env& env) {
  if (timer_mode(cpu) == TimerMode::TscDeadline) return;  // ignored (SDM 11.5.4.1)
  locals_[cpu].timer.start(value, config_.timer_hz, env.now());
  await_timer(cpu, env);
}

std::uint32_t LapicBank::current_count(CpuId cpu, const Env& env) const {
  if (timer_mode(cpu) == TimerMode::TscDeadline) return 0;
  return locals_[cpu].timer.current_count(env.now());
}

/// In the other modes the register is 0, and a write does nothing (SDM vol. 3, 11.5.4.1).
std::uint64_t LapicBank::deadline(CpuId cpu) const {
  return timer_mode(cpu) == TimerMode::TscDeadline ? locals_[cpu].timer.deadline() : 0;
}

void LapicBank::write_deadline(CpuId cpu, std::uint64_t value, Env& env) {
  if (timer_mode(cpu) != TimerMode::TscDeadline) return;
  locals_[cpu].timer.start_deadline(value, config_.tsc_hz);
  await_timer(cpu, env);
}

void LapicBank::await_timer(CpuId cpu, Env& env) {
  const LapicTimer& timer = locals_[cpu].timer;
  if (!timer.armed()) return;
  const Time now = env.now();
  const Duration left = timer.due() > now ? timer.due() - now : 0;
  env.after(left, Tag{timer.generation()}, LaneId{1 + raw(cpu)});
}

void LapicBank::on_timer(CpuId cpu, Tag generation, Env& env) {
  if (!rows_.contains(cpu)) return;
  LapicTimer& timer = locals_[cpu].timer;
  if (!timer.armed() || raw(generation) != timer.generation()) return;  // stale
  const bool again = timer_mode(cpu) == TimerMode::Periodic;
  if (again) timer.reload();
  if (!again) timer.stop();
  raise(cpu, LocalInterrupt::Timer, TriggerMode::Edge, kNoSpan, env);
  await_timer(cpu, env);
}

}  // namespace irqfab::x86
