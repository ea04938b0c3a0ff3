#include "fabric/recording/fields.hpp"

#include <array>
#include <limits>

#include "fabric/recording/field_scanner.hpp"
#include "fabric/recording/guest_access.hpp"
#include "models/x86/lapic_registers.hpp"
#include "models/x86/pic_ports.hpp"

namespace irqfab::recording {
namespace {

using Reg = x86::LapicRegister;
using x86::DeliveryMode;
using x86::DestinationMode;
using x86::RedirectionHint;
using x86::TriggerMode;

constexpr std::uint64_t kMax8 = 0xFF;
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

constexpr std::array<std::string_view, 8> kModes = {"Fixed", "LowPrio", "SMI",  "Res3",
                                                    "NMI",   "INIT",    "SIPI", "ExtINT"};
constexpr std::array<std::string_view, 2> kDestinationModes = {"physical", "logical"};
constexpr std::array<std::string_view, 2> kTriggers = {"edge", "level"};
constexpr std::array<std::string_view, 2> kLevels = {"de-assert", "assert"};
constexpr std::array<std::string_view, 4> kShorthands = {"dst", "self", "all", "all-but-self"};
constexpr std::size_t kIrqchipCount = 3;
constexpr std::array<std::string_view, 2 * kIrqchipCount> kIrqchips = {
    "PIC master", "PIC slave", "IOAPIC", "0", "1", "2"};  // numbers without CONFIG_KVM_IOAPIC

struct RegisterName {
  std::string_view name;
  std::uint32_t offset;
};
constexpr std::array<RegisterName, 28> kRegisters = {{
    {"APIC_ID", Reg::kId},
    {"APIC_LVR", Reg::kVersion},
    {"APIC_TASKPRI", Reg::kTpr},
    {"APIC_ARBPRI", Reg::kApr},
    {"APIC_PROCPRI", Reg::kPpr},
    {"APIC_EOI", Reg::kEoi},
    {"APIC_RRR", 0xC0},
    {"APIC_LDR", Reg::kLdr},
    {"APIC_DFR", Reg::kDfr},
    {"APIC_SPIV", Reg::kSvr},
    {"APIC_ISR", Reg::kIsr},
    {"APIC_TMR", Reg::kTmr},
    {"APIC_IRR", Reg::kIrr},
    {"APIC_ESR", Reg::kEsr},
    {"APIC_ICR", Reg::kIcrLow},
    {"APIC_ICR2", Reg::kIcrHigh},
    {"APIC_LVTT", Reg::kLvtTimer},
    {"APIC_LVTTHMR", 0x330},
    {"APIC_LVTPC", 0x340},
    {"APIC_LVT0", kLvtLint0},
    {"APIC_LVT1", kLvtLint1},
    {"APIC_LVTERR", Reg::kLvtError},
    {"APIC_TMICT", Reg::kInitialCount},
    {"APIC_TMCCT", Reg::kCurrentCount},
    {"APIC_TDCR", Reg::kDivideConfiguration},
    {"APIC_SELF_IPI", kSelfIpi},
    {"APIC_EFEAT", 0x400},
    {"APIC_ECTRL", 0x410},
}};
constexpr auto kRegisterWords = [] {
  std::array<std::string_view, kRegisters.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = kRegisters[i].name;
  return words;
}();

DeliveryMode mode(FieldScanner& in) { return static_cast<DeliveryMode>(in.one_of(kModes)); }
DestinationMode destination_mode(FieldScanner& in) {
  return static_cast<DestinationMode>(in.one_of(kDestinationModes));
}
TriggerMode trigger(FieldScanner& in) { return static_cast<TriggerMode>(in.one_of(kTriggers)); }
Mask masked(FieldScanner& in) { return in.accept("|masked") ? Mask::On : Mask::Off; }
Coalescing coalesced(FieldScanner& in) {
  return in.accept("(coalesced)") ? Coalescing::Yes : Coalescing::No;
}
ApicId apic_id(FieldScanner& in) { return static_cast<ApicId>(in.hexadecimal(kMax32)); }

/// `vec 65`; the IOAPIC's event was printed `vec=65` before Linux 4.10.
Vector vector(FieldScanner& in) {
  in.expect("vec");
  in.accept("=");
  return static_cast<Vector>(in.decimal(kMax8));
}

What msi_set_irq(FieldScanner& in) {
  MsiSetIrq e;
  in.expect("dst");
  e.dst = static_cast<std::uint32_t>(in.hexadecimal(kMax32));
  e.vector = vector(in);
  in.expect("(");
  e.mode = mode(in);
  in.expect("|");
  e.destination_mode = destination_mode(in);
  in.expect("|");
  e.trigger = trigger(in);
  if (in.accept("|rh")) e.hint = RedirectionHint::On;
  in.expect(")");
  return e;
}

What set_irq(FieldScanner& in) {
  SetIrq e;
  in.expect("gsi");
  e.gsi = static_cast<Gsi>(in.decimal(kMax32));
  in.expect("level");
  e.level = in.signed_decimal() != 0 ? Level::High : Level::Low;
  in.expect("source");
  e.source = static_cast<std::uint32_t>(in.decimal(0xFFFF));
  return e;
}

What ioapic_set_irq(FieldScanner& in) {
  IoapicSetIrq e;
  in.expect("pin");
  e.pin = static_cast<Pin>(in.decimal(kMax8));
  in.expect("dst");
  e.dst = static_cast<std::uint8_t>(in.hexadecimal(kMax8));
  e.vector = vector(in);
  in.expect("(");
  e.mode = mode(in);
  in.expect("|");
  e.destination_mode = destination_mode(in);
  in.expect("|");
  e.trigger = trigger(in);
  e.mask = masked(in);
  in.expect(")");
  e.coalesced = coalesced(in);
  return e;
}

What pic_set_irq(FieldScanner& in) {
  PicSetIrq e;
  in.expect("chip");
  e.chip = in.decimal(1) == 0 ? Irqchip::PicMaster : Irqchip::PicSlave;
  in.expect("pin");
  e.pin = static_cast<Pin>(in.decimal(15));
  in.expect("(");
  e.trigger = trigger(in);
  e.mask = masked(in);
  in.expect(")");
  e.coalesced = coalesced(in);
  return e;
}

What accept_irq(FieldScanner& in) {
  AcceptIrq e;
  in.expect("apicid");
  e.apic = apic_id(in);
  e.vector = vector(in);
  in.expect("(");
  e.mode = mode(in);
  in.expect("|");
  e.trigger = trigger(in);
  in.expect(")");
  e.coalesced = coalesced(in);
  return e;
}

What eoi(FieldScanner& in) {
  Eoi e;
  in.expect("apicid");
  e.apic = apic_id(in);
  in.expect("vector");
  if (in.accept("-1")) return e;
  e.vector = static_cast<Vector>(in.decimal(kMax8));
  return e;
}

What apic_access(FieldScanner& in) {
  constexpr std::array<std::string_view, 2> kAccesses = {"apic_read", "apic_write"};
  ApicAccess e;
  e.access = static_cast<Access>(in.one_of(kAccesses));
  if (in.accept("0x")) {
    e.offset = static_cast<std::uint32_t>(in.hexadecimal(kMax32));
  } else {
    e.offset = kRegisters[in.one_of(kRegisterWords)].offset;
  }
  in.expect("=");
  in.expect("0x");
  e.value = in.hexadecimal(kMax64);
  return e;
}

What ack_irq(FieldScanner& in) {
  AckIrq e;
  in.expect("irqchip");
  e.chip = static_cast<Irqchip>(in.one_of(kIrqchips) % kIrqchipCount);
  in.expect("pin");
  e.pin = static_cast<Pin>(in.decimal(kMax8));
  return e;
}

What apic_ipi(FieldScanner& in) {
  ApicIpi e;
  in.expect("dst");
  e.dst = static_cast<std::uint32_t>(in.hexadecimal(kMax32));
  e.vector = vector(in);
  in.expect("(");
  e.mode = mode(in);
  in.expect("|");
  e.destination_mode = destination_mode(in);
  in.expect("|");
  e.level = static_cast<Level>(in.one_of(kLevels));
  in.expect("|");
  e.trigger = trigger(in);
  in.expect("|");
  e.shorthand = static_cast<Shorthand>(in.one_of(kShorthands));
  in.expect(")");
  return e;
}

What mmio(FieldScanner& in) {
  constexpr std::array<std::string_view, 3> kKinds = {"unsatisfied-read", "read", "write"};
  in.expect("mmio");
  const bool write = in.one_of(kKinds) == 2;
  in.expect("len");
  in.decimal(kMax32);
  in.expect("gpa");
  in.expect("0x");
  const std::uint64_t address = in.hexadecimal(kMax64);
  in.expect("val");
  in.expect("0x");
  const std::uint64_t value = in.hexadecimal(kMax64);
  if (!write || !in_ioapic_page(address)) return Other{};
  return IoapicMmioWrite{offset_in_ioapic_page(address), static_cast<std::uint32_t>(value)};
}

What msr(FieldScanner& in) {
  constexpr std::array<std::string_view, 2> kAccesses = {"msr_read", "msr_write"};
  const bool write = in.one_of(kAccesses) == 1;
  const std::uint64_t index = in.hexadecimal(kMax32);
  in.expect("=");
  in.expect("0x");
  const std::uint64_t value = in.hexadecimal(kMax64);
  const bool faulted = in.accept("(#GP)");
  if (!write || faulted || !is_apic_msr(index)) return Other{};
  return ApicMsrWrite{static_cast<std::uint32_t>(index), value};
}

/// Of string instructions only the first value is printed; before Linux 3.14 none is.
What pio(FieldScanner& in) {
  constexpr std::array<std::string_view, 2> kAccesses = {"pio_read", "pio_write"};
  const bool write = in.one_of(kAccesses) == 1;
  in.expect("at");
  in.expect("0x");
  const std::uint64_t port = in.hexadecimal(kMax32);
  in.expect("size");
  const std::uint64_t size = in.decimal(kMax32);
  in.expect("count");
  const std::uint64_t count = in.decimal(kMax32);
  if (!in.accept("val")) return Other{};
  in.expect("0x");
  const std::uint64_t value = in.hexadecimal(kMax32);
  if (!write || size != 1 || count != 1 || !x86::pic_port(port)) return Other{};
  return PicPortWrite{static_cast<std::uint16_t>(port), static_cast<std::uint8_t>(value)};
}

/// Formats without the vCPU are older than Linux 5.4 (kvm_exit); they say nothing that is needed.
What vcpu_ran(FieldScanner& in) {
  if (!in.accept("vcpu ")) return Other{};
  return VcpuRan{static_cast<ApicId>(in.decimal(kMax32))};
}

What vcpu_woken(FieldScanner& in) {
  constexpr std::array<std::string_view, 2> kWays = {"wait", "poll"};
  in.one_of(kWays);
  in.expect("time");
  const std::int64_t waited = in.signed_decimal();
  in.expect("ns");
  return VcpuWoken{waited > 0 ? static_cast<std::uint64_t>(waited) : 0};
}

enum class Rest : std::uint8_t { Known, Free };  // what may follow the fields that are read
struct Reader {
  std::string_view event;
  What (*read)(FieldScanner&);
  Rest rest;
};
constexpr std::array<Reader, 16> kReaders = {{
    {"kvm_msi_set_irq", msi_set_irq, Rest::Known},
    {"kvm_set_irq", set_irq, Rest::Known},
    {"kvm_ioapic_set_irq", ioapic_set_irq, Rest::Known},
    {"kvm_pic_set_irq", pic_set_irq, Rest::Known},
    {"kvm_apic_accept_irq", accept_irq, Rest::Known},
    {"kvm_eoi", eoi, Rest::Known},
    {"kvm_apic", apic_access, Rest::Known},
    {"kvm_ack_irq", ack_irq, Rest::Known},
    {"kvm_apic_ipi", apic_ipi, Rest::Known},
    {"kvm_mmio", mmio, Rest::Known},
    {"kvm_msr", msr, Rest::Known},
    {"kvm_pio", pio, Rest::Known},
    {"kvm_entry", vcpu_ran, Rest::Free},
    {"kvm_exit", vcpu_ran, Rest::Free},
    {"kvm_halt_poll_ns", vcpu_ran, Rest::Free},
    {"kvm_vcpu_wakeup", vcpu_woken, Rest::Free},
}};

/// `print` is what a program wrote; ftrace itself names it by the function that was called.
std::optional<std::string_view> marker_text(std::string_view event, std::string_view text) {
  constexpr std::string_view kWriter = "tracing_mark_write";
  if (event == kWriter) return text;
  if (event != "print") return std::nullopt;
  const std::size_t colon = text.find(": ");
  return colon == std::string_view::npos ? text : text.substr(colon + 2);
}

}  // namespace

Fields read_fields(std::string_view event, std::string_view text) {
  if (const auto marker = marker_text(event, text)) return {Marker{trimmed(*marker)}, {}, {}};
  for (const Reader& reader : kReaders) {
    if (reader.event != event) continue;
    FieldScanner in(text);
    Fields fields;
    fields.what = reader.read(in);
    if (!in.ok()) {
      fields.error = FieldError{in.at(), in.expected()};
    } else if (reader.rest == Rest::Known && !std::holds_alternative<Other>(fields.what)) {
      fields.rest = in.rest();
    }
    return fields;
  }
  return {};
}

}  // namespace irqfab::recording
