#include "fabric/report/outcome_json.hpp"

#include "fabric/version.hpp"

namespace irqfab::report {
namespace {

using Json = nlohmann::ordered_json;
using run::HopRow;
using run::Outcome;
using run::PathRow;
using run::Summary;

Json interrupts_json(const Outcome& outcome) {
  const Accounting& a = outcome.accounting;
  return {{"asserted", a.asserted}, {"handled", a.handled},      {"coalesced", a.coalesced},
          {"dropped", a.dropped},   {"cancelled", a.cancelled},  {"in_flight", outcome.in_flight},
          {"spurious", a.spurious}, {"duplicated", a.duplicated}};
}

Json drops_json(const Accounting& a) {
  Json drops = Json::array();
  for (std::size_t i = 0; i < a.drops.size(); ++i) {
    if (a.drops[i] > 0) drops.push_back({{"reason", kDropReasonNames[i]}, {"count", a.drops[i]}});
  }
  return drops;
}

Json hop_json(const HopRow& hop) {
  return {{"component", hop.component},
          {"event", name_of(hop.event)},
          {"role", name_of(row_of(hop.event).role)},
          {"count", hop.count},
          {"total_ps", hop.total},
          {"p50_ps", hop.p50},
          {"p99_ps", hop.p99},
          {"queue_ps", hop.queue},
          {"price_source", hop.price_source},
          {"price_kind", hop.price_kind}};
}

void add_software(Json& document, const run::SoftwareCounts& counts) {
  if (const auto& routes = counts.routes) {
    document["routes"] = {{"hits", routes->hits},          {"misses", routes->misses},
                          {"flushes", routes->flushes},    {"commits", routes->commits},
                          {"refused", routes->refused},    {"peak", routes->peak},
                          {"fallbacks", routes->fallbacks}};
    Json& fallbacks = document["no_route"] = Json::array();
    for (const run::FallbackRow& row : counts.fallbacks) {
      fallbacks.push_back({{"device", row.device},
                           {"vectors", row.vectors},
                           {"of", row.of},
                           {"reason", counts.no_route}});
    }
  }
  if (const auto& exits = counts.exits) {
    document["exits"] = {{"kernel", exits->kernel}, {"user", exits->user}};
  }
  if (counts.exits || counts.faults > 0) document["faults"] = counts.faults;
}

void add_standstill(Json& document, const Outcome& outcome) {
  Json& rests = document["rests"] = Json::array();
  for (const run::RestRow& row : outcome.rests) {
    rests.push_back({{"place", row.place}, {"count", row.count}});
  }
  Json& deadlock = document["deadlock"] = Json::array();
  for (const run::DeadlockRow& row : outcome.deadlock) {
    deadlock.push_back(
        {{"task", row.task}, {"waits_for", row.waits_for}, {"held_by", row.held_by}});
  }
}

}  // namespace

Json summary_json(const std::string& name, const Summary& s) {
  return {{"name", name},      {"count", s.count}, {"min_ps", s.min},
          {"p50_ps", s.p50},   {"p90_ps", s.p90},  {"p99_ps", s.p99},
          {"p999_ps", s.p999}, {"max_ps", s.max},  {"mean_ps", s.mean}};
}

Json outcome_json(const std::string& schema, const Outcome& outcome) {
  Json paths = Json::array();
  for (const PathRow& path : outcome.paths) {
    Json row = summary_json(path.name, path.to_end);
    row["to_handler"] = summary_json(path.name, path.to_handler);
    paths.push_back(std::move(row));
  }
  Json hops = Json::array();
  for (const HopRow& hop : outcome.hops) hops.push_back(hop_json(hop));
  Json expect = Json::array();
  for (const auto& e : outcome.expect) {
    expect.push_back({{"text", e.text}, {"held", e.held}, {"found", e.found}});
  }
  return {{"schema", schema},
          {"irqfab", kVersion},
          {"scenario", outcome.scenario},
          {"arch", outcome.arch},
          {"path", outcome.path},
          {"profile", outcome.profile},
          {"behaviour", outcome.behaviour},
          {"mutants", outcome.mutants},
          {"seed", outcome.seed},
          {"interrupts", interrupts_json(outcome)},
          {"drops", drops_json(outcome.accounting)},
          {"paths", std::move(paths)},
          {"hops", std::move(hops)},
          {"assumed_share", outcome.assumed_share()},
          {"expect", std::move(expect)},
          {"simulated_ps", outcome.simulated},
          {"stuck", outcome.stuck}};
}

Json run_document(const Outcome& outcome) {
  Json document = outcome_json("irqfab.run/1", outcome);
  Json& invalidations = document["invalidations"] = Json::array();
  for (const run::InvalidationRow& row : outcome.invalidations) {
    Json times = summary_json(row.component, row.waits);
    times["invalidated"] = row.count;
    invalidations.push_back(std::move(times));
  }
  add_software(document, outcome.software);
  add_standstill(document, outcome);
  return document;
}

}  // namespace irqfab::report
