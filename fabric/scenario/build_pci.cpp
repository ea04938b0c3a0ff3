// PCI: host bridges, the bridges behind them, and the devices on their buses.
#include <algorithm>
#include <map>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/quantities.hpp"

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
  std::map<std::pair<unsigned, unsigned>, std::string>
      secondaries;  // by segment and bus: the bridge below a host bridge that has it
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

/// Where devices are put: on the buses of a host bridge, or on the one below a bridge.
struct Bus {
  std::string above;   // id of the bridge
  BusRange buses;      // that a device may be on
  std::size_t behind;  // as of a Device
};

/// `count` functions from `rid` on lie on these buses, and where no other is.
void take_place(const Node& bdf, const std::string& id, unsigned count, const HostBridge& host,
                const Bus& bus, Taken& taken, Building& to) {
  const unsigned first = raw(*parse_bdf(bdf.text));
  const unsigned end = (bus.buses.last + 1) << 8;
  if (first < bus.buses.first << 8 || first >= end) {
    const bool one = bus.buses.first == bus.buses.last;
    to.findings.error(
        bdf.place, "no-such-bus", "this bus is not behind '" + bus.above + "'",
        one ? "bus " + write_bus(bus.buses.first) : "a bus of " + write_bus_range(bus.buses));
  } else if (count > end - first) {
    to.findings.error(bdf.place, "too-many-functions",
                      std::to_string(count) + " functions from here on are more than the " +
                          std::to_string(end - first) + " that there is room for behind '" +
                          bus.above + "'",
                      "a smaller 'count', and another host bridge for the others");
  }
  const unsigned last = first + count - 1;
  auto next = taken.functions.lower_bound({host.segment, last + 1});
  if (next != taken.functions.begin()) {
    const auto& [from, other] = *std::prev(next);
    if (from.first == host.segment && other.last >= first) {
      const auto shared = RequesterId(static_cast<std::uint16_t>(std::max(first, from.second)));
      to.findings.error(bdf.place, "duplicate-bdf",
                        quote(count == 1 ? bdf.text : write_bdf(shared)) + " is where '" +
                            other.device + "' is, on line " + std::to_string(other.line),
                        "another function of this segment");
      return;
    }
  }
  taken.functions[{host.segment, first}] = {last, id, bdf.place.line};
}

/// False, with an error, when there would be too many.
bool count_sources(const Node& map, const Device& device, Taken& taken, Building& to) {
  taken.sources += std::uint64_t{device.count} * (device.vectors() + (device.intx ? 1 : 0));
  if (taken.sources <= kMostDeviceSources) return true;
  to.findings.error(map.place, "too-many-sources",
                    "with '" + device.id + "' the machine has " + std::to_string(taken.sources) +
                        " vectors and INTx",
                    "at most " + std::to_string(kMostDeviceSources));
  return false;
}

Msi build_msi(const Node& node, Building& to) {
  Msi msi;
  const Node* vectors = node.kind == NodeKind::Map ? node.find("vectors") : &node;
  msi.vectors = static_cast<unsigned>(*parse_number(vectors->text));
  if ((msi.vectors & (msi.vectors - 1)) != 0) {
    to.findings.error(vectors->place, "out-of-range",
                      "MSI does not come with " + std::to_string(msi.vectors) + " vectors",
                      "1, 2, 4, 8, 16 or 32");
  }
  if (node.kind != NodeKind::Map) return msi;
  msi.maskable = text_at(node, "maskable") == "true";
  msi.address = static_cast<unsigned>(number_at(node, "address"));
  if (msi.address != 32 && msi.address != 64) {
    to.findings.error(node.find("address")->place, "out-of-range",
                      "a message address does not have " + std::to_string(msi.address) + " bits",
                      "32 or 64");
  }
  return msi;
}

/// What interrupts it has, and how it raises them.
void build_interrupts(const Node& map, Device& device, Building& to) {
  if (map.find("msix") != nullptr) device.msix = static_cast<unsigned>(number_at(map, "msix"));
  if (const Node* msi = map.find("msi")) {
    device.msi = build_msi(*msi, to);
    if (device.msix > 0 && device.msi->vectors > device.msix) {
      to.findings.error(msi->place, "out-of-range",
                        "'" + device.id + "' has more MSI vectors than MSI-X entries",
                        "at most " + std::to_string(device.msix));
    }
  }
  if (map.find("intx") != nullptr) {
    device.intx = static_cast<unsigned>(text_at(map, "intx").front() - 'A');
  }
  if (device.vectors() == 0 && !device.intx) {
    to.findings.error(map.place, "no-interrupts", "'" + device.id + "' has no interrupts",
                      "'msix:', 'msi:', 'intx:' or several");
  }
  if (const Node* moderation = map.find("moderation")) {
    device.moderation = {static_cast<unsigned>(number_at(*moderation, "count")),
                         duration_or_zero(*moderation, "time")};
    if (!device.intx) return;
    to.findings.error(moderation->place, "out-of-place",
                      "'" + device.id + "' has an INTx, which is not moderated",
                      "'moderation' in a device without 'intx:'");
  }
}

void build_device(const Node& map, const Bus& bus, HostBridge& host, Taken& taken, Building& to) {
  Device device;
  device.where = to.lines.range(map.place);
  device.id = text_at(map, "id");
  device.behind = bus.behind;
  if (!take_id(*map.find("id"), taken, to)) return;
  // `handler.p99` is a latency up to the handler of any device.
  if (device.id == "handler") {
    to.findings.error(map.find("id")->place, "bad-id", "'handler' has a meaning in 'expect'",
                      "another id");
  }
  device.rid = *parse_bdf(text_at(map, "bdf"));
  device.count = static_cast<unsigned>(number_at(map, "count"));
  take_place(*map.find("bdf"), device.id, device.count, host, bus, taken, to);
  if (map.find("attach") != nullptr) {
    const std::string& attach = text_at(map, "attach");
    device.attach = attach == "assigned" ? Attach::Assigned
                    : attach == "vhost"  ? Attach::Vhost
                                         : Attach::Emulated;
  }
  build_interrupts(map, device, to);
  if (!count_sources(map, device, taken, to)) return;
  to.devices[device.id] = {to.scenario.machine.host_bridges.size(), host.devices.size()};
  host.devices.push_back(std::move(device));
}

void build_bus(const Node& parent, const Bus& bus, HostBridge& host, Taken& taken, Building& to);

void build_bridge(const Node& map, const Bus& bus, HostBridge& host, Taken& taken, Building& to) {
  PciBridge bridge;
  bridge.where = to.lines.range(map.place);
  bridge.id = text_at(map, "id");
  if (!take_id(*map.find("id"), taken, to)) return;
  bridge.behind = bus.behind;
  bridge.rid = *parse_bdf(text_at(map, "bdf"));
  take_place(*map.find("bdf"), bridge.id, 1, host, bus, taken, to);
  const Node& secondary = *map.find("secondary");
  bridge.secondary = bridge.subordinate = *parse_bus(secondary.text);
  if (text_at(map, "kind") == "pcie-pci-bridge") bridge.kind = BridgeKind::PcieToPci;
  const unsigned primary = raw(bridge.rid) >> 8;
  if (bridge.secondary <= primary || bridge.secondary > host.last_bus) {
    const BusRange room{primary + 1, host.last_bus};
    to.findings.error(
        secondary.place, "no-such-bus",
        "bus " + write_bus(bridge.secondary) + " cannot be behind '" + bridge.id + "'",
        primary < host.last_bus ? "a bus of " + write_bus_range(room) : "a bridge on a lower bus");
  }
  const auto [seen, is_new] =
      taken.secondaries.try_emplace({host.segment, bridge.secondary}, bridge.id);
  if (!is_new) {
    to.findings.error(secondary.place, "shared-buses",
                      "bus " + write_bus(bridge.secondary) + " is behind '" + seen->second + "'",
                      "a bus of its own for each bridge");
  }
  const Bus below{bridge.id, {bridge.secondary, bridge.secondary}, host.bridges.size() + 1};
  host.bridges.push_back(std::move(bridge));
  build_bus(map, below, host, taken, to);
}

/// What is on a bus: its devices, then its bridges with what is behind them.
void build_bus(const Node& parent, const Bus& bus, HostBridge& host, Taken& taken, Building& to) {
  if (const Node* devices = parent.find("devices")) {
    for (const Node& map : devices->items) build_device(map, bus, host, taken, to);
  }
  if (const Node* bridges = parent.find("bridges")) {
    for (const Node& map : bridges->items) build_bridge(map, bus, host, taken, to);
  }
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

bool is_behind(const HostBridge& host, std::size_t place, std::size_t bridge) {
  while (place != 0 && place != bridge) place = host.bridges[place - 1].behind;
  return place == bridge;
}

/// A bus behind a bridge must not be that of anything else. `id` is behind bridge `behind`, and
/// may be that bridge.
void check_buses(const HostBridge& host, const std::string& id, std::size_t behind, BusRange buses,
                 const SourceRange& where, Building& to) {
  for (std::size_t b = 0; b < host.bridges.size(); ++b) {
    const PciBridge& bridge = host.bridges[b];
    if (buses.last < bridge.secondary || bridge.subordinate < buses.first) continue;
    const bool inside = behind > 0 && is_behind(host, b + 1, behind);
    if (inside || is_behind(host, behind, b + 1)) continue;
    to.findings.add({Severity::Error, "shared-buses", where,
                     "'" + id + "' is on buses " + write_bus_range(buses) + ", and " +
                         write_bus_range({bridge.secondary, bridge.subordinate}) + " are behind '" +
                         bridge.id + "'",
                     "it behind '" + bridge.id + "', or other buses", ""});
    return;
  }
}

/// The last bus behind each bridge, and whether it is the only one that leads there.
void finish_bridges(HostBridge& host, Building& to) {
  for (std::size_t b = host.bridges.size(); b-- > 0;) {
    const PciBridge& bridge = host.bridges[b];
    if (bridge.behind == 0) continue;
    PciBridge& above = host.bridges[bridge.behind - 1];
    above.subordinate = std::max(above.subordinate, bridge.subordinate);
  }
  if (host.bridges.empty() || !to.findings.empty()) return;
  for (const Device& device : host.devices) {
    const unsigned first = raw(device.rid);
    const BusRange buses{first >> 8, (first + device.count - 1) >> 8};
    check_buses(host, device.id, device.behind, buses, device.where, to);
  }
  for (const PciBridge& bridge : host.bridges) {
    const unsigned bus = raw(bridge.rid) >> 8;
    check_buses(host, bridge.id, bridge.behind, {bus, bus}, bridge.where, to);
    const auto place = static_cast<std::size_t>(&bridge - host.bridges.data()) + 1;
    check_buses(host, bridge.id, place, {bridge.secondary, bridge.subordinate}, bridge.where, to);
  }
}

Bus root_of(const HostBridge& host) { return {host.id, {host.first_bus, host.last_bus}, 0}; }

void build_host_bridge(const Node& map, std::size_t index, Taken& taken, Building& to) {
  HostBridge host;
  host.where = to.lines.range(map.place);
  host.id = text_at(map, "id");
  take_id(*map.find("id"), taken, to);
  host.segment = segment_of(map, index, to);
  const BusRange buses = *parse_bus_range(text_at(map, "buses"));
  host.first_bus = buses.first;
  host.last_bus = buses.last;
  take_buses(map, host, taken, to);
  build_bus(map, root_of(host), host, taken, to);
  finish_bridges(host, to);
  to.scenario.machine.host_bridges.push_back(std::move(host));
}

}  // namespace

void build_pci(const Node& map, Building& to) {
  Taken taken;
  const Node* bridges = map.find("host_bridges");
  if (bridges == nullptr) {
    HostBridge only;
    only.id = "hb0";
    only.where = to.lines.range(map.place);
    build_bus(map, root_of(only), only, taken, to);
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

}  // namespace irqfab::scenario
