#include "models/x86/msi_format.hpp"

#include <gtest/gtest.h>

#include "models/x86/rte.hpp"

namespace irqfab::x86 {
namespace {

TEST(MsiFormat, AddressHoldsDestinationHintAndMode) {
  ApicMessage m;
  m.destination = ApicId{0xA5};
  EXPECT_EQ(encode(m).address, 0xFEEA5000u);
  m.redirection_hint = RedirectionHint::On;
  EXPECT_EQ(encode(m).address, 0xFEEA5008u);
  m.destination_mode = DestinationMode::Logical;
  EXPECT_EQ(encode(m).address, 0xFEEA500Cu);
}

TEST(MsiFormat, DataHoldsVectorModeLevelAndTrigger) {
  ApicMessage m;
  m.vector = Vector{0x61};
  m.level = Level::Low;
  EXPECT_EQ(encode(m).data, 0x61u);
  m.level = Level::High;
  EXPECT_EQ(encode(m).data, 0x4061u);
  m.trigger_mode = TriggerMode::Level;
  EXPECT_EQ(encode(m).data, 0xC061u);
  m.delivery_mode = DeliveryMode::Nmi;
  EXPECT_EQ(encode(m).data, 0xC461u);
}

TEST(MsiFormat, DecodeIgnoresReservedBits) {
  const ApicMessage m = decode({0xFEE03FF7, 0xFFFF3841});
  EXPECT_EQ(m.destination, ApicId{3});
  EXPECT_EQ(m.destination_mode, DestinationMode::Logical);
  EXPECT_EQ(m.redirection_hint, RedirectionHint::Off);
  EXPECT_EQ(m.vector, Vector{0x41});
  EXPECT_EQ(m.delivery_mode, DeliveryMode::Fixed);
  EXPECT_EQ(m.trigger_mode, TriggerMode::Edge);
  EXPECT_EQ(m.level, Level::Low);
}

TEST(MsiFormat, DecodeIsTheInverseOfEncode) {
  for (std::uint32_t address = 0; address < 0x400; ++address) {
    for (std::uint32_t data = 0; data < 0x10000; data += 0x93) {
      MsiMessage sent;
      sent.address = 0xFEE00000 | (address >> 2) << 12 | (address & 3) << 2;
      sent.data = data & 0xC7FF;
      ASSERT_EQ(encode(decode(sent)), sent) << address << " " << data;
    }
  }
}

TEST(MsiFormat, OnlyTheWindowBelow4GiBIsOfMessages) {
  EXPECT_TRUE(is_msi_address(0xFEE00000));
  EXPECT_TRUE(is_msi_address(0xFEEFFFFF));
  EXPECT_FALSE(is_msi_address(0xFED00000));
  EXPECT_FALSE(is_msi_address(0xFEF00000));
  EXPECT_FALSE(is_msi_address(0x1FEE00000));
}

TEST(Rte, MessageOfALevelLowestPriorityLogicalEntry) {
  const Rte rte{0x0300000000008965};
  EXPECT_EQ(rte.message(), (MsiMessage{0xFEE0300C, 0xC165}));
}

TEST(Rte, ExtendedDestinationBitsTravelInTheAddress) {
  const Rte rte{0xAB5D000000000044};
  EXPECT_EQ(rte.message().address, 0xFEEAB5D0u);
}

TEST(Rte, OnlyFixedAndLowestPriorityAreLevelSensitive) {
  for (unsigned mode = 0; mode < 8; ++mode) {
    const Rte rte{0x8044u | mode << 8};
    const bool level = mode <= 1;
    EXPECT_EQ(rte.level_sensitive(), level) << mode;
    EXPECT_EQ(decode(rte.message()).trigger_mode, level ? TriggerMode::Level : TriggerMode::Edge);
    EXPECT_EQ(decode(rte.message()).delivery_mode, static_cast<DeliveryMode>(mode));
  }
}

}  // namespace
}  // namespace irqfab::x86
