#include <algorithm>
#include <map>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

/// Which sources of a device have a row already. Function by function: bit i for vector i, the last
/// bit for the INTx.
class Covered {
 public:
  explicit Covered(const Device& device)
      : each_(device.vectors() + 1), bits_(device.count * each_) {}

  /// False if one of them was covered before.
  bool cover(const Sources& sources) {
    const std::size_t first = sources.intx ? each_ - 1 : sources.first;
    const std::size_t last = sources.intx ? each_ - 1 : sources.last;
    bool fresh = true;
    for (std::size_t f = sources.first_function; f <= sources.last_function; ++f) {
      for (std::size_t i = first; i <= last; ++i) {
        fresh = fresh && !bits_[f * each_ + i];
        bits_[f * each_ + i] = true;
      }
    }
    return fresh;
  }
  bool vector(std::size_t function, std::size_t vector) const {
    return bits_[function * each_ + vector];
  }
  bool intx(std::size_t function) const { return bits_[(function + 1) * each_ - 1]; }
  bool alike(std::size_t a, std::size_t b) const {
    for (std::size_t i = 0; i < each_; ++i) {
      if (bits_[a * each_ + i] != bits_[b * each_ + i]) return false;
    }
    return true;
  }

 private:
  std::size_t each_;
  std::vector<bool> bits_;
};
using CoveredDevices = std::map<std::string, Covered, std::less<>>;

CoveredDevices nothing_covered(const Machine& machine) {
  CoveredDevices covered;
  for (const HostBridge& bridge : machine.host_bridges) {
    for (const Device& device : bridge.devices) covered.try_emplace(device.id, device);
  }
  return covered;
}

void build_row(const Entry& entry, CoveredDevices& covered, Building& to) {
  const auto sources = resolve_sources(entry.key, to);
  Affinity row;
  row.where = to.lines.range(entry.key.place);
  row.spread = entry.value.kind == NodeKind::Scalar && entry.value.text == "spread";
  if (entry.value.kind == NodeKind::List) {
    for (const Node& cpu : entry.value.items) row.cpus.push_back(resolve_cpu(cpu, to));
    if (row.cpus.empty()) {
      to.findings.error(entry.value.place, "missing-key", "there is no CPU in this list",
                        "at least one");
    }
  } else if (!row.spread) {
    row.cpus.push_back(resolve_cpu(entry.value, to));
  }
  if (!sources) return;
  if (!covered.at(sources->device).cover(*sources)) {
    to.findings.error(entry.key.place, "two-choices",
                      quote(entry.key.text) + " has a source that an earlier row places",
                      "each source once");
  }
  row.sources = *sources;
  to.scenario.affinity.push_back(std::move(row));
}

/// Functions of a device that have the same sources left.
struct FunctionRange {
  unsigned first = 0;
  unsigned last = 0;
};

void spread(const Device& device, FunctionRange functions, bool intx, unsigned first, unsigned last,
            Building& to) {
  Affinity row;
  row.where = device.where;
  row.sources = {device.id, intx, first, last, device.where};
  row.sources.some_functions = functions.last - functions.first + 1 < device.count;
  row.sources.first_function = functions.first;
  row.sources.last_function = functions.last;
  to.scenario.affinity.push_back(std::move(row));
}

void spread_the_rest_of(const Device& device, FunctionRange functions, const Covered& covered,
                        Building& to) {
  for (unsigned first = 0; first < device.vectors();) {
    unsigned end = first;
    while (end < device.vectors() && !covered.vector(functions.first, end)) ++end;
    if (end > first) spread(device, functions, false, first, end - 1, to);
    first = end + 1;
  }
  if (device.intx && !covered.intx(functions.first)) {
    spread(device, functions, true, *device.intx, *device.intx, to);
  }
}

/// The sources that no row places, range by range.
void spread_the_rest(const Device& device, const Covered& covered, Building& to) {
  for (unsigned first = 0; first < device.count;) {
    unsigned last = first;
    while (last + 1 < device.count && covered.alike(first, last + 1)) ++last;
    spread_the_rest_of(device, {first, last}, covered, to);
    first = last + 1;
  }
}

constexpr std::pair<std::string_view, LoadKind> kLoadKinds[] = {
    {"poisson", LoadKind::Poisson}, {"periodic", LoadKind::Periodic},
    {"burst", LoadKind::Burst},     {"closed-loop", LoadKind::ClosedLoop},
    {"at", LoadKind::Once},         {"replay", LoadKind::Replay},
};

/// How long a stream goes on.
void build_length(const Node& map, Load& load, Building& to) {
  if (map.find("for") != nullptr) {
    load.length = duration_at(map, "for");
    return;
  }
  if (to.scenario.until == 0) {
    to.findings.error(map.place, "missing-key", "this load would never end",
                      "'for:' in the row, or 'until:' in the scenario");
  } else if (load.start >= to.scenario.until) {
    to.findings.error(map.find("start")->place, "out-of-range",
                      "this is not before the end of the run, " + write_duration(to.scenario.until),
                      "an earlier start");
  } else {
    load.length = to.scenario.until - load.start;
  }
}

void build_kind(const Node& map, Load& load, Building& to) {
  switch (load.kind) {
    case LoadKind::Poisson:
      load.period = duration_at(map, "poisson");
      break;
    case LoadKind::Periodic:
      load.period = duration_at(map, "periodic");
      break;
    case LoadKind::Burst: {
      const Node& burst = *map.find("burst");
      load.burst_size = static_cast<unsigned>(number_at(burst, "size"));
      load.period = duration_at(burst, "every");
      break;
    }
    case LoadKind::ClosedLoop: {
      const Node& loop = *map.find("closed-loop");
      load.depth = static_cast<unsigned>(number_at(loop, "depth"));
      load.think = duration_or_zero(loop, "think");
      break;
    }
    case LoadKind::Once:
      load.start = duration_or_zero(map, "at");
      return;
    case LoadKind::Replay:
      load.replay_file = text_at(map, "replay");
      load.start = duration_or_zero(map, "start");
      return;
  }
  load.start = duration_or_zero(map, "start");
  build_length(map, load, to);
}

/// A stream for each source, and each of a closed loop's requests: false, with an error, when there
/// would be too many. `streams` has those so far.
bool count_streams(const Load& load, std::uint64_t& streams, Building& to) {
  streams += load.sources.size() * (load.kind == LoadKind::ClosedLoop ? load.depth : 1);
  if (streams <= kMostStreams) return true;
  to.findings.error(
      {load.where.line, load.where.column, load.where.length}, "too-many-streams",
      "with this row the workload has " + std::to_string(streams) + " streams, one for each source",
      "at most " + std::to_string(kMostStreams));
  return false;
}

void build_load(const Node& map, std::uint64_t& streams, Building& to) {
  Load load;
  load.where = to.lines.range(map.place);
  for (const auto& [key, kind] : kLoadKinds) {
    if (map.find(key) != nullptr) load.kind = kind;
  }
  build_kind(map, load, to);
  if (const Node* source = map.find("source")) {
    const auto sources = resolve_sources(*source, to);
    if (!sources) return;
    load.sources = *sources;
  }
  if (const Node* level = map.find("level")) {
    load.until = text_at(*level, "until") == "pulse" ? LevelUntil::Pulse : LevelUntil::Handled;
    if (!load.sources.intx) {
      to.findings.error(level->place, "out-of-place",
                        "'level' goes with an INTx, not with messages",
                        "a source such as " + load.sources.device + ":INTA");
    }
  }
  if (count_streams(load, streams, to)) to.scenario.workload.push_back(std::move(load));
}

Handler build_handler(const Node& body, std::string device, SourceRange where) {
  Handler handler;
  handler.device = std::move(device);
  handler.where = std::move(where);
  if (body.kind == NodeKind::Scalar) {
    handler.steps.push_back({HandlerStepKind::Busy, *parse_duration(body.text)});
    return handler;
  }
  for (const Node& step : body.find("steps")->items) {
    handler.steps.push_back(*parse_handler_step(step.text));
  }
  return handler;
}

void build_change(const Node& map, Building& to) {
  Change change;
  change.where = to.lines.range(map.place);
  change.at = duration_or_zero(map, "at");
  change.every = duration_or_zero(map, "every");
  change.length = duration_or_zero(map, "for");
  const Node* subject = nullptr;
  for (const auto& [key, kind] :
       {std::pair("mask", ChangeKind::Mask), std::pair("unmask", ChangeKind::Unmask),
        std::pair("retarget", ChangeKind::Retarget),
        std::pair("host-affinity", ChangeKind::HostAffinity),
        std::pair("route-update", ChangeKind::RouteUpdate),
        std::pair("irqfd-release", ChangeKind::IrqfdRelease)}) {
    const Node* found = map.find(key);
    if (found == nullptr) continue;
    subject = found;
    change.kind = kind;
  }
  if (const Node* target = map.find("to")) {
    change.to_random = target->text == "random";
    if (!change.to_random) change.to = resolve_cpu(*target, to);
  }
  const auto sources = resolve_sources(*subject, to);
  if (!sources) return;
  change.sources = *sources;
  to.scenario.during.push_back(std::move(change));
}

}  // namespace

void build_affinity(const Node& root, Building& to) {
  CoveredDevices covered = nothing_covered(to.scenario.machine);
  if (const Node* rows = root.find("affinity")) {
    for (const Entry& entry : rows->entries) {
      if (!to.findings.has_more()) build_row(entry, covered, to);
    }
  }
  for (const HostBridge& bridge : to.scenario.machine.host_bridges) {
    for (const Device& device : bridge.devices) spread_the_rest(device, covered.at(device.id), to);
  }
}

void build_workload(const Node& root, Building& to) {
  const Node* loads = root.find("workload");
  if (loads == nullptr) return;
  std::uint64_t streams = 0;
  for (const Node& map : loads->items) build_load(map, streams, to);
}

void build_handlers(const Node& root, Building& to) {
  const Node& common = *root.find("handler");
  to.scenario.handlers.push_back(build_handler(common, "", to.lines.range(common.place)));
  const Node* own = root.find("handlers");
  if (own == nullptr) return;
  for (const auto& [key, body] : own->entries) {
    if (find_device(key.text, key.place, to) == nullptr) continue;
    to.scenario.handlers.push_back(build_handler(body, key.text, to.lines.range(key.place)));
  }
}

void build_during(const Node& root, Building& to) {
  const Node* changes = root.find("during");
  if (changes == nullptr) return;
  for (const Node& map : changes->items) build_change(map, to);
}

}  // namespace irqfab::scenario
