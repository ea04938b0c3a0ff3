// The entries of an AMD-Vi unit's tables: of a device, and of the interrupts of a device.
//
// Models: AMD IOMMU specification (48882), 2.2.2 "Device Table" (bits 191:128 of an entry, which
// are all that interrupts use) and 2.2.5 "Interrupt Remapping Tables": the entries of 32 bits, and
// those of 128 bits with GuestMode clear. Not modelled: entries with GuestMode set (guest virtual
// APIC mode), which are malformed here. LINT0Pass and LINT1Pass govern HyperTransport messages that
// no PCI function can send.
#pragma once

#include <cstdint>
#include <tuple>

#include "models/base/field.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::x86::amdvi {

/// Bits 191:128 of a device table entry.
struct Dte {
  static constexpr std::uint64_t kBytes = 32;       // of a whole entry
  static constexpr std::uint64_t kByteOffset = 16;  // of these bits in it

  using IV = Flag<0>;             // the fields below are valid; else interrupts pass as they are
  using IntTabLen = Field<4, 1>;  // 2^IntTabLen entries, up to 2^11
  using IG = Flag<5>;             // events of interrupts of this device are not logged
  using IntTableRoot = Field<51, 6>;
  using Reserved = Field<53, 52>;
  using INITPass = Flag<56>;
  using EIntPass = Flag<57>;
  using NMIPass = Flag<58>;
  using IntCtl = Field<61, 60>;
  using LINT0Pass = Flag<62>;
  using LINT1Pass = Flag<63>;

  /// What becomes of fixed and arbitrated interrupts.
  enum class Handling : std::uint8_t { Abort, Forward, Remap, Reserved };

  std::uint64_t bits = 0;

  bool valid() const { return IV::is_set(bits); }
  Handling handling() const { return static_cast<Handling>(IntCtl::get(bits)); }
  bool has_reserved_bits() const { return Reserved::is_set(bits); }
  /// A length or a handling that means nothing.
  bool has_reserved_encoding() const {
    constexpr std::uint64_t kLongest = 11;
    return IntTabLen::get(bits) > kLongest || handling() == Handling::Reserved;
  }
  bool malformed() const { return has_reserved_bits() || has_reserved_encoding(); }
  std::uint32_t table_entries() const { return std::uint32_t{1} << IntTabLen::get(bits); }
  std::uint64_t table() const { return bits & IntTableRoot::kMask; }

  friend bool operator==(const Dte& a, const Dte& b) { return a.bits == b.bits; }
};

/// Which form the entries of interrupt remapping tables have (GAEn, XTEn).
enum class IrteFormat : std::uint8_t {
  Basic,   // 32 bits, destinations of 8
  Long,    // 128 bits, destinations of 8
  LongXt,  // 128 bits, destinations of 32
};
constexpr std::uint64_t bytes_of(IrteFormat format) { return format == IrteFormat::Basic ? 4 : 16; }

struct Irte {
  // In `low`
  using RemapEn = Flag<0>;
  using SupIOPF = Flag<1>;  // suppress the event of a fault; also when RemapEn is clear
  using IntType = Field<4, 2>;
  using RqEoi = Flag<5>;  // the interrupt asks for an EOI: it is a level
  using DM = Flag<6>;
  using GuestMode = Flag<7>;
  using Destination8 = Field<15, 8>;
  using BasicVector = Field<23, 16>;
  using BasicReserved = Field<31, 24>;
  using DestinationLow = Field<31, 8>;
  using DestinationBeyond8 = Field<31, 16>;
  // In `high`, of the long forms
  using LongVector = Field<7, 0>;
  using ReservedLow = Field<11, 8>;
  using ReservedHigh = Field<55, 52>;
  using DestinationHigh = Field<63, 56>;

  std::uint64_t low = 0;   // of a basic entry, 32 bits
  std::uint64_t high = 0;  // zero of a basic entry

  bool remaps() const { return RemapEn::is_set(low); }
  bool faults_suppressed() const { return SupIOPF::is_set(low); }

  /// Reserved bits, or a type that means nothing.
  bool malformed(IrteFormat format) const {
    constexpr std::uint64_t kArbitrated = 1;
    if (IntType::get(low) > kArbitrated || GuestMode::is_set(low)) return true;
    if (format == IrteFormat::Basic) return BasicReserved::is_set(low);
    if (ReservedLow::is_set(high) || ReservedHigh::is_set(high)) return true;
    return format == IrteFormat::Long &&
           (DestinationBeyond8::is_set(low) || DestinationHigh::is_set(high));
  }

  /// What the request becomes.
  MsiMessage message(IrteFormat format) const {
    ApicMessage m;
    m.delivery_mode = static_cast<DeliveryMode>(IntType::get(low));
    m.destination_mode = static_cast<DestinationMode>(DM::get(low));
    m.trigger_mode = static_cast<TriggerMode>(RqEoi::get(low));
    m.destination = ApicId(static_cast<std::uint32_t>(Destination8::get(low)));
    m.vector = Vector(static_cast<std::uint8_t>(BasicVector::get(low)));
    if (format != IrteFormat::Basic) {
      m.vector = Vector(static_cast<std::uint8_t>(LongVector::get(high)));
    }
    if (format == IrteFormat::LongXt) {
      m.destination = ApicId(
          static_cast<std::uint32_t>(DestinationLow::get(low) | DestinationHigh::get(high) << 24));
      m.format = DestinationFormat::X2apic;
    }
    return encode(m);
  }

  friend bool operator==(const Irte& a, const Irte& b) {
    return std::tie(a.low, a.high) == std::tie(b.low, b.high);
  }
};

}  // namespace irqfab::x86::amdvi
