#include <algorithm>
#include <map>

#include "fabric/scenario/builder.hpp"
#include "fabric/scenario/quantities.hpp"
#include "fabric/scenario/suggest.hpp"

namespace irqfab::scenario {
namespace {

constexpr std::size_t kMostIoapics = 16;  // IOAPICID has 4 bits

/// Of a key; the map's, where it has none.
SourceRange place_of_key(const Node& map, std::string_view key, const Building& to) {
  const auto named = [key](const Entry& entry) { return entry.key.text == key; };
  const auto at = std::find_if(map.entries.begin(), map.entries.end(), named);
  return to.lines.range(at == map.entries.end() ? map.place : at->key.place);
}

void build_ioapics(const Node& map, Building& to) {
  std::vector<Ioapic>& ioapics = to.scenario.machine.ioapics;
  const Node* list = map.find("ioapics");
  if (list == nullptr) {
    ioapics.emplace_back().where = to.lines.range(map.place);
    return;
  }
  for (const Node& row : list->items) {
    Ioapic ioapic;
    ioapic.where = place_of_key(row, "pins", to);
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

/// The place of `key`'s word in `words`, which are in the order of an enumeration; nothing without
/// the key.
template <class Enum, std::size_t N>
void build_word(const Node& map, std::string_view key, const std::string_view (&words)[N],
                Enum& value) {
  const Node* found = map.find(key);
  if (found == nullptr) return;
  const auto at = std::find(std::begin(words), std::end(words), found->text);
  value = static_cast<Enum>(at - std::begin(words));
}

/// How the host's software works, where the path has such software.
void build_host_software(const Node& given, Host& host, Building& to) {
  build_word(given, "arch", {"x86", "x86-ir"}, host.fabric);
  build_word(given, "irqfd", {"copy", "pointer"}, host.irqfd);
  build_word(given, "grace", {"srcu", "rcu"}, host.grace);
  build_word(given, "routes", {"eager", "on-unmask", "on-demand"}, host.routes);
  if (given.find("virtualization") != nullptr) {
    build_word(given, "virtualization", {"none", "apicv", "avic"}, host.virtualization.emplace());
  }
  if (given.find("gsis") != nullptr) host.gsis = static_cast<unsigned>(number_at(given, "gsis"));
  if (given.find("kworkers") != nullptr) {
    host.kworkers = static_cast<unsigned>(number_at(given, "kworkers"));
  }
  for (const char* key : {"arch", "halt_poll", "virtualization", "ipi_virtualization", "irqfd",
                          "grace", "gsis", "routes", "kworkers"}) {
    if (given.find(key) != nullptr) host.own_keys.emplace_back(key, place_of_key(given, key, to));
  }
}

/// The machine under the vCPUs.
void build_host(const Node& map, Building& to) {
  const Node* given = map.find("host");
  if (given == nullptr) return;
  Host host;
  host.where = place_of_key(map, "host", to);
  if (given->find("cpus") != nullptr) host.cpus = static_cast<unsigned>(number_at(*given, "cpus"));
  host.overcommit = static_cast<unsigned>(number_at(*given, "overcommit"));
  host.slice = duration_at(*given, "slice");
  if (host.slice < kPsPerUs) {
    to.findings.error(given->find("slice")->place, "out-of-range",
                      "a slice of " + write_duration(host.slice) + " is shorter than a switch",
                      "at least 1us");
  }
  if (const Node* poll = given->find("halt_poll")) {
    host.poll_most = duration_or_zero(*poll, "most");
    host.poll_start = duration_or_zero(*poll, "start");
    host.poll_grow = static_cast<unsigned>(number_at(*poll, "grow"));
    host.poll_shrink = static_cast<unsigned>(number_at(*poll, "shrink"));
  }
  build_host_software(*given, host, to);
  if (const Node* ipis = given->find("ipi_virtualization")) {
    host.ipi_virtualization = ipis->text == "on";
    if (host.virtualization.value_or(Virtualization::Apicv) != Virtualization::Apicv) {
      to.findings.error(
          ipis->place, "two-choices",
          "'ipi_virtualization' is a control of APICv, and " +
              std::string(host.virtualization == Virtualization::Avic ? "AVIC has none for IPIs"
                                                                      : "there is no APICv"),
          "'virtualization: apicv', or no 'ipi_virtualization'");
    }
  }
  if (host.cpus > 0 && host.overcommit > 1) {
    to.findings.error(given->find("overcommit")->place, "two-choices",
                      "'cpus' says how many CPUs the host has, and 'overcommit' says it as well",
                      "one of them");
  }
  to.scenario.machine.host = host;
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
  machine.keys = {place_of_key(map, "cpus", to), place_of_key(map, "tick", to),
                  place_of_key(map, "interrupts_off", to), place_of_key(map, "host_bridges", to)};
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
  if (text_at(map, "remapping") == "amd-vi") machine.remapping = RemappingUnit::AmdVi;
  build_ioapics(map, to);
  if (const Node* hpet = map.find("hpet")) {
    machine.hpet = Hpet{static_cast<unsigned>(number_at(*hpet, "comparators")),
                        *parse_bdf(text_at(*hpet, "requester")), place_of_key(map, "hpet", to)};
  }
  machine.posted_loops = static_cast<unsigned>(number_at(*map.find("posted"), "loops"));
  build_host(map, to);
  build_pci(map, to);
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
  found.intx = wanted.kind == SourceKind::Intx ||
               (wanted.kind == SourceKind::Whole && device->vectors() == 0);
  if (found.intx) {
    if (!resolve_intx(wanted, *device, text.place, found, to)) return std::nullopt;
    return found;
  }
  const unsigned vectors = device->vectors();
  const std::uint64_t last = wanted.kind == SourceKind::Whole ? vectors - 1 : wanted.last;
  if (last >= vectors) {
    const std::string table =
        device->msix > 0 ? "the entries of its MSI-X table" : "those of its MSI";
    to.findings.error(text.place, "no-such-vector",
                      "'" + device->id + "' has no vector " + std::to_string(last),
                      vectors == 0 ? "its INTx, or 'msix:' or 'msi:' in the device"
                                   : "a vector below " + std::to_string(vectors) + ", " + table);
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
