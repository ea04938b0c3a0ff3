#include "fabric/conform/machine_check.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "fabric/conform/reader.hpp"

namespace irqfab::conform {
namespace {

constexpr std::uint64_t kLastDevice = 24;  // whose INTA# goes where the format says

constexpr FieldRow kMachine[] = {
    {"accel", Kind::Text, Use::Ignored},           {"irqchip", Kind::Text, Use::Ignored},
    {"cpus", Kind::Number, Use::Needed, kMaxCpus}, {"apic_ids", Kind::Ids, Use::Needed, 0xFE},
    {"iommu_ir", Kind::Number, Use::Optional, 1},  {"edu_rids", Kind::Ids, Use::Optional, 0xFFFF},
};
constexpr OpRow kMachineRow = {"machine", kMachine, std::size(kMachine)};

std::optional<Fault> refuse(const char* what) {
  return Fault{"", "not-supported", '\'' + std::string(what) + "' is not supported yet",
               "a case of kvm_x86 or qemu_x86"};
}

Fault fault(const Op& op, std::string field, const char* code, std::string message,
            std::string expected) {
  return {std::move(field), code, std::move(message), std::move(expected), op.number};
}

bool is_of_msix(const Op& op) {
  return op.name().compare(0, 4, "msix") == 0 || op.name() == "pba_write";
}

std::optional<Fault> fault_of_cpu(const Op& op, std::size_t cpus) {
  if (!op.has("cpu") || op.number_of("cpu") < cpus) return std::nullopt;
  return fault(op, "cpu", "no-such-cpu", "there is no CPU " + brief(op.fields.at("cpu")),
               "an index below " + std::to_string(cpus));
}

std::optional<Fault> fault_of_kvm_op(const Op& op) {
  const bool creates = op.name() == "create_vm";
  if (creates != (op.number == 1)) {
    return fault(op, "", "order", creates ? "there is a VM already" : "there is no VM yet",
                 "create_vm first, and once");
  }
  if (creates && op.fields.at("apic_ids").size() > kMaxCpus) {
    return fault(op, "apic_ids", "too-many-cpus", "too many vCPUs",
                 "at most " + std::to_string(kMaxCpus));
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_rid(const Op& op, const std::vector<std::uint16_t>& edu) {
  if (!op.has("rid")) return std::nullopt;
  const std::uint64_t rid = op.number_of("rid");
  const bool is_edu = std::find(edu.begin(), edu.end(), rid) != edu.end();
  const bool fits_any = op.name() == "pci_command" || op.name() == "pci_bus_master";
  if (rid == kMsixRid && (is_of_msix(op) || fits_any)) return std::nullopt;
  if (is_edu && !is_of_msix(op)) return std::nullopt;
  return fault(op, "rid", "no-such-function", "there is no such function for it",
               is_of_msix(op) ? "0x30, which has MSI-X" : "one of the machine's 'edu_rids'");
}

std::optional<Fault> fault_of_qemu_op(const Case& test, const Op& op,
                                      const std::vector<std::uint16_t>& edu,
                                      std::set<std::string>& labels) {
  if (auto wrong = fault_of_rid(op, edu)) return wrong;
  const bool remaps = op.name() == "irte" || op.name() == "vtd_write" || op.name() == "vtd_read";
  const auto ir = test.machine.find("iommu_ir");
  if (remaps && (ir == test.machine.end() || number_in(*ir)->magnitude == 0)) {
    return fault(op, "", "no-remapping-unit", "the machine has no remapping unit",
                 "'iommu_ir' true");
  }
  if (op.has("as") && !labels.insert(op.text_of("as")).second) {
    return fault(op, "as", "duplicate-label", "'as' names a read that there was before",
                 "a label of its own");
  }
  return std::nullopt;
}

// ---- what was observed ------------------------------------------------------------------------

constexpr FieldRow kCpuState[] = {
    {"mp_state", Kind::Number, Use::Optional, 0xFF},
    {"irr", Kind::Vectors, Use::Optional},
    {"isr", Kind::Vectors, Use::Optional},
    {"tmr", Kind::Vectors, Use::Optional},
    {"tpr", Kind::Number, Use::Optional, 0xFFFFFFFF},
    {"ppr", Kind::Number, Use::Optional, 0xFFFFFFFF},
    {"esr", Kind::Number, Use::Optional, 0xFFFFFFFF},
    {"cs", Kind::Number, Use::Optional, 0xFFFF},
    {"apic_base", Kind::Number, Use::Optional, ~std::uint64_t{0}},
    {"nmi_pending", Kind::Number, Use::Optional, 0xFF},
    {"smi_pending", Kind::Number, Use::Optional, 0xFF},
    {"latched_init", Kind::Number, Use::Optional, 0xFF},
    {"sipi_vector", Kind::Number, Use::Optional, 0xFFFFFFFF},
    {"intr_injected", Kind::Number, Use::Optional, 0xFF},
};
constexpr OpRow kCpuStateRow = {"cpu", kCpuState, std::size(kCpuState)};
constexpr FieldRow kPicState[] = {
    {"irr", Kind::Number, Use::Optional, 0xFF},  {"isr", Kind::Number, Use::Optional, 0xFF},
    {"imr", Kind::Number, Use::Optional, 0xFF},  {"last_irr", Kind::Number, Use::Optional, 0xFF},
    {"elcr", Kind::Number, Use::Optional, 0xFF},
};
constexpr OpRow kPicStateRow = {"pic", kPicState, std::size(kPicState)};

std::optional<Fault> plain(std::string message, std::string expected) {
  return Fault{"", "wrong-kind", std::move(message), std::move(expected)};
}

std::optional<Fault> fault_of_ioapic(const Json& ioapic) {
  if (!ioapic.is_object()) return plain("'ioapic' is " + brief(ioapic), "an object");
  for (const auto& [key, value] : ioapic.items()) {
    if (key == "irr" && number_in(value)) continue;
    if (key == "remote_irr" && value.is_array()) continue;
    if (key == "rte" && value.is_object()) continue;
    return plain("'ioapic' has " + key + " " + brief(value),
                 "irr (a number), rte (an object), remote_irr (a list)");
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_pics(const Json& pic) {
  if (!pic.is_object()) return plain("'pic' is " + brief(pic), "an object");
  for (const auto& [role, chip] : pic.items()) {
    if ((role != "master" && role != "slave") || !chip.is_object()) {
      return plain("'pic' has " + role, "master and slave, objects");
    }
    if (auto wrong = fault_of_fields(kPicStateRow, chip)) return wrong;
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_state(const Json& state, std::size_t cpus) {
  if (!state.is_object()) return plain("it is " + brief(state), "the state of a VM");
  for (const auto& [key, value] : state.items()) {
    std::optional<Fault> wrong;
    if (key == "ioapic") {
      wrong = fault_of_ioapic(value);
    } else if (key == "pic") {
      wrong = fault_of_pics(value);
    } else if (key != "cpu") {
      wrong = plain("it has no field '" + key + '\'', "cpu, ioapic, pic");
    } else if (!value.is_array() || value.size() != cpus) {
      wrong = plain("'cpu' does not have an object for each vCPU", std::to_string(cpus));
    }
    if (wrong) return wrong;
  }
  if (!state.contains("cpu")) return plain("it lacks 'cpu'", "an object for each vCPU");
  for (const Json& cpu : state.at("cpu")) {
    if (!cpu.is_object()) return plain("a CPU is " + brief(cpu), "an object");
    if (auto wrong = fault_of_fields(kCpuStateRow, cpu)) return wrong;
  }
  return std::nullopt;
}

/// A label for each read, and none besides.
std::optional<Fault> fault_of_labels(const Case& test) {
  if (!test.observed.is_object()) return plain("it is " + brief(test.observed), "an object");
  std::set<std::string> read;
  for (const Op& op : test.ops) {
    if (!op.has("as")) continue;
    read.insert(op.text_of("as"));
    if (test.observed.contains(op.text_of("as"))) continue;
    return plain(
        "it has no '" + op.text_of("as") + "', which op " + std::to_string(op.number) + " reads",
        "a value for each 'as'");
  }
  for (const auto& [label, value] : test.observed.items()) {
    if (read.count(label) == 0) return plain("no op reads '" + label + '\'', "labels of reads");
  }
  return std::nullopt;
}

}  // namespace

std::optional<Fault> fault_of_machine(const Json& machine) {
  if (!machine.is_object()) return plain("'machine' is " + brief(machine), "an object");
  if (machine.contains("gic")) {
    const auto version = number_in(machine.at("gic"));
    return refuse(version && version->magnitude == 2 ? "qemu_gicv2m" : "qemu_gicv3_its");
  }
  if (machine.contains("model")) return refuse("qemu_power_xics");
  if (auto wrong = fault_of_fields(kMachineRow, machine)) return wrong;
  if (number_in(machine.at("cpus"))->magnitude != machine.at("apic_ids").size()) {
    return plain("'apic_ids' does not have an id for each of 'cpus'", "as many ids as CPUs");
  }
  for (const std::uint16_t rid : edu_rids_of(machine)) {
    if (rid >> 8 == 0 && rid >> 3 <= kLastDevice) continue;
    return plain("'edu_rids' has a function that is not on bus 0, devices 0..24", "such functions");
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_ops(const Case& test) {
  const bool kvm = test.vocabulary == Vocabulary::KvmX86;
  if (kvm && test.ops.empty()) return Fault{"", "order", "there is no op", "create_vm first"};
  const std::size_t cpus = cpus_of(test);
  const auto edu = edu_rids_of(test.machine);
  std::set<std::string> labels;
  std::size_t eventfds = 0;
  for (const Op& op : test.ops) {
    if (op.name() == "eventfd" && ++eventfds > kMaxEventfds) {
      return fault(op, "", "too-many-eventfds", "too many eventfds",
                   "at most " + std::to_string(kMaxEventfds));
    }
    auto wrong = kvm ? fault_of_kvm_op(op) : fault_of_qemu_op(test, op, edu, labels);
    if (!wrong) wrong = fault_of_cpu(op, cpus);
    if (!wrong && op.name() == "snapshot") {
      wrong = fault_of_state(op.fields.at("state"), cpus);
      if (wrong) wrong->field = "state";
    }
    if (wrong) {
      wrong->number = op.number;
      return wrong;
    }
  }
  return std::nullopt;
}

std::optional<Fault> fault_of_observed(const Case& test) {
  if (test.vocabulary == Vocabulary::QemuX86) return fault_of_labels(test);
  return fault_of_state(test.observed, cpus_of(test));
}

std::size_t cpus_of(const Case& test) {
  if (test.vocabulary == Vocabulary::QemuX86) return test.machine.at("apic_ids").size();
  const bool created = !test.ops.empty() && test.ops.front().has("apic_ids");
  return created ? test.ops.front().fields.at("apic_ids").size() : 0;
}

std::vector<std::uint16_t> edu_rids_of(const Json& machine) {
  std::vector<std::uint16_t> rids;
  if (!machine.is_object() || !machine.contains("edu_rids")) return rids;
  for (const Json& rid : machine.at("edu_rids")) {
    rids.push_back(static_cast<std::uint16_t>(number_in(rid)->magnitude));
  }
  std::sort(rids.begin(), rids.end());
  return rids;
}

bool has_msix_function(const Case& test) {
  return std::any_of(test.ops.begin(), test.ops.end(), [](const Op& op) {
    return is_of_msix(op) || (op.has("rid") && op.number_of("rid") == kMsixRid);
  });
}

}  // namespace irqfab::conform
