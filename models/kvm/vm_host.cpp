#include "models/kvm/vm_host.hpp"

namespace irqfab::kvm {
namespace {

host::HostMachine machine_of(const VmHost::Config& config) {
  host::HostMachine::Config of;
  of.cpus = config.host_cpus;
  of.slice = config.slice;
  return host::HostMachine(of);
}

}  // namespace

VmHost::VmHost(const Config& config)
    : machine_(machine_of(config)), software_(config.software, config.layer, machine_) {}

LaneId VmHost::lane_of(PortId port, const Message& message) const {
  if (const auto vcpu = software_.vcpu_of(message)) return LaneId{machine_.lanes() + raw(*vcpu)};
  if (const auto* write = std::get_if<BusWrite>(&message); write != nullptr && port == kMessages) {
    const auto cpu = VcpuThreads::target_of(*write, machine_.config().cpus);
    if (cpu) return LaneId{raw(*cpu)};
  }
  return machine_.lane_of(message);
}

void VmHost::receive(PortId port, const Message& message, Env& env) {
  machine_.receive(port, message, software_, env);
}

void VmHost::held_spans(std::vector<SpanId>& out) const {
  machine_.held_spans(out);
  software_.held_spans(out);
}

}  // namespace irqfab::kvm
