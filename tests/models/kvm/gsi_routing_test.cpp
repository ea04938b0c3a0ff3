// KVM_SET_GSI_ROUTING (Linux Documentation/virt/kvm/api.rst).
#include "models/kvm/gsi_routing.hpp"

#include <gtest/gtest.h>

namespace irqfab::kvm {
namespace {

Route msi(std::uint32_t gsi) { return {Gsi{gsi}, RouteTarget::Msi, Pin{0}, {0xFEE00000, 0x41}}; }
Route pin(std::uint32_t gsi, RouteTarget chip, std::uint16_t number) {
  return {Gsi{gsi}, chip, Pin{number}, {}};
}
std::size_t count(const GsiRouting& table, std::uint32_t gsi) {
  const auto entries = table.of(Gsi{gsi});
  return static_cast<std::size_t>(entries.last - entries.first);
}

TEST(GsiRouting, TheDefaultTableHasEveryIoapicPinAndTheFirstSixteenOnThe8259sToo) {
  const GsiRouting table;
  EXPECT_EQ(table.size(), 40u);
  EXPECT_EQ(count(table, 4), 2u);
  EXPECT_EQ(count(table, 16), 1u);
  EXPECT_EQ(count(table, 24), 0u);
  EXPECT_EQ(table.of(Gsi{0}).first->pin, Pin{0}) << "GSI 0 is pin 0, not 2";
}

TEST(GsiRouting, ANewTableReplacesTheOldOneAsAWhole) {
  GsiRouting table;
  EXPECT_EQ(table.replace({msi(24), msi(30)}), 0);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_EQ(count(table, 4), 0u);
  EXPECT_EQ(count(table, 24), 1u);
  EXPECT_EQ(count(table, 25), 0u);
  EXPECT_EQ(count(table, 30), 1u);
}

TEST(GsiRouting, AFailingCallLeavesTheOldTable) {
  GsiRouting table;
  const GsiRouting before = table;
  EXPECT_EQ(table.replace({msi(24), msi(4096)}), kEINVAL);
  EXPECT_TRUE(table == before);
}

TEST(GsiRouting, TakesAsManyEntriesAndGsisAsTheLimit) {
  GsiRouting table;
  std::vector<Route> routes;
  for (std::uint32_t gsi = 0; gsi < kMaxRoutes; ++gsi) routes.push_back(msi(gsi));
  EXPECT_EQ(table.replace(routes), 0);
  EXPECT_EQ(count(table, kMaxRoutes - 1), 1u);
  routes.push_back(pin(0, RouteTarget::IoapicPin, 0));
  EXPECT_EQ(table.replace(routes), kEINVAL);
}

TEST(GsiRouting, AKernelMayTakeFewerEntriesAndGsis) {
  GsiRouting table(IrqchipKind::Full, x86::MsiDestination::Bits8, 1024);
  std::vector<Route> routes;
  for (std::uint32_t gsi = 0; gsi < 1024; ++gsi) routes.push_back(msi(gsi));
  EXPECT_EQ(table.replace(routes), 0);
  routes.push_back(pin(0, RouteTarget::IoapicPin, 0));
  EXPECT_EQ(table.replace(routes), kEINVAL) << "1025 entries";
  EXPECT_EQ(table.replace({msi(1023)}), 0);
  EXPECT_EQ(table.replace({msi(1024)}), kEINVAL) << "GSI 1024";
}

TEST(GsiRouting, AMessageStandsAloneOnItsGsi) {
  GsiRouting table;
  EXPECT_EQ(table.replace({msi(5), msi(5)}), kEINVAL);
  EXPECT_EQ(table.replace({msi(5), pin(5, RouteTarget::IoapicPin, 5)}), kEINVAL);
  EXPECT_EQ(table.replace({pin(5, RouteTarget::IoapicPin, 5), msi(5)}), kEINVAL);
}

TEST(GsiRouting, OnePinOfEachChipMayShareAGsi) {
  GsiRouting table;
  EXPECT_EQ(table.replace({pin(5, RouteTarget::IoapicPin, 5), pin(5, RouteTarget::PicMasterPin, 5),
                           pin(5, RouteTarget::PicSlavePin, 5)}),
            0);
  EXPECT_EQ(count(table, 5), 3u);
  EXPECT_EQ(table.replace({pin(5, RouteTarget::IoapicPin, 5), pin(5, RouteTarget::IoapicPin, 6)}),
            kEINVAL);
  EXPECT_EQ(table.replace({pin(5, RouteTarget::IoapicPin, 5), pin(5, RouteTarget::PicSlavePin, 1),
                           pin(5, RouteTarget::IoapicPin, 6)}),
            kEINVAL)
      << "the two need not be neighbours";
}

TEST(GsiRouting, APinMustExistOnItsChip) {
  GsiRouting table;
  EXPECT_EQ(table.replace({pin(1, RouteTarget::IoapicPin, 23)}), 0);
  EXPECT_EQ(table.replace({pin(1, RouteTarget::IoapicPin, 24)}), kEINVAL);
  EXPECT_EQ(table.replace({pin(1, RouteTarget::PicMasterPin, 8)}), kEINVAL);
}

TEST(GsiRouting, AGsiOutsideTheTableHasNoRoute) {
  const GsiRouting table;
  EXPECT_TRUE(table.of(Gsi{kMaxRoutes}).empty());
  EXPECT_TRUE(table.of(Gsi{~0u}).empty());
}

TEST(GsiRouting, TheTableEndsWithItsHighestGsi) {
  GsiRouting table;
  EXPECT_EQ(table.gsis(), 24u);
  ASSERT_EQ(table.replace({pin(7, RouteTarget::IoapicPin, 1)}), 0);
  EXPECT_EQ(table.gsis(), 8u);
  EXPECT_TRUE(table.of(Gsi{8}).empty());
  EXPECT_FALSE(table.of(Gsi{7}).empty());
  ASSERT_EQ(table.replace({}), 0);
  EXPECT_EQ(table.gsis(), 0u);
  EXPECT_TRUE(table.of(Gsi{0}).empty());
}

TEST(GsiRouting, APinHasTheGsiThatWasNamedLast) {
  GsiRouting table;
  ASSERT_EQ(
      table.replace({pin(5, RouteTarget::IoapicPin, 4), pin(3, RouteTarget::IoapicPin, 4),
                     pin(6, RouteTarget::PicMasterPin, 7), pin(8, RouteTarget::PicSlavePin, 7)}),
      0);
  EXPECT_EQ(table.gsi_of(RouteTarget::IoapicPin, Pin{4}), Gsi{3});
  EXPECT_EQ(table.gsi_of(RouteTarget::PicMasterPin, Pin{7}), Gsi{6});
  EXPECT_EQ(table.gsi_of(RouteTarget::PicSlavePin, Pin{7}), Gsi{8});
  EXPECT_EQ(table.gsi_of(RouteTarget::IoapicPin, Pin{7}), std::nullopt);
  EXPECT_EQ(table.gsi_of(RouteTarget::IoapicPin, Pin{24}), std::nullopt);
  EXPECT_EQ(table.gsi_of(RouteTarget::PicMasterPin, Pin{8}), std::nullopt);
  EXPECT_EQ(table.gsi_of(RouteTarget::Msi, Pin{0}), std::nullopt);
}

}  // namespace
}  // namespace irqfab::kvm
