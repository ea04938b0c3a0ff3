#include "fabric/run/mutants.hpp"

#include "fabric/scenario/option_place.hpp"

namespace irqfab::run {
namespace {

using topology::find_component;
using topology::Topology;
using vmm::VmHost;

/// Of the machine's VMM; null where there is none.
const VmHost::Config* vmm_of(const Topology& topology) {
  const auto* host = find_component<VmHost::Config>(topology);
  return host == nullptr ? nullptr : &std::get<VmHost::Config>(host->config);
}

/// A VM that the steps of a scenario call.
bool is_called(const Topology& topology) {
  return find_component<kvm::KvmHost::Config>(topology) != nullptr;
}

const kvm::KvmSoftware::Config& called_of(const Topology& topology) {
  const auto* host = find_component<kvm::KvmHost::Config>(topology);
  return std::get<kvm::KvmHost::Config>(host->config).software;
}

bool always(const Topology&) { return true; }

bool has_vtd(const Topology& topology) {
  return find_component<x86::VtdRemapper::Config>(topology) != nullptr;
}

bool has_remapping(const Topology& topology) {
  return has_vtd(topology) || find_component<x86::AmdViUnit::Config>(topology) != nullptr;
}

/// Does a driver program the unit? Under a VMM the host does.
bool has_driven_vtd(const Topology& topology) {
  const VmHost::Config* vmm = vmm_of(topology);
  return has_vtd(topology) && (vmm == nullptr || vmm->plan.functions.empty());
}

bool has_firmware_of_vtd(const Topology& topology) {
  return has_vtd(topology) && vmm_of(topology) == nullptr;
}

bool posts_to_vcpus(const Topology& topology) {
  const auto* unit = find_component<x86::VtdRemapper::Config>(topology);
  return unit != nullptr && vmm_of(topology) != nullptr &&
         std::get<x86::VtdRemapper::Config>(unit->config).posting == x86::Posting::Present;
}

bool has_apics_of(const Topology& topology, x86::Virtualization virtualization) {
  const VmHost::Config* vmm = vmm_of(topology);
  return vmm != nullptr && vmm->layer.irqchip.virtualization == virtualization;
}
bool has_apicv(const Topology& topology) {
  return has_apics_of(topology, x86::Virtualization::Apicv);
}
bool has_avic(const Topology& topology) {
  return has_apics_of(topology, x86::Virtualization::Avic);
}

bool has_delivery(const Topology& topology, vmm::Delivery delivery) {
  const VmHost::Config* vmm = vmm_of(topology);
  return vmm != nullptr && !vmm->plan.functions.empty() && vmm->plan.delivery == delivery;
}

bool has_irqfds(const Topology& topology) {
  return is_called(topology) || has_delivery(topology, vmm::Delivery::Irqfd);
}

bool has_copied_entries(const Topology& topology) {
  if (is_called(topology)) return called_of(topology).form == kvm::IrqfdForm::Copy;
  return has_irqfds(topology) && vmm_of(topology)->layer.form == kvm::IrqfdForm::Copy;
}

bool has_routes_on_demand(const Topology& topology) {
  if (has_delivery(topology, vmm::Delivery::DynamicRoute)) return true;
  return has_delivery(topology, vmm::Delivery::Irqfd) &&
         vmm_of(topology)->plan.policy == vmm::RoutePolicy::OnDemand;
}

bool has_gsis(const Topology& topology) {
  return has_delivery(topology, vmm::Delivery::Irqfd) || has_routes_on_demand(topology);
}

bool has_routing_table(const Topology& topology) {
  return is_called(topology) || has_gsis(topology);
}

bool has_full_irqchip(const Topology& topology) {
  const VmHost::Config* vmm = vmm_of(topology);
  return is_called(topology) || (vmm != nullptr && vmm->vcpus.home == kvm::ApicHome::Kernel &&
                                 vmm->layer.irqchip.kind == kvm::IrqchipKind::Full);
}

bool has_split_irqchip(const Topology& topology) {
  const VmHost::Config* vmm = vmm_of(topology);
  return vmm != nullptr && vmm->layer.irqchip.kind == kvm::IrqchipKind::Split;
}

struct Part {
  std::string_view name;
  bool (*is_in)(const Topology& topology);
};
constexpr Part kIoapics = {"IOAPICs", always};
constexpr Part kLocalApics = {"local APICs", always};
constexpr Part kRemapping = {"remapping units", has_remapping};
constexpr Part kVtd = {"VT-d units", has_vtd};
constexpr Part kDrivenVtd = {"drivers behind a VT-d unit", has_driven_vtd};
constexpr Part kFirmware = {"firmware behind a VT-d unit", has_firmware_of_vtd};
constexpr Part kPosting = {"units that post to vCPUs", posts_to_vcpus};
constexpr Part kApicv = {"vCPUs with APICv", has_apicv};
constexpr Part kAvic = {"vCPUs with AVIC", has_avic};
constexpr Part kGsis = {"GSIs that a VMM gives out", has_gsis};
constexpr Part kOnDemand = {"routes made on demand", has_routes_on_demand};
constexpr Part kRoutes = {"routing tables of KVM", has_routing_table};
constexpr Part kIrqfds = {"irqfds", has_irqfds};
constexpr Part kCopies = {"irqfds with a copied entry", has_copied_entries};
constexpr Part kFullIrqchip = {"in-kernel irqchips", has_full_irqchip};
constexpr Part kSplitIrqchip = {"split irqchips", has_split_irqchip};

/// No default: the compiler asks for the part of a new mutant.
const Part& row_of(Mutant mutant) {
  switch (mutant) {
    case Mutant::RemoteIrrNeverCleared:
    case Mutant::OldEoiWithRemapping:
      return kIoapics;
    case Mutant::TmrClearedByEoi:
      return kLocalApics;
    case Mutant::InvalidationWaitEarly:
      return kRemapping;
    case Mutant::IecFilledEarly:
      return kVtd;
    case Mutant::OldIrteLeft:
      return kDrivenVtd;
    case Mutant::IoapicClearRemapped:
      return kFirmware;
    case Mutant::MulticastPosted:
    case Mutant::AffinityClobbersPosted:
      return kPosting;
    case Mutant::OnLostAfterPreemption:
    case Mutant::WakeupVectorNotSet:
      return kApicv;
    case Mutant::AvicRunningStale:
      return kAvic;
    case Mutant::RoutesLimitedByGsi:
    case Mutant::GsiLimitOffByOne:
      return kGsis;
    case Mutant::FlushWhileNamed:
    case Mutant::HashBeforeCommit:
    case Mutant::FlushWithoutCommit:
      return kOnDemand;
    case Mutant::RoutesFreedEarly:
      return kRoutes;
    case Mutant::SequenceNotChecked:
      return kCopies;
    case Mutant::IrqfdNotCleared:
    case Mutant::GraceUnderResamplerLock:
    case Mutant::IrqfdReleasedTwice:
    case Mutant::EventfdInTwoVms:
    case Mutant::WorkCancelledUnderLock:
    case Mutant::LazyEoiResamples:
    case Mutant::RouteIndexUnchecked:
      return kIrqfds;
    case Mutant::LineWithoutOr:
      return kFullIrqchip;
    case Mutant::SplitNeverResamples:
      break;
  }
  return kSplitIrqchip;
}

}  // namespace

std::string_view part_of(Mutant mutant) { return row_of(mutant).name; }

std::vector<std::string> names_of(Mutants mutants) {
  std::vector<std::string> names;
  for (const MutantRow& row : kMutants) {
    if (mutants.has(row.mutant)) names.emplace_back(row.name);
  }
  return names;
}

Diagnostics notes_on_mutants(const Prepared& prepared, const Topology& topology) {
  Diagnostics notes;
  for (const MutantRow& row : kMutants) {
    if (!prepared.mutants.has(row.mutant) || row_of(row.mutant).is_in(topology)) continue;
    Diagnostic note;
    note.severity = Severity::Note;
    note.code = "idle-mutant";
    note.where = scenario::of_option("--mutant", row.name);
    note.message = "it is a defect of " + std::string(part_of(row.mutant)) +
                   ", and the machine of " + prepared.arch + ", " + prepared.path +
                   " has none: it changes nothing";
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace irqfab::run
