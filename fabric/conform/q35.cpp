#include "fabric/conform/q35.hpp"

#include <algorithm>

#include "fabric/conform/machine_check.hpp"
#include "fabric/topology/pci_build.hpp"

namespace irqfab::conform {
namespace {

using topology::Component;
using topology::Names;

constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint16_t kMsixEntries = 5;
constexpr RequesterId kIoApicRequester{0xF0FF};

class Q35Builder {
 public:
  Q35Builder(const Case& test, x86::Quirks quirks) : test_(test), quirks_(quirks) {
    quirks_.remove(x86::Quirk::InitLatched);  // CPUs look at what comes at once
  }

  Q35 build() {
    const std::size_t path = add_path("functions");
    q35_.cpus = add("cpus", cpus(), numbered("cpu", cpus_of(test_)), 0);
    q35_.lapics = add("lapics", lapics(), lapic_lanes(), 1);
    q35_.ioapic = add("ioapic0", ioapic(), {}, 1);
    apic_bus_ = add("apic_bus", x86::ApicBus::Config{}, {}, 1);
    if (remaps()) vtd_ = add("vtd0", vtd(), {}, x86::VtdRemapper::kSources);
    memory_ = add("memory", mem::Memory::Config{0, kQ35Memory}, {}, 0);
    bus_ = add("bus", bus(), {}, 0);
    bridge_ = add("hb0", bridge(), {}, 1);
    q35_.functions = add_functions(path);
    q35_.driver = add("driver", cpu::Driver::Config{}, {}, 0);
    join_everything();
    return std::move(q35_);
  }

 private:
  bool remaps() const {
    const auto at = test_.machine.find("iommu_ir");
    return at != test_.machine.end() && number_in(*at)->magnitude != 0;
  }

  // ---- components ----

  std::size_t add_path(std::string name) {
    q35_.topology.paths.push_back(std::move(name));
    return q35_.topology.paths.size() - 1;
  }
  std::size_t add(std::string name, ModelConfig config, Names lanes, unsigned sources_a_lane) {
    Component component;
    component.name = std::move(name);
    component.config = std::move(config);
    component.lanes = lanes.empty() ? Names{component.name} : std::move(lanes);
    if (sources_a_lane > 0) {
      const std::size_t path = add_path(component.name);
      for (std::size_t lane = 0; lane < component.lanes.size(); ++lane) {
        give_sources(component, std::string(component.lanes[lane]), sources_a_lane, path);
      }
    }
    q35_.topology.components.push_back(std::move(component));
    return q35_.topology.components.size() - 1;
  }
  void give_sources(Component& component, const std::string& name, unsigned count,
                    std::size_t path) {
    topology::Sources& sources = q35_.topology.sources;
    component.first_source.push_back(static_cast<std::uint32_t>(sources.size()));
    for (unsigned i = 0; i < count; ++i) sources.add(name, path);
    component.sources += count;
  }
  static Names numbered(const std::string& each, std::size_t count) {
    Names names;
    for (std::size_t i = 0; i < count; ++i) names.add(each + std::to_string(i));
    return names;
  }
  Names lapic_lanes() const {
    Names names{"lapics"};
    for (std::size_t i = 0; i < cpus_of(test_); ++i) names.add("lapic" + std::to_string(i));
    return names;
  }

  cpu::Cpus::Config cpus() const {
    cpu::Cpus::Config config;
    config.cpus = static_cast<std::uint32_t>(cpus_of(test_));
    config.completions = cpu::Cpus::Completions::NotTold;
    config.eoi = cpu::Cpus::Eoi::Left;
    return config;
  }
  x86::LapicBank::Config lapics() const {
    x86::LapicBank::Config config;
    for (const Json& id : test_.machine.at("apic_ids")) {
      config.ids.push_back(ApicId{static_cast<std::uint32_t>(number_in(id)->magnitude)});
    }
    config.eoi_suppression = x86::EoiSuppression::Absent;
    config.timer_hz = 0;  // a case depends on no time, and a periodic timer never comes to rest
    config.tsc_hz = 0;
    config.quirks = quirks_;
    if (remaps()) config.quirks.remove(x86::Quirk::LowMessageLost);  // every message comes from it
    return config;
  }
  x86::IoApic::Config ioapic() const {
    x86::IoApic::Config config;
    config.requester = Requester{HostBridgeId{0}, kIoApicRequester};
    config.quirks = quirks_;
    return config;
  }
  /// Without a cache of entries: cases rewrite them and invalidate nothing.
  x86::VtdRemapper::Config vtd() const {
    x86::VtdRemapper::Config config;
    config.register_base = kVtdPage;
    config.iec_entries = 0;
    config.ioapics = {kIoApicRequester};
    // DMA remapping, which no op is about.
    config.other_capabilities = 0x00D2008C'00260206;
    config.other_extended_capabilities = 0xF40;
    config.quirks = quirks_;
    return config;
  }
  mem::SystemBus::Config bus() const {
    mem::SystemBus::Config config;
    std::uint32_t edge = 0;
    config.windows.push_back({0, kQ35Memory, edge++});
    config.windows.push_back({kIoApicPage, kPage, edge++});
    if (remaps()) config.windows.push_back({kVtdPage, kPage, edge++});
    config.windows.push_back({kConfigWindow, std::uint64_t{256} * pci::kConfigSpaceBytes, edge});
    config.windows.push_back({kFunctionWindow, rids().size() * pci::kFunctionWindowBytes, edge});
    return config;
  }

  std::vector<std::uint16_t> rids() const {
    std::vector<std::uint16_t> rids = edu_rids_of(test_.machine);
    const bool there = std::find(rids.begin(), rids.end(), kMsixRid) != rids.end();
    if (has_msix_function(test_) && !there) rids.push_back(kMsixRid);
    std::sort(rids.begin(), rids.end());
    return rids;
  }
  pci::HostBridge::Config bridge() const {
    pci::HostBridge::Config config;
    config.intx_pins = {Pin{20}, Pin{21}, Pin{22}, Pin{23}};
    for (const std::uint16_t rid : rids()) {
      config.below.of_row.push_back(static_cast<std::uint8_t>(rid >> 3 & 0x1F));
    }
    return config;
  }
  std::size_t add_functions(std::size_t path) {
    pci::PciFunctions::Config config;
    config.window_base = kFunctionWindow;
    config.ecam_base = kConfigWindow;
    topology::give_quirks(quirks_, config);
    Component component;
    component.name = "functions";
    const auto edu = edu_rids_of(test_.machine);
    for (const std::uint16_t rid : rids()) {
      pci::PciFunctions::Function function;
      function.rid = RequesterId{rid};
      if (rid == kMsixRid && has_msix_function(test_)) function.msix_entries = kMsixEntries;
      if (std::find(edu.begin(), edu.end(), rid) != edu.end()) {
        function.intx = pci::Intx::A;
        function.msi = pci::Msi{};
      }
      const std::string name = "rid" + std::to_string(rid);
      component.lanes.add(name);
      give_sources(component, name, function.message_sources() + (function.intx ? 1u : 0u), path);
      config.functions.push_back(function);
    }
    if (component.lanes.empty()) component.lanes.add(component.name);
    component.config = std::move(config);
    q35_.topology.components.push_back(std::move(component));
    return q35_.topology.components.size() - 1;
  }

  // ---- edges ----

  void join(std::size_t from, PortId from_port, std::size_t to, PortId to_port) {
    q35_.topology.edges.push_back({from, from_port, to, to_port});
  }

  void join_everything() {
    using pci::HostBridge;
    using pci::PciFunctions;
    const std::size_t messages = remaps() ? vtd_ : apic_bus_;
    const unsigned input = spec_of(remaps() ? x86::VtdRemapper::kInput : x86::ApicBus::kInputs);
    join(q35_.functions, PciFunctions::kLink, bridge_, HostBridge::kSecondary);
    join(q35_.functions, PciFunctions::kIntx, bridge_, HostBridge::kIntx);
    join(bridge_, HostBridge::kInterrupts, messages, port_of(input, 0));
    join(bridge_, HostBridge::kPins, q35_.ioapic, x86::IoApic::kPins);
    join(bridge_, HostBridge::kDownstream, q35_.functions, PciFunctions::kRegisters);
    join(bridge_, HostBridge::kMemory, bus_, port_of(0, 2));
    join(q35_.ioapic, x86::IoApic::kMessages, messages, port_of(input, 1));
    join(apic_bus_, x86::ApicBus::kOutput, q35_.lapics, x86::LapicBank::kMessages);
    join(q35_.lapics, x86::LapicBank::kEoi, q35_.ioapic, x86::IoApic::kEoi);
    join(q35_.cpus, cpu::Cpus::kController, q35_.lapics, x86::LapicBank::kCpu);
    join(q35_.cpus, cpu::Cpus::kBus, bus_, port_of(0, 0));
    join(q35_.driver, cpu::Driver::kBus, bus_, port_of(0, 1));
    unsigned edge = 0;
    join(bus_, port_of(1, edge++), memory_, port_of(0, 0));
    join(bus_, port_of(1, edge++), q35_.ioapic, x86::IoApic::kRegisters);
    if (remaps()) {
      join(bus_, port_of(1, edge++), vtd_, x86::VtdRemapper::kRegisters);
      join(vtd_, x86::VtdRemapper::kMemory, memory_, port_of(0, 1));
      join(vtd_, x86::VtdRemapper::kOutput, apic_bus_, x86::ApicBus::kInputs);
    }
    join(bus_, port_of(1, edge), bridge_, HostBridge::kPrimary);
  }

  const Case& test_;
  x86::Quirks quirks_;
  Q35 q35_;
  std::size_t apic_bus_ = 0, vtd_ = 0, memory_ = 0, bus_ = 0, bridge_ = 0;
};

}  // namespace

Q35 build_q35(const Case& test, x86::Quirks quirks) { return Q35Builder(test, quirks).build(); }

}  // namespace irqfab::conform
