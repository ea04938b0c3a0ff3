// The entry of the VT-d interrupt remapping table, and the request format that names one.
//
// Models: Intel VT-d specification, 5.1.2.2 "Interrupt Requests in Remappable Format", 5.1.3
// "Interrupt Remapping Table", 5.2.1 "Interrupt Remapping Table Support for Interrupt Posting", and
// the formats of 9.9 and 9.10: the IRTE for remapped interrupts, in xAPIC and in extended interrupt
// mode, and the IRTE for posted interrupts.
#pragma once

#include <cstdint>
#include <tuple>

#include "models/base/field.hpp"
#include "models/base/message.hpp"
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

/// How wide destinations are: IRTA_REG.EIME.
enum class InterruptMode : std::uint8_t {
  Xapic,     // 8 bits
  Extended,  // 32 bits, for local APICs in x2APIC mode
};
/// Does the unit know the IRTE for posted interrupts (CAP_REG.PI)?
enum class Posting : std::uint8_t { Absent, Present };

/// Which bus number bits 15:8 and 7:0 of the SID are when an IRTE admits a range of them.
enum class BusRangeOrder : std::uint8_t { FirstLast, LastFirst };

/// What an IRTE for posted interrupts asks for.
struct PostTarget {
  Vector vector{};  // of the virtual interrupt
  Urgency urgency = Urgency::Normal;
  std::uint64_t descriptor = 0;  // address, a multiple of 64
  friend constexpr bool operator==(const PostTarget& a, const PostTarget& b) {
    return std::tie(a.vector, a.urgency, a.descriptor) ==
           std::tie(b.vector, b.urgency, b.descriptor);
  }
};

struct Irte {
  static constexpr std::uint64_t kBytes = 16;

  // In `low`, of both formats
  using P = Flag<0>;           // present
  using FPD = Flag<1>;         // fault processing disable: block without a record
  using AVAIL = Field<11, 8>;  // software's own
  using IM = Flag<15>;         // 0: for remapped interrupts, 1: for posted ones
  using V = Field<23, 16>;     // vector
  // of remapped interrupts
  using DM = Flag<2>;             // destination mode
  using RH = Flag<3>;             // redirection hint
  using TM = Flag<4>;             // trigger mode
  using DLM = Field<7, 5>;        // delivery mode
  using DST = Field<47, 40>;      // destination in xAPIC mode; the bits around it are reserved then
  using WideDST = Field<63, 32>;  // in extended interrupt mode
  // of posted interrupts
  using URG = Flag<14>;
  using PDAL = Field<63, 38>;  // descriptor's address, bits 31:6
  // In `high`, of both formats
  using SID = Field<15, 0>;
  using SQ = Field<17, 16>;
  using SVT = Field<19, 18>;
  // of posted interrupts
  using PDAH = Field<63, 32>;  // descriptor's address, bits 63:32

  /// How the requester is verified (SVT).
  enum class SourceValidation : std::uint8_t { None, RequesterId, BusRange, Reserved };

  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool present() const { return P::is_set(low); }
  bool fault_processing_disabled() const { return FPD::is_set(low); }
  bool posted() const { return IM::is_set(low); }

  /// Reserved bits, or the reserved encoding of SVT. Without posting IM is reserved itself.
  bool malformed(InterruptMode mode, Posting posting) const {
    if (validation() == SourceValidation::Reserved) return true;
    if (posted()) {
      return posting == Posting::Absent || (low & ~kPostedLow) != 0 || (high & ~kPostedHigh) != 0;
    }
    const std::uint64_t destination = mode == InterruptMode::Extended ? WideDST::kMask : DST::kMask;
    return (low & ~(kRemappedLow | destination)) != 0 || (high & ~kSourceMask) != 0;
  }

  /// The same with Quirk::IrteReservedIgnored, for a remapped interrupt.
  bool malformed_in_part() const {
    constexpr std::uint64_t kChecked = Field<31, 24>::kMask | Field<14, 12>::kMask;
    return (low & kChecked) != 0 || (high & ~kSourceMask) != 0;
  }

  /// May this requester use the entry?
  bool admits(RequesterId requester, BusRangeOrder order = BusRangeOrder::FirstLast) const {
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
        const unsigned upper = sid >> 8, lower = sid & 0xFFu;
        return order == BusRangeOrder::FirstLast ? bus >= upper && bus <= lower
                                                 : bus >= lower && bus <= upper;
      }
      case SourceValidation::Reserved:
        break;
    }
    return false;
  }

  /// What the request becomes; of an entry for remapped interrupts.
  MsiMessage message(InterruptMode mode) const {
    ApicMessage m;
    if (mode == InterruptMode::Extended) {
      m.destination = ApicId(WideDST::get(low));
      m.format = DestinationFormat::X2apic;
    } else {
      m.destination = ApicId(DST::get(low));
    }
    m.vector = Vector(V::get(low));
    m.delivery_mode = static_cast<DeliveryMode>(DLM::get(low));
    m.destination_mode = static_cast<DestinationMode>(DM::get(low));
    m.trigger_mode = static_cast<TriggerMode>(TM::get(low));
    m.redirection_hint = static_cast<RedirectionHint>(RH::get(low));
    return encode(m);
  }

  /// What is posted where; of an entry for posted interrupts.
  PostTarget post_target() const {
    return {Vector(V::get(low)), static_cast<Urgency>(URG::get(low)),
            PDAH::get(high) << 32 | PDAL::get(low) << 6};
  }

  friend bool operator==(const Irte& a, const Irte& b) {
    return std::tie(a.low, a.high) == std::tie(b.low, b.high);
  }

 private:
  static constexpr std::uint64_t kCommonLow =
      P::kMask | FPD::kMask | AVAIL::kMask | IM::kMask | V::kMask;
  static constexpr std::uint64_t kRemappedLow =
      kCommonLow | DM::kMask | RH::kMask | TM::kMask | DLM::kMask;
  static constexpr std::uint64_t kPostedLow = kCommonLow | URG::kMask | PDAL::kMask;
  static constexpr std::uint64_t kSourceMask = SID::kMask | SQ::kMask | SVT::kMask;
  static constexpr std::uint64_t kPostedHigh = kSourceMask | PDAH::kMask;

  SourceValidation validation() const { return static_cast<SourceValidation>(SVT::get(high)); }
};

// ---- entries as software writes them ----------------------------------------------------------

/// A present entry for remapped interrupts, for everybody. In xAPIC mode destinations have 8 bits.
constexpr Irte remapped_irte(const ApicMessage& m, InterruptMode mode) {
  Irte irte;
  irte.low = Irte::P::set(0, 1);
  irte.low = Irte::DM::set(irte.low, static_cast<std::uint64_t>(m.destination_mode));
  irte.low = Irte::RH::set(irte.low, static_cast<std::uint64_t>(m.redirection_hint));
  irte.low = Irte::TM::set(irte.low, static_cast<std::uint64_t>(m.trigger_mode));
  irte.low = Irte::DLM::set(irte.low, static_cast<std::uint64_t>(m.delivery_mode));
  irte.low = Irte::V::set(irte.low, raw(m.vector));
  irte.low = mode == InterruptMode::Extended ? Irte::WideDST::set(irte.low, raw(m.destination))
                                             : Irte::DST::set(irte.low, raw(m.destination));
  return irte;
}

/// A present entry for posted interrupts, for everybody. Bits 5:0 of the descriptor's address are
/// ignored.
constexpr Irte posted_irte(const PostTarget& target) {
  Irte irte;
  irte.low = Irte::P::set(0, 1);
  irte.low = Irte::IM::set(irte.low, 1);
  irte.low = Irte::URG::set(irte.low, static_cast<std::uint64_t>(target.urgency));
  irte.low = Irte::V::set(irte.low, raw(target.vector));
  irte.low = Irte::PDAL::set(irte.low, target.descriptor >> 6);
  irte.high = Irte::PDAH::set(0, target.descriptor >> 32);
  return irte;
}

/// The entry, for this requester only (SVT 1, SQ 0).
constexpr Irte for_requester(Irte irte, RequesterId requester) {
  irte.high = Irte::SID::set(irte.high, raw(requester));
  irte.high = Irte::SQ::set(irte.high, 0);
  irte.high =
      Irte::SVT::set(irte.high, static_cast<std::uint64_t>(Irte::SourceValidation::RequesterId));
  return irte;
}

}  // namespace irqfab::x86
