#include <algorithm>
#include <map>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

/// What ids, places and buses are taken, and since which line.
struct Taken {
  /// The functions of one device.
  struct Functions {
    unsigned last = 0;  // requester id
    std::string device;
    int line = 0;
  };
  std::map<std::string, int, std::less<>> ids;
  std::map<std::pair<unsigned, unsigned>, Functions>
      functions;  // by segment and first requester id
  std::map<unsigned, std::vector<std::size_t>>
      bridges;  // by segment; none shares buses with another
  std::uint64_t sources = 0;
};

/// False, with an error, when the id is taken.
bool take_id(const Node& id, Taken& taken, Building& to) {
  const auto [seen, is_new] = taken.ids.emplace(id.text, id.place.line);
  if (is_new) return true;
  to.findings.error(id.place, "duplicate-id",
                    quote(id.text) + " is taken already, on line " + std::to_string(seen->second),
                    "another id");
  return false;
}

/// Its functions lie on buses of its bridge, and where no other is.
void check_place(const Node& bdf, const Device& device, const HostBridge& bridge, Taken& taken,
                 Building& to) {
  const unsigned first = raw(device.rid);
  const unsigned end = (bridge.last_bus + 1) << 8;
  if (first < bridge.first_bus << 8 || first >= end) {
    to.findings.error(bdf.place, "no-such-bus", "this bus is not behind '" + bridge.id + "'",
                      "a bus of " + write_bus_range({bridge.first_bus, bridge.last_bus}));
  } else if (device.count > end - first) {
    to.findings.error(bdf.place, "too-many-functions",
                      std::to_string(device.count) + " functions from here on are more than the " +
                          std::to_string(end - first) + " that there is room for behind '" +
                          bridge.id + "'",
                      "a smaller 'count', and another host bridge for the others");
  }
  const unsigned last = first + device.count - 1;
  auto next = taken.functions.lower_bound({bridge.segment, last + 1});
  if (next != taken.functions.begin()) {
    const auto& [from, other] = *std::prev(next);
    if (from.first == bridge.segment && other.last >= first) {
      const auto shared = RequesterId(static_cast<std::uint16_t>(std::max(first, from.second)));
      to.findings.error(bdf.place, "duplicate-bdf",
                        quote(device.count == 1 ? bdf.text : write_bdf(shared)) + " is where '" +
                            other.device + "' is, on line " + std::to_string(other.line),
                        "another function of this segment");
      return;
    }
  }
  taken.functions[{bridge.segment, first}] = {last, device.id, bdf.place.line};
}

/// False, with an error, when there would be too many.
bool count_sources(const Node& map, const Device& device, Taken& taken, Building& to) {
  taken.sources += std::uint64_t{device.count} * (device.msix + (device.intx ? 1 : 0));
  if (taken.sources <= kMostDeviceSources) return true;
  to.findings.error(map.place, "too-many-sources",
                    "with '" + device.id + "' the machine has " + std::to_string(taken.sources) +
                        " vectors and INTx",
                    "at most " + std::to_string(kMostDeviceSources));
  return false;
}

void build_device(const Node& map, HostBridge& bridge, Taken& taken, Building& to) {
  Device device;
  device.where = to.lines.range(map.place);
  device.id = text_at(map, "id");
  if (!take_id(*map.find("id"), taken, to)) return;
  // `handler.p99` is a latency up to the handler of any device.
  if (device.id == "handler") {
    to.findings.error(map.find("id")->place, "bad-id", "'handler' has a meaning in 'expect'",
                      "another id");
  }
  device.rid = *parse_bdf(text_at(map, "bdf"));
  device.count = static_cast<unsigned>(number_at(map, "count"));
  check_place(*map.find("bdf"), device, bridge, taken, to);
  if (map.find("msix") != nullptr) device.msix = static_cast<unsigned>(number_at(map, "msix"));
  if (map.find("intx") != nullptr) {
    device.intx = static_cast<unsigned>(text_at(map, "intx").front() - 'A');
  }
  if (device.msix == 0 && !device.intx) {
    to.findings.error(map.place, "no-interrupts", "'" + device.id + "' has no interrupts",
                      "'msix:', 'intx:' or both");
  }
  if (!count_sources(map, device, taken, to)) return;
  to.devices[device.id] = {to.scenario.machine.host_bridges.size(), bridge.devices.size()};
  bridge.devices.push_back(std::move(device));
}

void build_devices(const Node& parent, HostBridge& bridge, Taken& taken, Building& to) {
  const Node* devices = parent.find("devices");
  if (devices == nullptr) return;
  for (const Node& map : devices->items) build_device(map, bridge, taken, to);
}

/// Buses of a segment belong to one bridge.
void take_buses(const Node& map, const HostBridge& bridge, Taken& taken, Building& to) {
  std::vector<std::size_t>& neighbours = taken.bridges[bridge.segment];
  for (const std::size_t index : neighbours) {
    const HostBridge& other = to.scenario.machine.host_bridges[index];
    if (other.last_bus < bridge.first_bus || bridge.last_bus < other.first_bus) continue;
    to.findings.error(map.place, "shared-buses",
                      "'" + bridge.id + "' and '" + other.id + "' share buses of segment " +
                          std::to_string(bridge.segment),
                      "another segment, or buses of its own");
    return;
  }
  neighbours.push_back(to.scenario.machine.host_bridges.size());
}

/// Without a number of its own a bridge gets its place in the list.
unsigned segment_of(const Node& map, std::size_t index, Building& to) {
  constexpr std::size_t kLastSegment = 0xFFFF;
  if (map.find("segment") != nullptr) return static_cast<unsigned>(number_at(map, "segment"));
  if (index > kLastSegment) {
    to.findings.error(map.place, "out-of-range",
                      "this bridge has no segment: all " + std::to_string(kLastSegment + 1) +
                          " are given out by now",
                      "'segment:' and 'buses:' that are free");
    return 0;
  }
  return static_cast<unsigned>(index);
}

void build_host_bridge(const Node& map, std::size_t index, Taken& taken, Building& to) {
  HostBridge bridge;
  bridge.where = to.lines.range(map.place);
  bridge.id = text_at(map, "id");
  take_id(*map.find("id"), taken, to);
  bridge.segment = segment_of(map, index, to);
  const BusRange buses = *parse_bus_range(text_at(map, "buses"));
  bridge.first_bus = buses.first;
  bridge.last_bus = buses.last;
  take_buses(map, bridge, taken, to);
  build_devices(map, bridge, taken, to);
  to.scenario.machine.host_bridges.push_back(std::move(bridge));
}

void build_bridges(const Node& map, Building& to) {
  Taken taken;
  const Node* bridges = map.find("host_bridges");
  if (bridges == nullptr) {
    HostBridge only;
    only.id = "hb0";
    only.where = to.lines.range(map.place);
    build_devices(map, only, taken, to);
    to.scenario.machine.host_bridges.push_back(std::move(only));
    return;
  }
  if (const Node* devices = map.find("devices")) {
    to.findings.error(devices->place, "two-choices",
                      "'devices' stand beside 'host_bridges', behind none of them",
                      "each device in the 'devices' of its host bridge");
  }
  std::size_t index = 0;
  for (const Node& bridge : bridges->items) build_host_bridge(bridge, index++, taken, to);
  if (bridges->items.empty()) {
    to.findings.error(bridges->place, "missing-key", "there is no host bridge",
                      "at least one, or no 'host_bridges:' at all for the usual one");
  }
}

constexpr std::size_t kMostIoapics = 16;  // IOAPICID has 4 bits

void build_ioapics(const Node& map, Building& to) {
  std::vector<Ioapic>& ioapics = to.scenario.machine.ioapics;
  const Node* list = map.find("ioapics");
  if (list == nullptr) return void(ioapics.emplace_back());
  for (const Node& row : list->items) {
    Ioapic ioapic;
    ioapic.pins = static_cast<unsigned>(number_at(row, "pins"));
    if (text_at(row, "version") == "0x11") ioapic.version = IoapicVersion::V11;
    if (text_at(row, "inputs") == "wired") ioapic.inputs = IoapicInputs::Wired;
    ioapics.push_back(ioapic);
  }
  if (ioapics.empty() || ioapics.size() > kMostIoapics) {
    to.findings.error(list->place, "out-of-range",
                      "there are " + std::to_string(ioapics.size()) + " IOAPICs",
                      "1 to " + std::to_string(kMostIoapics));
  }
}

std::string list_ids(const Machine& machine, std::vector<std::string_view>& ids) {
  std::string text;
  for (const HostBridge& bridge : machine.host_bridges) {
    for (const Device& device : bridge.devices) {
      ids.push_back(device.id);
      if (ids.size() <= 8) text += (text.empty() ? "" : ", ") + device.id;
    }
  }
  if (text.empty()) return "a device, declared under 'machine'";
  return "one of " + text + (ids.size() > 8 ? ", ..." : "");
}

/// What the CPUs do apart from handling interrupts.
void build_cpus(const Node& map, Building& to) {
  Machine& machine = to.scenario.machine;
  if (text_at(map, "apic") == "x2apic") machine.apic = ApicMode::X2apic;
  if (text_at(map, "idle") == "halt") machine.idle = Idle::Halt;
  machine.tick = duration_or_zero(map, "tick");
  const Node* off = map.find("interrupts_off");
  if (off == nullptr) return;
  machine.off_every = duration_at(*off, "every");
  machine.off_length = duration_at(*off, "for");
  if (machine.off_length >= machine.off_every) {
    to.findings.error(off->find("for")->place, "out-of-range",
                      "a stretch of " + write_duration(machine.off_length) + " every " +
                          write_duration(machine.off_every) + " leaves no time for interrupts",
                      "less than 'every'");
  }
  if (machine.idle == Idle::Halt) {
    to.findings.error(off->place, "two-choices",
                      "'interrupts_off' is work, and a CPU with 'idle: halt' has none",
                      "one of them");
  }
}

SourceRange place_of_path(const Node& machine, const Building& to) {
  for (const std::string_view key : {"path", "arch"}) {
    if (const Node* named = machine.find(key)) return to.lines.range(named->place);
  }
  return to.lines.range(machine.place);
}

}  // namespace

void build_machine(const Node& root, Building& to) {
  const Node& map = *root.find("machine");
  Machine& machine = to.scenario.machine;
  machine.where = to.lines.range(map.place);
  if (map.find("arch") != nullptr) machine.arch = text_at(map, "arch");
  if (map.find("path") != nullptr) machine.path = text_at(map, "path");
  machine.path_where = place_of_path(map, to);
  machine.cpus = static_cast<unsigned>(number_at(map, "cpus"));
  machine.sockets = static_cast<unsigned>(number_at(map, "sockets"));
  if (machine.cpus % machine.sockets != 0) {
    to.findings.error(map.find("sockets")->place, "out-of-range",
                      std::to_string(machine.cpus) + " CPUs cannot be divided evenly among " +
                          std::to_string(machine.sockets) + " sockets",
                      "a number of sockets that divides the number of CPUs");
  }
  build_cpus(map, to);
  if (text_at(map, "interrupts") == "pic") machine.interrupts = Interrupts::Pic;
  build_ioapics(map, to);
  build_bridges(map, to);
}

const Device* known_device(std::string_view id, const Building& to) {
  const auto at = to.devices.find(id);
  if (at == to.devices.end()) return nullptr;
  return &to.scenario.machine.host_bridges[at->second.first].devices[at->second.second];
}

const Device* find_device(std::string_view id, Place place, Building& to) {
  if (const Device* device = known_device(id, to)) return device;
  if (to.findings.has_more()) return nullptr;  // no one will read it
  std::vector<std::string_view> ids;
  std::string expected = list_ids(to.scenario.machine, ids);
  to.findings.error(place, "no-such-device",
                    "there is no device " + quote(id) + did_you_mean(id, ids), std::move(expected));
  return nullptr;
}

namespace {

/// False, with an error, when the device lacks one of the functions.
bool resolve_functions(const SourceText& wanted, const Device& device, Place place, Sources& found,
                       Building& to) {
  found.some_functions = wanted.some_functions;
  found.last_function = device.count - 1;
  if (!wanted.some_functions) return true;
  if (wanted.last_function >= device.count) {
    to.findings.error(place, "no-such-function",
                      "'" + device.id + "' has no function " + std::to_string(wanted.last_function),
                      device.count == 1
                          ? "its id alone, for it is one function"
                          : "a function below " + std::to_string(device.count) + ", its 'count'");
    return false;
  }
  found.first_function = static_cast<unsigned>(wanted.first_function);
  found.last_function = static_cast<unsigned>(wanted.last_function);
  return true;
}

/// False, with an error, when the device does not have this INTx.
bool resolve_intx(const SourceText& wanted, const Device& device, Place place, Sources& found,
                  Building& to) {
  const bool exists =
      device.intx && (wanted.kind == SourceKind::Whole || *device.intx == wanted.first);
  if (!exists) {
    to.findings.error(place, "no-such-source", "'" + device.id + "' does not have this INTx",
                      device.intx ? device.id + ':' + write_intx(*device.intx)
                                  : "a vector, or 'intx:' in the device");
    return false;
  }
  found.first = found.last = *device.intx;
  return true;
}

}  // namespace

std::optional<Sources> resolve_sources(const Node& text, Building& to) {
  const SourceText wanted = *parse_sources(text.text);
  const Device* device = find_device(wanted.device, text.place, to);
  if (device == nullptr) return std::nullopt;
  Sources found;
  found.device = device->id;
  found.where = to.lines.range(text.place);
  if (!resolve_functions(wanted, *device, text.place, found, to)) return std::nullopt;
  found.intx =
      wanted.kind == SourceKind::Intx || (wanted.kind == SourceKind::Whole && device->msix == 0);
  if (found.intx) {
    if (!resolve_intx(wanted, *device, text.place, found, to)) return std::nullopt;
    return found;
  }
  const std::uint64_t last = wanted.kind == SourceKind::Whole ? device->msix - 1 : wanted.last;
  if (last >= device->msix) {
    to.findings.error(text.place, "no-such-vector",
                      "'" + device->id + "' has no vector " + std::to_string(last),
                      device->msix == 0 ? "its INTx, or 'msix:' in the device"
                                        : "a vector below " + std::to_string(device->msix) +
                                              ", the entries of its MSI-X table");
    return std::nullopt;
  }
  found.first = static_cast<unsigned>(wanted.first);
  found.last = static_cast<unsigned>(last);
  return found;
}

const Device* resolve_function(const Node& text, Building& to) {
  const SourceText wanted = *parse_sources(text.text);
  const Device* device = find_device(wanted.device, text.place, to);
  Sources found;
  if (device == nullptr || !resolve_functions(wanted, *device, text.place, found, to)) {
    return nullptr;
  }
  if (found.first_function == found.last_function) return device;
  to.findings.error(text.place, "bad-function",
                    "'" + device->id + "' is " + std::to_string(device->count) + " functions",
                    "one of them, such as " + write_function(*device, 0));
  return nullptr;
}

CpuId resolve_cpu(const Node& number, Building& to) {
  const std::uint64_t cpu = *parse_number(number.text);
  const unsigned cpus = to.scenario.machine.cpus;
  if (cpu < cpus) return CpuId(cpu);
  to.findings.error(number.place, "no-such-cpu", "there is no CPU " + quote(number.text),
                    cpus == 1 ? "0, the only CPU" : "a CPU from 0 to " + std::to_string(cpus - 1));
  return CpuId{0};
}

Duration duration_at(const Node& map, std::string_view key) {
  return *parse_period(map.find(key)->text);
}
Duration duration_or_zero(const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  return node != nullptr ? *parse_duration(node->text) : 0;
}
std::uint64_t number_at(const Node& map, std::string_view key) {
  return *parse_number(map.find(key)->text);
}
const std::string& text_at(const Node& map, std::string_view key) { return map.find(key)->text; }

}  // namespace irqfab::scenario
