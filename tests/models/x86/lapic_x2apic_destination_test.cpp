// Who gets a message where local APICs are in x2APIC mode, or some are (SDM vol. 3, 11.12.6,
// 11.12.10; models/x86/lapic_destination.cpp).

#include "tests/models/x86/lapic_fixture.hpp"

namespace irqfab::x86 {
namespace {

using Cpus = std::set<unsigned>;

class X2apicDestination : public LapicFixture {
 protected:
  /// CPUs of these ids, enabled, in x2APIC mode.
  void rebuild_with(const std::vector<unsigned>& ids, Quirks quirks = {}) {
    LapicBank::Config config;
    for (const unsigned id : ids) config.ids.push_back(ApicId{id});
    config.quirks = quirks;
    config.msi_destination = MsiDestination::Bits32;
    rebuild(config);
    for (unsigned cpu = 0; cpu < ids.size(); ++cpu) enter(cpu, LapicMode::X2apic);
  }
  void enter(unsigned cpu, LapicMode mode) {
    const std::uint64_t base = mode == LapicMode::X2apic ? 0xFEE00C00 : 0xFEE00000;
    bank.wrmsr(CpuId{cpu}, LapicMsr::kApicBase, base, env);
  }
  static ApicMessage wide(std::uint32_t destination, unsigned vector,
                          DestinationMode mode = DestinationMode::Physical) {
    ApicMessage m = fixed(destination, vector);
    m.format = DestinationFormat::X2apic;
    m.destination_mode = mode;
    return m;
  }
  static ApicMessage wide_lowest(std::uint32_t destination, unsigned vector) {
    ApicMessage m = wide(destination, vector, DestinationMode::Logical);
    m.delivery_mode = DeliveryMode::LowestPriority;
    return m;
  }
};

TEST_F(X2apicDestination, PhysicalIsAll32Bits) {
  rebuild_with({0, 44, 300, 5000, 0xFFFFFFFE});
  const struct {
    std::uint32_t destination;
    Cpus expected;
  } rows[] = {{44, {1}}, {300, {2}}, {5000, {3}}, {301, {}}, {0xFFFFFFFE, {4}}, {256, {}}};
  unsigned vector = 0x40;
  for (const auto& row : rows) {
    EXPECT_EQ(send(wide(row.destination, vector)), row.expected.size()) << row.destination;
    EXPECT_EQ(pending_at(vector++), row.expected) << row.destination;
  }
}

TEST_F(X2apicDestination, LogicalIsAClusterAndABitForEachMember) {
  rebuild_with({0, 1, 15, 17, 31, 300});
  const struct {
    std::uint32_t destination;
    Cpus expected;
  } rows[] = {{0x00003, {0, 1}}, {0x08000, {2}}, {0x10002, {3}}, {0x1FFFF, {3, 4}},
              {0x00121000, {5}}, {0x2FFFF, {}},  {0x10001, {}}};
  unsigned vector = 0x40;
  for (const auto& row : rows) {
    send(wide(row.destination, vector, DestinationMode::Logical));
    EXPECT_EQ(pending_at(vector++), row.expected) << std::hex << row.destination;
  }
}

TEST_F(X2apicDestination, BroadcastDependsOnTheSendersWidthAndOnEachReceiver) {
  rebuild_with({0, 1, 255});
  bank.wrmsr(CpuId{1}, LapicMsr::kApicBase, 0xFEE00000, env);
  bank.wrmsr(CpuId{1}, LapicMsr::kApicBase, 0xFEE00800, env);
  write(1, Register::kSvr, 0x1FF);  // CPU 1 alone is in xAPIC mode
  const struct {
    ApicMessage message;
    Cpus expected;
  } rows[] = {{fixed(0xFF, 0x41), {0, 1, 2}},
              {logical(0xFF, 0x42), {0, 1, 2}},
              {wide(0xFFFFFFFF, 0x43), {0, 1, 2}},
              {wide(0xFFFFFFFF, 0x44, DestinationMode::Logical), {0, 1, 2}},
              {wide(0xFF, 0x45), {1, 2}},  // an id, but for the one that has 8 bits
              {wide(0xFFFFFF, 0x46), {}}};
  for (const auto& row : rows) {
    EXPECT_EQ(send(row.message), row.expected.size());
    EXPECT_EQ(pending_at(raw(row.message.vector)), row.expected)
        << unsigned(raw(row.message.vector));
  }
}

// 11.12.6: devices and I/O APICs keep sending 8 bits.
TEST_F(X2apicDestination, EightBitMessagesReachTheFirst255) {
  rebuild_with({0, 44, 300});
  EXPECT_EQ(send(fixed(44, 0x41)), 1u);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
  send(logical(0x01, 0x42));
  EXPECT_EQ(pending_at(0x42), Cpus{0});
}

TEST_F(X2apicDestination, WideMessageCrossesTheBusWithItsUpperBitsAboveTheWindow) {
  rebuild_with({0, 300});
  const MsiMessage msi = encode(wide(300, 0x41));
  EXPECT_EQ(msi.address, 0x0000'0100'FEE2'C000u);
  bank.receive(LapicBank::kMessages, BusWrite{msi.address, msi.data, book.begin(), {}, 4}, env);
  EXPECT_EQ(pending_at(0x41), Cpus{1});
}

TEST_F(X2apicDestination, WideAddressIsNoMessageWhereDestinationsHave8Bits) {
  const SpanId s = book.begin();
  bank.receive(LapicBank::kMessages, BusWrite{0x0000'0100'FEE0'1000, 0x41, s, {}, 4}, env);
  EXPECT_TRUE(dropped(s, DropReason::NoDecode));
}

TEST_F(X2apicDestination, QuirkExtendedDestinationIdIsBits11To5) {
  LapicBank::Config config;
  config.ids = {ApicId{0}, ApicId{0x7F01}};
  for (const bool has : {false, true}) {
    if (has) config.quirks.add(Quirk::ExtendedDestinationId);
    rebuild(config);
    for (unsigned cpu = 0; cpu < 2; ++cpu) enter(cpu, LapicMode::X2apic);
    bank.receive(LapicBank::kMessages, BusWrite{0xFEE01FE0, 0x41, book.begin(), {}, 4}, env);
    EXPECT_EQ(pending_at(0x41), has ? Cpus{1} : Cpus{});
  }
}

TEST_F(X2apicDestination, QuirkWideIdReachesALapicInXapicMode) {
  for (const bool has : {false, true}) {
    LapicBank::Config config;
    config.ids = {ApicId{0}, ApicId{300}};
    if (has) config.quirks.add(Quirk::WideIdInXapicMode);
    rebuild(config);
    EXPECT_EQ(send(wide(300, 0x41)), has ? 1u : 0u);
    EXPECT_EQ(send(fixed(0x2C, 0x42)), 1u) << "its low byte does in any case";
  }
}

TEST_F(X2apicDestination, LowestPriorityTakesTheLowestOfTheCluster) {
  rebuild_with({0, 1, 17});
  bank.wrmsr(CpuId{0}, 0x808, 0x40, env);
  EXPECT_EQ(send(wide_lowest(0x3, 0x51)), 1u);
  EXPECT_EQ(pending_at(0x51), Cpus{1});
}

TEST_F(X2apicDestination, QuirkHashCountsBitsUpToTheHighestId) {
  Quirks quirks;
  quirks.add(Quirk::DestinationMap);
  quirks.add(Quirk::LowestPriorityByHash);
  rebuild_with({0, 1, 0x110, 0x112}, quirks);
  // Bits 0 to 2 of cluster 0x11 are ids 0x110 to 0x112; bit 3 would be above the highest. Ids of
  // eight bits count in any case.
  const struct {
    unsigned vector;
    Cpus expected;
  } rows[] = {{0x50, {3}}, {0x51, {2}}, {0x52, {}}};  // mod 3: 2, 0, 1, which is nobody's
  for (const auto& row : rows) {
    send(wide_lowest(0x11000F, row.vector));
    EXPECT_EQ(pending_at(row.vector), row.expected) << row.vector;
  }
  EXPECT_EQ(send(wide_lowest(0x20001, 0x53)), 0u);
  EXPECT_EQ(send(wide_lowest(0xF, 0x52)), 0u) << "82 mod 4 is 2, which is nobody's";
  EXPECT_EQ(send(wide_lowest(0xF, 0x50)), 1u);
}

TEST_F(X2apicDestination, QuirkHashOfMixedModesIsOverThoseThatAccept) {
  Quirks quirks;
  quirks.add(Quirk::LowestPriorityByHash);
  rebuild_with({0, 1, 2}, quirks);
  bank.wrmsr(CpuId{2}, LapicMsr::kApicBase, 0xFEE00000, env);
  bank.wrmsr(CpuId{2}, LapicMsr::kApicBase, 0xFEE00800, env);
  write(2, Register::kSvr, 0x1FF);
  set_logical(2, 0x02);
  send(logical(0x02, 0x51, DeliveryMode::LowestPriority));  // CPUs 1 and 2 understand it as theirs
  EXPECT_EQ(pending_at(0x51), Cpus{2});
  send(logical(0x02, 0x50, DeliveryMode::LowestPriority));
  EXPECT_EQ(pending_at(0x50), Cpus{1});
}

}  // namespace
}  // namespace irqfab::x86
