#include "fabric/topology/guest_plan.hpp"

#include <algorithm>

#include "fabric/topology/pci_plan.hpp"

namespace irqfab::topology {
namespace {

using scenario::Attach;
using scenario::Scenario;

constexpr unsigned kHostVectors = kLastHostVector - kFirstHostVector + 1;
constexpr std::uint32_t kGsis = 4096, kGsisThen = 1024;

Diagnostic refuse(const SourceRange& where, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

vmm::Attach attach_of(const scenario::Device& device, std::string_view path) {
  switch (device.attach.value_or(posts(path) ? Attach::Assigned : Attach::Emulated)) {
    case Attach::Vhost:
      return vmm::Attach::Vhost;
    case Attach::Assigned:
      return vmm::Attach::Assigned;
    case Attach::Emulated:
      break;
  }
  return vmm::Attach::Emulated;
}

vmm::Delivery delivery_on(std::string_view path) {
  if (path == "kvm-signal-msi") return vmm::Delivery::SignalMsi;
  if (path == "kvm-dynamic-route") return vmm::Delivery::DynamicRoute;
  return path == "vmm-userspace" ? vmm::Delivery::Userspace : vmm::Delivery::Irqfd;
}

vmm::RoutePolicy policy_of(scenario::RoutesWhen when) {
  switch (when) {
    case scenario::RoutesWhen::OnUnmask:
      return vmm::RoutePolicy::OnUnmask;
    case scenario::RoutesWhen::OnDemand:
      return vmm::RoutePolicy::OnDemand;
    case scenario::RoutesWhen::Eager:
      break;
  }
  return vmm::RoutePolicy::Eager;
}

x86::MsiMessage message_to(Slot slot) {
  x86::ApicMessage message;
  message.destination = apic_id_of(slot.cpu);
  message.vector = slot.vector;
  return x86::encode(message);
}

/// Gives out the vectors of the host's CPUs, whose turns it is: blocks are aligned, as the vectors
/// of MSI have to be.
class HostVectors {
 public:
  explicit HostVectors(unsigned cpus) : next_(cpus, kFirstHostVector) {}

  /// The first of `count` vectors on one CPU; the CPU's last ones again once it has no more.
  vmm::HostInterrupt take(unsigned count = 1) {
    const std::size_t cpu = turn_++ % next_.size();
    const unsigned first = (next_[cpu] + count - 1) / count * count;
    is_full_ = is_full_ || first + count - 1 > kLastHostVector;
    next_[cpu] = first + count;
    const unsigned given = std::min(first, (kLastHostVector + 1) / count * count - count);
    return {host::HostCpu(static_cast<std::uint16_t>(cpu)),
            Vector(static_cast<std::uint8_t>(given))};
  }
  /// Has something been given out twice?
  bool is_full() const { return is_full_; }

 private:
  std::vector<unsigned> next_;  // by CPU
  std::size_t turn_ = 0;
  bool is_full_ = false;
};

vmm::HostInterrupt next_of(vmm::HostInterrupt first, unsigned place) {
  return {first.cpu, Vector(static_cast<std::uint8_t>(raw(first.vector) + place))};
}

vmm::FunctionPlan plan_of(const X86Plan& plan, std::string_view path, const FunctionPlan& function,
                          HostVectors& vectors) {
  const BridgePlan& bridge = plan.bridges[function.bridge];
  const scenario::Device& device = *function.device;
  vmm::FunctionPlan planned;
  planned.attach = attach_of(device, path);
  planned.first_source = function.first_source;
  planned.window = window_of(bridge, function.row);
  planned.config_space = config_of(bridge, function);
  const bool assigned = planned.attach == vmm::Attach::Assigned;
  planned.registers_edge = static_cast<std::uint32_t>(assigned ? function.bridge : function.group);
  planned.intx_edge = static_cast<std::uint32_t>(function.group);
  planned.intx_driver = raw(function.row);
  if (device.intx) {
    planned.intx =
        Gsi{raw(bridge.pins[intx_wire(bridge, function.bus, function.rid, *device.intx)])};
  }
  planned.enabled = function.messages_on;
  vmm::HostInterrupt block;
  if (function.by_msi()) planned.msi = msi_of(*device.msi);
  if (assigned && function.by_msi()) block = vectors.take(device.vectors());
  for (unsigned v = 0; v < device.vectors(); ++v) {
    vmm::VectorPlan vector;
    vector.message = message_to(plan.slot_of(function, v));
    if (assigned) vector.host = function.by_msi() ? next_of(block, v) : vectors.take();
    planned.vectors.push_back(vector);
  }
  return planned;
}

/// A queue has a vector, and somebody of its own who serves it, unless that is code which runs
/// under the VMM's big lock anyway.
std::uint32_t threads_of(const scenario::Device& device, std::string_view path,
                         std::uint32_t vcpus) {
  const bool locked =
      attach_of(device, path) == vmm::Attach::Emulated && delivery_on(path) != vmm::Delivery::Irqfd;
  return locked ? 1 : std::clamp<std::uint32_t>(device.vectors(), 1, vcpus);
}

/// Each assigned vector has an entry of the host's remapping table.
vmm::PostingPlan posting_plan() {
  vmm::PostingPlan posting;
  posting.table = kRemapTable;
  posting.queue = kRemapQueue;
  posting.queue_bytes = kQueueBytes;
  posting.status = kRemapQueue + kQueueBytes;
  posting.registers = kVtdPage;
  posting.descriptors = kVcpuDescriptors;
  return posting;
}

void give_entries(vmm::VmPlan& planned) {
  std::uint32_t next = 0;
  for (vmm::FunctionPlan& function : planned.functions) {
    if (function.attach != vmm::Attach::Assigned) continue;
    for (vmm::VectorPlan& vector : function.vectors) vector.entry = next++;
  }
}

/// Pins of the host's IOAPIC are those of the guest's, as the wires of the bridges lead there.
void plan_host_pins(const X86Plan& plan, HostVectors& vectors, vmm::VmPlan& planned) {
  for (const PinPlan& pin : plan.pins) {
    vmm::HostPinPlan wired;
    for (std::uint32_t n = 0; n < planned.functions.size(); ++n) {
      const vmm::FunctionPlan& function = planned.functions[n];
      const bool is_here = function.has_host_line() && raw(*function.intx) == raw(pin.pin);
      if (is_here) wired.functions.push_back(n);
    }
    if (wired.functions.empty()) continue;
    wired.host = vectors.take();
    planned.host_pins.push_back(std::move(wired));
  }
}

}  // namespace

bool posts(std::string_view path) { return path == "kvm-direct-inject"; }

bool is_assigned(const scenario::Device& device, std::string_view path) {
  return attach_of(device, path) == vmm::Attach::Assigned;
}

bool has_assigned(const BridgePlan& bridge, std::string_view path) {
  return std::any_of(
      bridge.devices.begin(), bridge.devices.end(),
      [path](const DevicePlan& device) { return is_assigned(*device.device, path); });
}

vmm::VmPlan vm_plan_of(const Scenario& scenario, const X86Plan& plan, std::string_view path,
                       unsigned host_cpus) {
  const scenario::Host host = scenario.machine.host.value_or(scenario::Host{});
  vmm::VmPlan planned;
  planned.delivery = delivery_on(path);
  planned.policy = policy_of(host.routes);
  planned.gsis = host.gsis > 0 ? host.gsis : path == "kvm-dynamic-route" ? kGsisThen : kGsis;
  HostVectors vectors(host_cpus);
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      const std::uint32_t threads = threads_of(*device.device, path, plan.cpus);
      for (unsigned f = 0; f < device.device->count; ++f) {
        planned.functions.push_back(plan_of(plan, path, function_of(device, f), vectors));
        planned.functions.back().device = planned.threads;
        planned.functions.back().threads = threads;
      }
      planned.threads += threads;
    }
  }
  plan_host_pins(plan, vectors, planned);
  give_entries(planned);
  if (posts(path)) planned.posting = posting_plan();
  return planned;
}

Diagnostics refuse_guest(const X86Plan& plan, std::string_view path, unsigned host_cpus) {
  HostVectors vectors(host_cpus);
  const DevicePlan* last = nullptr;
  const auto refused = [&]() -> Diagnostics {
    return {refuse(last->device->where, "too-many-sources",
                   "with '" + last->device->id +
                       "' more vectors are assigned than the CPUs of the host have, " +
                       std::to_string(host_cpus) + " times " + std::to_string(kHostVectors),
                   "more CPUs in 'host', or fewer vectors")};
  };
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      if (!is_assigned(*device.device, path)) continue;
      last = &device;
      for (unsigned f = 0; f < device.device->count; ++f) {
        if (device.by_msi()) vectors.take(device.device->vectors());
        for (unsigned v = 0; !device.by_msi() && v < device.device->vectors(); ++v) vectors.take();
        if (vectors.is_full()) return refused();
      }
    }
  }
  // The pins of INTx come last.
  for (const PinPlan& pin : plan.pins) {
    const bool is_hosts = std::any_of(
        pin.functions.begin(), pin.functions.end(),
        [path](const FunctionPlan& f) { return is_assigned(*f.device, path) && !f.messages_on; });
    if (is_hosts) vectors.take();
  }
  return vectors.is_full() ? refused() : Diagnostics{};
}

Diagnostics refuse_posting(const Scenario& scenario, const X86Plan& plan, std::string_view path) {
  Diagnostics found;
  if (!posts(path)) return found;
  if (scenario.machine.remapping == scenario::RemappingUnit::AmdVi) {
    found.push_back(
        refuse(scenario.machine.where, "not-yet",
               "what AMD-Vi does for a guest is not supported yet on '" + std::string(path) + "'",
               "the VT-d unit"));
    return found;
  }
  const auto& host = scenario.machine.host;
  const bool avic = host && host->virtualization == scenario::Virtualization::Avic;
  if (!avic) return found;
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) {
      if (!is_assigned(*device.device, path)) continue;
      found.push_back(refuse(device.device->where, "not-yet",
                             "'" + device.device->id +
                                 "' would be posted to descriptors, which vCPUs with AVIC do not "
                                 "have, and what AMD-Vi does for a guest is not supported yet",
                             "'virtualization: apicv', or devices that are emulated or vhost"));
    }
  }
  return found;
}

pci::MsixEntry host_message(const vmm::HostInterrupt& interrupt, scenario::HostFabric fabric,
                            std::uint32_t index) {
  pci::MsixEntry entry;
  entry.mask = Mask::Off;
  if (fabric == scenario::HostFabric::X86Ir) {
    entry.address = remappable_address(index);
    return entry;
  }
  x86::ApicMessage message;
  message.destination = ApicId{raw(interrupt.cpu)};
  message.vector = interrupt.vector;
  const x86::MsiMessage encoded = x86::encode(message);
  entry.address = encoded.address;
  entry.data = encoded.data;
  return entry;
}

}  // namespace irqfab::topology
