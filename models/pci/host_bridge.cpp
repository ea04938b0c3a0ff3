#include "models/pci/host_bridge.hpp"

namespace irqfab::pci {

void HostBridge::receive(PortId port, const Message& message, Env& env) {
  if (port == kSecondary) {
    if (const auto* write = std::get_if<BusWrite>(&message)) on_upstream_write(*write, env);
  } else if (port == kIntx) {
    if (const auto* change = std::get_if<PinChange>(&message)) on_intx(*change, env);
  } else if (port == kPrimary) {
    // Registers of the functions below; the CPU's span rides along, so the crossing is on its way.
    const SpanId span = span_of(message);
    env.note(Event::BusRouted, span);
    env.send(kDownstream, message);
  } else if (port == kDownstream) {
    env.send(kPrimary, message);  // a completion: its tag is the CPU's
  }
}

void HostBridge::on_upstream_write(const BusWrite& write, Env& env) {
  env.note(Event::BridgeForwarded, write.span, write.address);
  const bool interrupt = write.address - config_.interrupt_base < config_.interrupt_size;
  env.send(interrupt ? kInterrupts : kMemory, write);
}

void HostBridge::on_intx(const PinChange& change, Env& env) {
  const std::uint32_t row = change.driver;
  const unsigned device = row < config_.device_of_row.size() ? config_.device_of_row[row] : 0;
  const unsigned wire = (device + raw(change.pin)) % 4;
  Wire& w = wires_[wire];
  const Pin pin = config_.intx_pins[wire];
  if (change.level == Level::High) {
    if (w.count++ > 0) return env.coalesce(change.span, w.span);
    w.span = change.span;
    env.note(Event::IntxForwarded, change.span, raw(pin));
    env.send(kPins, PinChange{pin, Level::High, 0, change.span});
  } else if (w.count > 0 && --w.count == 0) {
    w.span = kNoSpan;
    env.note(Event::IntxForwarded, kNoSpan, raw(pin));
    env.send(kPins, PinChange{pin, Level::Low, 0, kNoSpan});
  }
}

}  // namespace irqfab::pci
