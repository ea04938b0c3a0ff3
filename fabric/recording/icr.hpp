// An IPI as the halves of the interrupt command register that sends it (SDM vol. 3, 11.6.1).
#pragma once

#include <cstdint>

#include "fabric/recording/recorded_event.hpp"
#include "models/x86/lapic_registers.hpp"

namespace irqfab::recording {

/// Without its destination, which stands in the other half.
constexpr std::uint32_t icr_low(const ApicIpi& ipi) {
  using x86::Icr;
  std::uint32_t icr = Icr::Vector::set(0, raw(ipi.vector));
  icr = Icr::DeliveryMode::set(icr, static_cast<std::uint32_t>(ipi.mode));
  icr = Icr::DestinationMode::set(icr, static_cast<std::uint32_t>(ipi.destination_mode));
  icr = Icr::Level::set(icr, static_cast<std::uint32_t>(ipi.level));
  icr = Icr::TriggerMode::set(icr, static_cast<std::uint32_t>(ipi.trigger));
  return Icr::Shorthand::set(icr, static_cast<std::uint32_t>(ipi.shorthand));
}

constexpr ApicIpi ipi_of(std::uint32_t icr_low, std::uint32_t dst) {
  using x86::Icr;
  ApicIpi ipi;
  ipi.dst = dst;
  ipi.vector = static_cast<Vector>(Icr::Vector::get(icr_low));
  ipi.mode = static_cast<x86::DeliveryMode>(Icr::DeliveryMode::get(icr_low));
  ipi.destination_mode = static_cast<x86::DestinationMode>(Icr::DestinationMode::get(icr_low));
  ipi.level = static_cast<Level>(Icr::Level::get(icr_low));
  ipi.trigger = static_cast<x86::TriggerMode>(Icr::TriggerMode::get(icr_low));
  ipi.shorthand = static_cast<Shorthand>(Icr::Shorthand::get(icr_low));
  return ipi;
}

}  // namespace irqfab::recording
