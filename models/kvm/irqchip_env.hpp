// How the chips of an irqchip call each other, within the call of a task.
#pragma once

#include "models/kvm/irqchip.hpp"
#include "models/x86/apicv_env.hpp"

namespace irqfab::kvm {

/// What a chip asks for, within the call under way. The chips' own prices are those of hardware;
/// here the calling task pays, so only events that are changes of state are passed on.
class Irqchip::ChipEnv : public Env {
 public:
  ChipEnv(Irqchip& chip, Env& outer) : chip_(chip), outer_(outer) {}
  void note(Event event, SpanId span, std::uint64_t detail) override {
    if (is_instant(event)) outer_.note(event, span, detail);
  }
  void after(Duration delay, Tag tag) override { outer_.after(delay, tag); }
  void after(Duration delay, Tag tag, LaneId lane) override {
    outer_.after(delay, tag, LaneId{raw(chip_.config_.timers) + raw(lane)});
  }
  Time now() const override { return outer_.now(); }
  SpanId open(Cause cause, SpanId parent, std::uint32_t source) override {
    return outer_.open(cause, parent, source);
  }

 protected:
  Irqchip& chip_;
  Env& outer_;
};

class Irqchip::LapicEnv : public ChipEnv {
 public:
  using ChipEnv::ChipEnv;
  void send(PortId, const Message& message) override {
    if (const auto* change = std::get_if<CpuLineChange>(&message)) {
      if (change->line == CpuLine::Intr) return outer_.send(x86::LapicBank::kCpu, message);
      chip_.messages_.push_back(*change);
    }
    // The IOAPIC is told once the local APIC has finished: it may send at once, and the two would
    // call each other without end.
    if (std::holds_alternative<EoiMessage>(message)) chip_.level_ended_ = true;
  }
};

/// What a guest does itself, or its thread for it: the vCPU pays.
class Irqchip::GuestEnv final : public LapicEnv {
 public:
  using LapicEnv::LapicEnv;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    outer_.note(event, span, detail);
  }
};

/// A call to the registers themselves.
struct Irqchip::LapicCall {
  LapicCall(Irqchip& chip, Env& env) : outer(chip, env), bank(chip.apics_, outer) {}
  LapicEnv outer;
  x86::VirtualApics::BankEnv bank;
};

class Irqchip::IoapicEnv final : public ChipEnv {
 public:
  using ChipEnv::ChipEnv;
  void note(Event event, SpanId span, std::uint64_t detail) override {
    if (event == Event::IoapicSent) pin_ = Pin(static_cast<std::uint16_t>(detail));
    ChipEnv::note(event, span, detail);
  }
  void send(PortId, const Message& message) override {
    const auto* write = std::get_if<BusWrite>(&message);
    if (write == nullptr) return;
    sent_ = true;
    x86::ApicMessage decoded =
        chip_.decode({write->address, static_cast<std::uint32_t>(write->data)});
    decoded.redirection_hint = x86::RedirectionHint::Off;  // lowest priority says it all
    answer_ = chip_.deliver(decoded, write->span, outer_);
    remember_sent();
  }
  bool sent() const { return sent_; }
  /// How many accepted the latest message, or kNobody.
  Answer answer() const { return answer_; }

 private:
  /// With Quirk::RemoteIrrOnAcceptance the answer decides, whatever the delivery mode.
  void remember_sent() {
    x86::Rte entry = chip_.ioapic_.rte(pin_);
    if (!x86::Rte::TriggerModeBit::is_set(entry.bits)) {
      chip_.delivered_ |= 1u << raw(pin_);
      return;
    }
    if (!chip_.config_.quirks.has(x86::Quirk::RemoteIrrOnAcceptance)) return;
    entry.set_remote_irr(answer_ != 0);
    chip_.ioapic_.restore(pin_, entry, *this);
  }

  Pin pin_{};  // that sends
  bool sent_ = false;
  Answer answer_ = 0;
};

/// The 8259s' INT goes to LINT0 of every vCPU.
class Irqchip::PicEnv final : public ChipEnv {
 public:
  using ChipEnv::ChipEnv;
  void send(PortId, const Message& message) override {
    const auto* change = std::get_if<PinChange>(&message);
    if (change == nullptr) return;
    LapicEnv lapic(chip_, outer_);
    for (std::uint32_t cpu = 0; cpu < chip_.lapics().cpus(); ++cpu) {
      const Pin lint0 = x86::LapicBank::pin_of(CpuId{cpu}, x86::LocalPin::Lint0);
      chip_.apics_.on_pin({lint0, change->level, kPicDriver, kNoSpan}, lapic);
      if (chip_.lapics().extint_requested(CpuId{cpu})) chip_.apics_.kick(CpuId{cpu});
    }
  }
  static constexpr std::uint32_t kPicDriver = 0;       // of LINT0
  static constexpr std::uint32_t kExternalDriver = 1;  // KVM_INTERRUPT
};

/// An access that may be an EOI, or may change the PPR.
template <class Write>
void Irqchip::writing(CpuId cpu, std::uint32_t offset, Env& env, Write&& write) {
  using x86::LapicRegister;
  const std::optional<Vector> ending =
      offset == LapicRegister::kEoi ? lapics().isr(cpu).highest() : std::nullopt;
  level_ended_ = false;
  LapicCall lapic(*this, env);
  write(lapic.bank);
  const bool computes_ppr = offset == LapicRegister::kTpr || ending;
  if (computes_ppr) shadows_[raw(cpu)].stale_ppr.reset();
  if (ending && !lapics().isr(cpu).has(*ending)) finish_eoi(cpu, *ending, env);
}

}  // namespace irqfab::kvm
