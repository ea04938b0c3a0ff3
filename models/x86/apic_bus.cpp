#include "models/x86/apic_bus.hpp"

namespace irqfab::x86 {

void ApicBus::receive(PortId port, const Message& message, Env& env) {
  if (const auto* write = std::get_if<BusWrite>(&message)) {
    BusWrite routed = *write;
    // A device from outside the fabric sends plain memory writes: its interrupt's life starts here.
    if (routed.span == kNoSpan) routed.span = env.open(Cause::Device, kNoSpan);
    env.note(Event::MessageRouted, routed.span, routed.address);
    env.send(kOutput, routed);
  } else if (const auto* marker = std::get_if<Marker>(&message)) {
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
