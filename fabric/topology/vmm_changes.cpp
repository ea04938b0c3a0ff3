#include "fabric/topology/vmm_changes.hpp"

#include <algorithm>
#include <tuple>

#include "fabric/topology/workload.hpp"

namespace irqfab::topology {
namespace {

using scenario::Change;
using scenario::ChangeKind;

constexpr std::size_t kMostChanges = 1'000'000;

Diagnostic refuse(const SourceRange& where, const char* code, std::string message,
                  std::string expected) {
  return {Severity::Error, code, where, std::move(message), std::move(expected), ""};
}

void add_at(Time at, const Change& change, const X86Plan& plan, std::vector<VmmChange>& all) {
  const DevicePlan& device = *plan.find(change.sources.device);
  for (unsigned f = change.sources.first_function; f <= change.sources.last_function; ++f) {
    const std::uint32_t first = function_of(device, f).first_source;
    for (unsigned v = change.sources.first; v <= change.sources.last; ++v) {
      if (change.kind == ChangeKind::RouteUpdate) {
        all.push_back({at, first + v, VmmChangeKind::UpdateRoute});
        continue;
      }
      all.push_back({at, first + v, VmmChangeKind::ReleaseIrqfd});
      all.push_back({at + change.length, first + v, VmmChangeKind::AssignIrqfd});
    }
  }
}

}  // namespace

Result<std::vector<VmmChange>> vmm_changes(const scenario::Scenario& scenario,
                                           const X86Plan& plan) {
  const Time end = scenario.until != 0 ? scenario.until : end_of_workload(scenario);
  std::vector<VmmChange> all;
  for (const Change& change : scenario.during) {
    if (change.kind != ChangeKind::RouteUpdate && change.kind != ChangeKind::IrqfdRelease) continue;
    if (change.sources.intx) {
      return refuse(change.sources.where, "not-yet",
                    "changes of an INTx under 'during' are not supported yet",
                    "vectors of MSI-X or MSI");
    }
    for (Time at = change.at;; at += change.every) {
      if (all.size() + 2 * change.sources.size() > kMostChanges) {
        return refuse(change.where, "too-many-changes",
                      "the changes under 'during' come to more than 1000000",
                      "a longer 'every', or a shorter workload");
      }
      add_at(at, change, plan, all);
      if (change.every == 0 || at + change.every >= end) break;
    }
  }
  std::sort(all.begin(), all.end(), [](const VmmChange& a, const VmmChange& b) {
    return std::tuple(a.at, a.source, a.kind) < std::tuple(b.at, b.source, b.kind);
  });
  return all;
}

}  // namespace irqfab::topology
