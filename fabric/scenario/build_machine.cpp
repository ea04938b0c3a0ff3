#include <algorithm>
#include <map>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

/// What ids and bdfs are taken, and since which line.
struct Taken {
  std::map<std::string, int, std::less<>> ids;
  std::map<std::pair<unsigned, RequesterId>, std::pair<std::string, int>> functions;
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

void check_place(const Node& bdf, const Device& device, const HostBridge& bridge, Taken& taken,
                 Building& to) {
  const unsigned bus = raw(device.rid) >> 8;
  if (bus < bridge.first_bus || bus > bridge.last_bus) {
    to.findings.error(bdf.place, "no-such-bus", "this bus is not behind '" + bridge.id + "'",
                      "a bus of " + write_bus_range({bridge.first_bus, bridge.last_bus}));
  }
  const auto [seen, is_new] = taken.functions.emplace(std::pair(bridge.segment, device.rid),
                                                      std::pair(device.id, bdf.place.line));
  if (is_new) return;
  const auto& [id, line] = seen->second;
  to.findings.error(bdf.place, "duplicate-bdf",
                    quote(bdf.text) + " is where '" + id + "' is, on line " + std::to_string(line),
                    "another function of this segment");
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
  check_place(*map.find("bdf"), device, bridge, taken, to);
  if (map.find("msix") != nullptr) device.msix = static_cast<unsigned>(number_at(map, "msix"));
  if (map.find("intx") != nullptr) {
    device.intx = static_cast<unsigned>(text_at(map, "intx").front() - 'A');
  }
  if (device.msix == 0 && !device.intx) {
    to.findings.error(map.place, "no-interrupts", "'" + device.id + "' has no interrupts",
                      "'msix:', 'intx:' or both");
  }
  bridge.devices.push_back(std::move(device));
}

void build_devices(const Node& parent, HostBridge& bridge, Taken& taken, Building& to) {
  const Node* devices = parent.find("devices");
  if (devices == nullptr) return;
  for (const Node& map : devices->items) build_device(map, bridge, taken, to);
}

/// Buses of a segment belong to one bridge.
void check_buses(const Node& map, const HostBridge& bridge, Building& to) {
  for (const HostBridge& other : to.scenario.machine.host_bridges) {
    const bool apart = other.segment != bridge.segment || other.last_bus < bridge.first_bus ||
                       bridge.last_bus < other.first_bus;
    if (apart) continue;
    to.findings.error(map.place, "shared-buses",
                      "'" + bridge.id + "' and '" + other.id + "' share buses of segment " +
                          std::to_string(bridge.segment),
                      "another segment, or buses of its own");
    return;
  }
}

void build_host_bridge(const Node& map, std::size_t index, Taken& taken, Building& to) {
  HostBridge bridge;
  bridge.where = to.lines.range(map.place);
  bridge.id = text_at(map, "id");
  take_id(*map.find("id"), taken, to);
  bridge.segment =
      static_cast<unsigned>(map.find("segment") != nullptr ? number_at(map, "segment") : index);
  const BusRange buses = *parse_bus_range(text_at(map, "buses"));
  bridge.first_bus = buses.first;
  bridge.last_bus = buses.last;
  check_buses(map, bridge, to);
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
  build_bridges(map, to);
}

const Device* known_device(std::string_view id, const Building& to) {
  for (const HostBridge& bridge : to.scenario.machine.host_bridges) {
    for (const Device& device : bridge.devices) {
      if (device.id == id) return &device;
    }
  }
  return nullptr;
}

const Device* find_device(std::string_view id, Place place, Building& to) {
  if (const Device* device = known_device(id, to)) return device;
  std::vector<std::string_view> ids;
  std::string expected = list_ids(to.scenario.machine, ids);
  to.findings.error(place, "no-such-device",
                    "there is no device " + quote(id) + did_you_mean(id, ids), std::move(expected));
  return nullptr;
}

std::optional<Sources> resolve_sources(const Node& text, Building& to) {
  const SourceText wanted = *parse_sources(text.text);
  const Device* device = find_device(wanted.device, text.place, to);
  if (device == nullptr) return std::nullopt;
  Sources found;
  found.device = device->id;
  found.where = to.lines.range(text.place);
  found.intx =
      wanted.kind == SourceKind::Intx || (wanted.kind == SourceKind::Whole && device->msix == 0);
  if (found.intx) {
    const bool exists =
        device->intx && (wanted.kind == SourceKind::Whole || *device->intx == wanted.first);
    if (!exists) {
      to.findings.error(text.place, "no-such-source",
                        "'" + device->id + "' does not have this INTx",
                        device->intx ? device->id + ":INT" + static_cast<char>('A' + *device->intx)
                                     : "a vector, or 'intx:' in the device");
      return std::nullopt;
    }
    found.first = found.last = *device->intx;
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
