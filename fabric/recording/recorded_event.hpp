// One event of a recorded Linux KVM trace, with its fields typed.
//
// Models: the x86 tracepoints of the group `kvm` that say what happened to an interrupt, and those
// that say which thread runs which vCPU; field meanings as in arch/x86/kvm/trace.h and
// include/trace/events/kvm.h of Linux 6.x (older spellings where they differ in text only).
// Not modelled: every other event. It arrives as Other and is counted by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "models/base/ids.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::recording {

enum class Coalescing : std::uint8_t { No, Yes };
enum class Access : std::uint8_t { Read, Write };
enum class Shorthand : std::uint8_t { None, Self, All, AllButSelf };  // ICR bits 19..18
enum class Irqchip : std::uint8_t { PicMaster, PicSlave, Ioapic };
enum class Context : std::uint8_t {
  Task,
  SoftIrq,
  HardIrq
};  // of the CPU when the event was written

/// kvm_msi_set_irq: KVM is about to deliver a message, whoever asked for it.
struct MsiSetIrq {
  std::uint32_t dst = 0;  // with KVM_CAP_X2APIC_API more than 8 bits
  Vector vector{};
  x86::DeliveryMode mode{};
  x86::DestinationMode destination_mode{};
  x86::TriggerMode trigger{};
  x86::RedirectionHint hint{};
};
/// kvm_set_irq: a GSI is driven. Source 0: user space and plain irqfds, 1: resampling irqfds,
/// 2 and up: devices in the kernel (the PIT).
struct SetIrq {
  Gsi gsi{};
  Level level{};
  std::uint32_t source = 0;
};
/// kvm_ioapic_set_irq: a pin was driven; the entry it has. Follows the acceptance it led to.
struct IoapicSetIrq {
  Pin pin{};
  std::uint8_t dst = 0;
  Vector vector{};
  x86::DeliveryMode mode{};
  x86::DestinationMode destination_mode{};
  x86::TriggerMode trigger{};
  Mask mask{};
  Coalescing coalesced{};
};
/// kvm_pic_set_irq: an 8259 pin was driven.
struct PicSetIrq {
  Irqchip chip{};
  Pin pin{};
  x86::TriggerMode trigger{};
  Mask mask{};
  Coalescing coalesced{};
};
/// kvm_apic_accept_irq: once a target LAPIC, before any check of whether that LAPIC is enabled.
struct AcceptIrq {
  ApicId apic{};
  Vector vector{};
  x86::DeliveryMode mode{};
  x86::TriggerMode trigger{};
  Coalescing coalesced{};
};
/// kvm_eoi: no vector where nothing was in service (printed as -1).
struct Eoi {
  ApicId apic{};
  std::optional<Vector> vector;
};
/// kvm_apic: an access to a LAPIC register, by its offset in the register page.
struct ApicAccess {
  Access access{};
  std::uint32_t offset = 0;
  std::uint64_t value = 0;
};
/// kvm_ack_irq: the EOI of a pin reached whoever wants to know (a resampler, the PIT).
struct AckIrq {
  Irqchip chip{};
  Pin pin{};
};
/// kvm_apic_ipi: the running vCPU sent an IPI.
struct ApicIpi {
  std::uint32_t dst = 0;
  Vector vector{};
  x86::DeliveryMode mode{};
  x86::DestinationMode destination_mode{};
  Level level{};
  x86::TriggerMode trigger{};
  Shorthand shorthand{};
};
/// kvm_mmio, writes to the IOAPIC's page only.
struct IoapicMmioWrite {
  std::uint32_t offset = 0;
  std::uint32_t value = 0;
};
/// kvm_msr, writes to IA32_APIC_BASE and the x2APIC range that did not fault.
struct ApicMsrWrite {
  std::uint32_t index = 0;
  std::uint64_t value = 0;
};
/// kvm_pio, writes of a byte to the ports of the 8259s only.
struct PicPortWrite {
  std::uint16_t port = 0;
  std::uint8_t value = 0;
};
/// kvm_entry, kvm_exit, kvm_halt_poll_ns: this thread runs that vCPU.
struct VcpuRan {
  ApicId apic{};  // the vCPU's id, which KVM also prints as `apicid`
};
/// kvm_vcpu_wakeup: the vCPU of this thread left HLT.
struct VcpuWoken {
  std::uint64_t waited_ns = 0;
};
/// A line that a program wrote into the trace.
struct Marker {
  std::string_view text;
};
struct Other {};

using What = std::variant<Other, MsiSetIrq, SetIrq, IoapicSetIrq, PicSetIrq, AcceptIrq, Eoi,
                          ApicAccess, AckIrq, ApicIpi, IoapicMmioWrite, ApicMsrWrite, PicPortWrite,
                          VcpuRan, VcpuWoken, Marker>;

/// The views last until the next event is asked for.
struct RecordedEvent {
  std::uint64_t ns = 0;  // of the recording's clock, which starts anywhere
  std::string_view comm;
  std::int32_t pid = 0;  // of the thread
  std::uint32_t cpu = 0;
  Context context{};
  std::string_view name;  // without the group: "kvm_set_irq"
  What what;
};

constexpr std::uint32_t kLvtLint0 = 0x350, kLvtLint1 = 0x360;  // SDM vol. 3, table 11-1
constexpr std::uint32_t kSelfIpi = 0x3F0;                      // x2APIC mode only
constexpr std::uint32_t kBroadcast8 = 0xFF;                    // destination of every LAPIC
constexpr std::uint32_t kBroadcast32 = ~std::uint32_t{0};      // the same in x2APIC mode

}  // namespace irqfab::recording
