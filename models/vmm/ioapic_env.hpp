// What the IOAPIC of a VMM asks for, within a step of the VMM's.
#pragma once

#include "models/vmm/vmm.hpp"

namespace irqfab::vmm {

/// Its own prices are those of hardware; here the task
/// pays, so only changes of state are passed on.
class Vmm::IoapicEnv final : public Env {
 public:
  IoapicEnv(Ring<PinMessage>& sent, Env& outer) : sent_(sent), outer_(outer) {}
  void note(Event event, SpanId span, std::uint64_t detail) override {
    if (event == Event::IoapicSent) pin_ = Gsi(static_cast<std::uint32_t>(detail));
    if (is_instant(event)) outer_.note(event, span, detail);
  }
  void send(PortId, const Message& message) override {
    if (const auto* write = std::get_if<BusWrite>(&message)) sent_.push({write->span, pin_});
  }
  void after(Duration delay, Tag tag) override { outer_.after(delay, tag); }
  void after(Duration delay, Tag tag, LaneId lane) override { outer_.after(delay, tag, lane); }
  SpanId open(Cause cause, SpanId parent, std::uint32_t source) override {
    return outer_.open(cause, parent, source);
  }

 private:
  Ring<PinMessage>& sent_;
  Env& outer_;
  Gsi pin_{};
};

}  // namespace irqfab::vmm
