// What a hop is for, on any fabric. `compare` aligns the hops of different fabrics by role.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace irqfab {

enum class Role : std::uint8_t {
  Source,       // the device, up to the message on its link
  Bridge,       // host bridge and links
  Remap,        // a translation of the message by the platform
  Route,        // GSI or event channel to pin or message, in software
  Host,         // host software on the way: system calls, tasks, locks, wake-ups
  Controller,   // the interrupt controller, up to its pending bit
  Deliver,      // from the pending bit to the CPU
  Cpu,          // the CPU takes the interrupt and runs its handler
  Acknowledge,  // end of interrupt
};

constexpr std::array<std::string_view, 9> kRoleNames = {
    "source", "bridge", "remap", "route", "host", "controller", "deliver", "cpu", "acknowledge"};

constexpr std::string_view name_of(Role role) {
  return kRoleNames[static_cast<std::size_t>(role)];
}

}  // namespace irqfab
