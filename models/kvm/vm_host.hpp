// A host whose threads run vCPUs, the guest's side of it, and the descriptors: the core of a
// machine without a VMM.
#pragma once

#include <array>
#include <vector>

#include "models/base/port.hpp"
#include "models/kvm/vcpu_threads.hpp"

namespace irqfab::kvm {

class VmHost final {
 public:
  struct Config {
    VcpuThreads::Config software;
    IrqLayer::Config layer;  // its chip's local APICs are the vCPUs'
    unsigned host_cpus = 1;  // 1 to 255: messages have 8 bits for a destination
    Duration slice = 3 * kPsPerMs;
  };

  // What the guest's registers say to their CPUs, they say at the port that they have by
  // themselves.
  static constexpr PortId kMessages = VcpuThreads::kMessages;
  static constexpr PortId kVcpus = VcpuThreads::kVcpus;
  static constexpr PortId kDescriptors = port_of(2);
  static constexpr PortId kCalls = port_of(3);  // called by the machine, no edge
  static_assert(kMessages == port_of(0) && kVcpus == port_of(1), "the order of kPorts");
  static constexpr std::array<PortSpec, 3> kPorts = {{
      {"messages", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"vcpus", EdgeKind::Cpu, Direction::Target, Order::Ordered, 1, 1},
      {"descriptors", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1u << kEdgeBits},
  }};

  explicit VmHost(const Config& config);

  /// Lanes: host CPUs, the outside, then vCPUs.
  static unsigned lanes(const Config& config) {
    return config.host_cpus + 1 + static_cast<unsigned>(config.layer.irqchip.ids.size());
  }
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  VcpuThreads& software() { return software_; }
  const VcpuThreads& software() const { return software_; }
  const host::HostMachine& machine() const { return machine_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VmHost& a, const VmHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  VcpuThreads software_;
};

}  // namespace irqfab::kvm
