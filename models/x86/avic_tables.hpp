// The tables by which an AMD processor with AVIC finds the targets of an IPI: in memory, of a VM,
// written by the host.
//
// Models: APM vol. 2, 15.29.5.2 "Physical APIC ID Table" (the backing page's address is the vCPU
// here) of 512 entries at most, and 15.29.5.3 "Logical APIC ID Table" in flat and cluster form; in
// x2APIC mode logical ids are computed and that table is not used (15.29.10).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/base/ids.hpp"

namespace irqfab::x86 {

/// The highest index of the physical table: 8 bits, or 9 with x2AVIC.
constexpr std::uint32_t kAvicMaxIndex = 0xFF;
constexpr std::uint32_t kX2avicMaxIndex = 0x1FF;

class AvicTables {
 public:
  /// An entry of the physical table.
  struct Physical {
    bool valid = false;
    bool is_running = false;
    ApicId host{};  // of the CPU that runs it; of the last one if none does
    CpuId vcpu{};
    friend bool operator==(const Physical& a, const Physical& b) {
      return a.valid == b.valid && a.is_running == b.is_running && a.host == b.host &&
             a.vcpu == b.vcpu;
    }
  };
  static constexpr std::uint32_t kFlatEntries = 8;
  static constexpr std::uint32_t kClusterEntries = 60;  // 15 clusters of 4

  AvicTables() = default;
  /// With entries 0 to `max_index`, none valid.
  explicit AvicTables(std::uint32_t max_index) : physical_(max_index + 1) {}

  /// Null beyond the last entry.
  Physical* at(ApicId id) { return raw(id) < physical_.size() ? &physical_[raw(id)] : nullptr; }
  const Physical* at(ApicId id) const {
    return raw(id) < physical_.size() ? &physical_[raw(id)] : nullptr;
  }
  std::uint32_t entries() const { return static_cast<std::uint32_t>(physical_.size()); }

  /// Entry of the logical table; `index` is 0..59. Nothing if it is not valid.
  std::optional<ApicId> logical(std::uint32_t index) const { return logical_[index]; }
  void clear_logical() { logical_ = {}; }
  /// Enters a vCPU by its LDR and DFR. False if it has several logical ids, or if its place is
  /// taken; a vCPU without a logical id has no entry.
  bool enter_logical(ApicId id, std::uint32_t ldr, std::uint32_t dfr);

  friend bool operator==(const AvicTables& a, const AvicTables& b) {
    return a.physical_ == b.physical_ && a.logical_ == b.logical_;
  }

 private:
  std::vector<Physical> physical_;
  std::array<std::optional<ApicId>, kClusterEntries> logical_{};
};

}  // namespace irqfab::x86
