#include "fabric/scenario/path_check.hpp"

#include <algorithm>
#include <array>

#include "fabric/scenario/document.hpp"
#include "fabric/scenario/paths.hpp"
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

/// Steps that call KVM need a path that goes through it.
void check_calls(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  if (starts_with(path, "kvm-")) return;
  for (const Step& step : steps) {
    if (!starts_with(step.op, "kvm.") && !starts_with(step.op, "eventfd.")) continue;
    found.push_back(
        diagnostic(step.where, "no-kvm",
                   quote(step.op) + " calls KVM, and the path is '" + std::string(path) + "'",
                   "'path: kvm-irqfd' or another through KVM in 'machine'"));
  }
}

/// What only the machine itself has: CPUs whose every instruction counts.
bool is_of_bare_metal(std::string_view name) {
  return starts_with(name, "cpu.") || starts_with(name, "msr") || name == "lapic.pin" ||
         name == "lapic.reg" || name == "msi.write" || name == "memory" ||
         starts_with(name, "vtd.") || starts_with(name, "amdvi.") || starts_with(name, "hpet.");
}

void check_bare_metal(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  const auto refuse = [&](const SourceRange& where, const std::string& name) {
    found.push_back(
        diagnostic(where, "not-yet",
                   quote(name) + " on the path '" + std::string(path) + "' is not supported yet",
                   "'path: bare-metal', or another step"));
  };
  for (const Step& step : steps) {
    if (is_of_bare_metal(step.op)) refuse(step.where, step.op);
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) {
      if (is_of_bare_metal(name)) refuse(value.where, name);
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

/// KVM brings its own board.
void check_board(const Scenario& scenario, std::string_view path, Diagnostics& found) {
  if (!starts_with(path, "kvm-")) return;
  const Machine& machine = scenario.machine;
  const auto is_usual = [](const Ioapic& ioapic) {
    return ioapic.pins == 24 && ioapic.version == IoapicVersion::V20 &&
           ioapic.inputs == IoapicInputs::Asserted;
  };
  const bool usual = machine.ioapics.size() <= 1 &&
                     std::all_of(machine.ioapics.begin(), machine.ioapics.end(), is_usual);
  if (!usual || machine.interrupts == Interrupts::Pic || machine.hpet) {
    found.push_back(diagnostic(machine.where, "not-yet",
                               "the board of the path '" + std::string(path) +
                                   "' is KVM's: one IOAPIC, no 8259s and no HPET yet",
                               "neither 'ioapics' nor 'interrupts' nor 'hpet' on this path"));
  }
  for (const auto* steps : {&scenario.setup, &scenario.steps}) {
    for (const Step& step : *steps) {
      if (step.op != "io.write" && step.op != "ioapic.eoi") continue;
      found.push_back(diagnostic(
          step.where, "not-yet",
          quote(step.op) + " on the path '" + std::string(path) + "' is not supported yet",
          "'path: bare-metal'"));
    }
  }
}

/// What vCPUs do in their guest, and what is seen of them; the rest of the machine was programmed
/// before.
void check_guest_steps(const std::vector<Step>& steps, std::string_view path, Diagnostics& found) {
  constexpr std::array<std::string_view, 8> kSteps = {"lapic.write", "lapic.read", "msr.write",
                                                      "cpu.execute", "raise",      "vm.inhibit",
                                                      "wait",        "expect"};
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

/// With AVIC there are no descriptors, and no way for what VT-d posts.
void check_avic(const Scenario& scenario, Diagnostics& found) {
  const auto& host = scenario.machine.host;
  if (!host || host->virtualization != Virtualization::Avic) return;
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const Step& step : *steps) {
      const Value* descriptor = step.op == "expect" ? step.find("vm.descriptor") : nullptr;
      if (descriptor == nullptr) continue;
      found.push_back(diagnostic(descriptor->where, "no-descriptor",
                                 "the vCPUs of 'virtualization: avic' have no descriptors",
                                 "'virtualization: apicv', or another observation"));
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
                               "'path: kvm-direct-inject' in 'machine'"));
  };
  for (const Step& step : steps) {
    check(step.where, step.op);
    if (step.op != "expect") continue;
    for (const auto& [name, value] : step.args) check(value.where, name);
  }
}

void check_direct(const Scenario& scenario, std::string_view path, Diagnostics& found) {
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    if (path == "kvm-direct-inject") {
      check_guest_steps(*steps, path, found);
    } else {
      check_vm_steps(*steps, path, found);
    }
  }
  if (path != "kvm-direct-inject") return;
  check_avic(scenario, found);
  for (const Load& load : scenario.workload) {
    if (load.kind != LoadKind::Replay) continue;
    found.push_back(
        diagnostic(load.where, "not-yet",
                   "'replay' on the path '" + std::string(path) + "' is not supported yet",
                   "a generated load on this path"));
  }
}

void check_cpus(const Machine& machine, std::string_view path, Diagnostics& found) {
  const auto refuse = [&](const char* key) {
    found.push_back(diagnostic(
        machine.where, "not-yet",
        "'" + std::string(key) + "' on the path '" + std::string(path) + "' is not supported yet",
        "'path: bare-metal'"));
  };
  if (machine.apic != ApicMode::Xapic) refuse("apic: x2apic");
  if (machine.idle != Idle::Poll && path != "kvm-direct-inject") refuse("idle: halt");
  if (machine.tick > 0) refuse("tick");
  if (machine.off_every > 0) refuse("interrupts_off");
}

}  // namespace

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
  if (row->support == Support::RecordingsOnly) {
    for (const Load& load : scenario.workload) {
      if (load.kind == LoadKind::Replay) continue;
      found.push_back(diagnostic(
          load.where, "not-yet",
          "a generated load on the path '" + std::string(row->path) + "' is not supported yet",
          "'replay' or 'steps' on this path"));
    }
    for (const Change& change : scenario.during) {
      found.push_back(
          diagnostic(change.where, "not-yet",
                     "'during' on the path '" + std::string(row->path) + "' is not supported yet",
                     "'steps' on this path"));
    }
  }
  if (row->path != "bare-metal") check_cpus(machine, row->path, found);
  if (row->path != "bare-metal" && row->path != "kvm-direct-inject") {
    check_bare_metal(scenario.setup, row->path, found);
    check_bare_metal(scenario.steps, row->path, found);
    check_bare_metal(scenario.afterwards, row->path, found);
  }
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    check_remapping(scenario, *steps, row->arch, found);
  }
  check_unit(machine, row->arch, row->path, found);
  check_board(scenario, row->path, found);
  check_direct(scenario, row->path, found);
  check_calls(scenario.setup, row->path, found);
  check_calls(scenario.steps, row->path, found);
  check_calls(scenario.afterwards, row->path, found);
  return found;
}

}  // namespace irqfab::scenario
