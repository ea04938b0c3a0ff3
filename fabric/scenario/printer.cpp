#include "fabric/scenario/printer.hpp"

#include <algorithm>
#include <array>

#include "fabric/scenario/language.hpp"
#include "fabric/scenario/paths.hpp"
#include "fabric/scenario/phrases.hpp"
#include "fabric/scenario/quantities.hpp"

namespace irqfab::scenario {
namespace {

/// A double-quoted scalar. A scenario's text has no control characters but tabs and line ends.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else
      out += c;
  }
  return out + '"';
}

/// An id, also of a function, needs quotes only where YAML would read it as something else.
std::string id_text(const std::string& id) {
  constexpr std::array<std::string_view, 9> kTyped = {"true",  "True", "TRUE", "false", "False",
                                                      "FALSE", "null", "Null", "NULL"};
  const bool typed = std::find(kTyped.begin(), kTyped.end(), id) != kTyped.end();
  return typed || id.find('[') != std::string::npos ? quoted(id) : id;
}

/// Brackets end a plain scalar inside a map on one line.
std::string source_text(const Sources& sources) {
  const std::string text = write_sources(sources);
  return text.find('[') != std::string::npos ? quoted(text) : text;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string write_msi(const Msi& msi) {
  return "{ vectors: " + number(msi.vectors) + ", maskable: " + (msi.maskable ? "true" : "false") +
         ", address: " + number(msi.address) + " }";
}

std::string write_device(const Device& device) {
  std::string text = "{ id: " + id_text(device.id) + ", bdf: " + quoted(write_bdf(device.rid)) +
                     ", count: " + number(device.count);
  if (device.msix > 0) text += ", msix: " + number(device.msix);
  if (device.msi) text += ", msi: " + write_msi(*device.msi);
  if (device.moderation) {
    text += ", moderation: { count: " + number(device.moderation->count) +
            ", time: " + write_duration(device.moderation->time) + " }";
  }
  if (device.intx) text += std::string(", intx: ") + static_cast<char>('A' + *device.intx);
  if (device.attach) text += ", attach: " + std::string(name_of(*device.attach));
  return text + " }";
}

/// What only some paths have: those keys that the host names as its own.
std::string write_host_keys(const Host& host) {
  constexpr const char* kVirtualizations[] = {"none", "apicv", "avic"};
  constexpr const char* kRoutes[] = {"eager", "on-unmask", "on-demand"};
  const auto word_of = [&](std::string_view key) -> std::string {
    if (key == "halt_poll") {
      return "{ most: " + write_duration(host.poll_most) +
             ", start: " + write_duration(host.poll_start) + ", grow: " + number(host.poll_grow) +
             ", shrink: " + number(host.poll_shrink) + " }";
    }
    if (key == "arch") return host.fabric == HostFabric::X86 ? "x86" : "x86-ir";
    if (key == "virtualization") {
      return kVirtualizations[static_cast<std::size_t>(*host.virtualization)];
    }
    if (key == "ipi_virtualization") return host.ipi_virtualization ? "on" : "off";
    if (key == "irqfd") return host.irqfd == IrqfdLookup::Copy ? "copy" : "pointer";
    if (key == "grace") return host.grace == GraceKind::Srcu ? "srcu" : "rcu";
    if (key == "gsis") return number(host.gsis);
    if (key == "routes") return kRoutes[static_cast<std::size_t>(host.routes)];
    return number(host.kworkers);
  };
  std::string text;
  for (const auto& [key, where] : host.own_keys) text += "    " + key + ": " + word_of(key) + '\n';
  return text;
}

std::string write_host(const Host& host) {
  const std::string share =
      host.cpus > 0 ? "cpus: " + number(host.cpus) : "overcommit: " + number(host.overcommit);
  return "  host:\n    " + share + "\n    slice: " + write_duration(host.slice) + '\n' +
         write_host_keys(host);
}

std::string write_cpus(const Machine& machine) {
  std::string text = machine.apic == ApicMode::X2apic ? "  apic: x2apic\n" : "  apic: xapic\n";
  text += machine.idle == Idle::Halt ? "  idle: halt\n" : "  idle: poll\n";
  if (machine.tick > 0) text += "  tick: " + write_duration(machine.tick) + '\n';
  if (machine.off_every > 0) {
    text += "  interrupts_off: { every: " + write_duration(machine.off_every) +
            ", for: " + write_duration(machine.off_length) + " }\n";
  }
  return text + "  posted: { loops: " + number(machine.posted_loops) + " }\n";
}

std::string write_ioapic(const Ioapic& ioapic) {
  return "{ pins: " + number(ioapic.pins) +
         ", version: " + (ioapic.version == IoapicVersion::V11 ? "0x11" : "0x20") +
         ", inputs: " + (ioapic.inputs == IoapicInputs::Wired ? "wired" : "asserted") + " }";
}

/// The devices on one bus, and the bridges with theirs. `behind` as of a device.
std::string write_bus_of(const HostBridge& host, std::size_t behind, const std::string& indent) {
  std::string devices, bridges;
  for (const Device& device : host.devices) {
    if (device.behind == behind) devices += indent + "  - " + write_device(device) + '\n';
  }
  for (std::size_t b = 0; b < host.bridges.size(); ++b) {
    const PciBridge& bridge = host.bridges[b];
    if (bridge.behind != behind) continue;
    const bool port = bridge.kind == BridgeKind::RootPort;
    bridges += indent + "  - id: " + id_text(bridge.id) + '\n';
    bridges += indent + "    bdf: " + quoted(write_bdf(bridge.rid)) + '\n';
    bridges += indent + "    secondary: " + quoted(write_bus(bridge.secondary)) + '\n';
    bridges += indent + "    kind: " + (port ? "pcie-root-port" : "pcie-pci-bridge") + '\n';
    bridges += write_bus_of(host, b + 1, indent + "    ");
  }
  return indent + (devices.empty() ? "devices: []\n" : "devices:\n" + devices) +
         (bridges.empty() ? "" : indent + "bridges:\n" + bridges);
}

std::string write_machine(const Machine& machine) {
  const std::string arch = machine.arch.empty() ? std::string(kDefaultArch) : machine.arch;
  std::string text = "machine:\n";
  text += (machine.arch.empty() ? "  # arch: " : "  arch: ") + arch + '\n';
  text += machine.path.empty() ? "  # path: " + std::string(default_path(arch)) + '\n'
                               : "  path: " + machine.path + '\n';
  text += "  cpus: " + number(machine.cpus) + '\n';
  text += "  sockets: " + number(machine.sockets) + '\n' + write_cpus(machine);
  text += std::string("  interrupts: ") +
          (machine.interrupts == Interrupts::Pic ? "pic" : "ioapic") + '\n';
  text += std::string("  remapping: ") +
          (machine.remapping == RemappingUnit::AmdVi ? "amd-vi" : "vt-d") + "\n  ioapics:\n";
  for (const Ioapic& ioapic : machine.ioapics) text += "    - " + write_ioapic(ioapic) + '\n';
  if (machine.hpet) {
    text += "  hpet: { comparators: " + number(machine.hpet->comparators) +
            ", requester: " + quoted(write_bdf(machine.hpet->requester)) + " }\n";
  }
  text += "  host_bridges:\n";
  for (const HostBridge& bridge : machine.host_bridges) {
    text += "    - id: " + id_text(bridge.id) + '\n';
    text += "      segment: " + number(bridge.segment) + '\n';
    text += "      buses: " + write_bus_range({bridge.first_bus, bridge.last_bus}) + '\n';
    text += write_bus_of(bridge, 0, "      ");
  }
  if (machine.host) text += write_host(*machine.host);
  return text;
}

std::string write_affinity(const std::vector<Affinity>& rows) {
  if (rows.empty()) return "";
  std::string text = "affinity:\n";
  for (const Affinity& row : rows) {
    text += "  " + source_text(row.sources) + ": ";
    std::string cpus;
    for (const CpuId cpu : row.cpus) cpus += (cpus.empty() ? "" : ", ") + number(raw(cpu));
    text += (row.spread ? "spread" : "[" + cpus + "]") + '\n';
  }
  return text;
}

std::string write_kind(const Load& load) {
  switch (load.kind) {
    case LoadKind::Poisson:
      return "poisson: " + write_duration(load.period);
    case LoadKind::Periodic:
      return "periodic: " + write_duration(load.period);
    case LoadKind::Burst:
      return "burst: { size: " + number(load.burst_size) +
             ", every: " + write_duration(load.period) + " }";
    case LoadKind::ClosedLoop:
      return "closed-loop: { depth: " + number(load.depth) +
             ", think: " + write_duration(load.think) + " }";
    case LoadKind::Once:
      return "at: " + write_duration(load.start);
    case LoadKind::Replay:
      break;
  }
  return "replay: " + quoted(load.replay_file);
}

std::string write_load(const Load& load) {
  std::string text = "  - { ";
  if (load.kind != LoadKind::Replay) text += "source: " + source_text(load.sources) + ", ";
  text += write_kind(load);
  if (load.kind != LoadKind::Once) text += ", start: " + write_duration(load.start);
  if (load.length > 0) text += ", for: " + write_duration(load.length);
  if (load.sources.intx) {
    text += std::string(", level: { until: ") +
            (load.until == LevelUntil::Pulse ? "pulse" : "handled") + " }";
  }
  return text + " }\n";
}

std::string write_handler(const Handler& handler) {
  std::string steps;
  for (const HandlerStep& step : handler.steps) {
    steps += (steps.empty() ? "" : ", ") + write_handler_step(step);
  }
  return "{ steps: [" + steps + "] }\n";
}

std::string write_handlers(const std::vector<Handler>& handlers) {
  std::string text;
  bool has_heading = false;
  for (const Handler& handler : handlers) {
    if (handler.device.empty()) {
      text += "handler: " + write_handler(handler);
      continue;
    }
    if (!has_heading) text += "handlers:\n";
    has_heading = true;
    text += "  " + id_text(handler.device) + ": " + write_handler(handler);
  }
  return text;
}

std::string_view key_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::Mask:
      return "mask";
    case ChangeKind::Unmask:
      return "unmask";
    case ChangeKind::Retarget:
      return "retarget";
    case ChangeKind::HostAffinity:
      return "host-affinity";
    case ChangeKind::RouteUpdate:
      return "route-update";
    case ChangeKind::IrqfdRelease:
      return "irqfd-release";
    case ChangeKind::MoveVcpu:
      return "move-vcpu";
    case ChangeKind::MigrateVm:
      break;
  }
  return "migrate-vm";
}

std::string write_change(const Change& change) {
  std::string text = "  - { at: " + write_duration(change.at);
  if (change.every > 0) text += ", every: " + write_duration(change.every);
  text += ", " + std::string(key_of(change.kind)) + ": " + source_text(change.sources);
  if (change.kind == ChangeKind::Retarget || change.kind == ChangeKind::HostAffinity) {
    text += ", to: " + (change.to_random ? "random" : number(raw(change.to)));
  }
  if (change.length > 0) text += ", for: " + write_duration(change.length);
  return text + " }\n";
}

std::string write_fields(const ValueMap& fields, const Table& table);

std::string write_value(const Value& value, const Shape& shape) {
  switch (shape.kind) {
    case Kind::Number:
    case Kind::Cpu:
      return number(std::get<std::uint64_t>(value.held));
    case Kind::Bits:
      return write_hex(std::get<std::uint64_t>(value.held));
    case Kind::Flag:
      return std::get<bool>(value.held) ? "true" : "false";
    case Kind::LapicRegister:
      return write_register(std::get<std::uint64_t>(value.held), lapic_registers());
    case Kind::IoapicRegister:
      return write_register(std::get<std::uint64_t>(value.held), ioapic_registers());
    case Kind::VtdRegister:
      return write_register(std::get<std::uint64_t>(value.held), vtd_registers());
    case Kind::HpetRegister:
      return write_register(std::get<std::uint64_t>(value.held), hpet_registers());
    case Kind::Bdf:
      return quoted(
          write_bdf(RequesterId(static_cast<std::uint16_t>(std::get<std::uint64_t>(value.held)))));
    case Kind::Answer:
      return write_answer(std::get<std::int64_t>(value.held));
    case Kind::List: {
      std::string items;
      for (const Value& item : std::get<ValueList>(value.held)) {
        items += (items.empty() ? "" : ", ") + write_value(item, *shape.item);
      }
      return '[' + items + ']';
    }
    case Kind::Map:
      return write_fields(std::get<ValueMap>(value.held), *shape.table);
    default:
      return id_text(std::get<std::string>(value.held));  // an id or a word
  }
}

std::string write_fields(const ValueMap& fields, const Table& table) {
  std::string text;
  for (const auto& [name, value] : fields) {
    text +=
        (text.empty() ? "" : ", ") + name + ": " + write_value(value, find_key(table, name)->shape);
  }
  return "{ " + text + " }";
}

/// The short form of `raise: d:3`.
std::string write_raise(const Step& step) {
  const Value* vector = step.find("vector");
  const auto index = std::get<std::uint64_t>((vector ? vector : step.find("intx"))->held);
  const auto position = static_cast<unsigned>(index);
  return source_text({std::get<std::string>(step.find("device")->held),
                      vector == nullptr,
                      position,
                      position,
                      {}});
}

std::string write_step(const Step& step) {
  const Shape& shape = find_key(kStepTable, step.op)->shape;
  const std::string start = "  - " + step.op + ": ";
  if (shape.kind == Kind::Source) return start + write_raise(step) + '\n';
  if (shape.kind == Kind::Duration) {
    return start + write_duration(std::get<std::uint64_t>(step.find("time")->held)) + '\n';
  }
  return start + write_fields(step.args, *shape.table) + '\n';
}

/// A section that is a list; nothing when it is empty.
template <class Item, class Write>
std::string section(std::string_view name, const std::vector<Item>& items, Write&& write) {
  if (items.empty()) return "";
  std::string text = std::string(name) + ":\n";
  for (const Item& item : items) text += write(item);
  return text;
}

std::string write_price(const PriceOverride& price) {
  const std::string name = price.node.empty() ? price.event : price.node + '.' + price.event;
  return "  " + quoted(name) + ": " +
         (price.in_cycles ? number(price.value) + " cycles" : write_duration(price.value)) + '\n';
}

/// A value that the file gives, or its default in a comment.
std::string given(std::string_view key, const std::string& value, std::string_view otherwise) {
  const std::string name(key);
  return value.empty() ? "# " + name + ": " + std::string(otherwise) + '\n'
                       : name + ": " + value + '\n';
}

}  // namespace

std::string fill(const Scenario& s) {
  std::string text = "irqfab: 1\n";
  if (!s.title.empty()) text += "title: " + quoted(s.title) + '\n';
  text += write_machine(s.machine) + write_affinity(s.affinity);
  text += section("workload", s.workload, write_load) + write_handlers(s.handlers);
  text += section("during", s.during, write_change);
  text += section("setup", s.setup, write_step) + section("steps", s.steps, write_step) +
          section("afterwards", s.afterwards, write_step);
  text += section("expect", s.expect,
                  [](const Expectation& e) { return "  - " + quoted(e.text) + '\n'; });
  text += given("until", s.until > 0 ? write_duration(s.until) : "", "nothing is in flight");
  text += "seed: " + number(s.seed) + '\n';
  text += given("profile", s.profile.empty() ? "" : quoted(s.profile), "the fabric's");
  text += given("behaviour", s.behaviour, "spec");
  return text + section("prices", s.prices, write_price);
}

}  // namespace irqfab::scenario
