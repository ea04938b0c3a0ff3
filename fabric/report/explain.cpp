#include "fabric/report/explain.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fabric/report/format.hpp"
#include "fabric/report/vocabulary.hpp"
#include "fabric/run/mutants.hpp"
#include "fabric/scenario/option_place.hpp"
#include "fabric/scenario/path_check.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/version.hpp"

namespace irqfab::report {
namespace {

using scenario::Device;
using scenario::Scenario;

/// From the first interrupt to the explained one, on top of what its handler takes.
constexpr Duration kApart = 10 * kPsPerMs;

Diagnostic refuse(const char* code, std::string message, std::string expected) {
  return {Severity::Error, code, {}, std::move(message), std::move(expected), ""};
}

// ---- the source ---------------------------------------------------------------------------------

/// "nvme0:0..8, nic[0..99]:0, uart0:INTA".
std::string all_sources(const Scenario& scenario) {
  std::string text;
  const auto add = [&](const Device& d, bool intx, unsigned first, unsigned last) {
    const scenario::Sources sources{d.id, intx, first, last, {}, d.count > 1, 0, d.count - 1};
    text += (text.empty() ? "" : ", ") + scenario::write_sources(sources);
  };
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    for (const Device& d : bridge.devices) {
      if (d.vectors() > 0) add(d, false, 0, d.vectors() - 1);
      if (d.intx) add(d, true, *d.intx, *d.intx);
    }
  }
  return text.empty() ? "a device in the scenario; it has none" : "one of " + text;
}

const Device* device_named(const Scenario& scenario, const std::string& id) {
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    for (const Device& device : bridge.devices) {
      if (device.id == id) return &device;
    }
  }
  return nullptr;
}

/// The one source that the text names.
Result<scenario::Sources> source_named(const Scenario& scenario, const std::string& text) {
  const auto unknown = [&](const std::string& why) {
    Diagnostic refusal = refuse("no-such-source", why, all_sources(scenario));
    refusal.where = scenario::of_option("--source", text);
    return refusal;
  };
  const auto parsed = scenario::parse_sources(text);
  if (!parsed) return unknown(parsed.fault().message);
  const Device* device = device_named(scenario, parsed->device);
  if (device == nullptr) return unknown("there is no device '" + parsed->device + "'");
  const bool one_function =
      parsed->some_functions ? parsed->first_function == parsed->last_function : device->count == 1;
  const bool one_of_it =
      parsed->kind != scenario::SourceKind::Whole && parsed->first == parsed->last;
  if (!one_function || !one_of_it) return unknown('\'' + text + "' is not one source");
  const bool intx = parsed->kind == scenario::SourceKind::Intx;
  const bool exists = parsed->first_function < device->count &&
                      (intx ? device->intx == parsed->first : parsed->first < device->vectors());
  if (!exists) return unknown("there is no source '" + text + "'");
  const auto which = static_cast<unsigned>(parsed->first);
  const auto function = static_cast<unsigned>(parsed->first_function);
  return scenario::Sources{device->id,        intx,     which,   which, {},
                           device->count > 1, function, function};
}

// ---- the run ------------------------------------------------------------------------------------

/// How long the handlers of the machine are busy at most, so that the first interrupt is over
/// before the second.
Duration busy_time(const Scenario& scenario) {
  Duration longest = 0;
  for (const scenario::Handler& handler : scenario.handlers) {
    Duration sum = 0;
    for (const scenario::HandlerStep& step : handler.steps) {
      sum = std::min(sum + step.length, scenario::kLongestDuration);
    }
    longest = std::max(longest, sum);
  }
  return longest;
}

/// The scenario with nothing in it but the interrupt, and the one before it. They come from
/// `settled` on.
Scenario alone(const Scenario& scenario, const scenario::Sources& source, Caches caches,
               Time settled) {
  Scenario quiet = scenario;
  quiet.until = 0;
  quiet.during.clear();
  quiet.setup.clear();
  quiet.steps.clear();
  quiet.afterwards.clear();
  quiet.machine.tick = 0;
  quiet.machine.off_every = 0;
  quiet.actors.clear();
  quiet.expect.clear();
  quiet.workload.clear();
  scenario::Load load;
  load.sources = source;
  load.start = settled;
  quiet.workload.push_back(load);
  if (caches == Caches::Warm) {
    load.start += kApart + busy_time(scenario);
    quiet.workload.push_back(load);
  }
  return quiet;
}

/// Keeps what happened on the way of one span. While it rests in a descriptor, what happens to its
/// notification is on its way, until the interrupt is taken from there.
class SpanSink final : public RecordSink {
 public:
  void follow(SpanId span) { span_ = span; }
  void take(const Key&, const TraceRecord& record) override {
    if (record.span == span_) {
      if (row_of(record.event).effect != Effect::None) own_.push_back(record);
      return;
    }
    if (is_beginning_of_notification(record)) notification_ = record.span;
    const Effect effect = row_of(record.event).effect;
    const bool of_notification =
        record.span == notification_ && record.span != kNoSpan && effect == Effect::Moves;
    if (of_notification || record.event == Event::PirRead) meanwhile_.push_back(record);
  }

  /// In the order of the way.
  std::vector<TraceRecord> records() const {
    std::vector<TraceRecord> way;
    const TraceRecord* waited = nullptr;
    bool rests = false;
    Time last = 0;
    for (const TraceRecord& record : own_) {
      if (rests && record.event == Event::Waited) {
        waited = &record;
        continue;
      }
      if (rests) add_rest(last, record, waited, way);
      if (rests) waited = nullptr;
      if (record.event == Event::Posted) rests = true;
      if (record.event == Event::PirTaken || record.event == Event::PirSynced) rests = false;
      way.push_back(record);
      last = record.time;
    }
    return way;
  }

 private:
  static bool is_beginning_of_notification(const TraceRecord& record) {
    return record.event == Event::Asserted &&
           record.detail == static_cast<std::uint64_t>(Cause::Notification);
  }

  /// What it rested for from `from` until it took part in `next`: of what it waited, the
  /// notification's hops show a part, and the rest is waiting.
  void add_rest(Time from, const TraceRecord& next, const TraceRecord* waited,
                std::vector<TraceRecord>& way) const {
    const std::size_t before = way.size();
    std::size_t end = before;  // behind the last hop that is no waiting
    Time last = from;
    for (const TraceRecord& record : meanwhile_) {
      if (record.time <= from || record.time > next.time) continue;
      way.push_back(record);
      if (record.event == Event::Waited) continue;
      end = way.size();
      last = record.time;
    }
    way.resize(end);
    if (waited == nullptr || waited->detail <= last - from) return;
    way.push_back(*waited);
    way.back().detail -= last - from;
  }

  SpanId span_ = kNoSpan;
  SpanId notification_ = kNoSpan;
  std::vector<TraceRecord> own_;
  std::vector<TraceRecord> meanwhile_;
};

// ---- prices -------------------------------------------------------------------------------------

/// How closely an override names the place of a hop; 0 if it is about another.
unsigned closeness(const scenario::PriceOverride& own, const ExplainedHop& hop) {
  if (own.event != name_of(hop.event)) return 0;
  if (own.node.empty()) return 1;
  if (own.node == hop.component) return 2;
  if (own.node == hop.node) return 4;
  return own.node == topology::device_in(hop.node) ? 3 : 0;
}

/// The override that counts at this place, or null.
const scenario::PriceOverride* override_at(const Scenario& scenario, const ExplainedHop& hop) {
  const scenario::PriceOverride* closest = nullptr;
  for (const scenario::PriceOverride& own : scenario.prices) {
    const unsigned before = closest == nullptr ? 0 : closeness(*closest, hop);
    if (closeness(own, hop) > before) closest = &own;
  }
  return closest;
}

void set_price(ExplainedHop& hop, std::string kind, std::string source) {
  hop.price_kind = std::move(kind);
  hop.price_source = std::move(source);
}

void add_price(const run::Prepared& prepared, ExplainedHop& hop) {
  if (is_waiting(hop.event)) {
    return set_price(hop, "waiting", std::string(row_of(hop.event).meaning));
  }
  if (is_of_handler(hop.event)) return set_price(hop, "scenario", "the scenario's handler");
  if (is_instant(hop.event)) {
    return set_price(hop, "none", "takes no time: a change of state");
  }
  const PriceRow* row = prepared.profile.find(hop.event);
  if (const auto* own = override_at(prepared.scenario, hop)) {
    if (own->in_cycles && row != nullptr) {
      hop.cycles = own->value;
      hop.clock = row->latency.clock;
    }
    return set_price(hop, "scenario", "the scenario's 'prices'");
  }
  if (row == nullptr) return set_price(hop, "none", "free: no row in the timing table");
  if (!row->latency.clock.empty()) {
    hop.cycles = row->latency.value;
    hop.clock = row->latency.clock;
  }
  set_price(hop, std::string(name_of(row->kind)), row->source);
}

/// Component and lane of every node, by NodeId.
std::vector<std::pair<std::string, std::string>> places_of(const topology::Topology& topology) {
  std::vector<std::pair<std::string, std::string>> places;
  for (const topology::Component& component : topology.components) {
    for (std::size_t lane = 0; lane < component.lanes.size(); ++lane) {
      places.emplace_back(component.name, component.lanes[lane]);
    }
  }
  return places;
}

void add_hops(const run::Prepared& prepared, const topology::Topology& topology,
              const std::vector<TraceRecord>& records, Explanation& explanation) {
  const auto places = places_of(topology);
  const Time opened = records.front().time;
  Time last = opened;
  for (const TraceRecord& record : records) {
    ExplainedHop hop;
    std::tie(hop.component, hop.node) = places[raw(record.node)];
    hop.event = record.event;
    // A wait may stand at the end of the hop that it was part of.
    hop.ps = record.event == Event::Waited ? record.detail : record.time - last;
    last += hop.ps;
    hop.end = last - opened;
    add_price(prepared, hop);
    if (hop.price_kind == name_of(PriceKind::Assumed)) explanation.assumed += hop.ps;
    if (is_waiting(hop.event)) explanation.waiting += hop.ps;
    explanation.hops.push_back(std::move(hop));
  }
  explanation.total = last - opened;
}

// ---- text ---------------------------------------------------------------------------------------

/// Texts that are too long for a table, numbered from 1 in the order of their first mention.
class Footnotes {
 public:
  std::string mark(const std::string& text) {
    const auto known = std::find(texts_.begin(), texts_.end(), text);
    const auto index = static_cast<std::size_t>(known - texts_.begin());
    if (known == texts_.end()) texts_.push_back(text);
    return '[' + std::to_string(index + 1) + ']';
  }
  std::string text() const {
    Table table({Column::Right, Column::Left});
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      table.add({'[' + std::to_string(i + 1) + ']', texts_[i]});
    }
    return table.text();
  }

 private:
  std::vector<std::string> texts_;
};

std::string price_text(const ExplainedHop& hop, Footnotes& sources) {
  if (is_instant(hop.event) && hop.price_kind == "none") return "-";
  return (hop.price_kind == "none" ? "" : hop.price_kind + ' ') + sources.mark(hop.price_source);
}

std::string_view name_of(Caches caches) { return caches == Caches::Warm ? "warm" : "cold"; }

}  // namespace

Result<Explanation> explain(const run::Prepared& prepared, const std::string& source,
                            Caches caches) {
  const auto kind = machine_kind(prepared.scenario, prepared.path);
  if (kind == scenario::MachineKind::Calls) {
    return refuse("not-yet", "explaining recordings and calls of KVM is not supported yet",
                  "a scenario with devices and a load for them");
  }
  // The whole scenario, of which most is left out below: what 'run' refuses is not explained.
  if (const auto whole = run::topology_of(prepared); !whole) return whole.errors();
  const auto found = source_named(prepared.scenario, source);
  if (!found) return found.errors();
  run::Prepared quiet = prepared;
  // vCPUs first have to enter their guest, to halt and to fall asleep.
  const Time settled = kind == scenario::MachineKind::BareMetal ? 0 : kApart;
  quiet.scenario = alone(prepared.scenario, *found, caches, settled);

  SpanSink sink;
  auto session = run::Session::create(quiet, &sink);
  if (!session) return session.errors();
  const topology::Topology& topology = (*session)->topology();
  Explanation explanation{quiet.scenario.file,
                          quiet.arch,
                          quiet.path,
                          quiet.profile.name,
                          scenario::write_sources(*found),
                          run::names_of(quiet.mutants),
                          caches,
                          {}};
  const auto id = static_cast<std::uint32_t>(*topology.sources.names.find(explanation.source));
  sink.follow(make_span(SourceId{id}, caches == Caches::Warm ? 1 : 0));
  const auto outcome = (*session)->run();
  if (!outcome) return outcome.errors();
  if (sink.records().empty()) {
    return refuse("no-interrupt", '\'' + explanation.source + "' raises nothing on this machine",
                  "a source that its driver has enabled");
  }
  add_hops(quiet, topology, sink.records(), explanation);
  explanation.notes = run::notes_on_mutants(quiet, topology);
  return explanation;
}

std::string explain_text(const Explanation& e) {
  constexpr auto L = Column::Left;
  constexpr auto R = Column::Right;
  Table table({L, L, L, R, R, R, L});
  table.add({"role", "at", "event", "cycles", "time", "so far", "price"});
  Footnotes sources;
  for (const ExplainedHop& hop : e.hops) {
    const std::string at = hop.node == hop.component ? hop.node : hop.component + '/' + hop.node;
    table.add({std::string(name_of(row_of(hop.event).role)), at, std::string(name_of(hop.event)),
               hop.cycles ? std::to_string(*hop.cycles) + ' ' + hop.clock : "-", duration(hop.ps),
               duration(hop.end), price_text(hop, sources)});
  }
  return e.source + " on " + e.arch + ", " + e.path + ", profile " + e.profile + ", caches " +
         std::string(name_of(e.caches)) + mutants_text(e.mutants) + "\n\n" + table.text() + '\n' +
         sources.text() + "\ntotal " + duration(e.total) + ", ends as " +
         std::string(name_of(e.hops.back().event)) + "; " + percent(e.assumed, e.total) +
         " of the time rests on assumed prices, " + percent(e.waiting, e.total) + " is waiting\n";
}

std::string explain_json(const Explanation& e) {
  using Json = nlohmann::ordered_json;
  Json hops = Json::array();
  for (const ExplainedHop& hop : e.hops) {
    Json row = {{"component", hop.component},
                {"node", hop.node},
                {"event", name_of(hop.event)},
                {"role", name_of(row_of(hop.event).role)},
                {"cycles", nullptr},
                {"clock", nullptr},
                {"ps", hop.ps},
                {"price_source", hop.price_source},
                {"price_kind", hop.price_kind}};
    if (hop.cycles) {
      row["cycles"] = *hop.cycles;
      row["clock"] = hop.clock;
    }
    hops.push_back(std::move(row));
  }
  const Json document = {{"schema", "irqfab.explain/1"},
                         {"irqfab", kVersion},
                         {"scenario", e.scenario},
                         {"arch", e.arch},
                         {"path", e.path},
                         {"profile", e.profile},
                         {"mutants", e.mutants},
                         {"source", e.source},
                         {"caches", name_of(e.caches)},
                         {"hops", std::move(hops)},
                         {"total_ps", e.total},
                         {"assumed_ps", e.assumed},
                         {"waiting_ps", e.waiting}};
  return document.dump(2) + '\n';
}

}  // namespace irqfab::report
