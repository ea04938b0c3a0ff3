// The one vocabulary of what happens to an interrupt. The same events are noted by the models,
// priced by the timing table, recorded in the trace and documented by `irqfab list events`.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "models/base/roles.hpp"

namespace irqfab {

enum class Event : std::uint16_t {
  // Life of every span
  Asserted,
  Forked,
  Waited,
  Stalled,
  HeldForOrder,
  Handled,
  Coalesced,
  Dropped,
  Cancelled,
  // PCI function
  MsixPended,
  MsiPended,
  Moderated,
  MsiSent,
  IntxAsserted,
  IntxDeasserted,
  DeviceRead,
  // Bridges, bus and memory
  RootPortForwarded,
  PciBridgeForwarded,
  IntxSwizzled,
  BridgeForwarded,
  IntxForwarded,
  BusRouted,
  CompletionForwarded,
  MemoryRead,
  MemoryWritten,
  // Interrupt remapping
  IrteHit,
  IrteFetched,
  Remapped,
  DteFetched,
  RemapFaulted,
  UnitEventSent,
  CommandFetched,
  IecInvalidated,
  InvalidationWaited,
  // Interrupt posting
  Posted,
  NotificationSent,
  PirSynced,
  PirRead,
  PirTaken,
  NotificationCleared,
  // The interconnect of the local APICs
  MessageRouted,
  // HPET
  ComparatorSent,
  // IOAPIC
  PinLatched,
  IoapicSent,
  RemoteIrrCleared,
  // 8259 pair and PCI interrupt router
  PirqRouted,
  PicAcknowledged,
  // Local APIC
  IpiSent,
  Pended,
  Accepted,
  EoiBroadcast,
  // CPU
  CpuWoken,
  HandlerEntered,
  HandlerDispatched,
  HandlerPreempted,
  HandlerResumed,
  HandlerStep,
  EoiWritten,
  // What the processor does for a guest
  NotificationTaken,
  DoorbellRung,
  EoiVirtualized,
  IpiVirtualized,
  VmExited,
  // Calls into the modelled host, by its threads and its guest
  SignalMsiCalled,
  IrqLineCalled,
  EventfdWritten,
  ApicWritten,
  RteWritten,
  PortWritten,
  VcpuStopped,
  // Modelled host software
  SyscallEntered,
  SyscallReturned,
  EventfdSignalled,
  LockAcquired,
  LockReleased,
  TaskSwitched,
  TaskWoken,
  GracePeriod,
  // KVM
  RouteLookedUp,
  IrqfdRouted,
  MsiInjected,
  PinDriven,
  WorkQueued,
  WorkStarted,
  VcpuKicked,
  VcpuEntered,
  HostInterrupted,
  VcpuLoaded,
  VcpuPreempted,
  VcpuBlocked,
  VcpuWoken,
  RoutesUpdated,
  RoutesCopied,
  IrqfdAssigned,
  IrqfdDeassigned,
  ResampleSignalled,
  ExitHandled,
  UserExited,
  // VMM
  MsiNotified,
  DeviceModelled,
  RouteSought,
  RouteMade,
  RoutesFlushed,
  VcpuSignalled,
  InterruptInjected,
  // The run itself
  RunEnded,
  TimeStoodStill,
  // What a guest or a device did against the rules
  SpuriousAnswered,
  DuplicateSeen,
  GuestError,
};

constexpr std::uint16_t kEventCount = static_cast<std::uint16_t>(Event::GuestError) + 1;

/// How an event changes the life of its span.
enum class Effect : std::uint8_t {
  Opens,  // the span begins
  Moves,  // the span is one hop further
  Ends,   // the span has its outcome
  None,   // not on a span's way: bookkeeping of a component
};

struct EventRow {
  Event event;
  std::string_view name;
  Role role;
  Effect effect;
  std::string_view meaning;  // one sentence
  std::string_view detail;   // what the record's detail field holds; "-" for nothing
};

const EventRow& row_of(Event event);
/// True for events that are a change of state and no work: they have no price. What leads to them
/// has.
constexpr bool is_instant(Event event) {
  switch (event) {
    case Event::Asserted:
    case Event::Forked:
    case Event::Waited:
    case Event::Stalled:
    case Event::HeldForOrder:
    case Event::Handled:
    case Event::Coalesced:
    case Event::Dropped:
    case Event::Cancelled:
    case Event::RemapFaulted:
    case Event::CommandFetched:
    case Event::PirTaken:
    case Event::VcpuPreempted:
    case Event::VcpuBlocked:
    case Event::RouteMade:
    case Event::RoutesFlushed:
    case Event::MsixPended:
    case Event::MsiPended:
    case Event::Moderated:
    case Event::Pended:
    case Event::Accepted:
    case Event::EoiBroadcast:
    case Event::HandlerPreempted:
    case Event::HandlerResumed:
    case Event::HandlerStep:
    case Event::RunEnded:
    case Event::TimeStoodStill:
    case Event::SpuriousAnswered:
    case Event::DuplicateSeen:
    case Event::GuestError:
      return true;
    default:
      return false;
  }
}
/// True for events that end what the scenario gives the length of.
constexpr bool is_of_handler(Event event) {
  return event == Event::HandlerStep || event == Event::HandlerPreempted;
}
inline std::string_view name_of(Event event) { return row_of(event).name; }
std::optional<Event> event_named(std::string_view name);

}  // namespace irqfab
