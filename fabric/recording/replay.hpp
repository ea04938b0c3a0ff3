// What a recording says, as values: the machine, what was done to it and when, and what came of it.
//
// Replay is the input of a simulation. GroundTruth is what the recorded host did with that input;
// it is there to check against and never drives anything, with one exception that Vcpu::stops_at
// names. Times are ps since the earliest event that is understood; markers do not count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "fabric/recording/event_reader.hpp"
#include "fabric/recording/recorded_event.hpp"
#include "models/base/ids.hpp"
#include "models/base/time.hpp"
#include "models/x86/rte.hpp"

namespace irqfab::recording {

enum class ThreadId : std::uint32_t {};  // index into Replay::threads
enum class ThreadRole : std::uint8_t { Injector, Kworker, Vcpu };

struct Thread {
  std::string name;
  std::int32_t pid = 0;
  ThreadRole role{};
  std::optional<ApicId> vcpu;  // that it runs
};

/// A message, path unknown: KVM_SIGNAL_MSI and an irqfd with an MSI route look alike.
struct MessageSent {
  MsiSetIrq message;
  std::optional<Gsi> route;  // that it came through, where kvm_set_irq says so
};
/// KVM_IRQ_LINE, or a device in the kernel.
struct LineDriven {
  Gsi gsi{};
  Level level{};
  std::uint32_t source = 0;  // lines of different sources are ORed at the pin
};
enum class Resampling : std::uint8_t { No, Yes };
/// Somebody wrote to the eventfd of an irqfd whose GSI reaches a pin. The write leaves no event:
/// the time is that of the kworker's kvm_set_irq, so a replay, which simulates the kworker too, is
/// later than the recording by what the kworker takes.
struct IrqfdSignalled {
  Gsi gsi{};
  Resampling resampling{};
};
struct IpiSent {
  ApicIpi ipi;
  ApicId from{};
};
/// A guest's write to its LAPIC that changes what is delivered where.
struct RegisterWritten {
  ApicId cpu{};
  std::uint32_t offset = 0;
  std::uint32_t value = 0;
};
/// A redirection table entry from now on.
struct EntryWritten {
  Pin pin{};
  x86::Rte entry;
};
/// A guest's write to a port of the 8259s that is no end of an interrupt.
struct PortWritten {
  std::uint16_t port = 0;
  std::uint8_t value = 0;
};
/// A LAPIC accepted a vector that nobody is seen to have sent: its timer or another local source.
struct LocalVector {
  ApicId apic{};
  Vector vector{};
  x86::DeliveryMode mode{};
};
using Act = std::variant<MessageSent, LineDriven, IrqfdSignalled, IpiSent, RegisterWritten,
                         EntryWritten, PortWritten, LocalVector>;

struct Stimulus {
  Time time = 0;
  ThreadId thread{};
  Act act;
};

struct Vcpu {
  ApicId apic{};
  std::optional<ThreadId> thread;
  std::uint8_t logical_id = 0;  // bits 31..24 of LDR before the first stimulus
  bool enabled = true;          // SVR's enable bit before the first stimulus
  /// The vCPU leaves the guest for good. The recording shows only that it never acknowledged
  /// something again; the time lies between its last EOI and what it left pending.
  std::optional<Time> stops_at;
};

struct PinEntry {
  Pin pin{};
  x86::Rte entry;
};
/// Do the 8259s deliver interrupts?
enum class Pics : std::uint8_t { Silent, Used };
struct GsiPin {
  Gsi gsi{};
  Pin pin{};
};

struct Replay {
  Time length = 0;
  /// How long a handler holds its vCPU, where that decides what comes: a level that is still high
  /// at the EOI comes again.
  std::optional<Duration> handler;
  std::vector<Thread> threads;    // in order of their first stimulus
  std::vector<Vcpu> vcpus;        // by APIC id
  std::vector<PinEntry> entries;  // as they are before the first stimulus, by pin
  std::vector<GsiPin> routes;     // that were seen, by GSI
  Pics pics{};
  std::vector<PortWritten> pic_setup;  // before the first stimulus
  std::vector<Stimulus> stimuli;       // by time
};

struct Handled {
  Time time = 0;  // of the EOI
  ApicId apic{};
  Vector vector{};
};
struct Unacknowledged {
  Time time = 0;  // of the acceptance
  ApicId apic{};
  Vector vector{};
};
/// A marker `... src=NAME ...` that a test program wrote before it injected.
struct Claim {
  Time time = 0;
  std::string source;
};
enum class EoisSeen : std::uint8_t {
  All,
  Partly,  // interrupts were passed over by later ones of no higher class: EOIs are accelerated
  None,    // kvm_eoi was not recorded
};

enum class Counts : std::uint8_t {
  Sure,
  Unsure,  // interrupts were merged, a level could come again, or no EOI ends them (NMI, INIT, ...)
};

struct GroundTruth {
  std::vector<Handled> handled;           // of what was accepted in the recording, in order
  std::vector<Unacknowledged> in_flight;  // at the end, on vCPUs whose EOIs are all seen
  std::vector<Claim> claims;
  EoisSeen eois = EoisSeen::All;
  Counts counts = Counts::Sure;
};

/// What was understood and yet is no input, by why.
struct LeftOut {
  std::uint64_t artefact_eois = 0;      // EOI with nothing in service: the double EOI of one module
  std::uint64_t earlier_eois = 0;       // of interrupts accepted before the recording began
  std::uint64_t redeliveries = 0;       // of a level that was still high: the IOAPIC does it again
  std::uint64_t resampler_lows = 0;     // the resampler lowers its line at an EOI: it does it again
  std::uint64_t half_pulses = 0;        // second half of a kworker's pulse, part of the first
  std::uint64_t messages_not_sent = 0;  // kvm_msi_set_irq of a route that was only looked at
  std::uint64_t pic_inputs = 0;         // of 8259s that deliver nothing
  std::uint64_t pic_ends = 0;           // EOIs to the 8259s: the replay's handlers write their own
  std::uint64_t pins_alone = 0;         // kvm_ioapic_set_irq without the kvm_set_irq that led to it
  std::uint64_t wake_ups = 0;
  std::uint64_t unknown_vcpu = 0;  // register writes and IPIs of threads that run no known vCPU
};

enum class ApicMode : std::uint8_t { Xapic, X2apic };  // of the recorded guest

struct Recording {
  ApicMode mode{};
  Replay replay;
  GroundTruth truth;
  LeftOut left_out;
  ReadReport read;
  Diagnostics notes;
};

}  // namespace irqfab::recording
