// What no rule of the data sheet is about: the state of an IOAPIC as a hypervisor puts it in place
// (KVM_SET_IRQCHIP, api.rst), and the named quirks of entries and inputs.

#include "models/x86/ioapic.hpp"

namespace irqfab::x86 {

void IoApic::restore(Pin pin, Rte entry, Env& env) {
  Input& input = inputs_[pin];
  input.rte = entry;
  if (is_level(entry) || input.waiting == kNoSpan) return;
  env.cancel(input.waiting, CancelOp::RteRewrite);
  input.waiting = kNoSpan;
}

void IoApic::evaluate(Pin pin, Env& env) {
  const Input& input = inputs_[pin];
  if (is_level(input.rte)) return send_if_due(pin, env);
  if (!active(input) || input.rte.masked()) return;
  const SpanId span = env.open(Cause::Resample, input.sent);
  env.note(Event::PinLatched, span, raw(pin));
  transmit(pin, span, env);
}

/// With Quirk::RemoteIrrOnAcceptance the delivery mode does not count.
bool IoApic::is_level(const Rte& entry) const {
  if (!config_.quirks.has(Quirk::RemoteIrrOnAcceptance)) return entry.level_sensitive();
  return Rte::TriggerModeBit::is_set(entry.bits);
}

bool IoApic::repeat_is_edge(Pin pin) const {
  return config_.quirks.has(Quirk::PinRepeatIsEdge) && !is_level(inputs_[pin].rte);
}

/// Quirk::PinLevelByMode. The entry has been rewritten.
void IoApic::change_mode(Pin pin, const Rte& before, Env& env) {
  Input& input = inputs_[pin];
  const bool level = is_level(input.rte);
  const bool changed = level != is_level(before);
  if (!changed || !config_.quirks.has(Quirk::PinLevelByMode)) return;
  if (!level) return evaluate(pin, env);
  input.line = {};
}

std::uint64_t IoApic::writable_high() const {
  if (config_.quirks.has(Quirk::RteReservedBitsKept)) return ~std::uint64_t{0} << 32;
  const std::uint64_t edid = config_.version == IoApicVersion::V20 ? Rte::EDID::kMask : 0;
  return Rte::DESTINATION::kMask | edid;
}

std::uint64_t IoApic::writable_low() const {
  constexpr std::uint64_t kReadOnly = Rte::DELIVS::kMask | Rte::RemoteIRR::kMask;
  constexpr std::uint64_t kLowHalf = 0xFFFFFFFF;
  return config_.quirks.has(Quirk::RteReservedBitsKept) ? kLowHalf & ~kReadOnly : Rte::kWritableLow;
}

}  // namespace irqfab::x86
