#include "models/kvm/irqchip.hpp"

#include <algorithm>

namespace irqfab::kvm {

/// What a chip asks for, within the call under way. The chips' own prices are those of hardware; here
/// the calling task pays, so only events that are changes of state are passed on.
class Irqchip::ChipEnv : public Env {
 public:
  ChipEnv(Irqchip& chip, Env& outer) : chip_(chip), outer_(outer) {}
  void note(Event event, SpanId span, std::uint64_t detail) override {
    if (is_instant(event)) outer_.note(event, span, detail);
  }
  void after(Duration delay, Tag tag) override { outer_.after(delay, tag); }
  void after(Duration delay, Tag tag, LaneId lane) override { outer_.after(delay, tag, lane); }
  Time now() const override { return outer_.now(); }
  SpanId open(Cause cause, SpanId parent, std::uint32_t source) override {
    return outer_.open(cause, parent, source);
  }

 protected:
  Irqchip& chip_;
  Env& outer_;
};

class Irqchip::LapicEnv final : public ChipEnv {
 public:
  using ChipEnv::ChipEnv;
  void send(PortId, const Message& message) override {
    const auto* change = std::get_if<CpuLineChange>(&message);
    if (change != nullptr && change->line != CpuLine::Intr) chip_.messages_.push_back(*change);
    // The IOAPIC is told once the local APIC has finished: it may send at once, and the two would
    // call each other without end.
    if (const auto* eoi = std::get_if<EoiMessage>(&message)) chip_.broadcast_.push_back(eoi->vector);
  }
};

class Irqchip::IoapicEnv final : public ChipEnv {
 public:
  using ChipEnv::ChipEnv;
  void send(PortId, const Message& message) override {
    const auto* write = std::get_if<BusWrite>(&message);
    if (write == nullptr) return;
    sent_ = true;
    LapicEnv lapic(chip_, outer_);
    const auto data = static_cast<std::uint32_t>(write->data);
    accepted_ += chip_.lapics_.on_message(x86::decode({write->address, data}), write->span, lapic);
  }
  bool sent() const { return sent_; }
  unsigned accepted() const { return accepted_; }

 private:
  bool sent_ = false;
  unsigned accepted_ = 0;
};

namespace {

x86::IoApic::Config ioapic_config(const Irqchip::Config& config) {
  x86::IoApic::Config out;
  out.version = x86::IoApicVersion::V11;  // what KVM reports
  out.mutants = config.mutants;
  return out;
}

x86::LapicBank::Config lapic_config(const Irqchip::Config& config) {
  x86::LapicBank::Config out;
  out.ids = config.ids;
  out.eoi_suppression = x86::EoiSuppression::Absent;
  out.timer_hz = 0;  // nobody here passes expiries on
  out.tsc_hz = 0;
  out.quirks = config.quirks;
  out.mutants = config.mutants;
  return out;
}

}  // namespace

Irqchip::Irqchip(const Config& config)
    : ioapic_(ioapic_config(config)), lapics_(lapic_config(config)) {}

Answer Irqchip::signal_msi(const x86::MsiMessage& message, SpanId span, Env& env) {
  LapicEnv lapic(*this, env);
  return lapics_.on_message(x86::decode(message), span, lapic);
}

bool Irqchip::announce(Gsi gsi, std::uint32_t source, Level level) {
  const auto at = std::find_if(high_.begin(), high_.end(), [&](const Line& line) {
    return line.gsi == gsi && line.source == source;
  });
  const bool was_high = at != high_.end();
  if (level == Level::High && !was_high) high_.push_back({gsi, source});
  if (level == Level::Low && was_high) high_.erase(at);
  return level == Level::High && !was_high;
}

Answer Irqchip::set_line(Gsi gsi, std::uint32_t source, Level level, SpanId span, Env& env) {
  Answer sum = -1;
  SpanId left = span;  // the first route takes it; further ones get forks
  for (const Route& route : routing_.of(gsi)) {
    Answer answer = -1;
    if (route.target == RouteTarget::Msi) {
      if (level == Level::Low) continue;
      // Every call with level 1 sends the message, a rise or not.
      if (left == kNoSpan) left = env.open(Cause::Software, span);
      answer = signal_msi(route.message, left, env);
    } else if (route.target == RouteTarget::IoapicPin) {
      if (left == kNoSpan && span != kNoSpan) left = env.open(Cause::Fork, span);
      answer = set_pin(route.pin, source, level, left, env);
    } else {
      continue;
    }
    left = kNoSpan;
    if (answer >= 0) sum = (sum < 0 ? 0 : sum) + answer;
  }
  if (left != kNoSpan) env.drop(left, DropReason::NoRoute);
  return sum;
}

Answer Irqchip::set_pin(Pin pin, std::uint32_t source, Level level, SpanId span, Env& env) {
  const x86::Rte before = ioapic_.rte(pin);
  const Level was = ioapic_.level(pin);
  IoapicEnv chip(*this, env);
  ioapic_.on_pin(PinChange{pin, level, source, span}, chip);
  if (chip.sent()) return chip.accepted();
  if (level == Level::Low) return 1;
  if (before.masked() || (before.level_sensitive() && before.remote_irr())) return -1;
  return was == Level::High ? 0 : 1;
}

IntaAnswer Irqchip::on_inta(CpuId cpu, Env& env) {
  LapicEnv lapic(*this, env);
  return lapics_.on_inta(cpu, lapic);
}

void Irqchip::write_apic(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  LapicEnv lapic(*this, env);
  lapics_.write(cpu, offset, value, lapic);
  finish_eois(env);
}

void Irqchip::write_entry(Pin pin, std::uint64_t bits, Env& env) {
  IoapicEnv chip(*this, env);
  const std::uint32_t index = 0x10 + 2u * raw(pin);
  ioapic_.write(x86::IoApic::kIoRegSel, index + 1, chip);
  ioapic_.write(x86::IoApic::kIoWin, static_cast<std::uint32_t>(bits >> 32), chip);
  ioapic_.write(x86::IoApic::kIoRegSel, index, chip);
  ioapic_.write(x86::IoApic::kIoWin, static_cast<std::uint32_t>(bits), chip);
}

void Irqchip::finish_eois(Env& env) {
  while (!broadcast_.empty()) {
    const Vector vector = broadcast_.front();
    broadcast_.erase(broadcast_.begin());
    lower_resamplers(vector, env);
    IoapicEnv chip(*this, env);
    ioapic_.on_eoi(vector, chip);
  }
}

/// Of the pins that this EOI acknowledges.
void Irqchip::lower_resamplers(Vector vector, Env& env) {
  for (const Gsi gsi : resampled_) {
    for (const Route& route : routing_.of(gsi)) {
      if (route.target != RouteTarget::IoapicPin) continue;
      const x86::Rte rte = ioapic_.rte(route.pin);
      if (!rte.remote_irr() || rte.vector() != vector) continue;
      announce(gsi, kResamplerSource, Level::Low);
      set_pin(route.pin, kResamplerSource, Level::Low, kNoSpan, env);
    }
  }
}

std::vector<CpuLineChange> Irqchip::take_messages() {
  std::vector<CpuLineChange> taken;
  taken.swap(messages_);
  return taken;
}

void Irqchip::held_spans(std::vector<SpanId>& out) const {
  ioapic_.held_spans(out);
  lapics_.held_spans(out);
  for (const CpuLineChange& message : messages_) {
    if (message.span != kNoSpan) out.push_back(message.span);
  }
}

}  // namespace irqfab::kvm
