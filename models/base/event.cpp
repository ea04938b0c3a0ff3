#include "models/base/event.hpp"

#include <array>

namespace irqfab {
namespace {

using R = Role;
using E = Event;
constexpr Effect kOpens = Effect::Opens, kMoves = Effect::Moves, kEnds = Effect::Ends,
                 kNone = Effect::None;

constexpr std::array<EventRow, kEventCount> kRows = {{
    {E::Asserted, "Asserted", R::Source, kOpens,
     "A source asked for an interrupt; the span begins.", "cause"},
    {E::Forked, "Forked", R::Controller, kMoves,
     "A message with several targets went on as child spans, one a target.", "child span"},
    {E::Waited, "Waited", R::Controller, kMoves,
     "Of the time since the last hop, so much went by in a queue, or pending for the CPU.",
     "time waited, ps"},
    {E::Stalled, "Stalled", R::Bridge, kMoves,
     "The time up to here was spent without a credit of the next component.", "-"},
    {E::HeldForOrder, "HeldForOrder", R::Bridge, kMoves,
     "Held back so as not to overtake an older message on an ordered edge.", "-"},
    {E::Handled, "Handled", R::Acknowledge, kEnds, "The end of interrupt reached the controller.",
     "vector"},
    {E::Coalesced, "Coalesced", R::Controller, kEnds,
     "Merged into an interrupt that was pending already.", "span merged into"},
    {E::Dropped, "Dropped", R::Controller, kEnds, "Lost, for a reason of a closed list.", "reason"},
    {E::Cancelled, "Cancelled", R::Controller, kEnds, "Taken back before it was handled.",
     "operation"},

    {E::MsixPended, "MsixPended", R::Source, kMoves,
     "The vector was masked: its bit in the pending bit array (PBA) is set.", "vector index"},
    {E::MsiPended, "MsiPended", R::Source, kMoves,
     "The vector was masked: its pending bit in the MSI capability is set.", "vector index"},
    {E::Moderated, "Moderated", R::Source, kMoves,
     "The function held the interrupt back until its count or its time of moderation was reached.",
     "events gathered"},
    {E::MsiSent, "MsiSent", R::Source, kMoves,
     "The function sent its message, a posted memory write.", "message data"},
    {E::IntxAsserted, "IntxAsserted", R::Source, kMoves, "The function sent Assert_INTx.",
     "INTx, 0 for INTA"},
    {E::IntxDeasserted, "IntxDeasserted", R::Source, kNone, "The function sent Deassert_INTx.",
     "INTx, 0 for INTA"},
    {E::DeviceRead, "DeviceRead", R::Cpu, kMoves,
     "The function answered a register read of the handler.", "register offset"},

    {E::RootPortForwarded, "RootPortForwarded", R::Bridge, kMoves,
     "A root port passed the posted write up; the requester id stays.", "address"},
    {E::PciBridgeForwarded, "PciBridgeForwarded", R::Bridge, kMoves,
     "A PCI Express to PCI bridge passed the posted write up, under a requester id of its own.",
     "address"},
    {E::IntxSwizzled, "IntxSwizzled", R::Bridge, kMoves,
     "A bridge passed an INTx message up, on the wire that device number and pin give.",
     "INTx, 0 for INTA"},
    {E::BridgeForwarded, "BridgeForwarded", R::Bridge, kMoves,
     "The posted write crossed the link and left the host bridge.", "address"},
    {E::IntxForwarded, "IntxForwarded", R::Bridge, kMoves,
     "The host bridge drove the pin that the INTx message is routed to.", "pin"},
    {E::BusRouted, "BusRouted", R::Cpu, kMoves,
     "The system bus decoded an access and passed it on.", "address"},
    {E::CompletionForwarded, "CompletionForwarded", R::Cpu, kMoves,
     "A bridge passed the answer of a register read up to the CPU.", "-"},
    {E::MemoryRead, "MemoryRead", R::Remap, kMoves, "Memory answered a read.", "address"},
    {E::MemoryWritten, "MemoryWritten", R::Bridge, kNone, "Memory took a write.", "address"},

    {E::IrteHit, "IrteHit", R::Remap, kMoves, "The interrupt entry cache held the remapping entry.",
     "index"},
    {E::IrteFetched, "IrteFetched", R::Remap, kMoves, "The remapping entry arrived from memory.",
     "index"},
    {E::Remapped, "Remapped", R::Remap, kMoves,
     "The remapping entry was applied and the message sent on.", "index"},
    {E::DteFetched, "DteFetched", R::Remap, kMoves, "The device table entry arrived from memory.",
     "DeviceID"},
    {E::RemapFaulted, "RemapFaulted", R::Remap, kNone,
     "The unit reported a request that it blocked: in a fault record, or in its event log.",
     "fault reason, or event code"},
    {E::UnitEventSent, "UnitEventSent", R::Remap, kMoves,
     "The remapping unit sent a message of its own: of faults, completed waits, its logs.",
     "message data"},
    {E::CommandFetched, "CommandFetched", R::Remap, kNone,
     "A descriptor of the invalidation queue, or a command, arrived from memory.", "its type"},
    {E::IecInvalidated, "IecInvalidated", R::Remap, kNone,
     "Entries were removed from the interrupt entry cache.", "index, or ~0 for all"},
    {E::InvalidationWaited, "InvalidationWaited", R::Remap, kNone,
     "A wait completed: everything translated under older entries has landed.", "wait tag"},

    {E::Posted, "Posted", R::Remap, kMoves,
     "The vector's bit was set in a posted-interrupt descriptor, or in a virtual APIC's IRR.",
     "descriptor << 8 | vector"},
    {E::NotificationSent, "NotificationSent", R::Remap, kMoves,
     "The notification vector was sent to the CPU that the descriptor names.",
     "descriptor << 8 | vector"},
    {E::PirSynced, "PirSynced", R::Deliver, kMoves,
     "Posted-interrupt processing moved the vector from the PIR to the virtual IRR.",
     "vCPU << 8 | vector"},
    {E::PirRead, "PirRead", R::Cpu, kNone, "Software took 64 bits of a PIR, leaving zeros.",
     "descriptor << 8 | first vector"},
    {E::PirTaken, "PirTaken", R::Deliver, kMoves,
     "The posted vector was among the bits that software took from the PIR.",
     "descriptor << 8 | vector"},
    {E::NotificationCleared, "NotificationCleared", R::Cpu, kNone,
     "Software cleared the outstanding-notification bit of a descriptor.", "descriptor"},

    {E::MessageRouted, "MessageRouted", R::Controller, kMoves,
     "The message crossed the interconnect to the local APICs.", "address"},

    {E::ComparatorSent, "ComparatorSent", R::Source, kMoves,
     "A comparator of the HPET sent its message.", "comparator"},

    {E::PinLatched, "PinLatched", R::Controller, kMoves,
     "An input of the IOAPIC or an 8259 became pending.", "pin"},
    {E::IoapicSent, "IoapicSent", R::Controller, kMoves,
     "The IOAPIC sent the message of a redirection entry.", "pin"},
    {E::RemoteIrrCleared, "RemoteIrrCleared", R::Controller, kNone,
     "An EOI cleared the Remote IRR of a level entry.", "pin"},
    {E::PirqRouted, "PirqRouted", R::Bridge, kMoves,
     "The PCI interrupt router passed the change of a PIRQ on.", "PIRQ, 0 for A"},
    {E::PicAcknowledged, "PicAcknowledged", R::Controller, kMoves,
     "An 8259 saw the INTA, or a poll, that takes this interrupt.", "input"},

    {E::IpiSent, "IpiSent", R::Controller, kMoves,
     "An interprocessor interrupt crossed the interconnect to the other local APICs.",
     "ICR bits 31..0"},
    {E::Pended, "Pended", R::Controller, kMoves, "A local APIC set the vector in its IRR.",
     "CPU << 8 | vector"},
    {E::Accepted, "Accepted", R::Deliver, kMoves,
     "The CPU's INTA moved the vector from IRR to ISR.", "CPU << 8 | vector"},
    {E::EoiBroadcast, "EoiBroadcast", R::Acknowledge, kNone,
     "The EOI of a level vector was broadcast to the IOAPICs.", "vector"},

    {E::CpuWoken, "CpuWoken", R::Cpu, kMoves, "The CPU left its halt (HLT).", "CPU"},
    {E::HandlerEntered, "HandlerEntered", R::Cpu, kMoves, "The first instruction of the handler.",
     "vector"},
    {E::HandlerDispatched, "HandlerDispatched", R::Cpu, kMoves,
     "A handler that several vectors share called the one of this vector.", "vector"},
    {E::HandlerPreempted, "HandlerPreempted", R::Cpu, kMoves,
     "The handler was interrupted by another, after it had worked up to here.", "vector"},
    {E::HandlerResumed, "HandlerResumed", R::Cpu, kMoves,
     "The handlers that interrupted this one have ended, and it goes on.", "vector"},
    {E::HandlerStep, "HandlerStep", R::Cpu, kMoves, "A step of the handler ended.",
     "index of the step"},
    {E::EoiWritten, "EoiWritten", R::Acknowledge, kMoves, "The handler wrote the EOI register.",
     "vector"},

    {E::NotificationTaken, "NotificationTaken", R::Deliver, kMoves,
     "A CPU in the guest took the notification vector itself, without an exit.", "CPU"},
    {E::DoorbellRung, "DoorbellRung", R::Deliver, kMoves,
     "The AVIC doorbell reached the CPU that runs the vCPU.", "CPU"},
    {E::EoiVirtualized, "EoiVirtualized", R::Acknowledge, kMoves,
     "The guest's EOI was carried out by the processor, without an exit.", "vCPU << 8 | vector"},
    {E::IpiVirtualized, "IpiVirtualized", R::Controller, kMoves,
     "The processor carried out the guest's write of ICR, without an exit.", "ICR bits 31..0"},
    {E::VmExited, "VmExited", R::Host, kMoves,
     "A vCPU left the guest, for the host to do something.", "exit reason"},

    {E::SignalMsiCalled, "SignalMsiCalled", R::Source, kNone, "A thread called KVM_SIGNAL_MSI.",
     "address bits 31..0 << 32 | data"},
    {E::IrqLineCalled, "IrqLineCalled", R::Source, kNone, "A thread called KVM_IRQ_LINE.",
     "source << 40 | level << 32 | GSI"},
    {E::EventfdWritten, "EventfdWritten", R::Source, kNone, "A thread wrote to an eventfd.",
     "eventfd"},
    {E::ApicWritten, "ApicWritten", R::Cpu, kNone, "A guest CPU wrote a register of its LAPIC.",
     "CPU << 48 | offset << 32 | value"},
    {E::RteWritten, "RteWritten", R::Cpu, kNone, "A guest CPU wrote an entry of the IOAPIC.",
     "the entry, with the pin in its bits 39..32"},
    {E::VcpuStopped, "VcpuStopped", R::Cpu, kNone, "A vCPU left the guest and did not come back.",
     "vCPU"},

    {E::SyscallEntered, "SyscallEntered", R::Host, kMoves, "A thread entered the host kernel.",
     "-"},
    {E::SyscallReturned, "SyscallReturned", R::Host, kNone, "A thread returned to user space.",
     "value returned"},
    {E::EventfdSignalled, "EventfdSignalled", R::Host, kMoves,
     "An eventfd's counter rose and its wait queue was called.", "eventfd"},
    {E::LockAcquired, "LockAcquired", R::Host, kMoves, "A task took a lock.", "lock"},
    {E::LockReleased, "LockReleased", R::Host, kNone, "A task gave a lock back.", "lock"},
    {E::TaskSwitched, "TaskSwitched", R::Host, kMoves, "A host CPU switched to the task.", "task"},
    {E::TaskWoken, "TaskWoken", R::Host, kNone, "A task became runnable.", "task"},
    {E::GracePeriod, "GracePeriod", R::Host, kNone,
     "A grace period ended: every older reader has left.", "domain"},

    {E::RouteLookedUp, "RouteLookedUp", R::Route, kMoves,
     "A GSI was looked up in the routing table.", "GSI"},
    {E::IrqfdRouted, "IrqfdRouted", R::Route, kMoves,
     "An irqfd injected its MSI route in the signaller's context.", "GSI"},
    {E::MsiInjected, "MsiInjected", R::Route, kMoves,
     "KVM_SIGNAL_MSI handed the message to the local APICs of the VM.", "message data"},
    {E::PinDriven, "PinDriven", R::Route, kMoves,
     "Software drove the pins of a GSI in the in-kernel irqchip.", "GSI"},
    {E::WorkQueued, "WorkQueued", R::Host, kMoves, "The irqfd left its injection to the workqueue.",
     "GSI"},
    {E::WorkStarted, "WorkStarted", R::Host, kMoves, "A kworker began the deferred injection.",
     "GSI"},
    {E::VcpuKicked, "VcpuKicked", R::Deliver, kMoves,
     "The vCPU was told: an IPI if it is in the guest, a wake-up if it sleeps.", "vCPU"},
    {E::VcpuEntered, "VcpuEntered", R::Deliver, kMoves,
     "The vCPU entered the guest with the interrupt.", "vCPU"},
    {E::HostInterrupted, "HostInterrupted", R::Host, kMoves,
     "A host CPU began the host's handler of an interrupt.", "vector"},
    {E::VcpuLoaded, "VcpuLoaded", R::Host, kNone,
     "A host CPU took up the vCPU: its descriptor, or its table entry, names that CPU now.",
     "vCPU"},
    {E::VcpuPreempted, "VcpuPreempted", R::Host, kNone,
     "The host took the CPU from the vCPU, which was not blocked.", "vCPU"},
    {E::VcpuBlocked, "VcpuBlocked", R::Host, kNone,
     "The vCPU has nothing to do and its thread sleeps.", "vCPU"},
    {E::VcpuWoken, "VcpuWoken", R::Host, kMoves,
     "The host woke the thread of the blocked vCPU that the interrupt is for.", "vCPU"},
    {E::RoutesUpdated, "RoutesUpdated", R::Route, kNone, "A new GSI routing table took effect.",
     "number of entries"},

    {E::RunEnded, "RunEnded", R::Host, kNone,
     "The simulation ended: nothing was left to do, or the scenario ends there.",
     "time of its last event, ps"},
    {E::TimeStoodStill, "TimeStoodStill", R::Host, kNone,
     "The simulation was given up: a chain of zero-price hops at one time did not end.", "-"},

    {E::SpuriousAnswered, "SpuriousAnswered", R::Deliver, kNone,
     "An acknowledge found nothing pending and got the spurious answer.", "CPU << 8 | vector"},
    {E::DuplicateSeen, "DuplicateSeen", R::Cpu, kNone,
     "An interrupt was taken once more than it was asserted.", "CPU << 8 | vector"},
    {E::GuestError, "GuestError", R::Controller, kNone,
     "A guest or device broke a rule and got the specified answer.", "code of the rule"},
}};

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    if (static_cast<std::size_t>(kRows[i].event) != i) return false;
  }
  return true;
}
static_assert(rows_are_in_enum_order(), "kRows is indexed by Event");

}  // namespace

const EventRow& row_of(Event event) { return kRows[static_cast<std::size_t>(event)]; }

std::optional<Event> event_named(std::string_view name) {
  for (const EventRow& row : kRows) {
    if (row.name == name) return row.event;
  }
  return std::nullopt;
}

}  // namespace irqfab
