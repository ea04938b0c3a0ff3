#include "models/pci/host_bridge.hpp"

namespace irqfab::pci {

void HostBridge::receive(PortId port, const Message& message, Env& env) {
  if (spec_of(port) == spec_of(kSecondary)) {
    if (const auto* write = std::get_if<BusWrite>(&message)) on_upstream_write(*write, env);
    if (const auto* read = std::get_if<BusRead>(&message)) {
      env.guest_error(GuestFault::UnclaimedAddress);
      BusData refused{{}, read->tag, BusStatus::NoDecode, read->span};
      refused.data.fill(0xFF);
      env.send(port, refused);
    }
  } else if (port == kIntx) {
    if (const auto* change = std::get_if<PinChange>(&message)) on_intx(*change, env);
  } else if (port == kPrimary) {
    // Registers of the functions below; the CPU's span rides along, so the crossing is on its way.
    const SpanId span = span_of(message);
    env.note(Event::BusRouted, span);
    env.send(kDownstream, message);
  } else if (port == kDownstream) {
    // A completion takes the link like a posted message, so it cannot arrive before a Deassert_INTx
    // that the function sent first.
    env.note(Event::CompletionForwarded, span_of(message));
    env.send(kPrimary, message);
  }
}

void HostBridge::on_upstream_write(const BusWrite& write, Env& env) {
  const bool interrupt = write.address - config_.interrupt_base < config_.interrupt_size;
  BusWrite forwarded = write;
  // A device from outside the fabric sends plain memory writes: its interrupt's life starts here.
  if (interrupt && write.span == kNoSpan) forwarded.span = env.open(Cause::Device, kNoSpan);
  env.note(Event::BridgeForwarded, forwarded.span, write.address);
  env.send(interrupt ? kInterrupts : kMemory, forwarded);
}

void HostBridge::on_intx(const PinChange& change, Env& env) {
  const std::uint32_t row = change.driver;
  const unsigned device = row < config_.device_of_row.size() ? config_.device_of_row[row] : 0;
  const unsigned wire = (device + raw(change.pin)) % 4;
  const Pin pin = config_.intx_pins[wire];
  env.note(Event::IntxForwarded, change.span, raw(pin));
  env.send(kPins, PinChange{pin, change.level, row, change.span});
}

}  // namespace irqfab::pci
