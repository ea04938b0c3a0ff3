// The registers of one of a remapping unit's own interrupts: its control, and the message that it
// sends. The fault event and the invalidation completion event have a set each.
//
// Models: VT-d, FECTL_REG, FEDATA_REG, FEADDR_REG, FEUADDR_REG and their namesakes IE...; 5.1.6
// "Remapping Hardware Event Interrupt Programming". A masked event is pending until software
// unmasks it or has served what it is about. Bits 63:32 of the address exist with extended
// interrupt mode only. Message data has 16 bits.
#pragma once

#include <cstdint>
#include <tuple>

#include "models/x86/irte.hpp"
#include "models/x86/msi_format.hpp"
#include "models/x86/vtd_registers.hpp"

namespace irqfab::x86::vtd {

class EventInterrupt {
 public:
  /// Is the message to be sent now?
  enum class Send : std::uint8_t { No, Now };

  /// An interrupt condition appeared.
  Send raise() {
    if (!masked()) return Send::Now;
    control_ = EventControl::IP::set(control_, 1);
    return Send::No;
  }
  /// Software served everything that an interrupt may be pending for.
  void withdraw() { control_ = EventControl::IP::set(control_, 0); }

  Send write_control(std::uint32_t value) {
    control_ = EventControl::IM::set(control_, EventControl::IM::get(value));
    if (masked() || !EventControl::IP::is_set(control_)) return Send::No;
    withdraw();
    return Send::Now;
  }
  void write_data(std::uint32_t value, std::uint32_t writable) { data_ = value & writable; }
  void write_address(std::uint32_t value) { address_ = value & EventAddress::kMask; }
  void write_upper_address(std::uint32_t value) { upper_address_ = value; }

  std::uint32_t control() const { return control_; }
  std::uint32_t data() const { return data_; }
  std::uint32_t address() const { return address_; }
  std::uint32_t upper_address() const { return upper_address_; }
  MsiMessage message() const { return {std::uint64_t{upper_address_} << 32 | address_, data_}; }

  friend bool operator==(const EventInterrupt& a, const EventInterrupt& b) {
    return std::tie(a.control_, a.data_, a.address_, a.upper_address_) ==
           std::tie(b.control_, b.data_, b.address_, b.upper_address_);
  }

 private:
  bool masked() const { return EventControl::IM::is_set(control_); }

  std::uint32_t control_ = EventControl::IM::kMask;
  std::uint32_t data_ = 0;
  std::uint32_t address_ = 0;
  std::uint32_t upper_address_ = 0;
};

}  // namespace irqfab::x86::vtd
