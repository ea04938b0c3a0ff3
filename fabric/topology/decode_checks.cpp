// Checks of addresses: the windows of the system bus against what the components answer to, and
// against what the CPUs and the drivers access.
#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "fabric/scenario/quantities.hpp"
#include "fabric/topology/findings.hpp"

namespace irqfab::topology {
namespace {

using scenario::write_hex;

constexpr std::uint64_t kRegisterPage = 0x1000;

/// Addresses that a component answers to.
struct Claim {
  std::uint64_t base = 0;
  std::uint64_t size = 0;
  std::size_t component = 0;
  const char* what = "";
};

std::string range_text(std::uint64_t base, std::uint64_t size) {
  return write_hex(base) + ".." + write_hex(base + size - 1);
}

/// Joins it to the one before if it follows on.
void add_claim(const Claim& claim, std::vector<Claim>& claims) {
  if (!claims.empty() && claims.back().base + claims.back().size == claim.base) {
    claims.back().size += claim.size;
  } else {
    claims.push_back(claim);
  }
}

void add_claims(const pci::PciFunctions::Config& config, std::size_t component,
                std::vector<Claim>& claims) {
  std::vector<Claim> registers, spaces;
  for (std::size_t row = 0; row < config.functions.size(); ++row) {
    add_claim({config.window_base + row * pci::kFunctionWindowBytes, pci::kFunctionWindowBytes,
               component, "the registers"},
              registers);
    add_claim({config.ecam_base + raw(config.functions[row].rid) * pci::kConfigSpaceBytes,
               pci::kConfigSpaceBytes, component, "the configuration space"},
              spaces);
  }
  claims.insert(claims.end(), registers.begin(), registers.end());
  claims.insert(claims.end(), spaces.begin(), spaces.end());
}

std::vector<Claim> claims_of(const Topology& topology) {
  std::vector<Claim> claims;
  std::size_t ioapics = 0;
  for (std::size_t c = 0; c < topology.components.size(); ++c) {
    const ModelConfig& config = topology.components[c].config;
    if (const auto* memory = std::get_if<mem::Memory::Config>(&config)) {
      claims.push_back({memory->base, memory->size, c, "the bytes"});
    } else if (const auto* lines = std::get_if<x86::PostedDescriptors::Config>(&config)) {
      claims.push_back({lines->base, lines->lines * x86::PostedDescriptor::kBytes, c, "the lines"});
    } else if (std::holds_alternative<x86::IoApic::Config>(config)) {
      claims.push_back({ioapic_page(ioapics++), kRegisterPage, c, "the registers"});
    } else if (std::holds_alternative<x86::Pic::Config>(config)) {
      for (const std::uint16_t port :
           {x86::Pic::kMasterCommand, x86::Pic::kSlaveCommand, x86::Pic::kMasterElcr}) {
        claims.push_back({x86::kIoPortBase + port, 2, c, "the ports"});
      }
    } else if (std::holds_alternative<x86::PirqRouter::Config>(config)) {
      claims.push_back({kPirqPage, pci::kConfigSpaceBytes, c, "the configuration space"});
    } else if (const auto* vtd = std::get_if<x86::VtdRemapper::Config>(&config)) {
      claims.push_back({vtd->register_base, kRegisterPage, c, "the registers"});
    } else if (std::holds_alternative<x86::Hpet::Config>(config)) {
      claims.push_back({kHpetPage, x86::Hpet::kPageBytes, c, "the registers"});
    } else if (const auto* amdvi = std::get_if<x86::AmdViUnit::Config>(&config)) {
      claims.push_back({amdvi->register_base, x86::amdvi::kRegisterBytes, c, "the registers"});
    } else if (const auto* functions = std::get_if<pci::PciFunctions::Config>(&config)) {
      add_claims(*functions, c, claims);
    } else if (const auto* bridge = std::get_if<pci::Bridge::Config>(&config)) {
      claims.push_back({bridge->ecam_base + raw(bridge->rid) * pci::kConfigSpaceBytes,
                        pci::kConfigSpaceBytes, c, "the configuration space"});
    }
  }
  return claims;
}

/// The windows of one system bus, ascending, and the components behind them.
class Decoder {
 public:
  Decoder(const Topology& topology, std::size_t bus) : topology_(topology), bus_(bus) {
    for (const Edge& edge : topology.edges) {
      if (is_joined(topology, edge)) behind_[{edge.from, edge.from_port}] = edge.to;
    }
    windows_ = std::get<mem::SystemBus::Config>(topology.components[bus].config).windows;
    windows_.erase(std::remove_if(windows_.begin(), windows_.end(),
                                  [](const mem::Window& w) { return w.size == 0; }),
                   windows_.end());
    std::stable_sort(windows_.begin(), windows_.end(),
                     [](const auto& a, const auto& b) { return a.base < b.base; });
  }

  const std::vector<mem::Window>& windows() const { return windows_; }

  const mem::Window* find(std::uint64_t address) const {
    const auto after = std::upper_bound(
        windows_.begin(), windows_.end(), address,
        [](std::uint64_t a, const mem::Window& window) { return a < window.base; });
    if (after == windows_.begin()) return nullptr;
    const mem::Window& window = *(after - 1);
    return address - window.base < window.size ? &window : nullptr;
  }

  std::optional<std::size_t> target_of(const mem::Window& window) const {
    return neighbour(bus_, port_of(spec_of(mem::SystemBus::kTargets), window.target));
  }

  /// Does an access of this address, which the window takes, end at the component, directly or
  /// through bridges?
  bool leads_to(const mem::Window& window, std::uint64_t address, std::size_t component) const {
    auto at = target_of(window);
    for (std::size_t hop = 0; at && *at != component; ++hop) {
      if (hop > topology_.components.size()) return false;  // in a circle
      const auto* routes = routes_of(topology_.components[*at].config);
      if (routes == nullptr) return false;
      const unsigned edge = pci::edge_to(*routes, address);
      at = neighbour(*at, port_of(downstream_of(topology_.components[*at].config), edge));
    }
    return at.has_value();
  }

  std::string target_name(const mem::Window& window) const {
    const auto target = target_of(window);
    return target ? '\'' + topology_.components[*target].name + '\'' : "nothing";
  }

 private:
  /// Null for what is no bridge.
  static const std::vector<pci::Route>* routes_of(const ModelConfig& config) {
    if (const auto* host = std::get_if<pci::HostBridge::Config>(&config)) return &host->routes;
    if (const auto* bridge = std::get_if<pci::Bridge::Config>(&config)) return &bridge->routes;
    return nullptr;
  }
  static unsigned downstream_of(const ModelConfig& config) {
    const bool host = std::holds_alternative<pci::HostBridge::Config>(config);
    return spec_of(host ? pci::HostBridge::kDownstream : pci::Bridge::kDownstream);
  }

  std::optional<std::size_t> neighbour(std::size_t component, PortId port) const {
    const auto found = behind_.find({component, port});
    return found == behind_.end() ? std::nullopt : std::optional(found->second);
  }

  const Topology& topology_;
  std::size_t bus_;
  std::map<std::pair<std::size_t, PortId>, std::size_t> behind_;  // components, by port
  std::vector<mem::Window> windows_;
};

void check_overlaps(const Decoder& decoder, Findings& findings) {
  const mem::Window* reaching = nullptr;  // of those before, the one that reaches furthest
  for (const mem::Window& window : decoder.windows()) {
    if (!decoder.target_of(window)) {
      findings.error("window-to-nowhere", {},
                     "the window " + range_text(window.base, window.size) + " leads to nothing",
                     "an edge " + std::to_string(window.target) + " of the bus's targets");
    }
    if (reaching != nullptr && window.base - reaching->base < reaching->size) {
      findings.error("windows-overlap", {},
                     "the window " + range_text(window.base, window.size) + " of " +
                         decoder.target_name(window) + " overlaps " +
                         range_text(reaching->base, reaching->size) + " of " +
                         decoder.target_name(*reaching),
                     "windows that share no address");
    }
    const bool further = reaching == nullptr ||
                         window.base + (window.size - 1) > reaching->base + (reaching->size - 1);
    if (further) reaching = &window;
  }
}

void check_claim(const Topology& topology, const Decoder& decoder, const Claim& claim,
                 Findings& findings) {
  if (claim.size == 0) return;
  const Component& owner = topology.components[claim.component];
  const std::string what =
      std::string(claim.what) + " of '" + owner.name + "', " + range_text(claim.base, claim.size);
  const mem::Window* window = decoder.find(claim.base);
  const bool whole = window != nullptr && window->size - (claim.base - window->base) >= claim.size;
  if (!whole) {
    findings.error("undecoded-address", owner.where, "no window of the bus takes all of " + what,
                   "a window that leads to '" + owner.name + "'");
  } else if (!decoder.leads_to(*window, claim.base, claim.component)) {
    findings.error("misdirected-address", owner.where,
                   what + ", are taken by a window that leads to " + decoder.target_name(*window),
                   "a window that leads to '" + owner.name + "'");
  }
}

/// Counts accesses that no window takes, and remembers the first.
class Undecoded {
 public:
  explicit Undecoded(const Decoder& decoder) : decoder_(decoder) {}

  void access(std::uint64_t address) {
    if (decoder_.find(address) != nullptr) return;
    if (count_++ == 0) first_ = address;
  }
  void report(const Component& by, Findings& findings) const {
    if (count_ == 0) return;
    const std::string more = count_ > 1 ? " and " + std::to_string(count_ - 1) + " more" : "";
    findings.error("undecoded-address", by.where,
                   '\'' + by.name + "' accesses " + write_hex(first_) + more +
                       ", which no window of the bus takes",
                   "addresses of components");
  }

 private:
  const Decoder& decoder_;
  std::uint64_t count_ = 0;
  std::uint64_t first_ = 0;
};

void check_accesses(const Component& component, const Decoder& decoder, Findings& findings) {
  Undecoded undecoded(decoder);
  if (const auto* cpus = std::get_if<cpu::Cpus::Config>(&component.config)) {
    for (const cpu::ServedSource& source : cpus->sources) {
      if (source.device_register != 0) undecoded.access(source.device_register);
      if (source.vector_control != 0) undecoded.access(source.vector_control);
    }
  } else if (const auto* driver = std::get_if<cpu::Driver::Config>(&component.config)) {
    for (const cpu::Episode& episode : driver->episodes) {
      for (const cpu::Access& access : episode.accesses) undecoded.access(access.address);
    }
  }
  undecoded.report(component, findings);
}

}  // namespace

void check_decode(const Topology& topology, Findings& findings) {
  if (find_component<mem::SystemBus::Config>(topology) == nullptr) return;
  const Decoder decoder(topology, index_of<mem::SystemBus::Config>(topology));
  check_overlaps(decoder, findings);
  for (const Claim& claim : claims_of(topology)) check_claim(topology, decoder, claim, findings);
  for (const Component& component : topology.components) {
    check_accesses(component, decoder, findings);
  }
}

}  // namespace irqfab::topology
