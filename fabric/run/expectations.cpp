// Expectations on counts and percentiles: `lost == 0`, `nvme0.p99 < 20us`.
#include <optional>

#include "fabric/run/outcome.hpp"

namespace irqfab::run {
namespace {

using scenario::Compare;
using scenario::Expectation;

Pool pool_of(const std::string& device, const Ledger& ledger, const topology::Topology& topology) {
  Pool pool;
  for (std::uint32_t path = 0; path < ledger.paths(); ++path) {
    if (!is_path_of(topology.paths[path], device)) continue;
    const PathStat& stat = ledger.path(path);
    pool.to_end.merge(stat.to_end);
    pool.to_handler.merge(stat.to_handler);
    add(pool.accounting, stat.accounting);
  }
  if (device.empty()) pool.accounting = ledger.accounting();
  return pool;
}

std::optional<std::uint64_t> count_of_software(const std::string& metric,
                                               const SoftwareCounts& counts) {
  const RouteCounts routes = counts.routes.value_or(RouteCounts{});
  const ExitCounts exits = counts.exits.value_or(ExitCounts{});
  if (metric == "routes.hits") return routes.hits;
  if (metric == "routes.misses") return routes.misses;
  if (metric == "routes.flushes") return routes.flushes;
  if (metric == "routes.commits") return routes.commits;
  if (metric == "routes.peak") return routes.peak;
  if (metric == "routes.refused") return routes.refused;
  if (metric == "routes.fallbacks") return routes.fallbacks;
  if (metric == "exits.kernel") return exits.kernel;
  if (metric == "exits.user") return exits.user;
  if (metric == "faults") return counts.faults;
  return std::nullopt;
}

std::optional<std::uint64_t> count_named(const std::string& metric, const Pool& pool) {
  const Accounting& a = pool.accounting;
  if (metric == "asserted") return a.asserted;
  if (metric == "handled") return a.handled;
  if (metric == "coalesced") return a.coalesced;
  if (metric == "dropped") return a.dropped;
  if (metric == "lost") return a.dropped + (a.asserted - a.ended());
  if (metric == "cancelled") return a.cancelled;
  if (metric == "in_flight") return a.asserted - a.ended();
  if (metric == "spurious") return a.spurious;
  if (metric == "duplicated") return a.duplicated;
  return count_of_software(metric, pool.software);
}

Duration time_named(const std::string& metric, const Summary& s) {
  if (metric == "min") return s.min;
  if (metric == "p50") return s.p50;
  if (metric == "p90") return s.p90;
  if (metric == "p99") return s.p99;
  if (metric == "p99.9") return s.p999;
  if (metric == "max") return s.max;
  return s.mean;
}

bool compare(std::uint64_t found, Compare how, std::uint64_t bound) {
  switch (how) {
    case Compare::Equal:
      return found == bound;
    case Compare::NotEqual:
      return found != bound;
    case Compare::Less:
      return found < bound;
    case Compare::LessEqual:
      return found <= bound;
    case Compare::Greater:
      return found > bound;
    case Compare::GreaterEqual:
      break;
  }
  return found >= bound;
}

}  // namespace

void add(Accounting& to, const Accounting& from) {
  to.asserted += from.asserted;
  to.handled += from.handled;
  to.coalesced += from.coalesced;
  to.dropped += from.dropped;
  to.cancelled += from.cancelled;
}

bool is_path_of(const std::string& path, const std::string& device) {
  return device.empty() || path.compare(0, device.size() + 1, device + ':') == 0;
}

ExpectationRow judge(const Expectation& expectation, const Pool& pool) {
  ExpectationRow row;
  row.text = expectation.text;
  if (const auto count = count_named(expectation.metric, pool)) {
    row.held = compare(*count, expectation.compare, expectation.bound);
    row.found = std::to_string(*count);
    return row;
  }
  const Histogram& times = expectation.to_handler ? pool.to_handler : pool.to_end;
  if (times.count() == 0) {
    row.found = "nothing was handled";
    return row;
  }
  const Duration time = time_named(expectation.metric, summarize(times));
  row.held = compare(time, expectation.compare, expectation.bound);
  row.found = std::to_string(time) + " ps";
  row.found_time = time;
  return row;
}

std::vector<ExpectationRow> evaluate(const scenario::Scenario& scenario, const Ledger& ledger,
                                     const topology::Topology& topology,
                                     const SoftwareCounts& software) {
  std::vector<ExpectationRow> rows;
  for (const Expectation& expectation : scenario.expect) {
    Pool pool = pool_of(expectation.device, ledger, topology);
    pool.software = software;
    rows.push_back(judge(expectation, pool));
  }
  return rows;
}

}  // namespace irqfab::run
