#include "models/pci/host_bridge.hpp"

namespace irqfab::pci {

void HostBridge::receive(PortId port, const Message& message, Env& env) {
  if (spec_of(port) == spec_of(kSecondary)) {
    if (std::holds_alternative<BusWrite>(message)) return on_upstream_write(message, env);
    if (const auto* read = std::get_if<BusRead>(&message)) refuse_read(port, *read, env);
  } else if (spec_of(port) == spec_of(kIntx)) {
    if (const auto* change = std::get_if<PinChange>(&message)) on_intx(port, *change, env);
  } else if (port == kPrimary) {
    send_down(message, env);
  } else if (spec_of(port) == spec_of(kDownstream)) {
    // A completion takes the link like a posted message, so it cannot arrive before a Deassert_INTx
    // that the function sent first.
    env.note(Event::CompletionForwarded, span_of(message));
    env.send(kPrimary, message);
  }
}

void HostBridge::refuse_read(PortId port, const BusRead& read, Env& env) {
  env.guest_error(GuestFault::UnclaimedAddress);
  BusData refused{{}, read.tag, BusStatus::NoDecode, read.span};
  refused.data.fill(0xFF);
  env.send(port, refused);
}

void HostBridge::on_upstream_write(const Message& message, Env& env) {
  const BusWrite& write = std::get<BusWrite>(message);
  const bool interrupt = write.address - config_.interrupt_base < config_.interrupt_size;
  const PortId out = interrupt ? kInterrupts : kMemory;
  if (!interrupt || write.span != kNoSpan) {
    env.note(Event::BridgeForwarded, write.span, write.address);
    return env.send(out, message);
  }
  begin_interrupt(write, env);
}

/// A device from outside the fabric sends plain memory writes: its interrupt's life starts here.
void HostBridge::begin_interrupt(BusWrite write, Env& env) {
  write.span = env.open(Cause::Device, kNoSpan);
  env.note(Event::BridgeForwarded, write.span, write.address);
  env.send(kInterrupts, write);
}

void HostBridge::on_intx(PortId port, const PinChange& change, Env& env) {
  const unsigned device = config_.below.device(edge_of(port), change.driver);
  const Pin pin = config_.intx_pins[swizzled(device, raw(change.pin))];
  env.note(Event::IntxForwarded, change.span, raw(pin));
  env.send(kPins, PinChange{pin, change.level, change.driver, change.span});
}

/// Registers of what is below; the CPU's span rides along, so the crossing is on its way.
void HostBridge::send_down(const Message& message, Env& env) {
  std::uint64_t address = 0;
  if (const auto* write = std::get_if<BusWrite>(&message)) address = write->address;
  if (const auto* read = std::get_if<BusRead>(&message)) address = read->address;
  env.note(Event::BusRouted, span_of(message));
  env.send(port_of(spec_of(kDownstream), edge_to(config_.routes, address)), message);
}

}  // namespace irqfab::pci
