// What an operating system decides before the first interrupt on x86: which CPU and vector each source
// gets, where tables and registers lie.
//
// Vectors are given out per CPU from kFirstVector up, in canonical order of the sources, and shared
// once a CPU has no more.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric/scenario/scenario.hpp"
#include "models/base/ids.hpp"
#include "models/pci/functions.hpp"

namespace irqfab::topology {

// The physical address map.
constexpr std::uint64_t kMemoryBytes = 0xC0000000;
constexpr std::uint64_t kRemapTable = 0x200000;
constexpr std::uint64_t kRemapQueue = 0x400000;
constexpr std::uint64_t kIoApicPage = 0xFEC00000;
constexpr std::uint64_t kVtdPage = 0xFED90000;
constexpr std::uint64_t kFunctionWindows = 0x4000000000;  // one 2^36 share a host bridge
constexpr std::uint64_t kWindowShare = std::uint64_t{1} << 36;
constexpr std::uint64_t kEcamBase = 0xE000000000;  // one 2^28 share a segment

constexpr unsigned kFirstVector = 0x30;
constexpr unsigned kLastVector = 0xEE;
/// What the IOAPIC's messages come from: bus 240, device 31, function 7.
constexpr RequesterId kIoApicRequester{0xF0FF};

/// A CPU and a vector on it.
struct Slot {
  CpuId cpu{};
  Vector vector{};
};

struct FunctionPlan {
  const scenario::Device* device = nullptr;
  std::size_t bridge = 0;  // canonical index
  FunctionRow row{};
  std::uint32_t first_source = 0;  // SourceId of vector 0; INTx is after the last vector
  std::vector<Slot> msix;          // by vector
  bool messages_on = false;        // MSI-X is enabled, which keeps INTx off the wire
};

struct BridgePlan {
  const scenario::HostBridge* bridge = nullptr;
  std::vector<FunctionPlan> functions;  // ascending by requester id
  std::array<Pin, 4> pins{};            // IOAPIC pins of the four INTx wires
  std::uint64_t window_base = 0;
  std::uint64_t ecam_base = 0;
};

/// What a level-triggered IOAPIC pin serves.
struct PinPlan {
  Pin pin{};
  Slot slot;
  std::vector<const FunctionPlan*> functions;  // those whose INTx drives it
};

struct X86Plan {
  X86Plan() = default;
  X86Plan(X86Plan&&) = default;  // pins refer to bridges, so a copy would refer to the original
  X86Plan& operator=(X86Plan&&) = default;

  std::vector<BridgePlan> bridges;  // by segment, then first bus
  std::vector<PinPlan> pins;        // ascending, those that something drives
  std::uint32_t cpus = 1;
  bool remapped = false;
  std::vector<unsigned> next_vector;  // by CPU: how many vectors were given out

  /// Another slot on `cpu`.
  Slot take_slot(CpuId cpu);
  const FunctionPlan* find(const std::string& device) const;
};

/// `scenario` must have been read without errors and stays referred to.
X86Plan plan_x86(const scenario::Scenario& scenario, bool remapped);

constexpr std::uint64_t window_of(const BridgePlan& bridge, FunctionRow row) {
  return bridge.window_base + raw(row) * pci::kFunctionWindowBytes;
}
/// Index of a source's entry in the remapping table.
constexpr std::uint32_t irte_index(SourceId source) { return raw(source); }

/// The message that makes `slot` pending: directly, or through entry `index` of the remapping table.
pci::MsixEntry message_for(const X86Plan& plan, Slot slot, std::uint32_t index);

}  // namespace irqfab::topology
