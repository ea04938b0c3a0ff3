// What the tasks of a VMM are given to do, one thing at a time.
#pragma once

#include <cstdint>
#include <variant>

#include "models/base/message.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::vmm {

/// A vector of a function of the plan.
struct VectorAt {
  std::uint32_t function = 0;
  VectorIndex vector{};
  friend bool operator==(VectorAt a, VectorAt b) {
    return a.function == b.function && a.vector == b.vector;
  }
};

/// A vector's message is to reach the vCPUs.
struct SendMessage {
  SpanId span = kNoSpan;
  VectorAt at;
  x86::MsiMessage message;
};
/// A function's INTx changed.
struct DriveLine {
  SpanId span = kNoSpan;
  std::uint32_t function = 0;
  Level level = Level::Low;
};
/// A vector's eventfd was signalled and no irqfd took it.
struct ReadEventfd {
  VectorAt at;
};
/// A vCPU accesses a register of a device, or of the VMM's IOAPIC.
struct Access {
  enum class Kind : std::uint8_t { Write, Read };
  PortId from{};
  Kind kind = Kind::Write;
  std::uint8_t size = 4;  // bytes
  std::uint64_t address = 0;
  std::uint64_t data = 0;  // Write
  Tag tag{};               // Read
  SpanId span = kNoSpan;   // whose handler makes it
};
/// The routing table is to be committed anew, or an irqfd to go or to come.
struct ChangeRoute {
  enum class Kind : std::uint8_t { Update, Release, Bind };
  Kind kind = Kind::Update;
  VectorAt at;
};
/// A vCPU ended a level interrupt of the VMM's IOAPIC.
struct EndLevel {
  Vector vector{};
};
/// A vCPU accessed its own local APIC, which is the VMM's.
struct AccessApic {
  std::uint64_t operand = 0;
};

using Job = std::variant<std::monostate, SendMessage, DriveLine, ReadEventfd, Access, ChangeRoute,
                         EndLevel, AccessApic>;

/// The interrupt that waits with a job. That of an access is in service meanwhile, and what was
/// signalled rests in the eventfd.
inline SpanId span_waiting_in(const Job& job) {
  if (const auto* send = std::get_if<SendMessage>(&job)) return send->span;
  if (const auto* drive = std::get_if<DriveLine>(&job)) return drive->span;
  return kNoSpan;
}

}  // namespace irqfab::vmm
