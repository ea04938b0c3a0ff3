#include "fabric/scenario/guest_check.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

constexpr std::uint64_t kLapicInitialCount = 0x380;

std::uint64_t number_of(const Step& step, std::string_view name) {
  const Value* value = step.find(name);
  const auto* number = value == nullptr ? nullptr : std::get_if<std::uint64_t>(&value->held);
  return number == nullptr ? 0 : *number;
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

Diagnostic diagnostic(SourceRange where, std::string code, std::string message,
                      std::string expected) {
  return {Severity::Error,    std::move(code),     std::move(where),
          std::move(message), std::move(expected), ""};
}

/// What vCPUs do in their guest, and what is seen of them; the rest of the machine was programmed
/// before.
void check_guest_steps(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  constexpr std::array<std::string_view, 9> kSteps = {"lapic.write", "lapic.read", "msr.write",
                                                      "cpu.execute", "raise",      "msix.entry",
                                                      "vm.inhibit",  "wait",       "expect"};
  constexpr std::array<std::string_view, 9> kObserved = {
      "lapic.IRR",    "lapic.ISR",     "lapic.TMR", "lapic.reg", "cpu.state",
      "cpu.handlers", "vm.descriptor", "vm.vcpu",   "vm.exits"};
  const auto is_among = [](const auto& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const auto refuse = [&](const SourceRange& where, const std::string& what, const char* expected) {
    found.push_back(diagnostic(
        where, "not-yet", what + " on the path '" + std::string(path) + "' is not supported yet",
        expected));
  };
  for (const Step& step : steps) {
    if (!is_among(kSteps, step.op)) {
      refuse(step.where, quote(step.op), "what a vCPU does: 'lapic.write', 'msr.write', ...");
    }
    if (step.op == "lapic.write" && number_of(step, "reg") == kLapicInitialCount) {
      refuse(step.where, "the timer of a vCPU", "a device, or an IPI");
    }
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) {
      if (!is_among(kObserved, name)) {
        refuse(value.where, quote(name), "what a vCPU has: 'lapic.IRR', 'vm.exits', ...");
      }
    }
  }
}

/// Only a unit that posts needs descriptors, and with AVIC there are none.
void check_descriptors(const Scenario& scenario, MachineKind kind, Diagnostics& found) {
  const auto& host = scenario.machine.host;
  const bool avic = host && host->virtualization == Virtualization::Avic;
  if (kind == MachineKind::DirectGuest && !avic) return;
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const Step& step : *steps) {
      const Value* descriptor = step.op == "expect" ? step.find("vm.descriptor") : nullptr;
      if (descriptor == nullptr) continue;
      found.push_back(diagnostic(
          descriptor->where, "no-descriptor",
          kind == MachineKind::Guest ? "nothing is posted for the vCPUs of this path"
                                     : "the vCPUs of 'virtualization: avic' have no descriptors",
          kind == MachineKind::Guest ? "another observation"
                                     : "'virtualization: apicv', or another observation"));
    }
  }
}

/// What speaks of a virtual machine needs one.
void check_vm_steps(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  const auto check = [&](const SourceRange& where, const std::string& name) {
    if (!starts_with(name, "vm.") && name != "lapic.read") return;
    found.push_back(diagnostic(where, "no-vm",
                               quote(name) +
                                   " is about vCPUs on a modelled host, and the path is '" +
                                   std::string(path) + "'",
                               "'path: kvm-direct-inject' in 'machine', or another with a host"));
  };
  for (const Step& step : steps) {
    check(step.where, step.op);
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) check(value.where, name);
  }
}

/// A key of `host` that means something on some of the paths only.
struct HostKey {
  std::string_view key;
  std::string_view paths;  // separated by spaces
  std::string_view is;
};
constexpr HostKey kHostKeys[] = {
    {"arch",
     "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
     "vmm-userspace",
     "the fabric under devices whose interrupts the host takes"},
    {"halt_poll",
     "bare-metal kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
     "kvm-direct-inject",
     "KVM's polling for a halted vCPU whose local APIC is in the kernel"},
    {"virtualization",
     "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
     "kvm-direct-inject vmm-userspace",
     "about local APICs of vCPUs"},
    {"ipi_virtualization",
     "kvm-irqfd kvm-irqfd-workqueue kvm-signal-msi kvm-dynamic-route kvm-split-irqchip "
     "kvm-direct-inject",
     "a control of APICv"},
    {"irqfd", "kvm-irqfd kvm-split-irqchip kvm-direct-inject", "the form of the fast path"},
    {"grace", "kvm-irqfd kvm-irqfd-workqueue kvm-dynamic-route kvm-split-irqchip kvm-direct-inject",
     "about updates of the routing table"},
    {"gsis", "kvm-irqfd kvm-irqfd-workqueue kvm-dynamic-route kvm-split-irqchip kvm-direct-inject",
     "about routes of messages"},
    {"routes", "kvm-irqfd kvm-irqfd-workqueue kvm-split-irqchip kvm-direct-inject",
     "about routes of irqfds"},
    {"kworkers", "kvm-irqfd kvm-irqfd-workqueue kvm-split-irqchip kvm-direct-inject",
     "about what irqfds leave to a workqueue"},
};

bool is_listed(std::string_view paths, std::string_view path) {
  for (std::size_t at = 0; at != std::string_view::npos;) {
    const std::size_t end = paths.find(' ', at);
    if (paths.substr(at, end - at) == path) return true;
    at = end == std::string_view::npos ? end : end + 1;
  }
  return false;
}

bool has_assigned(const Machine& machine) {
  for (const HostBridge& bridge : machine.host_bridges) {
    for (const Device& device : bridge.devices) {
      if (device.attach == Attach::Assigned) return true;
    }
  }
  return false;
}

/// Whether `virtualization` says something that the path cannot be.
void check_virtualization(const Host& host, const SourceRange& where, std::string_view path,
                          Diagnostics& found) {
  const bool none = host.virtualization == Virtualization::None;
  if (path == "kvm-direct-inject" && none) {
    found.push_back(diagnostic(where, "no-posting",
                               "without virtualization of the local APICs nothing can be posted",
                               "'virtualization: apicv' or 'avic' on this path"));
  } else if (path == "vmm-userspace" && !none) {
    found.push_back(diagnostic(where, "no-such-host",
                               "the local APICs of 'vmm-userspace' are the VMM's: no processor "
                               "virtualizes them",
                               "'virtualization: none', or no 'virtualization'"));
  }
}

/// A VM that is called has no more of a host than bare metal.
std::string_view path_of_host(MachineKind kind, std::string_view path) {
  return kind == MachineKind::Calls ? "bare-metal" : path;
}

void check_host(const Scenario& scenario, MachineKind kind, std::string_view path,
                Diagnostics& found) {
  if (!scenario.machine.host) return;
  const Host& host = *scenario.machine.host;
  for (const auto& [key, where] : host.own_keys) {
    const auto row = std::find_if(std::begin(kHostKeys), std::end(kHostKeys),
                                  [&key = key](const HostKey& known) { return known.key == key; });
    if (!is_listed(row->paths, path_of_host(kind, path))) {
      const std::string where_not = kind == MachineKind::Calls
                                        ? "a VM whose calls the scenario makes"
                                        : "the path '" + std::string(path) + "'";
      found.push_back(diagnostic(
          where, "no-such-host",
          quote(key) + " is " + std::string(row->is) + ", and " + where_not + " has none",
          "no '" + key + "' on this path"));
    } else if (key == "arch" && !has_assigned(scenario.machine)) {
      found.push_back(
          diagnostic(where, "no-such-host",
                     "'arch' is " + std::string(row->is) + ", and no device is 'attach: assigned'",
                     "a device that is assigned, or no 'arch'"));
    } else if (key == "virtualization") {
      check_virtualization(host, where, path, found);
    }
  }
}

/// What a VMM does under traffic.
void check_changes(const Scenario& scenario, MachineKind kind, std::string_view path,
                   Diagnostics& found) {
  const bool irqfds =
      kind == MachineKind::DirectGuest ||
      (kind == MachineKind::Guest &&
       (path == "kvm-irqfd" || path == "kvm-irqfd-workqueue" || path == "kvm-split-irqchip"));
  for (const Change& change : scenario.during) {
    const bool routes = change.kind == ChangeKind::RouteUpdate;
    if (irqfds || (!routes && change.kind != ChangeKind::IrqfdRelease)) continue;
    found.push_back(diagnostic(
        change.where, "no-irqfd",
        std::string(routes ? "'route-update' is about the routes" : "'irqfd-release' is about") +
            (routes ? " of irqfds" : " irqfds") + ", and the path '" + std::string(path) +
            "' has none",
        "'path: kvm-irqfd' in 'machine'"));
  }
}

/// Counts of software that the path does not have.
void check_metrics(const Scenario& scenario, MachineKind kind, std::string_view path,
                   Diagnostics& found) {
  for (const Expectation& expectation : scenario.expect) {
    if (kind_of_metric(expectation.metric) != MetricKind::Software) continue;
    const bool of_routes = starts_with(expectation.metric, "routes.");
    if (kind == MachineKind::Guest || kind == MachineKind::DirectGuest) continue;
    if (kind == MachineKind::Calls && expectation.metric == "faults") continue;
    found.push_back(
        diagnostic(expectation.where, "no-such-count",
                   quote(expectation.metric) + " counts " +
                       (of_routes ? "what a VMM does with routes" : "what a host's software does") +
                       ", and the path '" + std::string(path) + "' has none",
                   "another metric, or a path with a host"));
  }
}

void check_replay(const Scenario& scenario, std::string_view path, Diagnostics& found) {
  for (const Load& load : scenario.workload) {
    if (load.kind != LoadKind::Replay) continue;
    found.push_back(diagnostic(
        load.where, "not-yet",
        "'replay' beside devices on the path '" + std::string(path) + "' is not supported yet",
        "a generated load on this path"));
  }
}

}  // namespace

std::vector<std::string_view> host_keys(const Scenario& scenario, std::string_view path) {
  const std::string_view of = path_of_host(machine_kind(scenario, path), path);
  std::vector<std::string_view> keys;
  for (const HostKey& row : kHostKeys) {
    const bool open = row.key != "arch" || has_assigned(scenario.machine);
    if (open && is_listed(row.paths, of)) keys.push_back(row.key);
  }
  return keys;
}

void check_guest(const Scenario& scenario, MachineKind kind, std::string_view path,
                 Diagnostics& found) {
  const bool is_guest = kind == MachineKind::Guest || kind == MachineKind::DirectGuest;
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    is_guest ? check_guest_steps(*steps, path, found) : check_vm_steps(*steps, path, found);
  }
  check_host(scenario, kind, path, found);
  check_changes(scenario, kind, path, found);
  check_metrics(scenario, kind, path, found);
  if (!is_guest) return;
  check_descriptors(scenario, kind, found);
  check_replay(scenario, path, found);
}

}  // namespace irqfab::scenario
