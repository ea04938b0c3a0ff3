// Checks of what the x86 plan gave out, and of what the scenario does with it: ids within their
// tables, vectors and messages that several sources share, devices that nothing uses.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "fabric/scenario/quantities.hpp"
#include "fabric/topology/findings.hpp"
#include "fabric/topology/msi_plan.hpp"
#include "models/x86/irte.hpp"
#include "models/x86/msi_format.hpp"

namespace irqfab::topology {
namespace {

using scenario::Scenario;

constexpr unsigned kFirstLegalVector = 16;   // SDM vol. 3, 11.5.2
constexpr unsigned kMostMsixEntries = 2048;  // PCI 3.0, 6.8.2.3

// ---- ids ----------------------------------------------------------------------------------------

bool is_sound(Slot slot, const X86Plan& plan) {
  return raw(slot.cpu) < plan.cpus && raw(slot.vector) >= kFirstLegalVector;
}

void check_slot(Slot slot, const X86Plan& plan, const std::string& of, const SourceRange& where,
                Findings& findings) {
  if (raw(slot.cpu) >= plan.cpus) {
    findings.error("no-such-cpu", where,
                   of + " goes to CPU " + std::to_string(raw(slot.cpu)) + ", which does not exist",
                   "a CPU below " + std::to_string(plan.cpus));
  }
  if (raw(slot.vector) < kFirstLegalVector) {
    findings.error(
        "illegal-vector", where,
        of + " has vector " + scenario::write_hex(raw(slot.vector)) + ", which local APICs refuse",
        "a vector from 0x10 to 0xff");
  }
}

void check_device(const DevicePlan& row, const BridgePlan& bridge, const X86Plan& plan,
                  Findings& findings) {
  const scenario::Device& device = *row.device;
  const auto is_behind = [&](RequesterId rid) {
    const unsigned bus = raw(rid) >> 8;
    return bus >= bridge.bridge->first_bus && bus <= bridge.bridge->last_bus;
  };
  const FunctionPlan first = function_of(row, 0);
  const FunctionPlan last = function_of(row, device.count - 1);
  const FunctionPlan& outside = is_behind(first.rid) ? last : first;
  if (!is_behind(outside.rid)) {
    findings.error("no-such-bus", device.where,
                   '\'' + outside.name() + "' is " + scenario::write_bdf(outside.rid) +
                       ", a bus that is not behind '" + bridge.bridge->id + '\'',
                   "a bus of " + scenario::write_bus_range(
                                     {bridge.bridge->first_bus, bridge.bridge->last_bus}));
  }
  if (device.msix > kMostMsixEntries) {
    findings.error("table-too-large", device.where,
                   '\'' + device.id + "' has " + std::to_string(device.msix) + " MSI-X entries",
                   "at most " + std::to_string(kMostMsixEntries));
  }
  for (unsigned f = 0; f < device.count; ++f) {
    const FunctionPlan function = function_of(row, f);
    for (unsigned v = 0; v < device.vectors(); ++v) {
      const Slot slot = plan.slot_of(function, v);
      if (is_sound(slot, plan)) continue;
      check_slot(slot, plan, '\'' + function.name() + ':' + std::to_string(v) + '\'', device.where,
                 findings);
    }
  }
}

/// Wires that something drives end at pins that exist, or there would be no machine.
void check_pins(const Topology& topology, const X86Plan& plan, Findings& findings) {
  std::vector<const Component*> ioapics;
  for (const Component& component : topology.components) {
    if (std::holds_alternative<x86::IoApic::Config>(component.config)) {
      ioapics.push_back(&component);
    }
  }
  for (const BridgePlan& bridge : plan.bridges) {
    if (bridge.ioapic >= ioapics.size()) continue;
    const Component* ioapic = ioapics[bridge.ioapic];
    const unsigned pins = std::get<x86::IoApic::Config>(ioapic->config).pins;
    const auto beyond = static_cast<std::uint64_t>(std::count_if(
        bridge.pins.begin(), bridge.pins.end(), [pins](Pin pin) { return raw(pin) >= pins; }));
    if (beyond == 0) continue;
    findings.note("no-such-pin", ioapic->where,
                  counted(beyond, "INTx wire") + " of '" + bridge.bridge->id +
                      "', which nothing drives, would need more pins than the " +
                      std::to_string(pins) + " of '" + ioapic->name + '\'');
  }
}

void check_apic_ids(const Topology& topology, Findings& findings) {
  const auto* lapics = find_component<x86::LapicBank::Config>(topology);
  if (lapics == nullptr) return;
  const auto& config = std::get<x86::LapicBank::Config>(lapics->config);
  const bool wide = config.msi_destination == x86::MsiDestination::Bits32;
  std::set<ApicId> seen;
  for (const ApicId id : config.ids) {
    const std::string number = std::to_string(raw(id));
    // 255 is everybody to whoever knows 8 bits only.
    const bool reached = wide ? raw(id) != x86::kXapicBroadcast && raw(id) != x86::kX2apicBroadcast
                              : raw(id) < x86::kXapicBroadcast;
    if (!reached) {
      findings.error("no-such-apic-id", lapics->where,
                     "the APIC id " + number + " cannot be addressed",
                     wide ? "another id than 255" : "an id below 255");
    } else if (!seen.insert(id).second) {
      findings.error("no-such-apic-id", lapics->where, "two local APICs have the id " + number,
                     "an id of its own for each");
    }
  }
}

// ---- messages -----------------------------------------------------------------------------------

using Written = std::pair<std::uint64_t, std::uint32_t>;  // address, data

/// A vector of a function, as one of those that send a message.
struct Sender {
  std::size_t bridge = 0;
  FunctionRow row{};
  std::uint64_t entry = 0;
};

/// Who sends each message: the first that was found, and the first behind another host bridge.
class Senders {
 public:
  explicit Senders(const X86Plan& plan) : plan_(plan) {}

  void add(const Written& message, const Sender& sender, const SourceRange& where) {
    if (!x86::is_msi_address(message.first)) return;
    const auto [known, is_new] = senders_.try_emplace(message, Pair{sender, std::nullopt});
    Pair& pair = known->second;
    if (is_new || pair.second || pair.first.bridge == sender.bridge) return;
    // An index is one into the table of the requester id.
    if (plan_.has_amdvi() && requester_of(pair.first) != requester_of(sender)) return;
    pair.second = sender;
    if (shared_++ == 0) first_shared_ = {message, where};
  }

  void report(Findings& findings) const {
    if (shared_ == 0) return;
    const auto& [message, where] = first_shared_;
    const Pair& pair = senders_.at(message);
    const bool in_order = pair.first.bridge < pair.second->bridge;
    std::string text = '\'' + name_of(in_order ? pair.first : *pair.second) + "' and '" +
                       name_of(in_order ? *pair.second : pair.first) +
                       "', behind different host bridges, send the same message: address " +
                       scenario::write_hex(message.first) + ", data " +
                       scenario::write_hex(message.second) + "; " + meaning(message);
    if (shared_ > 1) text += "; " + counted(shared_ - 1, "more message") + " like this";
    findings.note("same-message", where, text);
  }

 private:
  struct Pair {
    Sender first;
    std::optional<Sender> second;
  };

  RequesterId requester_of(const Sender& sender) const {
    return plan_.bridges[sender.bridge].function_at(sender.row).requester;
  }
  std::string name_of(const Sender& sender) const {
    return plan_.bridges[sender.bridge].function_at(sender.row).name() + ':' +
           std::to_string(sender.entry);
  }

  /// What the consumer makes of it. On x86 nobody looks the message up to find its source, so that
  /// two sources could be taken for each other: it names the interrupt itself.
  std::string meaning(const Written& message) const {
    if (!plan_.remapped) return "the message is the vector, so both raise one interrupt";
    if (plan_.has_amdvi()) return "both name one entry of the table of their requester id";
    using Address = x86::RemappableAddress;
    if (!Address::InterruptFormat::is_set(message.first)) {
      return "it is in compatibility format: where it is let through, both raise one interrupt";
    }
    return "both name one remapping entry, which can be told to admit one of them only";
  }

  const X86Plan& plan_;
  std::map<Written, Pair> senders_;
  std::uint64_t shared_ = 0;
  std::pair<Written, SourceRange> first_shared_;  // and where its second sender is
};

/// The messages that MSI-X tables and MSI capabilities hold from time 0 on, and those that steps
/// write into tables.
class Tables {
 public:
  Tables(const X86Plan& plan, Senders& senders) : plan_(plan), senders_(senders) {}

  void program_everything() {
    is_programmed_ = true;
    for_each_function(plan_, [this](const FunctionPlan& function) {
      for (std::uint32_t v = 0; v < function.device->vectors(); ++v) {
        senders_.add(programmed(function, v), {function.bridge, function.row, v},
                     function.device->where);
      }
    });
  }

  void write(const scenario::Step& step) {
    if (step.op != "msix.entry") return;
    const auto function = plan_.find_function(std::get<std::string>(step.find("device")->held));
    if (!function) return;
    const auto entry = std::get<std::uint64_t>(step.find("entry")->held);
    const auto [now, is_new] = now_.try_emplace({function->bridge, function->row, entry});
    Written& message = now->second;
    if (is_new && is_programmed_) {
      message = programmed(*function, static_cast<std::uint32_t>(entry));
    }
    if (const auto* address = step.find("address")) {
      message.first = std::get<std::uint64_t>(address->held);
    }
    if (const auto* data = step.find("data")) {
      message.second = static_cast<std::uint32_t>(std::get<std::uint64_t>(data->held));
    }
    senders_.add(message, {function->bridge, function->row, entry}, step.where);
  }

 private:
  Written programmed(const FunctionPlan& function, std::uint32_t vector) const {
    if (function.by_msi()) {
      const Slot block = plan_.slot_of(function, 0);
      const pci::MsixEntry message = msi_message_for(plan_, function, block);
      return {message.address, message.data + vector};
    }
    const pci::MsixEntry entry =
        message_for(plan_, plan_.slot_of(function, vector), function.first_source + vector);
    return {entry.address, entry.data};
  }

  const X86Plan& plan_;
  Senders& senders_;
  bool is_programmed_ = false;
  /// By host bridge, function and entry: those that steps have written.
  std::map<std::tuple<std::size_t, FunctionRow, std::uint64_t>, Written> now_;
};

void check_messages(const X86Plan& plan, const Scenario& scenario, Findings& findings) {
  Senders senders(plan);
  Tables tables(plan, senders);
  // Without a workload the tables are as after reset, and the steps fill them.
  if (!scenario.workload.empty() || scenario.steps.empty()) tables.program_everything();
  for (const scenario::Step& step : scenario.setup) tables.write(step);
  for (const scenario::Step& step : scenario.steps) tables.write(step);
  for (const scenario::Step& step : scenario.afterwards) tables.write(step);
  senders.report(findings);
}

void check_vectors(const X86Plan& plan, const Scenario& scenario, Findings& findings) {
  const unsigned vectors = plan.last_vector - kFirstVector + 1;  // of a CPU
  std::size_t full = 0;
  std::size_t first = 0;
  for (std::size_t cpu = plan.next_vector.size(); cpu-- > 0;) {
    if (plan.next_vector[cpu] <= vectors) continue;
    first = cpu;
    ++full;
  }
  if (full == 0) return;
  std::string text = "CPU " + std::to_string(first) + " takes " +
                     counted(plan.next_vector[first], "source") + " and has " +
                     counted(vectors, "vector") + ", so some share one";
  if (full > 1) text += "; likewise on " + counted(full - 1, "more CPU");
  findings.note("shared-vectors", scenario.machine.where, text);
}

// ---- use ----------------------------------------------------------------------------------------

/// What a row of the workload or a step raises.
struct Use {
  std::string device;
  bool intx = false;
  SourceRange where;
};

bool raises(std::string_view op) { return op == "raise" || op == "line" || op == "msi.write"; }

/// Devices whose messages steps may turn off, and with that INTx on.
std::set<std::string_view> reconfigured_in(const Scenario& scenario) {
  std::set<std::string_view> devices;
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const scenario::Step& step : *steps) {
      const scenario::Value* device = step.find("device");
      if (device == nullptr || (step.op != "config.write" && step.op != "msi.capability")) continue;
      devices.insert(device_in(std::get<std::string>(device->held)));
    }
  }
  return devices;
}

/// Whatever raises interrupts of devices by name.
std::vector<Use> uses_in(const Scenario& scenario) {
  std::vector<Use> uses;
  for (const scenario::Load& load : scenario.workload) {
    uses.push_back({load.sources.device, load.sources.intx, load.where});
  }
  for (const auto* steps : {&scenario.setup, &scenario.steps, &scenario.afterwards}) {
    for (const scenario::Step& step : *steps) {
      const bool wire = step.op == "line" || step.find("intx") != nullptr;
      const scenario::Value* device = step.find("device");
      if (device == nullptr || !raises(step.op)) continue;
      const auto& function = std::get<std::string>(device->held);
      uses.push_back({std::string(device_in(function)), wire, step.where});
    }
  }
  return uses;
}

bool replays(const Scenario& scenario) {
  return std::any_of(
      scenario.workload.begin(), scenario.workload.end(),
      [](const scenario::Load& load) { return load.kind == scenario::LoadKind::Replay; });
}

}  // namespace

void check_ids(const Topology& topology, const X86Plan& plan, const Scenario& scenario,
               Findings& findings) {
  for (const BridgePlan& bridge : plan.bridges) {
    for (const DevicePlan& device : bridge.devices) check_device(device, bridge, plan, findings);
  }
  for (const PinPlan& pin : plan.pins) {
    check_slot(pin.slot, plan, "pin " + std::to_string(raw(pin.pin)), scenario.machine.where,
               findings);
  }
  check_pins(topology, plan, findings);
  check_apic_ids(topology, findings);
}

void check_sharing(const X86Plan& plan, const Scenario& scenario, Findings& findings) {
  check_vectors(plan, scenario, findings);
  check_messages(plan, scenario, findings);
}

void check_use(const X86Plan& plan, const Scenario& scenario, Findings& findings) {
  std::set<std::string> used;
  const auto reconfigured = reconfigured_in(scenario);
  for (const Use& use : uses_in(scenario)) {
    used.insert(use.device);
    const DevicePlan* device = plan.find(use.device);
    if (!use.intx || device == nullptr || !device->messages_on) continue;
    if (reconfigured.count(use.device) > 0) continue;
    findings.note("silent-intx", use.where,
                  "the INTx of '" + use.device + "' stays off the wire: its " +
                      (device->by_msi() ? "MSI" : "MSI-X") + " is enabled");
  }
  if (replays(scenario)) return;  // the trace says who raises what
  for (const scenario::HostBridge& bridge : scenario.machine.host_bridges) {
    for (const scenario::Device& device : bridge.devices) {
      if (used.count(device.id) > 0) continue;
      findings.note("idle-device", device.where,
                    "nothing makes '" + device.id + "' raise an interrupt");
    }
  }
}

}  // namespace irqfab::topology
