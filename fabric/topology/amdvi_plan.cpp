#include "fabric/topology/amdvi_plan.hpp"

#include <algorithm>

#include "models/x86/amdvi_registers.hpp"
#include "models/x86/amdvi_tables.hpp"

namespace irqfab::topology {
namespace {

constexpr std::uint32_t kMostEntries = 2048;
constexpr std::uint32_t kVectors = 256;

/// The next indices of a table, aligned so that the low bits of a message can count them.
std::uint32_t take(AmdViTable& table, std::uint32_t count) {
  std::uint32_t aligned = 1;
  while (aligned < count) aligned *= 2;
  const std::uint32_t first = (table.used + aligned - 1) / aligned * aligned;
  table.used = first + count;
  return first;
}

/// Each has an address for as many entries as its length says.
void lay_out(X86Plan& plan) {
  constexpr std::uint64_t kAlignment = 128;
  std::uint64_t at = kAmdInterruptTables;
  for (auto& [requester, table] : plan.amdvi_tables) {
    while ((1u << table.length) < table.used) ++table.length;
    table.address = at;
    const std::uint64_t bytes = kAmdEntryBytes << table.length;
    at += std::max(bytes, kAlignment);
  }
}

}  // namespace

std::array<std::pair<std::uint64_t, std::uint64_t>, 3> amdvi_bases() {
  using namespace x86::amdvi;
  constexpr std::uint64_t kAllDevices = 511;  // pages of the table less one
  constexpr std::uint64_t kLengthOf256 = 8;
  constexpr std::uint64_t kLongest = 15;
  static_assert(kEntryBytes << kLongest == kQueueBytes, "the queue of either unit");
  return {{{kDeviceTableBase, DeviceTableBase::Size::set(kAmdDeviceTable, kAllDevices)},
           {kCommandBufferBase, BufferBase::Length::set(kRemapQueue, kLongest)},
           {kEventLogBase, BufferBase::Length::set(kAmdEventLog, kLengthOf256)}}};
}

std::uint64_t amdvi_control() {
  using x86::amdvi::Control;
  std::uint64_t control = Control::IommuEn::set(0, 1);
  control = Control::EventLogEn::set(control, 1);
  control = Control::CmdBufEn::set(control, 1);
  return Control::NumIntRemapMode::set(control, x86::amdvi::kRemapMode2048);
}

void give_amdvi_indices(X86Plan& plan) {
  plan.amdvi_indices.resize(plan.device_sources);
  for (std::size_t ioapic = 0; ioapic < plan.first_pins.size(); ++ioapic) {
    plan.amdvi_tables[ioapic_requester(ioapic)].used = kVectors;
  }
  for_each_function(plan, [&](const FunctionPlan& function) {
    const std::uint32_t vectors = function.device->vectors();
    AmdViTable& table = plan.amdvi_tables[function.requester];
    const std::uint32_t aligned = function.by_msi() ? take(table, vectors) : table.used;
    if (!function.by_msi()) table.used += vectors;
    for (std::uint32_t v = 0; v < vectors; ++v) {
      plan.amdvi_indices[function.first_source + v] = static_cast<std::uint16_t>(aligned + v);
    }
  });
  lay_out(plan);
}

Slot take_pin_slot(X86Plan& plan, std::size_t ioapic, CpuId cpu) {
  const auto taken = [&](Vector vector) {
    return std::any_of(plan.pin_vectors.begin(), plan.pin_vectors.end(), [&](const auto& pin) {
      return pin.first == ioapic && pin.second == vector;
    });
  };
  Slot slot = plan.take_slot(cpu);
  while (taken(slot.vector)) slot = plan.take_slot(cpu);
  plan.pin_vectors.emplace_back(ioapic, slot.vector);
  return slot;
}

pci::MsixEntry amdvi_message_for(const X86Plan& plan, std::uint32_t source) {
  pci::MsixEntry entry;
  entry.mask = Mask::Off;
  // DM says that the index has 11 bits.
  entry.address = x86::MsiAddress::Dm::set(x86::MsiAddress::Base::set(0, x86::kMsiBase), 1);
  entry.data = plan.amdvi_indices[source];
  return entry;
}

std::uint64_t amdvi_entry_at(const X86Plan& plan, RequesterId requester, std::uint32_t index) {
  return plan.amdvi_tables.at(requester).address + index * kAmdEntryBytes;
}

std::uint32_t amdvi_entry_for(Slot slot, x86::TriggerMode trigger) {
  using x86::amdvi::Irte;
  std::uint64_t entry = Irte::RemapEn::set(0, 1);
  entry = Irte::RqEoi::set(entry, trigger == x86::TriggerMode::Level);
  entry = Irte::Destination8::set(entry, raw(slot.cpu));
  return static_cast<std::uint32_t>(Irte::BasicVector::set(entry, raw(slot.vector)));
}

std::optional<Diagnostic> refuse_amdvi(const scenario::Scenario& scenario, const X86Plan& plan) {
  for (const auto& [requester, table] : plan.amdvi_tables) {
    if (table.used <= kMostEntries) continue;
    return Diagnostic{Severity::Error,
                      "too-many-sources",
                      scenario.machine.where,
                      std::to_string(table.used) + " interrupts under the requester id " +
                          scenario::write_bdf(requester) + ", whose table has one entry for each",
                      "at most " + std::to_string(kMostEntries) + " with 'remapping: amd-vi'",
                      ""};
  }
  return std::nullopt;
}

}  // namespace irqfab::topology
