// The message that carries an interrupt to the local APICs: a memory write of 32 bits to
// 0xFEExxxxx.
//
// Models: SDM vol. 3, 11.11.1 "Message Address Register Format" and 11.11.2 "Message Data Register
// Format". The names of modes are those of the interrupt command register (11.6.1).
// Destinations of more than 8 bits, which a device's message cannot hold: 15 bits in the extended
// destination id of hypervisors, 32 bits in the form that crosses the interconnect behind a
// remapping unit here, and in KVM's KVM_CAP_X2APIC_API (api.rst).
//
// Not modelled: the remappable format (VT-d 5.1.2.2), which a remapping unit turns into this one.
#pragma once

#include <cstdint>

#include "models/base/field.hpp"
#include "models/base/ids.hpp"

namespace irqfab::x86 {

enum class DeliveryMode : std::uint8_t {
  Fixed,           // to every LAPIC of the destination
  LowestPriority,  // to the one of them with the lowest priority
  Smi,
  Reserved,
  Nmi,
  Init,
  StartUp,  // reserved in messages of devices; an IPI's vector is the start page
  ExtInt,   // from an 8259: the vector is asked for there
};
/// The modes whose vector is set in an IRR; the others go straight to the CPU (SDM 11.8.4).
constexpr bool goes_to_irr(DeliveryMode mode) {
  return mode == DeliveryMode::Fixed || mode == DeliveryMode::LowestPriority;
}
enum class DestinationMode : std::uint8_t { Physical, Logical };
enum class TriggerMode : std::uint8_t { Edge, Level };
enum class RedirectionHint : std::uint8_t { Off, On };

/// How many bits a destination has, and which of its values stands for everybody.
enum class DestinationFormat : std::uint8_t {
  Xapic,   // 8 bits, 0xFF: of devices, I/O APICs, IPIs of xAPIC mode
  X2apic,  // 32 bits, 0xFFFFFFFF: of IPIs of x2APIC mode, and of remapped messages
};
constexpr std::uint32_t kXapicBroadcast = 0xFF;
constexpr std::uint32_t kX2apicBroadcast = 0xFFFFFFFF;

/// Where a message's address holds its destination.
enum class MsiDestination : std::uint8_t {
  Bits8,   // SDM: address bits 19:12
  Bits15,  // address bits 11:5 hold bits 14:8 as well
  Bits32,  // address bits 63:40 hold bits 31:8 as well
};

/// Bits of the message's address. EDID are the bits that the remappable format uses for its handle;
/// a local APIC ignores them.
struct MsiAddress {
  using Base = Field<63, 20>;
  using DestinationId = Field<19, 12>;
  using Edid = Field<11, 4>;
  using ExtendedId = Field<11, 5>;
  using UpperId = Field<63, 40>;
  using ReservedUpper = Field<39, 32>;  // of the wide form
  using WideBase = Field<39, 20>;
  using Rh = Flag<3>;
  using Dm = Flag<2>;
};
constexpr std::uint64_t kMsiBase = 0xFEE;

struct MsiData {
  using TriggerMode = Flag<15, std::uint32_t>;
  using Level = Flag<14, std::uint32_t>;
  using DeliveryMode = Field<10, 8, std::uint32_t>;
  using Vector = Field<7, 0, std::uint32_t>;
};

/// What is written, as it crosses the bus.
struct MsiMessage {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  friend constexpr bool operator==(const MsiMessage& a, const MsiMessage& b) {
    return a.address == b.address && a.data == b.data;
  }
};

/// What it means.
struct ApicMessage {
  /// Physical: an APIC id. Logical: a set, in the form that DFR names or, in x2APIC mode, of a
  /// cluster.
  ApicId destination{};
  Vector vector{};
  DeliveryMode delivery_mode = DeliveryMode::Fixed;
  DestinationMode destination_mode = DestinationMode::Physical;
  TriggerMode trigger_mode = TriggerMode::Edge;
  Level level = Level::High;  // of the input; means nothing for an edge
  RedirectionHint redirection_hint = RedirectionHint::Off;
  DestinationFormat format = DestinationFormat::Xapic;
};

constexpr bool is_msi_address(std::uint64_t address,
                              MsiDestination destination = MsiDestination::Bits8) {
  return destination == MsiDestination::Bits32 ? MsiAddress::WideBase::get(address) == kMsiBase
                                               : MsiAddress::Base::get(address) == kMsiBase;
}

constexpr MsiMessage encode(const ApicMessage& m) {
  MsiMessage out;
  out.address = MsiAddress::Base::set(out.address, kMsiBase);
  out.address = MsiAddress::DestinationId::set(out.address, raw(m.destination));
  if (m.format == DestinationFormat::X2apic) {
    out.address = MsiAddress::UpperId::set(out.address, raw(m.destination) >> 8);
  }
  out.address = MsiAddress::Rh::set(out.address, m.redirection_hint == RedirectionHint::On);
  out.address = MsiAddress::Dm::set(out.address, m.destination_mode == DestinationMode::Logical);
  out.data = MsiData::TriggerMode::set(out.data, m.trigger_mode == TriggerMode::Level);
  out.data = MsiData::Level::set(out.data, m.level == Level::High);
  out.data = MsiData::DeliveryMode::set(out.data, static_cast<std::uint32_t>(m.delivery_mode));
  out.data = MsiData::Vector::set(out.data, raw(m.vector));
  return out;
}

/// Total: every address and data mean something. Whether the address is one of a message at all is
/// is_msi_address's to say.
constexpr ApicMessage decode(const MsiMessage& m) {
  ApicMessage out;
  out.destination = static_cast<ApicId>(MsiAddress::DestinationId::get(m.address));
  out.vector = static_cast<Vector>(MsiData::Vector::get(m.data));
  out.delivery_mode = static_cast<DeliveryMode>(MsiData::DeliveryMode::get(m.data));
  out.destination_mode = static_cast<DestinationMode>(MsiAddress::Dm::get(m.address));
  out.trigger_mode = static_cast<TriggerMode>(MsiData::TriggerMode::get(m.data));
  out.level = static_cast<Level>(MsiData::Level::get(m.data));
  out.redirection_hint = static_cast<RedirectionHint>(MsiAddress::Rh::get(m.address));
  return out;
}
/// An 8-bit destination that stands for everybody keeps doing so in the wider formats: whoever sent
/// it may not know them.
constexpr ApicMessage decode(const MsiMessage& m, MsiDestination destination) {
  ApicMessage out = decode(m);
  const std::uint64_t upper =
      destination == MsiDestination::Bits32   ? MsiAddress::UpperId::get(m.address)
      : destination == MsiDestination::Bits15 ? MsiAddress::ExtendedId::get(m.address)
                                              : 0;
  const auto wide = static_cast<std::uint32_t>(upper << 8 | raw(out.destination));
  if (destination == MsiDestination::Bits8 || wide == kXapicBroadcast) return out;
  out.destination = ApicId{wide};
  out.format = DestinationFormat::X2apic;
  return out;
}

}  // namespace irqfab::x86
