#include "models/x86/apic_bus.hpp"

namespace irqfab::x86 {

void ApicBus::receive(PortId port, const Message& message, Env& env) {
  const auto* write = std::get_if<BusWrite>(&message);
  if (write == nullptr) return on_question(port, message, env);
  if (write->span == kNoSpan) return begin_interrupt(*write, env);
  env.note(Event::MessageRouted, write->span, write->address);
  env.send(kOutput, message);
}

/// A device from outside the fabric sends plain memory writes: its interrupt's life starts here.
void ApicBus::begin_interrupt(BusWrite write, Env& env) {
  write.span = env.open(Cause::Device, kNoSpan);
  env.note(Event::MessageRouted, write.span, write.address);
  env.send(kOutput, write);
}

void ApicBus::on_question(PortId port, const Message& message, Env& env) {
  if (const auto* marker = std::get_if<Marker>(&message)) {
    markers_.push_back({port, marker->tag});
    env.send(kOutput, *marker);
  } else if (std::holds_alternative<MarkerDone>(message) && !markers_.empty()) {
    const Asked asked = markers_.front();
    markers_.erase(markers_.begin());
    env.send(asked.from, MarkerDone{asked.tag});
  } else if (const auto* read = std::get_if<BusRead>(&message)) {
    env.guest_error(GuestFault::UnclaimedAddress);  // the window takes writes only
    env.send(port, BusData{{}, read->tag, BusStatus::NoDecode, read->span});
  }
}

}  // namespace irqfab::x86
