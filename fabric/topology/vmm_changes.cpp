#include "fabric/topology/vmm_changes.hpp"

#include <algorithm>
#include <tuple>

#include "fabric/topology/workload.hpp"
#include "models/base/random.hpp"

namespace irqfab::topology {
namespace {

using scenario::Change;
using scenario::ChangeKind;

constexpr std::size_t kMostChanges = 1'000'000;

Diagnostic refuse(const SourceRange& where, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

/// Draws where a change leaves the CPU open.
struct HostCpus {
  unsigned cpus = 1;
  Random random;
  std::uint32_t take(const Change& change) {
    const auto drawn = static_cast<std::uint32_t>(random.below(cpus));
    return change.to_random ? drawn : raw(change.to);
  }
};

bool is_of_vmm(const Change& change) {
  return change.kind == ChangeKind::RouteUpdate || change.kind == ChangeKind::IrqfdRelease ||
         change.kind == ChangeKind::HostAffinity;
}

void add_at(Time at, const Change& change, const X86Plan& plan, HostCpus& cpus,
            std::vector<VmmChange>& all) {
  const DevicePlan& device = *plan.find(change.sources.device);
  for (unsigned f = change.sources.first_function; f <= change.sources.last_function; ++f) {
    const std::uint32_t first = function_of(device, f).first_source;
    for (unsigned v = change.sources.first; v <= change.sources.last; ++v) {
      if (change.kind == ChangeKind::RouteUpdate) {
        all.push_back({at, first + v, VmmChangeKind::UpdateRoute});
        continue;
      }
      if (change.kind == ChangeKind::HostAffinity) {
        all.push_back({at, first + v, VmmChangeKind::MoveHostInterrupt, cpus.take(change)});
        continue;
      }
      all.push_back({at, first + v, VmmChangeKind::ReleaseIrqfd});
      all.push_back({at + change.length, first + v, VmmChangeKind::AssignIrqfd});
    }
  }
}

}  // namespace

Result<std::vector<VmmChange>> vmm_changes(const scenario::Scenario& scenario, const X86Plan& plan,
                                           unsigned host_cpus) {
  const Time end = scenario.until != 0 ? scenario.until : end_of_workload(scenario);
  std::vector<VmmChange> all;
  for (const Change& change : scenario.during) {
    if (!is_of_vmm(change)) continue;
    if (change.sources.intx) {
      return refuse(change.sources.where, "not-yet",
                    "changes of an INTx under 'during' are not supported yet",
                    "vectors of MSI-X or MSI");
    }
    const bool moves = change.kind == ChangeKind::HostAffinity;
    if (moves && !change.to_random && raw(change.to) >= host_cpus) {
      return refuse(change.where, "no-such-cpu",
                    "'to: " + std::to_string(raw(change.to)) +
                        "' is no CPU of the host, which has " + std::to_string(host_cpus),
                    "a CPU of the host, or 'random'");
    }
    const auto& attach = plan.find(change.sources.device)->device->attach;
    if (moves && attach && *attach != scenario::Attach::Assigned) {
      return refuse(change.sources.where, "not-assigned",
                    "'host-affinity' moves interrupts of the host, and '" + change.sources.device +
                        "' has none",
                    "sources of a device that is assigned");
    }
    HostCpus cpus{host_cpus, Random(scenario.seed, combine(change.at, change.every))};
    for (Time at = change.at;; at += change.every) {
      if (all.size() + 2 * change.sources.size() > kMostChanges) {
        return refuse(change.where, "too-many-changes",
                      "the changes under 'during' come to more than 1000000",
                      "a longer 'every', or a shorter workload");
      }
      add_at(at, change, plan, cpus, all);
      if (change.every == 0 || at + change.every >= end) break;
    }
  }
  std::sort(all.begin(), all.end(), [](const VmmChange& a, const VmmChange& b) {
    return std::tuple(a.at, a.source, a.kind) < std::tuple(b.at, b.source, b.kind);
  });
  return all;
}

}  // namespace irqfab::topology
