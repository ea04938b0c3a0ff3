// What the tasks of a VMM are given to do, one thing at a time.
#pragma once

#include <cstdint>
#include <variant>

#include "models/base/message.hpp"
#include "models/host/host_ids.hpp"
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
  friend bool operator==(const SendMessage& a, const SendMessage& b) {
    return a.span == b.span && a.at == b.at && a.message == b.message;
  }
};
/// A function's INTx changed.
struct DriveLine {
  SpanId span = kNoSpan;
  std::uint32_t function = 0;
  Level level = Level::Low;
  friend bool operator==(const DriveLine& a, const DriveLine& b) {
    return a.span == b.span && a.function == b.function && a.level == b.level;
  }
};
/// A vector's eventfd was signalled and no irqfd took it.
struct ReadEventfd {
  VectorAt at;
  friend bool operator==(ReadEventfd a, ReadEventfd b) { return a.at == b.at; }
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
  friend bool operator==(const Access& a, const Access& b) {
    return a.from == b.from && a.kind == b.kind && a.size == b.size && a.address == b.address &&
           a.data == b.data && a.tag == b.tag && a.span == b.span;
  }
};
/// The routing table is to be committed anew, an irqfd to go or to come, or the host's own
/// interrupt to move to another of its CPUs.
struct ChangeRoute {
  enum class Kind : std::uint8_t { Update, Release, Bind, Move };
  Kind kind = Kind::Update;
  VectorAt at;
  host::HostCpu to{};  // Move
  friend bool operator==(ChangeRoute a, ChangeRoute b) {
    return a.kind == b.kind && a.at == b.at && a.to == b.to;
  }
};
/// A vCPU ended a level interrupt of the VMM's IOAPIC.
struct EndLevel {
  Vector vector{};
  friend bool operator==(EndLevel a, EndLevel b) { return a.vector == b.vector; }
};
/// A vCPU accessed its own local APIC, which is the VMM's.
struct AccessApic {
  std::uint64_t operand = 0;
  friend bool operator==(AccessApic a, AccessApic b) { return a.operand == b.operand; }
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
