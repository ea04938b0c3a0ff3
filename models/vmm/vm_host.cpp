#include "models/vmm/vm_host.hpp"

namespace irqfab::vmm {
namespace {

constexpr std::uint64_t kIoapicPage = 0xFEC00000;
constexpr std::uint64_t kIoapicBytes = 0x1000;

host::HostMachine machine_of(const VmHost::Config& config) {
  host::HostMachine::Config of;
  of.cpus = config.host_cpus;
  of.slice = config.slice;
  return host::HostMachine(of);
}

/// The VMM's programs follow those of the vCPU threads and the layer.
VmSoftware::Config software_of(const VmHost::Config& config) {
  VmSoftware::Config of;
  of.vcpus = config.vcpus;
  of.layer = config.layer;
  of.layer.irqchip.timers = LaneId{config.host_cpus};  // and so on the lanes of the vCPUs
  of.layer.eventfds = Vmm::eventfds_of(config.plan);
  of.layer.irqchip.max_routes = config.plan.gsis;
  of.vmm.plan = config.plan;
  of.vmm.irqchip = config.layer.irqchip.kind;
  of.vmm.mutants = config.layer.mutants;
  of.vmm.registers = VmHost::kRegisters;
  of.vmm.host_bus = VmHost::kHostBus;
  of.vmm.bridges = VmHost::kBridges;
  of.vmm.eois = VmHost::kEois;
  of.vmm.first_program = kvm::VcpuThreads::kFirstFree;
  of.vcpus.user_exit = Vmm::user_exit(of.vmm.first_program);
  return of;
}

/// The vCPU that makes an access; of a machine that may not have as many.
CpuId vcpu_of(PortId port, const Message& message) {
  if (edge_of(port) == VmHost::kByDriver) return CpuId{0};
  const auto* read = std::get_if<BusRead>(&message);
  const auto* write = std::get_if<BusWrite>(&message);
  const Requester by = read != nullptr    ? read->requester
                       : write != nullptr ? write->requester
                                          : Requester{};
  return CpuId{raw(by.rid)};
}

/// Of no function that the VMM knows.
void refuse(SpanId span, Env& env) {
  if (span != kNoSpan) env.drop(span, DropReason::NoSuchTarget);
  env.guest_error(GuestFault::UnclaimedAddress);
}

}  // namespace

// ---- the software -----------------------------------------------------------------------------

VmSoftware::VmSoftware(const Config& config, host::HostMachine& machine)
    : vcpus_(config.vcpus, config.layer, machine),
      vmm_(config.vmm, static_cast<std::uint32_t>(config.layer.irqchip.ids.size()), vcpus_.layer(),
           machine) {}

host::Action VmSoftware::run(host::Task& task, host::HostKernel& kernel, Env& env) {
  if (vmm_.owns(task.program)) return vmm_.run(task, {vcpus_, kernel, env});
  return vcpus_.run(task, kernel, env);
}

host::Reception VmSoftware::receive(PortId port, const Message& message, host::HostKernel& kernel,
                                    Env& env) {
  if (is_for_vmm(port, message, kernel, env)) return host::Reception::Taken;
  return vcpus_.receive(port, message, kernel, env);
}

bool VmSoftware::is_for_vmm(PortId port, const Message& message, host::HostKernel& kernel,
                            Env& env) {
  const Vmm::Here here{vcpus_, kernel, env};
  if (const auto* call = std::get_if<HostCall>(&message)) return vmm_.on_call(*call, here);
  const auto* write = std::get_if<BusWrite>(&message);
  switch (spec_of(port)) {
    case spec_of(VmHost::kMessages): {
      if (write == nullptr) return false;
      const auto cpu = kvm::VcpuThreads::target_of(*write, kernel.machine().config().cpus);
      return cpu && vmm_.on_host_interrupt(*write, *cpu, here);
    }
    case spec_of(VmHost::kDevices):
      if (write != nullptr && !vmm_.on_message(*write, here)) refuse(write->span, env);
      return true;
    case spec_of(VmHost::kIntx): {
      const auto* change = std::get_if<PinChange>(&message);
      const bool known = change != nullptr && vmm_.on_line(edge_of(port), *change, here);
      if (change != nullptr && !known) refuse(change->span, env);
      return true;
    }
    case spec_of(VmHost::kMmio):
      on_access(port, message, here);
      return true;
    case spec_of(VmHost::kRegisters):
    case spec_of(VmHost::kBridges):
      if (const auto* data = std::get_if<BusData>(&message)) vmm_.on_data(*data, here);
      return true;
    case spec_of(VmHost::kHostBus):
      if (const auto* data = std::get_if<BusData>(&message)) vmm_.on_host_data(*data, here);
      return true;
    default:
      return false;
  }
}

/// The kernel's IOAPIC, or the VMM's models of devices; what neither knows is nobody's.
void VmSoftware::on_access(PortId port, const Message& message, const Vmm::Here& here) {
  const CpuId vcpu = vcpu_of(port, message);
  const auto* read = std::get_if<BusRead>(&message);
  const auto* write = std::get_if<BusWrite>(&message);
  if (raw(vcpu) >= vcpus_.vcpus() || (read == nullptr && write == nullptr)) {
    return here.env.guest_error(GuestFault::UnclaimedAddress);
  }
  const std::uint64_t address = read != nullptr ? read->address : write->address;
  if (vcpus_.has_ioapic() && address - kIoapicPage < kIoapicBytes) {
    return vcpus_.access_ioapic(vcpu, port, message, here.kernel, here.env);
  }
  const bool by_driver = edge_of(port) == VmHost::kByDriver;
  const SpanId by = read != nullptr ? read->span : by_driver ? kNoSpan : vcpus_.in_service(vcpu);
  vmm_.on_access(vcpu, port, message, by, here);
}

SpanId VmSoftware::works_for(host::TaskHandle handle, const host::Task& task) const {
  if (raw(handle.slot) < vcpus_.vcpus()) return vcpus_.works_for(handle, task);
  return vmm_.owns(task.program) ? vmm_.works_for(task, vcpus_.layer()) : task.span;
}

void VmSoftware::preempted(host::Task& task, host::HostKernel& kernel, Env& env) {
  vcpus_.preempted(task, kernel, env);
}

void VmSoftware::held_spans(std::vector<SpanId>& out) const {
  vcpus_.held_spans(out);
  vmm_.held_spans(out);
}

// ---- the core ---------------------------------------------------------------------------------

VmHost::VmHost(const Config& config)
    : machine_(machine_of(config)), software_(software_of(config), machine_) {}

LaneId VmHost::lane_of(PortId port, const Message& message) const {
  const auto vcpu = [this](CpuId cpu) { return LaneId{machine_.lanes() + raw(cpu)}; };
  if (const auto at = software_.vcpus().vcpu_of(message)) return vcpu(*at);
  if (spec_of(port) == spec_of(kMmio)) {
    const CpuId by = vcpu_of(port, message);
    if (raw(by) < software_.vcpus().vcpus()) return vcpu(by);
  }
  if (const auto* m = std::get_if<BusWrite>(&message); m != nullptr && port == kMessages) {
    const auto cpu = kvm::VcpuThreads::target_of(*m, machine_.config().cpus);
    if (cpu) return LaneId{raw(*cpu)};
  }
  return machine_.lane_of(message);
}

void VmHost::receive(PortId port, const Message& message, Env& env) {
  machine_.receive(port, message, software_, env);
}

void VmHost::program_pin(Pin pin, std::uint64_t entry, Env& env) {
  kvm::IrqLayer& layer = vcpus().layer();
  if (layer.config().irqchip.kind == kvm::IrqchipKind::Full) {
    return layer.chip().write_entry(pin, entry, env);
  }
  vmm().program_pin(pin, entry, layer, env);
}

void VmHost::held_spans(std::vector<SpanId>& out) const {
  machine_.held_spans(out);
  software_.held_spans(out);
}

}  // namespace irqfab::vmm
