// A redirection table entry of the IOAPIC, one an input pin.
//
// Models: Intel 82093AA data sheet, 3.2.4 "IOREDTBL[23:0]"; EDID, which the 82093AA reserves, as in
// later I/O controller hubs and VT-d 5.1.5.1, where it carries part of the handle of a remappable
// request.
#pragma once

#include <cstdint>

#include "models/x86/msi_format.hpp"

namespace irqfab::x86 {

struct Rte {
  using INTVEC = Field<7, 0>;
  using DELMOD = Field<10, 8>;
  using DESTMOD = Flag<11>;
  using DELIVS = Flag<12>;  // read-only: 1 while the message waits for the bus
  using INTPOL = Flag<13>;
  using RemoteIRR = Flag<14>;  // read-only: a level interrupt awaits its EOI
  using TriggerModeBit = Flag<15>;
  using InterruptMask = Flag<16>;
  using EDID = Field<55, 48>;
  using DESTINATION = Field<63, 56>;

  static constexpr std::uint64_t kReset = InterruptMask::kMask;
  /// What software may write in the low half. DELIVS and Remote IRR are the controller's own.
  static constexpr std::uint64_t kWritableLow = INTVEC::kMask | DELMOD::kMask | DESTMOD::kMask |
                                                INTPOL::kMask | TriggerModeBit::kMask |
                                                InterruptMask::kMask;

  std::uint64_t bits = kReset;

  Vector vector() const { return Vector(INTVEC::get(bits)); }
  DeliveryMode delivery_mode() const { return static_cast<DeliveryMode>(DELMOD::get(bits)); }
  bool masked() const { return InterruptMask::is_set(bits); }
  bool remote_irr() const { return RemoteIRR::is_set(bits); }
  void set_remote_irr(bool on) { bits = RemoteIRR::set(bits, on); }

  /// Level-sensitive in effect. SMI, NMI, INIT and ExtINT are edge-triggered whatever the trigger
  /// mode says (82093AA 3.2.4, "Delivery Mode").
  bool level_sensitive() const {
    return TriggerModeBit::is_set(bits) && goes_to_irr(delivery_mode());
  }

  /// The message of this entry. Only assertions are sent, so its level bit is always set; the
  /// redirection hint is set for lowest priority, as I/O controller hubs do.
  MsiMessage message() const {
    ApicMessage m;
    m.destination = ApicId(DESTINATION::get(bits));
    m.vector = vector();
    m.delivery_mode = delivery_mode();
    m.destination_mode = static_cast<DestinationMode>(DESTMOD::get(bits));
    m.trigger_mode = level_sensitive() ? TriggerMode::Level : TriggerMode::Edge;
    m.redirection_hint = delivery_mode() == DeliveryMode::LowestPriority ? RedirectionHint::On
                                                                         : RedirectionHint::Off;
    MsiMessage out = encode(m);
    out.address = MsiAddress::Edid::set(out.address, EDID::get(bits));
    return out;
  }

  friend bool operator==(const Rte& a, const Rte& b) { return a.bits == b.bits; }
};

}  // namespace irqfab::x86
