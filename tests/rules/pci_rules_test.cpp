// PCI Local Bus 3.0, 6.1 and 6.2 (configuration space), 2.2.6 (INTx); PCI-to-PCI Bridge
// Architecture 1.2; PCI Express Base; PCI Express to PCI/PCI-X Bridge 1.0.
#include "models/pci/host_bridge.hpp"
#include "tests/rules/pci_bench.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace pci;

// ---- configuration space ------------------------------------------------------------------------

void ids() {
  PciBench b;
  EXPECT_EQ(b.configured(kWire, 0x00, 4), 0x00011234u);
  b.configure(kWire, 0x00, 0, 4);
  EXPECT_EQ(b.configured(kWire, 0x00, 4), 0x00011234u);
  EXPECT_FALSE(b.env.noted(Event::GuestError));
}

void class_code() {
  PciBench b;
  EXPECT_EQ(b.configured(kWire, 0x08, 4), 0xFF000000u);
}

void header_type() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x0E, 1), 0x80u);
  EXPECT_EQ(b.configured(kMsiFunction, 0x0E, 1), 0x80u);
  EXPECT_EQ(b.configured(kNarrow, 0x0E, 1), 0u);
  EXPECT_EQ(b.configured(kBoth, 0x0E, 1), 0u);
}

void nobody_answers() {
  PciBench b;
  EXPECT_EQ(b.read(kEcam + 0x300 * kConfigSpaceBytes, 4), 0xFFFFFFFFu);
  EXPECT_EQ(b.env.messages<BusData>().back().status, BusStatus::NoDecode);
  EXPECT_TRUE(b.faulted(GuestFault::UnclaimedAddress));
}

void reserved_reads_zero() {
  PciBench b;
  for (const std::uint64_t offset : {0x18u, 0x28u, 0x2Cu, 0x30u, 0x38u, 0x4Cu, 0x70u, 0x100u}) {
    EXPECT_EQ(b.configured(kMsixFunction, offset, 4), 0u) << offset;
  }
}

void byte_enables() {
  PciBench b;
  b.configure(kWire, 0x3C, 0x0B, 1);
  b.configure(kWire, 0x3D, 0xFF, 1);
  EXPECT_EQ(b.configured(kWire, 0x3C, 2), 0x010Bu);
  b.configure(kWire, 0x3C, 0xFFFFFF0A, 4);
  EXPECT_EQ(b.configured(kWire, 0x3C, 4), 0x010Au);
}

void interrupt_pin() {
  PciBench b;
  EXPECT_EQ(b.configured(kWire, 0x3D, 1), 1u);
  EXPECT_EQ(b.configured(kMsixFunction, 0x3D, 1), 2u);
  EXPECT_EQ(b.configured(kMsiFunction, 0x3D, 1), 3u);
  EXPECT_EQ(b.configured(kNarrow, 0x3D, 1), 0u);
}

void command_bits() {
  PciBench b;
  b.configure(kWire, 0x04, 0xFFFF, 2);
  EXPECT_EQ(b.configured(kWire, 0x04, 2), 0x0407u);
  b.configure(kWire, 0x04, 0, 2);
  EXPECT_EQ(b.configured(kWire, 0x04, 2), 0u);
}

void memory_space() {
  PciBench b;
  b.configure(kMsixFunction, 0x04, kBusMaster, 2);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 12), 4), 0xFFFFFFFFu);
  EXPECT_TRUE(b.faulted(GuestFault::UnclaimedAddress));
  b.configure(kMsixFunction, 0x04, kMemorySpace, 2);
  EXPECT_EQ(b.read(PciBench::window(kMsixFunction, 12), 4), 1u);
}

void interrupt_disable() {
  PciBench b;
  b.wire(kWire, RaiseKind::IntxHigh);
  b.configure(kWire, 0x04, 0x0406, 2);
  EXPECT_FALSE(b.asserted(kWire));
  b.configure(kWire, 0x04, 0x0006, 2);
  EXPECT_TRUE(b.asserted(kWire));
}

void interrupt_status() {
  PciBench b;
  EXPECT_EQ(b.configured(kWire, 0x06, 2), 0u);
  b.wire(kWire, RaiseKind::IntxHigh);
  b.configure(kWire, 0x04, 0x0406, 2);
  EXPECT_EQ(b.configured(kWire, 0x06, 2), 0x0008u);
  b.configure(kWire, 0x06, 0xFFFF, 2);
  EXPECT_EQ(b.configured(kWire, 0x06, 2), 0x0008u);
  b.wire(kWire, RaiseKind::IntxLow);
  EXPECT_EQ(b.configured(kWire, 0x06, 2), 0u);
}

void capabilities_bit() {
  PciBench b;
  EXPECT_EQ(b.configured(kMsixFunction, 0x06, 2), 0x0010u);
  EXPECT_EQ(b.configured(kPlainMsi, 0x06, 2), 0x0010u);
  EXPECT_EQ(b.configured(kWire, 0x06, 2), 0u);
  EXPECT_EQ(b.configured(kWire, 0x34, 1), 0u);
}

void bar_sizing() {
  PciBench b;
  const std::uint64_t window = PciBench::window(kNarrow, 0);
  EXPECT_EQ(b.configured(kNarrow, 0x10, 4), (window & 0xFFFFFFFF) | 4);
  EXPECT_EQ(b.configured(kNarrow, 0x14, 4), window >> 32);
  b.configure(kNarrow, 0x10, 0xFFFFFFFF, 4);
  EXPECT_EQ(b.configured(kNarrow, 0x10, 4), 0xFFFF0004u);
  EXPECT_EQ(b.configured(kNarrow, 0x14, 4), window >> 32);
  b.configure(kNarrow, 0x14, 0xFFFFFFFF, 4);
  EXPECT_EQ(b.configured(kNarrow, 0x14, 4), 0xFFFFFFFFu);
  b.configure(kNarrow, 0x10, window & 0xFFFFFFFF, 4);
  b.configure(kNarrow, 0x14, window >> 32, 4);
  EXPECT_EQ(b.configured(kNarrow, 0x10, 4), (window & 0xFFFFFFFF) | 4);
  EXPECT_EQ(b.configured(kNarrow, 0x14, 4), window >> 32);
}

void level_and_once() {
  PciBench b;
  for (unsigned i = 0; i < 3; ++i) b.wire(kWire, RaiseKind::IntxHigh);
  EXPECT_EQ(b.env.messages<PinChange>().size(), 1u);
  for (unsigned i = 0; i < 3; ++i) b.wire(kWire, RaiseKind::IntxLow);
  EXPECT_EQ(b.env.messages<PinChange>().size(), 2u);
  EXPECT_EQ(b.env.messages<PinChange>().back().level, Level::Low);
}

void pin_of_the_function() {
  PciBench b;
  b.wire(kMsiFunction, RaiseKind::IntxHigh);
  b.wire(kWire, RaiseKind::IntxHigh);
  EXPECT_EQ(b.env.messages<PinChange>().at(0).pin, Pin{2});
  EXPECT_EQ(b.env.messages<PinChange>().at(1).pin, Pin{0});
}

void read_acknowledges() {
  PciBench b;
  b.wire(kWire, RaiseKind::IntxHigh);
  b.env.clear();
  EXPECT_EQ(b.read(PciBench::window(kWire, kDeviceRegisterOffset), 4), 1u);
  EXPECT_FALSE(b.asserted(kWire));
  ASSERT_EQ(b.env.sent.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<PinChange>(b.env.sent[0].message)) << "ahead of the answer";
  EXPECT_EQ(b.read(PciBench::window(kWire, kDeviceRegisterOffset), 4), 0u);
}

// ---- bridges ------------------------------------------------------------------------------------

struct BridgeBench {
  test::RecordingEnv env;
  Bridge bridge;

  explicit BridgeBench(BridgeKind kind) : bridge(config(kind)) {}
  static Bridge::Config config(BridgeKind kind) {
    Bridge::Config config;
    config.kind = kind;
    config.rid = RequesterId{0x00E8};
    config.secondary = 3;
    config.subordinate = 4;
    config.ecam_base = kEcam;
    config.below.of_row = {0, 1, 2, 3, 31};
    config.below.of_edge = {0, 6};
    config.routes = {{kEcam + (4u << 20), 1u << 20, 1}};
    return config;
  }
  void up(std::uint64_t data, unsigned edge = 0) {
    bridge.receive(port_of(spec_of(Bridge::kSecondary), edge),
                   BusWrite{0xFEE00000, data, make_span(SourceId{1}, data),
                            Requester{HostBridgeId{1}, RequesterId{0x0311}}, 4},
                   env);
  }
  unsigned wire(std::uint32_t row, std::uint16_t pin, unsigned edge = 0) {
    bridge.receive(port_of(spec_of(Bridge::kIntx), edge),
                   PinChange{Pin{pin}, Level::High, row, kNoSpan}, env);
    return raw(env.messages<PinChange>().back().pin);
  }
  void down(std::uint64_t address, std::uint64_t value, std::uint8_t size) {
    bridge.receive(Bridge::kPrimary, BusWrite{address, value, kNoSpan, {}, size}, env);
  }
};

void bridge_header() {
  BridgeBench b(BridgeKind::RootPort);
  EXPECT_EQ(b.bridge.config_dword(0x0C), 0x00010000u);
  EXPECT_EQ(b.bridge.config_dword(0x08), 0x06040000u);
  EXPECT_EQ(b.bridge.config_dword(0x18), 0x00040300u);
}

void bridge_bus_master() {
  BridgeBench b(BridgeKind::RootPort);
  b.up(1);
  EXPECT_EQ(b.env.messages<BusWrite>().size(), 1u);
  b.bridge.write_command(kMemorySpace);
  b.up(2);
  EXPECT_EQ(b.env.messages<BusWrite>().size(), 1u);
  EXPECT_EQ(b.env.count(Event::Dropped), 1u);
}

void bridge_memory_space() {
  BridgeBench b(BridgeKind::RootPort);
  b.down(kWindow, 1, 4);
  EXPECT_EQ(b.env.messages<BusWrite>().size(), 1u);
  b.bridge.write_command(kBusMaster);
  b.down(kWindow, 1, 4);
  EXPECT_EQ(b.env.messages<BusWrite>().size(), 1u);
  b.down(kEcam + (3u << 20), 1, 4);
  EXPECT_EQ(b.env.messages<BusWrite>().size(), 2u) << "configuration goes down all the same";
}

void bridge_order() {
  BridgeBench b(BridgeKind::RootPort);
  for (unsigned i = 1; i <= 5; ++i) b.up(i, i % 2);
  const auto writes = b.env.messages<BusWrite>();
  ASSERT_EQ(writes.size(), 5u);
  for (unsigned i = 0; i < 5; ++i) EXPECT_EQ(writes[i].data, i + 1);
}

void bridge_swizzle() {
  BridgeBench b(BridgeKind::RootPort);
  for (std::uint32_t row = 0; row < 4; ++row) {
    for (std::uint16_t pin = 0; pin < 4; ++pin) EXPECT_EQ(b.wire(row, pin), (row + pin) % 4);
  }
  EXPECT_EQ(b.wire(4, 2), 1u);
}

void bridge_swizzle_nested() {
  BridgeBench b(BridgeKind::RootPort);
  EXPECT_EQ(b.wire(0, 1, 1), 3u);
  EXPECT_EQ(b.wire(4, 2, 1), 0u);
}

void host_bridge_swizzle() {
  test::RecordingEnv env;
  HostBridge::Config config;
  config.intx_pins = {Pin{20}, Pin{21}, Pin{22}, Pin{23}};
  config.below.of_row = {0, 5};
  HostBridge bridge(config);
  bridge.receive(HostBridge::kIntx, PinChange{Pin{3}, Level::High, 0, kNoSpan}, env);
  bridge.receive(HostBridge::kIntx, PinChange{Pin{3}, Level::High, 1, kNoSpan}, env);
  EXPECT_EQ(env.messages<PinChange>().at(0).pin, Pin{23});
  EXPECT_EQ(env.messages<PinChange>().at(1).pin, Pin{20});
}

void root_port_keeps_the_requester() {
  BridgeBench b(BridgeKind::RootPort);
  b.up(1);
  EXPECT_EQ(b.env.messages<BusWrite>().at(0).requester.rid, RequesterId{0x0311});
}

void alias() {
  BridgeBench b(BridgeKind::PcieToPci);
  b.up(1);
  b.up(2, 1);
  for (const BusWrite& write : b.env.messages<BusWrite>()) {
    EXPECT_EQ(write.requester.rid, RequesterId{0x0300});
    EXPECT_EQ(write.requester.bridge, HostBridgeId{1});
  }
}

void routes_by_bus() {
  BridgeBench b(BridgeKind::RootPort);
  b.down(kEcam + (4u << 20) - 4, 1, 4);
  b.down(kEcam + (4u << 20), 1, 4);
  EXPECT_EQ(edge_of(b.env.sent.at(0).port), 0u);
  EXPECT_EQ(edge_of(b.env.sent.at(1).port), 1u);
}

void own_configuration_stays() {
  BridgeBench b(BridgeKind::RootPort);
  b.down(kEcam + 0xE8 * kConfigSpaceBytes + 4, 0x0000, 2);
  EXPECT_TRUE(b.env.sent.empty());
  EXPECT_EQ(b.bridge.config_dword(4), 0u);
}

constexpr Rule kRules[] = {
    {"6.2.1", "VendorAndDeviceIdAreReadOnly", ids},
    {"6.2.1", "TheClassCodeFitsNoneThatIsDefined", class_code},
    {"6.2.1", "Bit7OfHeaderTypeTellsOfFurtherFunctions", header_type},
    {"6.1", "AFunctionThatIsNotThereReadsAllOnes", nobody_answers},
    {"6.1", "ReservedRegistersReadZero", reserved_reads_zero},
    {"6.1", "AWriteChangesTheBytesThatAreEnabled", byte_enables},
    {"6.2.4", "InterruptPinIs1ForIntaAnd0ForNone", interrupt_pin},
    {"6.2.2", "CommandHasItsImplementedBits", command_bits},
    {"6.2.2", "WithoutMemorySpaceNothingAnswersInTheWindow", memory_space},
    {"6.2.2", "InterruptDisableTakesIntxOffTheWire", interrupt_disable},
    {"6.2.3", "InterruptStatusDoesNotDependOnInterruptDisable", interrupt_status},
    {"6.2.3", "CapabilitiesListTellsOfCapabilities", capabilities_bit},
    {"6.2.5.1", "ABarShowsItsSizeAfterAWriteOfAllOnes", bar_sizing},
    {"2.2.6", "IntxIsALevelWhichIsToldOnce", level_and_once},
    {"2.2.6", "AFunctionDrivesItsOwnPin", pin_of_the_function},
    {"2.2.6", "TheLineFallsBeforeTheReadThatServedItIsAnswered", read_acknowledges},
    {"Bridge 3.2", "ABridgeHasAType1Header", bridge_header},
    {"Bridge 3.2.4.3", "BusMasterGatesWhatGoesUp", bridge_bus_master},
    {"Bridge 3.2.4.3", "MemorySpaceGatesWhatGoesDown", bridge_memory_space},
    {"Bridge 4", "PostedWritesStayInOrder", bridge_order},
    {"Bridge 9.1", "IntxTurnsByTheDeviceNumber", bridge_swizzle},
    {"Bridge 9.1", "IntxOfABridgeTurnsByThatBridge", bridge_swizzle_nested},
    {"Express 2.2.8.1", "TheHostBridgeTurnsIntxToo", host_bridge_swizzle},
    {"Express 2.2.6.2", "ARootPortPassesTheRequesterIdOn", root_port_keeps_the_requester},
    {"ExpressToPci 2.3", "ForwardedWritesHaveTheSecondaryBusAsRequester", alias},
    {"Bridge 3.1", "ConfigurationGoesDownByBus", routes_by_bus},
    {"Bridge 3.1", "ItsOwnConfigurationGoesNoFurther", own_configuration_stays},
};
INSTANTIATE_TEST_SUITE_P(Pci, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
