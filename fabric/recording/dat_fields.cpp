#include "fabric/recording/dat_fields.hpp"

#include <limits>

#include "fabric/recording/guest_access.hpp"
#include "fabric/recording/icr.hpp"
#include "models/base/field.hpp"
#include "models/x86/pic_ports.hpp"
#include "models/x86/rte.hpp"

namespace irqfab::recording {
namespace {

using x86::DeliveryMode;
using x86::DestinationMode;
using x86::MsiAddress;
using x86::MsiData;
using x86::RedirectionHint;
using x86::Rte;
using x86::TriggerMode;

constexpr std::uint64_t kMax8 = 0xFF;
constexpr std::uint64_t kMax16 = 0xFFFF;
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

/// Takes the numbers of an event one after the other. The first that is missing or out of range is
/// remembered, and everything after it is answered with zero.
class Numbers {
 public:
  Numbers(const irqfab_dat_kind& kind, const DatNumbers& numbers)
      : kind_(kind), numbers_(numbers) {}

  bool has(std::size_t field) const { return (numbers_.present >> field & 1) != 0; }
  std::uint64_t take(std::size_t field, std::uint64_t max) {
    if (!expected_.empty()) return 0;
    if (!has(field)) {
      expected_ = std::string("the field ") + kind_.fields[field];
      return 0;
    }
    const std::uint64_t value = numbers_.values[field];
    if (value <= max) return value;
    expected_ = std::string(kind_.fields[field]) + " of at most " + std::to_string(max);
    return 0;
  }
  std::uint64_t take(std::size_t field) {
    return take(field, std::numeric_limits<std::uint64_t>::max());
  }
  bool is_set(std::size_t field) { return take(field) != 0; }
  /// A flag that not every kernel records.
  bool may_be_set(std::size_t field) { return has(field) && is_set(field); }
  const std::string& expected() const { return expected_; }

 private:
  const irqfab_dat_kind& kind_;
  const DatNumbers& numbers_;
  std::string expected_;
};

Coalescing coalescing(bool coalesced) { return coalesced ? Coalescing::Yes : Coalescing::No; }
Mask mask(bool masked) { return masked ? Mask::On : Mask::Off; }
TriggerMode trigger(bool level) { return level ? TriggerMode::Level : TriggerMode::Edge; }

/// With KVM_CAP_X2APIC_API the address has bits 31..8 of the destination in its own bits 63..40.
using DestinationHigh = Field<63, 40>;
constexpr unsigned kDestinationLowBits = 8;

What msi_set_irq(Numbers& in) {
  const std::uint64_t address = in.take(0);
  const auto data = static_cast<std::uint32_t>(in.take(1));
  MsiSetIrq e;
  e.dst = static_cast<std::uint32_t>(MsiAddress::DestinationId::get(address) |
                                     DestinationHigh::get(address) << kDestinationLowBits);
  e.vector = static_cast<Vector>(MsiData::Vector::get(data));
  e.mode = static_cast<DeliveryMode>(MsiData::DeliveryMode::get(data));
  e.destination_mode = static_cast<DestinationMode>(MsiAddress::Dm::get(address));
  e.trigger = static_cast<TriggerMode>(MsiData::TriggerMode::get(data));
  e.hint = static_cast<RedirectionHint>(MsiAddress::Rh::get(address));
  return e;
}

What set_irq(Numbers& in) {
  SetIrq e;
  e.gsi = static_cast<Gsi>(in.take(0, kMax32));
  e.level = in.is_set(1) ? Level::High : Level::Low;
  e.source = static_cast<std::uint32_t>(in.take(2, kMax16));
  return e;
}

What ioapic_set_irq(Numbers& in) {
  const Rte entry{in.take(0)};
  IoapicSetIrq e;
  e.pin = static_cast<Pin>(in.take(1, kMax8));
  e.dst = static_cast<std::uint8_t>(Rte::DESTINATION::get(entry.bits));
  e.vector = entry.vector();
  e.mode = entry.delivery_mode();
  e.destination_mode = static_cast<DestinationMode>(Rte::DESTMOD::get(entry.bits));
  e.trigger = static_cast<TriggerMode>(Rte::TriggerModeBit::get(entry.bits));
  e.mask = mask(entry.masked());
  e.coalesced = coalescing(in.may_be_set(2));
  return e;
}

/// ELCR and IMR have a bit for each of the chip's pins.
What pic_set_irq(Numbers& in) {
  PicSetIrq e;
  e.chip = in.take(0, 1) == 0 ? Irqchip::PicMaster : Irqchip::PicSlave;
  const std::uint64_t pin = in.take(1, 15);
  e.pin = static_cast<Pin>(pin);
  e.trigger = trigger((in.take(2, kMax8) >> pin & 1) != 0);
  e.mask = mask((in.take(3, kMax8) >> pin & 1) != 0);
  e.coalesced = coalescing(in.may_be_set(4));
  return e;
}

/// The delivery mode is recorded as it stands in the ICR.
What accept_irq(Numbers& in) {
  AcceptIrq e;
  e.apic = static_cast<ApicId>(in.take(0, kMax32));
  e.mode = static_cast<DeliveryMode>(
      x86::Icr::DeliveryMode::get(static_cast<std::uint32_t>(in.take(1, kMax16))));
  e.trigger = trigger(in.is_set(2));
  e.vector = static_cast<Vector>(in.take(3, kMax8));
  e.coalesced = coalescing(in.may_be_set(4));
  return e;
}

What eoi(Numbers& in) {
  Eoi e;
  e.apic = static_cast<ApicId>(in.take(0, kMax32));
  const std::uint64_t vector = in.take(1, kMax32);
  if (vector == kMax32) return e;  // -1
  e.vector = static_cast<Vector>(in.take(1, kMax8));
  return e;
}

What apic_access(Numbers& in) {
  ApicAccess e;
  e.access = in.is_set(0) ? Access::Write : Access::Read;
  e.offset = static_cast<std::uint32_t>(in.take(1, kMax32));
  e.value = in.take(2);
  return e;
}

What ack_irq(Numbers& in) {
  AckIrq e;
  e.chip = static_cast<Irqchip>(in.take(0, static_cast<std::uint64_t>(Irqchip::Ioapic)));
  e.pin = static_cast<Pin>(in.take(1, kMax8));
  return e;
}

What apic_ipi(Numbers& in) {
  const auto icr_low = static_cast<std::uint32_t>(in.take(0, kMax32));
  return ipi_of(icr_low, static_cast<std::uint32_t>(in.take(1, kMax32)));
}

What mmio(Numbers& in) {
  constexpr std::uint64_t kWrite = 2;
  const bool write = in.take(0, kWrite) == kWrite;
  const std::uint64_t address = in.take(1);
  const std::uint64_t value = in.take(2);
  if (!write || !in_ioapic_page(address)) return Other{};
  return IoapicMmioWrite{offset_in_ioapic_page(address), static_cast<std::uint32_t>(value)};
}

What msr(Numbers& in) {
  const bool write = in.is_set(0);
  const std::uint64_t index = in.take(1, kMax32);
  const std::uint64_t value = in.take(2);
  const bool faulted = in.may_be_set(3);
  if (!write || faulted || !is_apic_msr(index)) return Other{};
  return ApicMsrWrite{static_cast<std::uint32_t>(index), value};
}

What pio(Numbers& in) {
  const bool write = in.is_set(0);
  const std::uint64_t port = in.take(1, kMax32);
  const bool byte = in.take(2, kMax32) == 1;
  const bool once = in.take(3, kMax32) == 1;
  if (!in.has(4)) return Other{};
  const std::uint64_t value = in.take(4, kMax32);
  if (!write || !byte || !once || !x86::pic_port(port)) return Other{};
  return PicPortWrite{static_cast<std::uint16_t>(port), static_cast<std::uint8_t>(value)};
}

What vcpu_ran(Numbers& in) {
  if (!in.has(0)) return Other{};
  return VcpuRan{static_cast<ApicId>(in.take(0, kMax32))};
}

What vcpu_woken(Numbers& in) {
  const auto waited = static_cast<std::int64_t>(in.take(0));
  return VcpuWoken{waited > 0 ? static_cast<std::uint64_t>(waited) : 0};
}

constexpr std::array<What (*)(Numbers&), kDatKinds> kReaders = {
    msi_set_irq, set_irq,  ioapic_set_irq, pic_set_irq, accept_irq, eoi,
    apic_access, ack_irq,  apic_ipi,       mmio,        msr,        pio,
    vcpu_ran,    vcpu_ran, vcpu_ran,       vcpu_woken};

}  // namespace

const std::array<irqfab_dat_kind, kDatKinds>& dat_kinds() {
  static constexpr std::array<irqfab_dat_kind, kDatKinds> kKinds = {{
      {"kvm_msi_set_irq", {"address", "data"}},
      {"kvm_set_irq", {"gsi", "level", "irq_source_id"}},
      {"kvm_ioapic_set_irq", {"e", "pin", "coalesced"}},
      {"kvm_pic_set_irq", {"chip", "pin", "elcr", "imr", "coalesced"}},
      {"kvm_apic_accept_irq", {"apicid", "dm", "tm", "vec", "coalesced"}},
      {"kvm_eoi", {"apicid", "vector"}},
      {"kvm_apic", {"rw", "reg", "val"}},
      {"kvm_ack_irq", {"irqchip", "pin"}},
      {"kvm_apic_ipi", {"icr_low", "dest_id"}},
      {"kvm_mmio", {"type", "gpa", "val"}},
      {"kvm_msr", {"write", "ecx", "data", "exception"}},
      {"kvm_pio", {"rw", "port", "size", "count", "val"}},
      {"kvm_entry", {"vcpu_id"}},
      {"kvm_exit", {"vcpu_id"}},
      {"kvm_halt_poll_ns", {"vcpu_id"}},
      {"kvm_vcpu_wakeup", {"ns"}},
  }};
  return kKinds;
}

DatFields read_dat_fields(std::size_t kind, const DatNumbers& numbers) {
  Numbers in(dat_kinds()[kind], numbers);
  DatFields fields{kReaders[kind](in), {}};
  fields.expected = in.expected();
  return fields;
}

/// include/linux/trace_events.h, enum trace_flag_type.
Context context_of_flags(std::uint32_t flags) {
  using HardIrq = Flag<3, std::uint32_t>;
  using SoftIrq = Flag<4, std::uint32_t>;
  using Nmi = Flag<6, std::uint32_t>;
  if (HardIrq::is_set(flags) || Nmi::is_set(flags)) return Context::HardIrq;
  return SoftIrq::is_set(flags) ? Context::SoftIrq : Context::Task;
}

}  // namespace irqfab::recording
