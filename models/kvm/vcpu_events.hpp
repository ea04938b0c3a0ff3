// What waits for a vCPU besides its local APIC's interrupts, and what it is doing, as the host
// reads it: KVM_GET_MP_STATE, KVM_GET_VCPU_EVENTS, the CS of KVM_GET_SREGS (api.rst).
#pragma once

#include <cstdint>
#include <optional>

#include "models/base/ids.hpp"

namespace irqfab::kvm {

enum class MpState : std::uint8_t {
  Runnable,
  Uninitialized,
  InitReceived,
  Halted,
  SipiReceived,
  ApResetHold = 9,
};

struct VcpuEvents {
  static constexpr std::uint16_t kResetCs = 0xF000;
  static constexpr unsigned kMostNmis = 2;  // one in service, one behind it

  MpState mp_state = MpState::Runnable;
  std::uint16_t cs = kResetCs;
  unsigned nmis = 0;
  bool injected = false;  // KVM_INTERRUPT without a local APIC
  bool init = false;      // waits to be looked at
  std::optional<Vector> sipi;
  Vector sipi_vector{};  // of the latest

  friend bool operator==(const VcpuEvents& a, const VcpuEvents& b) {
    return a.mp_state == b.mp_state && a.cs == b.cs && a.nmis == b.nmis &&
           a.injected == b.injected && a.init == b.init && a.sipi == b.sipi &&
           a.sipi_vector == b.sipi_vector;
  }
};

}  // namespace irqfab::kvm
