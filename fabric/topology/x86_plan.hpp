// What an operating system decides before the first interrupt on x86: which CPU and vector each
// source gets, where tables and registers lie.
//
// Vectors are given out per CPU from kFirstVector up, in canonical order of the sources, and shared
// once a CPU has no more. Where messages are posted, the vectors of a CPU are bits of the PIR of
// its descriptor and, for what comes over wires and for timers, vectors of its local APIC alike.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/scenario.hpp"
#include "models/base/ids.hpp"
#include "models/pci/functions.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/posted_descriptor.hpp"

namespace irqfab::topology {

// The physical address map.
constexpr std::uint64_t kMemoryBytes = 0xC0000000;
/// Of the vCPUs of a guest, 64 bytes each.
constexpr std::uint64_t kVcpuDescriptors = kMemoryBytes;
constexpr std::uint64_t kRemapTable = 0x200000;
constexpr std::uint32_t kMostIrtes = 65536;
constexpr std::uint64_t kRemapQueue = 0x400000;
/// The largest there is: drivers here do not look at the head before they move the tail.
constexpr std::uint64_t kQueueSize = 7;
constexpr std::uint64_t kQueueBytes = std::uint64_t{4096} << kQueueSize;
/// Lines of memory, one a CPU, that are a model of their own; below 4 GiB, so that entries of the
/// remapping table differ in their lower halves only.
constexpr std::uint64_t kPostedDescriptors = kMemoryBytes;
constexpr std::uint64_t descriptor_of(CpuId cpu) {
  return kPostedDescriptors + raw(cpu) * x86::PostedDescriptor::kBytes;
}
constexpr std::uint64_t kIoApicPage = 0xFEC00000;
/// Of the `index`-th IOAPIC.
constexpr std::uint64_t ioapic_page(std::size_t index) { return kIoApicPage + index * 0x1000; }
constexpr std::uint64_t kHpetPage = 0xFED00000;
constexpr std::uint64_t kVtdPage = 0xFED90000;
constexpr std::uint64_t kAmdPage = 0xFEB80000;            // 16 KiB
constexpr RequesterId kAmdRequester{0x0002};              // of the unit's own messages: 00:00.2
constexpr std::uint64_t kFunctionWindows = 0x4000000000;  // one 2^36 share a host bridge
constexpr std::uint64_t kWindowShare = std::uint64_t{1} << 36;
constexpr std::uint64_t kEcamBase = 0xE000000000;  // one 2^28 share a segment, below 2^45
constexpr std::uint64_t kMoreFunctionWindows = std::uint64_t{1} << 45;  // above the last segment's

/// The share of the `bridge`-th host bridge: ten fit below configuration space.
constexpr std::uint64_t window_base_of(std::size_t bridge) {
  constexpr std::size_t kBelow = (kEcamBase - kFunctionWindows) / kWindowShare;
  return bridge < kBelow ? kFunctionWindows + bridge * kWindowShare
                         : kMoreFunctionWindows + (bridge - kBelow) * kWindowShare;
}

constexpr unsigned kFirstVector = 0x30;
constexpr unsigned kLastVector = 0xEE;
/// Tells a CPU of posted interrupts. It lies above the vectors of devices, as with Linux, so that
/// nothing of theirs that is not posted comes between.
constexpr Vector kNotificationVector{0xEB};
/// Where messages are posted.
constexpr unsigned kLastPostedVector = raw(kNotificationVector) - 1;
/// What the messages of the `index`-th IOAPIC come from: bus 240, device 31, function 7 and below.
constexpr RequesterId ioapic_requester(std::size_t index) {
  return RequesterId(static_cast<std::uint16_t>(0xF0FF - index));
}

// A board with 8259s.
constexpr unsigned kPicVectors = 0x20;  // IRQ n has vector 0x20 + n
/// The PCI interrupt router: device 31, function 0 on bus 0 of segment 0.
constexpr RequesterId kPirqRouter{31 << 3};
constexpr std::uint64_t kPirqPage = kEcamBase + raw(kPirqRouter) * pci::kConfigSpaceBytes;
/// Where firmware routes a PIRQ to, 0 is PIRQA.
constexpr Pin irq_of_pirq(unsigned pirq) {
  constexpr std::array<std::uint16_t, 4> kIrqs = {11, 10, 9, 5};
  return Pin{kIrqs[pirq % 4]};
}

/// The 255th CPU has id 256: 255 is everybody to those who know 8 bits only.
constexpr ApicId apic_id_of(CpuId cpu) { return ApicId{raw(cpu) < 0xFF ? raw(cpu) : raw(cpu) + 1}; }

/// A CPU and a vector on it.
struct Slot {
  CpuId cpu{};
  Vector vector{};
};

/// A row of the scenario's devices. Its functions follow each other in everything: rows, requester
/// ids, sources.
struct DevicePlan {
  const scenario::Device* device = nullptr;
  std::size_t bridge = 0;          // canonical index
  FunctionRow first_row{};         // among all behind the host bridge
  std::size_t group = 0;           // the component of functions that has it
  FunctionRow first_lane{};        // its row there
  std::uint32_t first_source = 0;  // SourceId of the first function's vector 0
  bool messages_on = false;        // MSI-X or MSI is enabled, which keeps INTx off the wire
  std::size_t bus = 0;             // 0: of the host bridge; n: the secondary of its bridges[n - 1]
  std::optional<RequesterId> alias;  // under which its messages arrive, if not under its own id

  /// A function's sources: its vectors, then its INTx.
  std::uint32_t sources_each() const { return device->vectors() + (device->intx ? 1u : 0u); }
  /// Its messages are MSI.
  bool by_msi() const { return device->msix == 0 && device->msi.has_value(); }
};

/// One function of a device.
struct FunctionPlan {
  const scenario::Device* device = nullptr;
  std::size_t bridge = 0;  // canonical index
  unsigned index = 0;      // among the functions of the device
  FunctionRow row{};       // among all behind the host bridge
  std::size_t group = 0;   // the component of functions that has it
  FunctionRow lane{};      // its row there
  RequesterId rid{};
  RequesterId requester{};         // as its messages arrive: an alias, if a bridge gives it one
  std::size_t bus = 0;             // as of a DevicePlan
  std::uint32_t first_source = 0;  // SourceId of vector 0; INTx is after the last vector
  bool messages_on = false;

  bool by_msi() const { return device->msix == 0 && device->msi.has_value(); }

  std::string name() const { return scenario::write_function(*device, index); }
};
FunctionPlan function_of(const DevicePlan& device, unsigned index);

struct RowRange {
  FunctionRow first{};
  std::uint32_t count = 0;
};

/// A bridge below a host bridge.
struct PciBridgePlan {
  const scenario::PciBridge* bridge = nullptr;
  std::size_t bus = 0;    // that it is on, as of a DevicePlan
  unsigned edge = 0;      // of what is above it: 0 is for the functions there
  RowRange on_secondary;  // functions on its secondary bus
  std::size_t group = 0;  // their component, if there are any
  RowRange below;         // and with those of the bridges behind it
};

struct BridgePlan {
  const scenario::HostBridge* bridge = nullptr;
  std::vector<DevicePlan> devices;     // ascending by requester id
  std::vector<PciBridgePlan> bridges;  // ascending by requester id, so each after what it is behind
  std::uint32_t functions = 0;         // of all devices
  std::size_t group = 0;               // the component of those on its own buses
  std::size_t ioapic = 0;              // which IOAPIC its wires reach
  std::array<Pin, 4> pins{};           // and the pins of the four INTx wires there
  std::uint64_t window_base = 0;
  std::uint64_t ecam_base = 0;

  /// The row must exist.
  FunctionPlan function_at(FunctionRow row) const;
};

/// What a level-triggered IOAPIC pin serves. On a board with 8259s the pins are PIRQs, which begin
/// at PirqRouter::kFirstPin.
struct PinPlan {
  std::size_t ioapic = 0;
  Pin pin{};
  Slot slot;
  std::vector<FunctionPlan> functions;  // those whose INTx drives it
};

/// The table of a DeviceID behind an AMD-Vi unit: 2^length entries.
struct AmdViTable {
  std::uint64_t address = 0;
  unsigned length = 0;
  std::uint32_t used = 0;
};

/// What the timers of the local APICs count in.
constexpr Duration kTimerTick = 10 * kPsPerNs;

/// How the messages of devices reach the local APICs.
enum class Remapping : std::uint8_t {
  Off,
  VtdOn,      // through the remapping table of a VT-d unit
  VtdPosted,  // the same, and MSIs are posted to the descriptor of their CPU
};
/// Of a fabric of x86.
Remapping remapping_of(std::string_view arch);

struct X86Plan {
  std::vector<BridgePlan> bridges;  // by segment, then first bus
  std::vector<PinPlan> pins;        // ascending, those that something drives
  std::size_t groups = 0;           // components of functions: one a link
  std::uint32_t cpus = 1;
  bool remapped = false;
  bool posted = false;     // messages of devices, to the descriptors of their CPUs
  bool for_guest = false;  // the CPUs are a guest's, and the host's unit posts to them
  scenario::RemappingUnit unit = scenario::RemappingUnit::VtD;  // if it is remapped
  std::map<RequesterId, AmdViTable> amdvi_tables;
  std::vector<std::uint16_t> amdvi_indices;                 // by SourceId of devices
  std::vector<std::pair<std::size_t, Vector>> pin_vectors;  // of AMD-Vi: IOAPIC and index there
  unsigned last_vector = kLastVector;
  scenario::ApicMode apic = scenario::ApicMode::Xapic;
  std::vector<Vector> tick_vectors;  // by CPU, of its timer; none without `tick`
  scenario::Interrupts interrupts = scenario::Interrupts::Ioapic;
  std::vector<std::uint32_t> first_pins;  // of each IOAPIC, counted through all of them
  std::uint32_t ioapic_pins = 0;          // of all of them
  std::uint32_t device_sources = 0;       // SourceIds below this are of devices
  std::vector<Slot> slots;                // by SourceId: where each vector's interrupt goes
  std::vector<unsigned> next_vector;      // by CPU: how many vectors were given out

  /// The format of the remapping table's entries.
  x86::InterruptMode interrupt_mode() const {
    return apic == scenario::ApicMode::X2apic ? x86::InterruptMode::Extended
                                              : x86::InterruptMode::Xapic;
  }
  bool has_amdvi() const { return remapped && unit == scenario::RemappingUnit::AmdVi; }
  bool has_pic() const { return interrupts == scenario::Interrupts::Pic; }
  /// Another slot on `cpu`.
  Slot take_slot(CpuId cpu);
  Slot slot_of(const FunctionPlan& function, unsigned vector) const {
    return slots[function.first_source + vector];
  }
  /// Null if there is no such device.
  const DevicePlan* find(std::string_view device) const;
  /// `nvme0`, or `nic[5]` of a device with several functions.
  std::optional<FunctionPlan> find_function(std::string_view name) const;

  /// By id: the bridge that a device is behind, and its place there.
  std::map<std::string, std::pair<std::size_t, std::size_t>, std::less<>> places;
};

/// Calls fn(const FunctionPlan&) for every function behind a bridge, ascending.
template <class Fn>
void for_each_function(const BridgePlan& bridge, Fn&& fn) {
  for (const DevicePlan& device : bridge.devices) {
    for (unsigned i = 0; i < device.device->count; ++i) fn(function_of(device, i));
  }
}
template <class Fn>
void for_each_function(const X86Plan& plan, Fn&& fn) {
  for (const BridgePlan& bridge : plan.bridges) for_each_function(bridge, fn);
}

/// `scenario` must have been read without errors and stays referred to.
X86Plan plan_x86(const scenario::Scenario& scenario, Remapping remapping);

constexpr std::uint64_t window_of(const BridgePlan& bridge, FunctionRow row) {
  return bridge.window_base + raw(row) * pci::kFunctionWindowBytes;
}

/// Where a CPU reaches the register at `offset` of the page: there, or as an MSR.
std::uint32_t place_of_register(scenario::ApicMode apic, std::uint32_t offset);

/// A function's page of configuration space.
constexpr std::uint64_t config_of(const BridgePlan& bridge, const FunctionPlan& function) {
  return bridge.ecam_base + raw(function.rid) * pci::kConfigSpaceBytes;
}

/// The capability as the function has it.
constexpr pci::Msi msi_of(const scenario::Msi& msi) {
  return {static_cast<std::uint8_t>(msi.vectors),
          msi.address == 64 ? pci::MsiWidth::Address64 : pci::MsiWidth::Address32,
          msi.maskable ? pci::MsiMasking::PerVector : pci::MsiMasking::None};
}

/// What IRTA_REG says of a table of so many entries (a power of 2) at kRemapTable. In x2APIC mode
/// its entries have the format of extended interrupt mode.
std::uint64_t table_pointer(std::uint32_t entries, scenario::ApicMode apic);

/// Of a request in remappable format: it names this entry of the table, or the first of several.
std::uint64_t remappable_address(std::uint32_t handle);

/// The message that makes `slot` pending: directly, or through entry `index` of the remapping
/// table.
pci::MsixEntry message_for(const X86Plan& plan, Slot slot, std::uint32_t index);

}  // namespace irqfab::topology
