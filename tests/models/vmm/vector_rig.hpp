// A function's vectors with their VMM and a kernel, for tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "models/vmm/vector_state.hpp"

namespace irqfab::vmm::test {

constexpr VectorIndex v(std::uint16_t n) { return VectorIndex{n}; }
constexpr x86::MsiMessage kA{0xFEE00000, 0x41};
constexpr x86::MsiMessage kB{0xFEE01000, 0x42};
constexpr x86::MsiMessage kC{0xFEE02000, 0x43};

/// A function, its VMM and a kernel. What the VMM had to do is written down.
struct VectorRig {
  using C = FunctionVectors::Config;
  explicit VectorRig(const C& config, std::uint32_t gsis = kvm::kMaxRoutes)
      : table({gsis, pc_routes(), {}}), vectors(config) {}

  std::string settle() {
    std::string log;
    while (const auto duty = vectors.next(table)) {
      log += (log.empty() ? "" : ", ") + perform(*duty);
    }
    return log;
  }
  std::string perform(const VectorDuty& duty) {
    const std::string vector = std::to_string(raw(duty.vector));
    const std::string at = vector + "@" + std::to_string(raw(duty.gsi));
    switch (duty.duty) {
      case Duty::Deassign:
        EXPECT_EQ(irqfds.count(duty.vector), 1u);
        irqfds.erase(duty.vector);
        return finish(duty, 0, "deassign " + at);
      case Duty::Commit: {
        const kvm::Answer answer = refuses_routes ? kvm::kEINVAL : kernel.replace(table.commit());
        return finish(duty, answer, "commit");
      }
      case Duty::Assign:
        if (refuses_irqfds) return finish(duty, kvm::kEBUSY, "refused " + at);
        EXPECT_TRUE(irqfds.emplace(duty.vector, duty.gsi).second);
        return finish(duty, 0, "assign " + at);
      case Duty::ToHandler:
        return finish(duty, 0, "handler " + vector);
      case Duty::ToIrqfd:
        return finish(duty, 0, "irqfd " + vector);
      case Duty::Signal:
      case Duty::Cancel:
        taken.push_back(vectors.take_pending(duty.vector));
        return finish(duty, 0, (duty.duty == Duty::Signal ? "signal " : "cancel ") + vector);
    }
    return "";
  }
  std::string finish(const VectorDuty& duty, kvm::Answer answer, const std::string& what) {
    vectors.done(duty, answer, table);
    return what;
  }
  /// What a signal of the vector's irqfd delivers.
  std::optional<x86::MsiMessage> delivers(std::uint16_t n) const {
    const auto at = irqfds.find(v(n));
    if (at == irqfds.end() || kernel.of(at->second).empty()) return std::nullopt;
    return kernel.of(at->second).begin()->message;
  }

  RouteTable table;
  FunctionVectors vectors;
  kvm::GsiRouting kernel;
  std::map<VectorIndex, Gsi> irqfds;
  std::vector<SpanId> taken;
  bool refuses_routes = false;
  bool refuses_irqfds = false;
};

/// Vectors 0 and 1 of a function are used, say kA and kB, and are not masked.
inline VectorRig running(Attach attach, RoutePolicy policy, std::uint32_t gsis = kvm::kMaxRoutes) {
  VectorRig rig({attach, policy, 3}, gsis);
  rig.vectors.set_message(v(0), kA);
  rig.vectors.set_message(v(1), kB);
  for (const VectorIndex index : {v(0), v(1)}) {
    rig.vectors.use(index);
    rig.vectors.set_mask(index, Mask::Off);
  }
  rig.vectors.enable();
  rig.settle();
  return rig;
}
constexpr std::uint32_t kOneGsi = 39;  // 38 entries of pins

}  // namespace irqfab::vmm::test
