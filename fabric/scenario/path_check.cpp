#include "fabric/scenario/path_check.hpp"

#include <algorithm>
#include <array>

#include "fabric/scenario/document.hpp"
#include "fabric/scenario/guest_check.hpp"
#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

Diagnostic diagnostic(SourceRange where, std::string code, std::string message,
                      std::string expected) {
  return {Severity::Error,    std::move(code),     std::move(where),
          std::move(message), std::move(expected), ""};
}

bool is_of_kvm(std::string_view op) {
  return starts_with(op, "kvm.") || starts_with(op, "eventfd.") || starts_with(op, "guest.");
}

/// Steps that call KVM need a path that goes through it.
void check_calls(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  if (starts_with(path, "kvm-")) return;
  for (const Step& step : steps) {
    if (!is_of_kvm(step.op)) continue;
    found.push_back(
        diagnostic(step.where, "no-kvm",
                   quote(step.op) + " calls KVM, and the path is '" + std::string(path) + "'",
                   "'path: kvm-irqfd' or another through KVM in 'machine'"));
  }
}

/// What the VM that is called has: its irqchip, eventfds, and vCPUs that only take interrupts.
bool is_of_called_vm(std::string_view name) {
  // Refused already, where their own kind of machine is missing.
  const bool is_of_others = name == "lapic.read" || starts_with(name, "vm.");
  if (is_of_others) return true;
  constexpr std::string_view kOthers[] = {"wait",       "expect",     "cpu.accept", "lapic.write",
                                          "lapic.IRR",  "lapic.ISR",  "lapic.TMR",  "ioapic.rte",
                                          "ioapic.RTE", "ioapic.reg", "io.write"};
  return is_of_kvm(name) || starts_with(name, "pic.") ||
         std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers);
}

void check_called_vm(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  const auto refuse = [&](const SourceRange& where, const std::string& name) {
    found.push_back(
        diagnostic(where, "not-yet",
                   quote(name) + " on the path '" + std::string(path) + "' is not supported yet",
                   "'path: bare-metal', or another step"));
  };
  for (const Step& step : steps) {
    if (!is_of_called_vm(step.op)) refuse(step.where, step.op);
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) {
      if (!is_of_called_vm(name)) refuse(value.where, name);
    }
  }
}

/// What speaks of a remapping unit needs one, and of that maker.
void check_remapping(const Scenario& scenario, const std::vector<Step>& steps,
                     std::string_view arch, Diagnostics& found) {
  const bool remapped = starts_with(arch, "x86-");
  const bool amd = scenario.machine.remapping == RemappingUnit::AmdVi;
  const auto check = [&](const SourceRange& where, const std::string& name, bool of_amd) {
    if (!remapped) {
      found.push_back(diagnostic(
          where, "no-remapping",
          quote(name) + " is about a remapping unit, and '" + std::string(arch) + "' has none",
          "'arch: x86-ir' in 'machine'"));
    } else if (of_amd != amd) {
      found.push_back(diagnostic(
          where, "no-remapping", quote(name) + " is about another remapping unit",
          of_amd ? "'remapping: amd-vi' in 'machine'" : "'remapping: vt-d' in 'machine'"));
    }
  };
  const auto check_name = [&](const SourceRange& where, const std::string& name) {
    const bool of_amd = starts_with(name, "amdvi.");
    if (of_amd || starts_with(name, "vtd.")) check(where, name, of_amd);
  };
  for (const Step& step : steps) {
    check_name(step.where, step.op);
    const Value* handle = step.op == "msi.write" ? step.find("handle") : nullptr;
    if (handle != nullptr) check(handle->where, "handle", false);
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) check_name(value.where, name);
  }
}

/// Posted MSIs of a host are Intel's.
void check_unit(const Machine& machine, std::string_view arch, std::string_view path,
                Diagnostics& found) {
  if (arch != "x86-pi" || path != "bare-metal") return;
  if (machine.remapping != RemappingUnit::AmdVi) return;
  found.push_back(diagnostic(machine.where, "no-posting",
                             "'remapping: amd-vi' does not post the messages of a host, and '" +
                                 std::string(arch) + "' is that",
                             "'remapping: vt-d', or 'arch: x86-ir'"));
}

/// A virtual machine brings its own board. Only one that is called uses its 8259s.
void check_board(const Scenario& scenario, MachineKind kind, std::string_view path,
                 Diagnostics& found) {
  if (kind == MachineKind::BareMetal) return;
  const Machine& machine = scenario.machine;
  const auto is_usual = [](const Ioapic& ioapic) {
    return ioapic.pins == 24 && ioapic.version == IoapicVersion::V20 &&
           ioapic.inputs == IoapicInputs::Asserted;
  };
  const bool usual = machine.ioapics.size() <= 1 &&
                     std::all_of(machine.ioapics.begin(), machine.ioapics.end(), is_usual);
  const bool has_pic = machine.interrupts == Interrupts::Pic;
  const bool may_have_pic = kind == MachineKind::Calls;
  if (!usual || (has_pic && !may_have_pic) || machine.hpet) {
    found.push_back(diagnostic(machine.where, "not-yet",
                               "the board of the path '" + std::string(path) +
                                   "' is the VM's: one IOAPIC, no 8259s and no HPET yet",
                               "neither 'ioapics' nor 'interrupts' nor 'hpet' on this path"));
  }
  for (const auto* steps : {&scenario.setup, &scenario.steps}) {
    for (const Step& step : *steps) {
      const bool to_pic = step.op == "io.write" && !(has_pic && may_have_pic);
      if (!to_pic && step.op != "ioapic.eoi") continue;
      found.push_back(diagnostic(
          step.where, "not-yet",
          quote(step.op) + " on the path '" + std::string(path) + "' is not supported yet",
          "'path: bare-metal'"));
    }
  }
}

/// A VM that is called has no devices that raise, and no VMM that changes anything.
void check_calls_alone(const Scenario& scenario, std::string_view path, Diagnostics& found) {
  for (const Change& change : scenario.during) {
    found.push_back(diagnostic(change.where, "not-yet",
                               "'during' beside recordings and calls of KVM on the path '" +
                                   std::string(path) + "' is not supported yet",
                               "a generated load, or 'steps'"));
  }
}

void check_cpus(const Machine& machine, MachineKind kind, std::string_view path,
                Diagnostics& found) {
  const auto refuse = [&](const char* key) {
    found.push_back(diagnostic(
        machine.where, "not-yet",
        "'" + std::string(key) + "' on the path '" + std::string(path) + "' is not supported yet",
        "'path: bare-metal'"));
  };
  // Local APICs that are the kernel's have the host's timers behind them.
  const bool in_kernel = kind != MachineKind::Calls && path != "vmm-userspace";
  if (machine.apic != ApicMode::Xapic && !in_kernel) refuse("apic: x2apic");
  if (machine.idle != Idle::Poll && kind == MachineKind::Calls) refuse("idle: halt");
  if (machine.tick > 0 && !in_kernel) refuse("tick");
  if (machine.off_every > 0 && kind == MachineKind::Calls) refuse("interrupts_off");
}

bool has_calls(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Step& step) { return is_of_kvm(step.op); });
}

bool is_replay(const Load& load) { return load.kind == LoadKind::Replay; }

}  // namespace

MachineKind machine_kind(const Scenario& scenario, std::string_view path) {
  if (path == "bare-metal") return MachineKind::BareMetal;
  if (path == "kvm-direct-inject") return MachineKind::DirectGuest;
  const bool can_replay =
      path == "kvm-irqfd" || path == "kvm-irqfd-workqueue" || path == "kvm-signal-msi";
  if (!can_replay) return MachineKind::Guest;
  const auto& loads = scenario.workload;
  if (!std::all_of(loads.begin(), loads.end(), is_replay)) return MachineKind::Guest;
  const auto& bridges = scenario.machine.host_bridges;
  const bool has_devices = std::any_of(bridges.begin(), bridges.end(),
                                       [](const HostBridge& b) { return !b.devices.empty(); });
  const bool is_called = !loads.empty() || has_calls(scenario.setup) || has_calls(scenario.steps) ||
                         has_calls(scenario.afterwards);
  return has_devices && !is_called ? MachineKind::Guest : MachineKind::Calls;
}

Diagnostics check_path(const Scenario& scenario, std::string_view arch, std::string_view path) {
  const Machine& machine = scenario.machine;
  const bool own = arch == machine.arch && path == machine.path;
  const SourceRange where = own ? machine.path_where : whole_file(scenario.file);
  const auto row = find_path(arch, path);
  if (!row) return {diagnostic(where, row.fault().code, row.fault().message, "")};
  if (row->support == Support::Later) {
    return {diagnostic(where, "not-yet",
                       "the path '" + std::string(row->path) + "' on " + std::string(row->arch) +
                           " is not supported yet",
                       "a pair that 'irqfab list paths' marks as supported")};
  }
  Diagnostics found;
  const MachineKind kind = machine_kind(scenario, row->path);
  if (kind == MachineKind::Calls) check_calls_alone(scenario, row->path, found);
  if (kind != MachineKind::BareMetal) check_cpus(machine, kind, row->path, found);
  if (kind == MachineKind::Calls) {
    check_called_vm(scenario.setup, row->path, found);
    check_called_vm(scenario.steps, row->path, found);
    check_called_vm(scenario.afterwards, row->path, found);
  }
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    check_remapping(scenario, *steps, row->arch, found);
  }
  check_unit(machine, row->arch, row->path, found);
  check_board(scenario, kind, row->path, found);
  check_guest(scenario, kind, row->path, found);
  check_calls(scenario.setup, row->path, found);
  check_calls(scenario.steps, row->path, found);
  check_calls(scenario.afterwards, row->path, found);
  return found;
}

}  // namespace irqfab::scenario
