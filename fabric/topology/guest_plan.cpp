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

/// Gives out the vectors of the host's CPUs in turn: as many to each.
class HostVectors {
 public:
  explicit HostVectors(unsigned cpus) : cpus_(cpus) {}

  vmm::HostInterrupt take() {
    const std::uint32_t given = next_++;
    return {host::HostCpu(static_cast<std::uint16_t>(given % cpus_)),
            Vector(static_cast<std::uint8_t>(kFirstHostVector + given / cpus_ % kHostVectors))};
  }

 private:
  std::uint32_t cpus_;
  std::uint32_t next_ = 0;
};

vmm::FunctionPlan plan_of(const X86Plan& plan, std::string_view path, const FunctionPlan& function,
                          HostVectors& vectors) {
  const BridgePlan& bridge = plan.bridges[function.bridge];
  const scenario::Device& device = *function.device;
  vmm::FunctionPlan planned;
  planned.attach = attach_of(device, path);
  planned.first_source = function.first_source;
  planned.window = window_of(bridge, function.row);
  planned.config_space = config_of(bridge, function);
  planned.registers_edge = static_cast<std::uint32_t>(function.group);
  planned.intx_edge = static_cast<std::uint32_t>(function.group);
  planned.intx_driver = raw(function.row);
  if (device.intx) {
    planned.intx =
        Gsi{raw(bridge.pins[intx_wire(bridge, function.bus, function.rid, *device.intx)])};
  }
  planned.enabled = function.messages_on;
  for (unsigned v = 0; v < device.vectors(); ++v) {
    vmm::VectorPlan vector;
    vector.message = message_to(plan.slot_of(function, v));
    if (planned.attach == vmm::Attach::Assigned) vector.host = vectors.take();
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

/// What stands on one link leads to one place.
void refuse_mixture(const BridgePlan& bridge, std::string_view path, Diagnostics& found) {
  const auto& devices = bridge.devices;
  const auto other = std::find_if(devices.begin(), devices.end(), [&](const DevicePlan& device) {
    return is_assigned(*device.device, path) != is_assigned(*devices.front().device, path);
  });
  if (other == devices.end()) return;
  const bool assigned = is_assigned(*other->device, path);
  const scenario::Device& first = *devices.front().device;
  found.push_back(refuse(other->device->where, "mixed-bridge",
                         '\'' + other->device->id + "' is " + (assigned ? "" : "not ") +
                             "assigned and '" + first.id + "' is" + (assigned ? " not" : "") +
                             ", but both are behind '" + bridge.bridge->id +
                             "', which is either the host's or the VMM's",
                         "a second host bridge for assigned devices"));
}

void refuse_assigned(const DevicePlan& device, std::string_view path, Diagnostics& found) {
  const std::string id = '\'' + device.device->id + '\'';
  if (device.device->intx && !device.messages_on) {
    found.push_back(
        refuse(device.device->where, "not-yet",
               "the INTx of " + id + ", which is assigned, is not supported yet on this path",
               "MSI-X, or a device that is emulated"));
  } else if (device.by_msi() && !posts(path)) {
    found.push_back(
        refuse(device.device->where, "not-yet",
               "the MSI of " + id + ", which is assigned, is not supported yet on this path",
               "MSI-X, or a device that is emulated"));
  }
}

}  // namespace

bool posts(std::string_view path) { return path == "kvm-direct-inject"; }

bool is_assigned(const scenario::Device& device, std::string_view path) {
  return attach_of(device, path) == vmm::Attach::Assigned;
}

bool is_assigned(const BridgePlan& bridge, std::string_view path) {
  return !bridge.devices.empty() && is_assigned(*bridge.devices.front().device, path);
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
  give_entries(planned);
  if (posts(path)) planned.posting = posting_plan();
  return planned;
}

Diagnostics refuse_guest(const X86Plan& plan, std::string_view path, unsigned host_cpus) {
  Diagnostics found;
  std::uint64_t assigned = 0;
  for (const BridgePlan& bridge : plan.bridges) {
    refuse_mixture(bridge, path, found);
    for (const DevicePlan& device : bridge.devices) {
      if (!is_assigned(*device.device, path)) continue;
      refuse_assigned(device, path, found);
      const std::uint64_t most = std::uint64_t{host_cpus} * kHostVectors;
      const std::uint64_t before = assigned;
      assigned += std::uint64_t{device.device->count} * device.device->vectors();
      if (before > most || assigned <= most) continue;
      found.push_back(refuse(device.device->where, "too-many-sources",
                             "with '" + device.device->id + "' " + std::to_string(assigned) +
                                 " vectors are assigned, and the CPUs of the host have " +
                                 std::to_string(most),
                             "more CPUs in 'host', or fewer vectors"));
    }
  }
  return found;
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
