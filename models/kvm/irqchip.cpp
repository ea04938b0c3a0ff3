#include "models/kvm/irqchip.hpp"

#include <algorithm>
#include <bitset>
#include <tuple>

#include "models/kvm/irqchip_env.hpp"

namespace irqfab::kvm {
namespace {

constexpr std::size_t kMostPins = 120;  // of any IOAPIC
constexpr std::uint32_t kNoFlags = 0;
constexpr std::uint32_t kMsiValidDevid = 1;  // KVM_MSI_VALID_DEVID: taken, and without effect

x86::IoApic::Config ioapic_config(const Irqchip::Config& config) {
  x86::IoApic::Config out;
  out.version = x86::IoApicVersion::V11;  // what KVM reports
  if (config.quirks.has(x86::Quirk::RemoteIrrOnAcceptance)) {
    out.quirks.add(x86::Quirk::RemoteIrrOnAcceptance);
  }
  out.mutants = config.mutants;
  return out;
}

x86::LapicBank::Config lapic_config(const Irqchip::Config& config) {
  x86::LapicBank::Config out;
  out.ids = config.ids;
  out.bootstrap = std::nullopt;
  const auto first = std::find(config.ids.begin(), config.ids.end(), ApicId{0});
  if (first != config.ids.end()) {
    out.bootstrap = CpuId{static_cast<std::uint32_t>(first - config.ids.begin())};
  }
  // User space's IOAPIC may have an EOI register; KVM's has none.
  out.eoi_suppression =
      config.kind == IrqchipKind::Split ? config.eoi_suppression : x86::EoiSuppression::Absent;
  // User space's 8259 of a split irqchip asks through KVM_INTERRUPT.
  const bool external = config.kind == IrqchipKind::Split;
  out.pic = external ? x86::ExternalPic::Present : config.pic;
  out.msi_destination = config.destination;
  const bool off = config.broadcast_quirk == BroadcastQuirk::Off;
  out.short_broadcast = off ? x86::ShortBroadcast::XapicOnly : x86::ShortBroadcast::Everybody;
  out.timer_hz = config.timer_hz;
  out.tsc_hz = 0;
  out.quirks = config.quirks;
  out.mutants = config.mutants;
  return out;
}

x86::VirtualApics::Config apic_config(const Irqchip::Config& config) {
  x86::VirtualApics::Config out;
  out.lapics = lapic_config(config);
  out.virtualization = config.virtualization;
  out.controls = config.controls;
  out.x2avic = config.x2avic;
  return out;
}

x86::Pic::Config pic_config(const Irqchip::Config& config) {
  x86::Pic::Config out;
  out.quirks = config.quirks;
  return out;
}

std::uint32_t bit_of(Pin pin) { return 1u << raw(pin); }

}  // namespace

Irqchip::Irqchip(const Config& config)
    : config_(config),
      routing_(config.kind, config.destination, config.max_routes),
      ioapic_(ioapic_config(config)),
      apics_(apic_config(config)),
      pic_(pic_config(config)),
      rtc_(config.ids.size()),
      shadows_(config.ids.size()) {}

x86::ApicMessage Irqchip::decode(const x86::MsiMessage& message) const {
  x86::ApicMessage out = x86::decode(message, config_.destination);
  // 0xFF names a LAPIC then, where ids are that long.
  if (config_.broadcast_quirk == BroadcastQuirk::Off) out.format = x86::DestinationFormat::X2apic;
  return out;
}

Answer Irqchip::check_msi(const x86::MsiMessage& message, std::uint32_t flags) const {
  const bool valid = config_.kind != IrqchipKind::None && (flags & ~kMsiValidDevid) == kNoFlags &&
                     !(config_.destination == x86::MsiDestination::Bits32 &&
                       x86::MsiAddress::ReservedUpper::get(message.address) != 0);
  return valid ? 0 : kEINVAL;
}

Answer Irqchip::signal_msi(const x86::MsiMessage& message, SpanId span, Env& env) {
  return deliver(decode(message), span, env);
}

Answer Irqchip::deliver(const x86::ApicMessage& message, SpanId span, Env& env) {
  LapicEnv lapic(*this, env);
  const unsigned accepted = apics_.on_message(message, span, lapic);
  if (accepted > 0) return accepted;
  return lapics().asked_nobody(message) ? kNobody : 0;
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

bool Irqchip::route_is_live(const Route& route, Level level) const {
  if (route.target == RouteTarget::Msi) return level == Level::High;
  return route.target == RouteTarget::IoapicPin || config_.pic == x86::ExternalPic::Present;
}

Answer Irqchip::set_line(const LineChange& change, SpanId span, Env& env) {
  Answer sum = -1;
  SpanId left = span;  // the first route takes it; further ones get forks
  for (const Route& route : routing_.of(change.gsi)) {
    if (!route_is_live(route, change.level)) continue;
    const bool is_message = route.target == RouteTarget::Msi;
    // Every call with level 1 sends the message, a rise or not.
    if (left == kNoSpan && is_message) left = env.open(Cause::Software, span);
    if (left == kNoSpan && span != kNoSpan) left = env.open(Cause::Fork, span);
    const Answer answer = set_route(route, change, left, env);
    left = kNoSpan;
    if (answer >= 0) sum = (sum < 0 ? 0 : sum) + answer;
  }
  if (left != kNoSpan) env.drop(left, DropReason::NoRoute);
  return sum;
}

Answer Irqchip::set_route(const Route& route, const LineChange& change, SpanId span, Env& env) {
  switch (route.target) {
    case RouteTarget::Msi:
      return signal_msi(route.message, span, env);
    case RouteTarget::IoapicPin:
      return set_ioapic_pin(route.pin, change, span, env);
    default:
      return set_pic_pin(route, change.source, change.level, span, env);
  }
}

/// The sources of a pin are ORed first: one that falls while another stays high is looked at like a
/// level that rises again.
Answer Irqchip::set_ioapic_pin(Pin pin, const LineChange& change, SpanId span, Env& env) {
  const bool told = pin == kRtcPin && change.status == LineStatus::Told;
  if (told && change.level == Level::High && rtc_.left() > 0) {
    if (span != kNoSpan) env.drop(span, DropReason::PresentedAlready);
    return 0;
  }
  IoapicEnv chip(*this, env);
  ioapic_.on_pin(PinChange{pin, change.level, change.source, span}, chip);
  const Answer answer = look_at_pin(pin, chip);
  if (told && chip.sent()) count_rtc(chip.answer());
  return answer;
}

/// Whoever has the vector pending now has accepted it, as far as the registers tell.
void Irqchip::count_rtc(Answer accepted) {
  rtc_.sent(accepted);
  const x86::ApicMessage message = decode(ioapic_.rte(kRtcPin).message());
  for (std::uint32_t i = 0; i < shadows_.size() && accepted > 0; ++i) {
    const CpuId cpu{i};
    if (!lapics().addresses(message, cpu) || !lapics().irr(cpu).has(message.vector)) continue;
    rtc_.accepted(cpu, message.vector);
    --accepted;
  }
}

Answer Irqchip::look_at_pin(Pin pin, IoapicEnv& chip) {
  if (ioapic_.level(pin) == Level::Low) {
    latched_ &= ~bit_of(pin);
    delivered_ &= ~bit_of(pin);
    return 1;
  }
  const bool was_latched = (latched_ & bit_of(pin)) != 0;
  latched_ |= bit_of(pin);
  if (chip.sent()) return chip.answer();
  const x86::Rte entry = ioapic_.rte(pin);
  const bool level_entry = x86::Rte::TriggerModeBit::is_set(entry.bits);
  if (!level_entry && was_latched) {
    delivered_ &= ~bit_of(pin);  // it shows in the image again
    return 0;
  }
  if (entry.masked() || (level_entry && entry.remote_irr())) return -1;
  ioapic_.evaluate(pin, chip);
  return chip.answer();
}

/// -1 if masked, 0 if the request was there already.
Answer Irqchip::set_pic_pin(const Route& route, std::uint32_t source, Level level, SpanId span,
                            Env& env) {
  const bool master = route.target == RouteTarget::PicMasterPin;
  const auto role = master ? x86::PicRole::Master : x86::PicRole::Slave;
  const unsigned first = master ? 0 : x86::kIrCount;
  const std::uint8_t bit = x86::bit_of(x86::Ir(static_cast<std::uint8_t>(raw(route.pin))));
  const x86::PicChip before = pic_.chip(role);
  const auto pin = Pin(static_cast<std::uint16_t>(first + raw(route.pin)));
  PicEnv chip(*this, env);
  pic_.on_pin(PinChange{pin, level, source, span}, chip);
  const x86::PicChip& after = pic_.chip(role);
  if ((after.imr() & bit) != 0) return -1;
  const bool high = level == Level::High || (after.lines() & bit) != 0;  // of any source
  const bool asks = (after.elcr() & bit) != 0 || (before.lines() & bit) == 0;
  return high && asks && (before.irr() & bit) != 0 ? 0 : 1;
}

IntaAnswer Irqchip::on_inta(CpuId cpu, Env& env) {
  const bool scans = raw(cpu) < shadows_.size() && shadows_[raw(cpu)].scan_requested;
  if (scans) scan(cpu);  // a vCPU that asks runs
  LapicCall lapic(*this, env);
  if (!lapics().extint_requested(cpu)) return apics_.take(cpu, lapic.outer);
  apics_.extint_asked(cpu);
  IntaAnswer answer;
  if (std::optional<Vector>& external = shadows_[raw(cpu)].external) {
    answer = {cpu, *external, false, kNoSpan};
    external.reset();
    const Pin lint0 = x86::LapicBank::pin_of(cpu, x86::LocalPin::Lint0);
    apics_.on_pin({lint0, Level::Low, PicEnv::kExternalDriver, kNoSpan}, lapic.outer);
  } else {
    PicEnv chip(*this, env);
    answer = pic_.on_inta(cpu, chip);
  }
  apics_.lapics().extint_answered(answer, lapic.bank);
  return answer;
}

void Irqchip::on_timer(CpuId cpu, Tag tag, Env& env) {
  LapicEnv lapic(*this, env);
  apics_.on_elapsed({tag, 1 + raw(cpu)}, lapic);
}

void Irqchip::write_apic(CpuId cpu, std::uint32_t offset, std::uint32_t value, Env& env) {
  if (raw(cpu) >= shadows_.size()) return env.guest_error(GuestFault::TableIndexOutOfRange);
  writing(cpu, offset, env, [&](Env& lapic) { apics_.lapics().write(cpu, offset, value, lapic); });
  const bool readdresses = offset == x86::LapicRegister::kId ||
                           offset == x86::LapicRegister::kLdr || offset == x86::LapicRegister::kDfr;
  if (readdresses) request_scan();
}

void Irqchip::write_entry(Pin pin, std::uint64_t bits, Env& env) {
  IoapicEnv chip(*this, env);
  const std::uint32_t index = 0x10 + 2u * raw(pin);
  ioapic_.write(x86::IoApic::kIoRegSel, index + 1, chip);
  ioapic_.write(x86::IoApic::kIoWin, static_cast<std::uint32_t>(bits >> 32), chip);
  ioapic_.write(x86::IoApic::kIoRegSel, index, chip);
  ioapic_.write(x86::IoApic::kIoWin, static_cast<std::uint32_t>(bits), chip);
  // The guest that wrote it runs: every vCPU has looked before it ends an interrupt.
  request_scan();
  for (std::uint32_t cpu = 0; cpu < shadows_.size(); ++cpu) scan(CpuId{cpu});
}

void Irqchip::write_port(std::uint16_t port, std::uint8_t value, Env& env) {
  if (config_.pic == x86::ExternalPic::Absent) {
    return env.guest_error(GuestFault::UnknownRegister);
  }
  PicEnv chip(*this, env);
  pic_.write(port, value, chip);
}

void Irqchip::finish_eoi(CpuId cpu, Vector vector, Env& env) {
  const bool unseen =
      config_.quirks.has(x86::Quirk::EoiNeedsScan) && !shadows_[raw(cpu)].forwarded.has(vector);
  const bool told = config_.kind == IrqchipKind::Split && shadows_[raw(cpu)].forwarded.has(vector);
  if (told) shadows_[raw(cpu)].user_eoi = vector;
  if (unseen || config_.kind != IrqchipKind::Full) return;
  const bool level = level_ended_;
  rtc_.ended(cpu, vector);
  lower_resamplers(vector, env);
  if (!level) return;
  std::bitset<kMostPins> never_accepted;
  for (std::uint16_t n = 0; n < ioapic_.pins(); ++n) {
    const x86::Rte entry = ioapic_.rte(Pin{n});
    never_accepted[n] = entry.vector() == vector && !entry.remote_irr();
  }
  IoapicEnv chip(*this, env);
  ioapic_.on_eoi(vector, chip);
  for (std::uint16_t n = 0; n < ioapic_.pins(); ++n) {
    const bool again =
        never_accepted[n] && x86::Rte::TriggerModeBit::is_set(ioapic_.rte(Pin{n}).bits);
    if (again) ioapic_.evaluate(Pin{n}, chip);
  }
}

/// Of the pins that this EOI acknowledges, edges included.
void Irqchip::lower_resamplers(Vector vector, Env& env) {
  if (resampled_.empty()) return;
  for (std::uint16_t n = 0; n < ioapic_.pins(); ++n) {
    if (ioapic_.rte(Pin{n}).vector() != vector) continue;
    const std::optional<Gsi> gsi = routing_.gsi_of(RouteTarget::IoapicPin, Pin{n});
    if (!gsi || std::find(resampled_.begin(), resampled_.end(), *gsi) == resampled_.end()) continue;
    announce(*gsi, kResamplerSource, Level::Low);
    set_line({*gsi, kResamplerSource, Level::Low}, kNoSpan, env);
    acknowledged_.push_back(*gsi);
  }
}

void Irqchip::add_resampler(Gsi gsi) {
  resampled_.push_back(gsi);
  request_scan();
}

/// The last of a GSI takes its source down.
void Irqchip::remove_resampler(Gsi gsi, Env& env) {
  const auto at = std::find(resampled_.begin(), resampled_.end(), gsi);
  if (at == resampled_.end()) return;
  resampled_.erase(at);
  request_scan();
  if (std::find(resampled_.begin(), resampled_.end(), gsi) != resampled_.end()) return;
  announce(gsi, kResamplerSource, Level::Low);
  set_line({gsi, kResamplerSource, Level::Low}, kNoSpan, env);
}

std::vector<CpuLineChange> Irqchip::take_messages() { return std::exchange(messages_, {}); }
std::vector<Gsi> Irqchip::take_acknowledged() { return std::exchange(acknowledged_, {}); }

void Irqchip::held_spans(std::vector<SpanId>& out) const {
  ioapic_.held_spans(out);
  apics_.held_spans(out);
  pic_.held_spans(out);
  for (const CpuLineChange& message : messages_) {
    if (message.span != kNoSpan) out.push_back(message.span);
  }
}

bool operator==(const Irqchip& a, const Irqchip& b) {
  const auto own = [](const Irqchip& chip) {
    return std::tie(chip.routing_, chip.ioapic_, chip.apics_, chip.pic_, chip.latched_,
                    chip.delivered_, chip.rtc_, chip.shadows_, chip.high_, chip.resampled_);
  };
  return own(a) == own(b);
}

}  // namespace irqfab::kvm
