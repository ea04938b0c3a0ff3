#include "fabric/scenario/paths.hpp"

#include <algorithm>
#include <iterator>

#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

constexpr Support kNow = Support::Now, kLater = Support::Later;

template <class Row>
std::vector<std::string_view> names_of(const std::vector<Row>& rows) {
  std::vector<std::string_view> names;
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

template <class Row>
bool has_name(const std::vector<Row>& rows, std::string_view name) {
  return std::any_of(rows.begin(), rows.end(), [name](const Row& r) { return r.name == name; });
}

/// Why a path does not exist on a fabric.
struct Absence {
  std::string_view arch;  // empty: on all others that do not have it
  std::string_view path;  // empty: all others that do not exist there
  std::string_view reason;
};
/// The first row that fits a pair is the reason.
constexpr Absence kAbsences[] = {
    {"xen-pirq", "bare-metal", "a Xen guest always has Xen underneath"},
    {"xen-pirq", "kvm-irqfd-workqueue",
     "KVM has routes to event channels since Linux 5.17, the fast path since 2.6.38"},
    {"xen-pirq", "",
     "what a Xen guest gets are event channels, and of KVM's paths only 'kvm-irqfd' has routes to "
     "them"},
    {"", "xen-hypervisor", "only Xen routes interrupts to pirqs"},
    {"arm-gicv3-its", "kvm-direct-map",
     "an ITS event has no interrupt number of its own: this was a defect, kept as a mutant"},
    {"", "kvm-direct-map", "an x86 message names a vector and its CPUs, and no interrupt number"},
    {"x86-pi", "",
     "the unit of 'x86-pi' posts messages to vCPUs, which is 'kvm-direct-inject'; where software "
     "injects them the fabric is 'x86'"},
    {"x86-ir", "kvm-direct-inject", "its unit remaps messages and posts none: 'x86-pi' does"},
    {"x86", "kvm-direct-inject", "without a remapping unit nothing posts: 'x86-pi' has one"},
    {"x86-ir", "", "a guest that sees VT-d remapping cannot use the full in-kernel irqchip"},
    {"arm-gicv2m", "kvm-direct-inject", "a GICv2 has no hardware that injects: a GICv4 has"},
    {"arm-gicv3-its", "kvm-dynamic-route",
     "KVM's ITS came with KVM_SIGNAL_MSI, which leaves nothing for routes on demand"},
    {"", "kvm-dynamic-route",
     "its messages map straight to interrupt numbers, which is 'kvm-direct-map'"},
    {"", "kvm-signal-msi", "KVM has no KVM_SIGNAL_MSI there"},
    {"", "kvm-split-irqchip", "only x86 has an IOAPIC to leave to user space"},
};

std::string why_not(std::string_view arch, std::string_view path) {
  const auto fits = [&](const Absence& row) {
    return (row.arch.empty() || row.arch == arch) && (row.path.empty() || row.path == path);
  };
  const auto row = std::find_if(std::begin(kAbsences), std::end(kAbsences), fits);
  return row == std::end(kAbsences) ? "" : std::string(row->reason);
}

}  // namespace

std::string_view name_of(Support support) {
  switch (support) {
    case Support::Now:
      return "now";
    case Support::Later:
      break;
  }
  return "later";
}

const std::vector<ArchRow>& archs() {
  static const std::vector<ArchRow> rows = {
      {"x86", "xAPIC and x2APIC, IOAPIC, 8259"},
      {"x86-ir", "x86 with interrupt remapping: VT-d, or AMD-Vi"},
      {"x86-pi", "x86 with posted-interrupt remapping entries"},
      {"arm-gicv2m", "GICv2 with v2m frames for MSIs"},
      {"arm-gicv3-its", "GICv3 with an interrupt translation service"},
      {"power-xics", "POWER interrupt source and presentation controllers"},
      {"xen-pirq", "Xen HVM guest: GSI or MSI to PIRQ to event channel"},
  };
  return rows;
}

const std::vector<PathRow>& paths() {
  static const std::vector<PathRow> rows = {
      {"bare-metal", "no virtualisation: device, host fabric, CPU"},
      {"kvm-irqfd", "eventfd to routing entry, injected in the signaller's context where possible"},
      {"kvm-irqfd-workqueue", "the same before the fast path: every injection by a kworker"},
      {"kvm-signal-msi", "the VMM injects by ioctl"},
      {"kvm-dynamic-route", "routes on demand in a hash table, flushed when GSIs run out"},
      {"kvm-direct-map", "the message maps straight to an interrupt number, no MSI route"},
      {"kvm-split-irqchip", "IOAPIC in user space, LAPICs in the kernel"},
      {"kvm-direct-inject", "hardware delivers to the running vCPU"},
      {"vmm-userspace", "the VMM emulates the whole fabric"},
      {"xen-hypervisor", "Xen itself routes it"},
  };
  return rows;
}

const std::vector<PathOnArch>& paths_on_archs() {
  static const std::vector<PathOnArch> rows = {
      {"bare-metal", "x86", kNow, true},
      {"bare-metal", "x86-ir", kNow, true},
      {"bare-metal", "x86-pi", kNow, true},
      {"bare-metal", "arm-gicv2m", kLater, true},
      {"bare-metal", "arm-gicv3-its", kLater, true},
      {"bare-metal", "power-xics", kLater, true},
      {"kvm-irqfd", "x86", kNow},
      {"kvm-irqfd", "arm-gicv2m", kLater},
      {"kvm-irqfd", "arm-gicv3-its", kLater},
      {"kvm-irqfd", "power-xics", kLater},
      {"kvm-irqfd", "xen-pirq", kLater},
      {"kvm-irqfd-workqueue", "x86", kNow},
      {"kvm-irqfd-workqueue", "arm-gicv2m", kLater},
      {"kvm-irqfd-workqueue", "arm-gicv3-its", kLater},
      {"kvm-irqfd-workqueue", "power-xics", kLater},
      {"kvm-signal-msi", "x86", kNow},
      {"kvm-signal-msi", "arm-gicv2m", kLater},
      {"kvm-signal-msi", "arm-gicv3-its", kLater},
      {"kvm-dynamic-route", "x86", kNow},
      {"kvm-direct-map", "arm-gicv2m", kLater},
      {"kvm-direct-map", "power-xics", kLater},
      {"kvm-split-irqchip", "x86", kNow},
      {"kvm-split-irqchip", "x86-ir", kLater},
      {"kvm-direct-inject", "x86-pi", kNow},
      {"kvm-direct-inject", "arm-gicv3-its", kLater},
      {"kvm-direct-inject", "power-xics", kLater},
      {"vmm-userspace", "x86", kNow},
      {"vmm-userspace", "x86-ir", kLater},
      {"vmm-userspace", "x86-pi", kLater},
      {"vmm-userspace", "arm-gicv2m", kLater},
      {"vmm-userspace", "arm-gicv3-its", kLater},
      {"vmm-userspace", "power-xics", kLater},
      {"vmm-userspace", "xen-pirq", kLater},
      {"xen-hypervisor", "xen-pirq", kLater, true},
  };
  return rows;
}

std::string_view default_path(std::string_view arch) {
  const auto& rows = paths_on_archs();
  const auto found = std::find_if(rows.begin(), rows.end(), [arch](const PathOnArch& row) {
    return row.is_default && row.arch == arch;
  });
  return found->path;
}

Parsed<PathOnArch> find_path(std::string_view arch, std::string_view path) {
  if (arch.empty()) arch = kDefaultArch;
  if (!has_name(archs(), arch)) {
    return Fault{"no-such-arch",
                 quote(arch) + " is not a fabric" + did_you_mean(arch, names_of(archs()))};
  }
  if (path.empty()) path = default_path(arch);
  if (!has_name(paths(), path)) {
    return Fault{"no-such-path",
                 quote(path) + " is not a path" + did_you_mean(path, names_of(paths()))};
  }
  for (const PathOnArch& row : paths_on_archs()) {
    if (row.arch == arch && row.path == path) return row;
  }
  return Fault{"no-such-pair", "the path " + quote(path) + " does not exist on " +
                                   std::string(arch) + ": " + why_not(arch, path)};
}

}  // namespace irqfab::scenario
