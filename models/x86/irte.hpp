// The entry of the VT-d interrupt remapping table, and the request format that names one.
//
// Models: Intel VT-d specification, 5.1.2.2 "Interrupt Requests in Remappable Format", 5.1.3
// "Interrupt Remapping Table" and the IRTE for remapped interrupts (chapter 9) in xAPIC mode.
// Not modelled: the IRTE for posted interrupts (a unit without posting reserves its IM bit, and an
// entry that sets a reserved bit faults), 32-bit destinations of extended interrupt mode.
#pragma once

#include <cstdint>

#include "models/base/field.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::x86 {

/// Address and data of a remappable request. The rest of the address is that of any MSI.
struct RemappableAddress {
  using Handle14_0 = Field<19, 5>;
  using InterruptFormat = Flag<4>;  // 0: compatibility format, 1: remappable
  using SHV = Flag<3>;              // the data holds a subhandle
  using Handle15 = Flag<2>;

  static constexpr std::uint32_t handle(std::uint64_t address) {
    return static_cast<std::uint32_t>(Handle14_0::get(address) | Handle15::get(address) << 15);
  }
};
struct RemappableData {
  using Subhandle = Field<15, 0>;  // meaningful with SHV, otherwise ignored
  using Reserved = Field<31, 16>;  // checked with SHV
};

struct Irte {
  static constexpr std::uint64_t kBytes = 16;

  // In `low`
  using P = Flag<0>;           // present
  using FPD = Flag<1>;         // fault processing disable: block without a record
  using DM = Flag<2>;          // destination mode
  using RH = Flag<3>;          // redirection hint
  using TM = Flag<4>;          // trigger mode
  using DLM = Field<7, 5>;     // delivery mode
  using AVAIL = Field<11, 8>;  // software's own
  using V = Field<23, 16>;
  using DST = Field<47, 40>;  // 8-bit APIC id; the bits around it are for extended mode
  // In `high`
  using SID = Field<15, 0>;
  using SQ = Field<17, 16>;
  using SVT = Field<19, 18>;

  /// How the requester is verified (SVT).
  enum class SourceValidation : std::uint8_t { None, RequesterId, BusRange, Reserved };

  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool present() const { return P::is_set(low); }
  bool fault_processing_disabled() const { return FPD::is_set(low); }

  /// Reserved bits, or the reserved encoding of SVT.
  bool malformed() const {
    constexpr std::uint64_t kLow = P::kMask | FPD::kMask | DM::kMask | RH::kMask | TM::kMask |
                                   DLM::kMask | AVAIL::kMask | V::kMask | DST::kMask;
    constexpr std::uint64_t kHigh = SID::kMask | SQ::kMask | SVT::kMask;
    return (low & ~kLow) != 0 || (high & ~kHigh) != 0 || validation() == SourceValidation::Reserved;
  }

  /// May this requester use the entry?
  bool admits(RequesterId requester) const {
    const auto sid = static_cast<std::uint16_t>(SID::get(high));
    switch (validation()) {
      case SourceValidation::None:
        return true;
      case SourceValidation::RequesterId: {
        // SQ leaves out function bits, most significant first: none, bit 2, bits 2:1, bits 2:0.
        constexpr std::uint16_t kIgnored[4] = {0x0, 0x4, 0x6, 0x7};
        return ((raw(requester) ^ sid) & ~kIgnored[SQ::get(high)]) == 0;
      }
      case SourceValidation::BusRange: {
        // SID is a first and a last bus number here.
        const unsigned bus = raw(requester) >> 8;
        return bus >= (sid >> 8) && bus <= (sid & 0xFFu);
      }
      case SourceValidation::Reserved:
        break;
    }
    return false;
  }

  /// What the request becomes.
  MsiMessage message() const {
    ApicMessage m;
    m.destination = ApicId(DST::get(low));
    m.vector = Vector(V::get(low));
    m.delivery_mode = static_cast<DeliveryMode>(DLM::get(low));
    m.destination_mode = static_cast<DestinationMode>(DM::get(low));
    m.trigger_mode = static_cast<TriggerMode>(TM::get(low));
    m.redirection_hint = static_cast<RedirectionHint>(RH::get(low));
    return encode(m);
  }

  friend bool operator==(const Irte& a, const Irte& b) {
    return a.low == b.low && a.high == b.high;
  }

 private:
  SourceValidation validation() const { return static_cast<SourceValidation>(SVT::get(high)); }
};

}  // namespace irqfab::x86
