// The message that carries an interrupt to the local APICs: a memory write of 32 bits to
// 0xFEExxxxx.
//
// Models: SDM vol. 3, 11.11.1 "Message Address Register Format" and 11.11.2 "Message Data Register
// Format". The names of modes are those of the interrupt command register (11.6.1).
// Not modelled: the remappable format (VT-d 5.1.2.2), which a remapping unit turns into this one,
// and destinations of more than 8 bits.
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

/// Bits of the message's address. EDID are the bits that the remappable format uses for its handle;
/// a local APIC ignores them.
struct MsiAddress {
  using Base = Field<63, 20>;
  using DestinationId = Field<19, 12>;
  using Edid = Field<11, 4>;
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
  ApicId destination{};  // physical: an APIC id; logical: a set, in the form that DFR names. 0..255
  Vector vector{};
  DeliveryMode delivery_mode = DeliveryMode::Fixed;
  DestinationMode destination_mode = DestinationMode::Physical;
  TriggerMode trigger_mode = TriggerMode::Edge;
  Level level = Level::High;  // of the input; means nothing for an edge
  RedirectionHint redirection_hint = RedirectionHint::Off;
};

constexpr bool is_msi_address(std::uint64_t address) {
  return MsiAddress::Base::get(address) == kMsiBase;
}

constexpr MsiMessage encode(const ApicMessage& m) {
  MsiMessage out;
  out.address = MsiAddress::Base::set(out.address, kMsiBase);
  out.address = MsiAddress::DestinationId::set(out.address, raw(m.destination));
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

}  // namespace irqfab::x86
