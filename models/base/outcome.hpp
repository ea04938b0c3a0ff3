// How a span can end. Both lists are closed: there is no "other".
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace irqfab {

/// Why a source opened a span.
enum class Cause : std::uint8_t {
  Device,        // a device asked
  Fork,          // one of several targets or routes of another span
  Resample,      // a level line was still high after its EOI
  Ipi,           // a CPU sent it
  Software,      // a VMM or a test asked by call
  Local,         // a local APIC's own: its timer, its errors, its sensors
  Notification,  // to tell a CPU of interrupts that were posted
  Unit,          // a remapping unit's own: faults, completed waits, its logs
};
constexpr std::array<std::string_view, 8> kCauseNames = {
    "device", "fork", "resample", "ipi", "software", "local", "notification", "unit"};

enum class DropReason : std::uint8_t {
  MaskedNotLatched,      // a masked edge input keeps nothing (82093AA 3.2.4, "Interrupt Mask")
  TargetDisabled,        // the LAPIC is disabled by software or hardware (SDM vol. 3, 11.4.7)
  NoSuchTarget,          // no LAPIC has the destination
  NoRoute,               // the GSI has no route
  IllegalVector,         // vectors 0-15 (SDM vol. 3, 11.5.3)
  RemapFault,            // the remapping unit blocked it (VT-d 5.1.4.1)
  BusMasterOff,          // the function may not write (PCI 3.0, 6.2.2)
  MessagesOff,           // neither MSI-X nor INTx is enabled
  ReservedDeliveryMode,  // delivery modes the target does not act on
  NoDecode,              // no window takes the address
  PresentedAlready,      // NMI, INIT and SMI latches hold one each
  NotWaiting,            // a SIPI for a CPU that does not wait for one (SDM vol. 3, 11.4.7.3)
  WrongPolarity,         // the entry takes this level for inactive (82093AA 3.2.4, INTPOL)
  NoGsi,                 // no GSI is left for its route (ENOSPC)
};
constexpr std::array<std::string_view, 14> kDropReasonNames = {
    "masked-not-latched", "target-disabled", "no-such-target",    "no-route",
    "illegal-vector",     "remap-fault",     "bus-master-off",    "messages-off",
    "reserved-delivery",  "no-decode",       "presented-already", "not-waiting",
    "wrong-polarity",     "no-gsi"};

enum class CancelOp : std::uint8_t {
  LineLow,        // a level line fell before it was taken
  Reset,          // a reset cleared it
  PbaCleared,     // the function's messages were disabled with it pending
  RteRewrite,     // the redirection entry or an input's trigger mode was rewritten
  PirCleared,     // software cleared the vector's bit in a posted-interrupt descriptor
  EventfdClosed,  // it rested in the counter of an eventfd that was closed
};
constexpr std::array<std::string_view, 6> kCancelOpNames = {
    "line-low", "reset", "pba-cleared", "rte-rewrite", "pir-cleared", "eventfd-closed"};

/// A rule that a guest or a device broke; counted and traced, and answered as specified.
enum class GuestFault : std::uint8_t {
  UnknownRegister,
  WrongAccessSize,
  TableIndexOutOfRange,
  EoiWithoutInterrupt,
  UnclaimedAddress,
  GeneralProtection,
  ForbiddenValue,
};
constexpr std::array<std::string_view, 7> kGuestFaultNames = {
    "unknown-register",  "wrong-access-size",  "table-index-out-of-range", "eoi-without-interrupt",
    "unclaimed-address", "general-protection", "forbidden-value"};

/// Why a vCPU left the guest: basic exit reasons of VMX (SDM vol. 3, appendix C) and exit codes of
/// SVM (APM vol. 2, appendix C) under one name where they mean the same.
enum class ExitReason : std::uint8_t {
  ExternalInterrupt,    // VMX 1, SVM 60h
  InterruptWindow,      // VMX 7, SVM 64h
  Hlt,                  // VMX 12, SVM 78h
  Io,                   // VMX 30, SVM 7Bh
  MsrWrite,             // VMX 32, SVM 7Ch
  TprBelowThreshold,    // VMX 43
  ApicAccess,           // VMX 44
  VirtualizedEoi,       // VMX 45
  ApicWrite,            // VMX 56
  IncompleteIpi,        // SVM 401h
  UnacceleratedAccess,  // SVM 402h
  Mmio,                 // VMX 48 and 49, SVM 400h: an access to no memory
};
constexpr std::array<std::string_view, 12> kExitReasonNames = {"external-interrupt",
                                                               "interrupt-window",
                                                               "hlt",
                                                               "io",
                                                               "msr-write",
                                                               "tpr-below-threshold",
                                                               "apic-access",
                                                               "virtualized-eoi",
                                                               "apic-write",
                                                               "incomplete-ipi",
                                                               "unaccelerated-access",
                                                               "mmio"};

template <class E, std::size_t N>
constexpr std::string_view name_in(const std::array<std::string_view, N>& names, E value) {
  return static_cast<std::size_t>(value) < N ? names[static_cast<std::size_t>(value)] : "?";
}
constexpr std::string_view name_of(Cause cause) { return name_in(kCauseNames, cause); }
constexpr std::string_view name_of(DropReason reason) { return name_in(kDropReasonNames, reason); }
constexpr std::string_view name_of(CancelOp op) { return name_in(kCancelOpNames, op); }
constexpr std::string_view name_of(GuestFault fault) { return name_in(kGuestFaultNames, fault); }
constexpr std::string_view name_of(ExitReason reason) { return name_in(kExitReasonNames, reason); }

}  // namespace irqfab
