// How the registers call back the value that owns them, within a call to it.
#pragma once

#include "models/x86/apicv.hpp"

namespace irqfab::x86 {

/// A vCPU's line is what its processor saw last, and not what the registers would say now.
class VirtualApics::BankEnv final : public Env {
 public:
  BankEnv(VirtualApics& owner, Env& outer) : owner_(owner), outer_(outer) {}
  void note(Event event, SpanId span, std::uint64_t detail) override {
    outer_.note(event, span, detail);
  }
  void send(PortId port, const Message& message) override {
    if (const auto* request = std::get_if<PostInterrupt>(&message)) {
      const CpuId vcpu{static_cast<std::uint32_t>(request->address)};
      return owner_.accepted(vcpu, request->vector, request->span, outer_);
    }
    if (const auto* change = std::get_if<CpuLineChange>(&message)) {
      if (change->line == CpuLine::Intr) return;
      if (change->line == CpuLine::Init) owner_.start_anew(change->cpu, outer_);
    }
    outer_.send(port, message);
  }
  void after(Duration delay, Tag tag) override { outer_.after(delay, tag); }
  void after(Duration delay, Tag tag, LaneId lane) override { outer_.after(delay, tag, lane); }
  Time now() const override { return outer_.now(); }
  SpanId open(Cause cause, SpanId parent, std::uint32_t source) override {
    return outer_.open(cause, parent, source);
  }

 private:
  VirtualApics& owner_;
  Env& outer_;
};

}  // namespace irqfab::x86
