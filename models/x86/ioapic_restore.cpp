// The state of an IOAPIC as a hypervisor puts it in place: KVM_SET_IRQCHIP (api.rst). No access of
// a guest could do this, and no rule of the data sheet is about it.

#include "models/x86/ioapic.hpp"

namespace irqfab::x86 {

void IoApic::restore(Pin pin, Rte entry, Env& env) {
  Input& input = inputs_[pin];
  input.rte = entry;
  if (entry.level_sensitive() || input.waiting == kNoSpan) return;
  env.cancel(input.waiting, CancelOp::RteRewrite);
  input.waiting = kNoSpan;
}

void IoApic::evaluate(Pin pin, Env& env) {
  const Input& input = inputs_[pin];
  if (input.rte.level_sensitive()) return send_if_due(pin, env);
  if (!active(input) || input.rte.masked()) return;
  const SpanId span = env.open(Cause::Resample, input.sent);
  env.note(Event::PinLatched, span, raw(pin));
  transmit(pin, span, env);
}

bool IoApic::repeat_is_edge(Pin pin) const {
  return config_.quirks.has(Quirk::PinRepeatIsEdge) && !inputs_[pin].rte.level_sensitive();
}

}  // namespace irqfab::x86
