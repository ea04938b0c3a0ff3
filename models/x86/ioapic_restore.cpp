// What no rule of the data sheet is about: the state of an IOAPIC as a hypervisor puts it in place
// (KVM_SET_IRQCHIP, api.rst), and the named quirks of entries and inputs.

#include "models/x86/ioapic.hpp"

namespace irqfab::x86 {

void IoApic::restore(Pin pin, Rte entry, Env& env) {
  Input& input = inputs_[pin];
  input.rte = entry;
  if (level_sensitive(entry) || input.waiting == kNoSpan) return;
  env.cancel(input.waiting, CancelOp::RteRewrite);
  input.waiting = kNoSpan;
}

void IoApic::evaluate(Pin pin, Env& env) {
  const Input& input = inputs_[pin];
  if (level_sensitive(input.rte)) return send_if_due(pin, env);
  if (active(input) && !input.rte.masked()) resample(pin, env);
}

void IoApic::resample(Pin pin, Env& env) {
  const SpanId span = env.open(Cause::Resample, inputs_[pin].sent);
  env.note(Event::PinLatched, span, raw(pin));
  transmit(pin, span, env);
}

bool IoApic::repeat_is_edge(Pin pin) const {
  return config_.quirks.has(Quirk::PinRepeatIsEdge) && !level_sensitive(inputs_[pin].rte);
}

/// Quirk::PinLevelByMode. The entry has been rewritten.
void IoApic::change_mode(Pin pin, const Rte& before, Env& env) {
  Input& input = inputs_[pin];
  const bool level = level_sensitive(input.rte);
  const bool changed = level != level_sensitive(before);
  if (!config_.quirks.has(Quirk::PinLevelByMode)) return;
  if (level) {
    if (changed && !input.kept) input.line = {};
    input.kept = false;
    return;
  }
  if (changed) input.kept = active(input);
  if (!input.kept || input.rte.masked()) return;
  input.kept = false;
  resample(pin, env);
}

/// An 8259 that has nothing to ask for answers its input 7; before its initialization that is the
/// vector, too.
MsiMessage IoApic::message_of(const Rte& rte) const {
  constexpr std::uint32_t kIdlePic = 7;
  MsiMessage message = rte.message();
  message.data = MsiData::TriggerMode::set(message.data, level_sensitive(rte));
  const bool asks_pic =
      rte.delivery_mode() == DeliveryMode::ExtInt && config_.quirks.has(Quirk::ExtIntMessageFixed);
  if (asks_pic) message.data = MsiData::Vector::set(message.data, kIdlePic);
  return message;
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
