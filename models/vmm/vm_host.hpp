// A virtual machine on a modelled host: the host's CPUs and kernel, KVM with its routing layer, the
// threads of the vCPUs, and the VMM with its threads, locks and models of devices.
//
// Software on one HostMachine, in three parts, each with a range of programs of its own: vCPU
// threads (models/kvm/vcpu_threads.hpp) with the routing layer (models/kvm/irq_layer.hpp), and the
// VMM (vmm.hpp). What a device has to say arrives as it leaves the device: the message of an
// emulated function or of one that vhost serves at kDevices, that of an assigned one, or of the
// host's IOAPIC for its INTx, as an interrupt of the host at kMessages. The host's own accesses of
// assigned functions leave by kBridges, its ends of level interrupts by kEois.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/base/port.hpp"
#include "models/host/host_machine.hpp"
#include "models/kvm/irq_layer.hpp"
#include "models/kvm/vcpu_threads.hpp"
#include "models/vmm/vm_plan.hpp"
#include "models/vmm/vmm.hpp"

namespace irqfab::vmm {

/// Everything that runs on the machine.
class VmSoftware final : public host::Software {
 public:
  struct Config {
    kvm::VcpuThreads::Config vcpus;
    kvm::IrqLayer::Config layer;
    Vmm::Config vmm;
  };
  VmSoftware(const Config& config, host::HostMachine& machine);

  host::Action run(host::Task& task, host::HostKernel& kernel, Env& env) override;
  host::Reception receive(PortId port, const Message& message, host::HostKernel& kernel,
                          Env& env) override;
  void preempted(host::Task& task, host::HostKernel& kernel, Env& env) override;
  SpanId works_for(host::TaskHandle handle, const host::Task& task) const override;

  kvm::VcpuThreads& vcpus() { return vcpus_; }
  const kvm::VcpuThreads& vcpus() const { return vcpus_; }
  Vmm& vmm() { return vmm_; }
  const Vmm& vmm() const { return vmm_; }

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VmSoftware& a, const VmSoftware& b) {
    return a.vcpus_ == b.vcpus_ && a.vmm_ == b.vmm_;
  }

 private:
  bool is_for_vmm(PortId port, const Message& message, host::HostKernel& kernel, Env& env);

  void on_access(PortId port, const Message& message, const Vmm::Here& here);

  kvm::VcpuThreads vcpus_;
  Vmm vmm_;
};

class VmHost final {
 public:
  struct Config {
    kvm::VcpuThreads::Config vcpus;
    /// Its chip's local APICs are the vCPUs'. Eventfds and the limit of routes follow from `plan`.
    kvm::IrqLayer::Config layer;
    VmPlan plan;
    unsigned host_cpus = 1;  // 1 to 255: messages have 8 bits for a destination
    Duration slice = 3 * kPsPerMs;
  };

  // What the guest's registers say to their CPUs, they say at the port that they have by
  // themselves.
  static constexpr PortId kMessages = x86::LapicBank::kMessages;
  static constexpr PortId kVcpus = x86::LapicBank::kCpu;
  static constexpr PortId kDescriptors = port_of(2);
  static constexpr PortId kDevices = port_of(3);
  static constexpr PortId kIntx = port_of(4);
  static constexpr PortId kMmio = port_of(5);
  static constexpr PortId kRegisters = port_of(6);
  static constexpr PortId kBridges = port_of(7);
  static constexpr PortId kEois = port_of(8);
  static constexpr PortId kHostBus = port_of(9);
  static constexpr PortId kCalls = port_of(10);  // called by the machine, no edge
  static_assert(kMessages == port_of(0) && kVcpus == port_of(1), "the order of kPorts");
  static constexpr unsigned kMostEdges = 1u << kEdgeBits;
  /// Edges of kMmio.
  static constexpr unsigned kByVcpus = 0;
  static constexpr unsigned kByDriver = 1;  // vCPU 0 makes the accesses
  static constexpr std::array<PortSpec, 10> kPorts = {{
      {"messages", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 1},
      {"vcpus", EdgeKind::Cpu, Direction::Target, Order::Ordered, 1, 1},
      {"descriptors", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, kMostEdges},
      {"devices", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, kMostEdges},
      {"intx", EdgeKind::Wire, Direction::Target, Order::Ordered, 0, kMostEdges},
      {"mmio", EdgeKind::Bus, Direction::Target, Order::Ordered, 0, 2},
      {"registers", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, kMostEdges},
      {"bridges", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, kMostEdges},
      {"eois", EdgeKind::Fabric, Direction::Initiator, Order::Ordered, 0, 1},
      {"host_bus", EdgeKind::Bus, Direction::Initiator, Order::Ordered, 0, 1},
  }};

  explicit VmHost(const Config& config);

  /// Lanes: host CPUs, the outside, then vCPUs.
  static unsigned lanes(const Config& config) {
    return config.host_cpus + 1 + static_cast<unsigned>(config.layer.irqchip.ids.size());
  }
  LaneId lane_of(PortId port, const Message& message) const;
  void receive(PortId port, const Message& message, Env& env);

  kvm::VcpuThreads& vcpus() { return software_.vcpus(); }
  const kvm::VcpuThreads& vcpus() const { return software_.vcpus(); }
  Vmm& vmm() { return software_.vmm(); }
  const Vmm& vmm() const { return software_.vmm(); }
  const host::HostMachine& machine() const { return machine_; }

  /// A redirection entry of the guest's IOAPIC, wherever that is, as the guest would write it;
  /// before the run.
  void program_pin(Pin pin, std::uint64_t entry, Env& env);

  void held_spans(std::vector<SpanId>& out) const;
  friend bool operator==(const VmHost& a, const VmHost& b) {
    return a.machine_ == b.machine_ && a.software_ == b.software_;
  }

 private:
  host::HostMachine machine_;
  VmSoftware software_;
};

}  // namespace irqfab::vmm
