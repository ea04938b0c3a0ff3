#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/models/pci/msi_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

using MsiRegistersTest = MsiTest;

TEST_F(MsiRegistersTest, MessageControlShowsWhatTheFunctionIsCapableOf) {
  EXPECT_EQ(control(kWideId), 3u << 1 | kMsi64BitAddress | kMsiPerVectorMasking);
  EXPECT_EQ(control(kPlainId), 2u << 1);
  EXPECT_EQ(control(kNarrowId), 5u << 1 | kMsiPerVectorMasking);
  EXPECT_EQ(control(kEduId), std::uint64_t{kMsi64BitAddress});
}

TEST_F(MsiRegistersTest, EnableAndMultipleMessageEnableReadBack) {
  enable(kWideId, 2);
  EXPECT_EQ(control(kWideId),
            kMsiEnable | 3u << 1 | 2u << 4 | kMsi64BitAddress | kMsiPerVectorMasking);
  EXPECT_TRUE(functions.msi_enabled(kWide));
  disable(kWideId);
  EXPECT_FALSE(functions.msi_enabled(kWide));
}

TEST_F(MsiRegistersTest, MoreVectorsThanAskedForAreAnErrorAndGiveAllOfThem) {
  enable(kPlainId, 3);
  EXPECT_TRUE(faulted(GuestFault::ForbiddenValue));
  EXPECT_EQ(control(kPlainId), kMsiEnable | 2u << 1 | 2u << 4);
  env.clear();
  enable(kPlainId, 2);
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(MsiRegistersTest, ThePlacesOfTheRegistersFollowFromTheLayout) {
  const std::pair<RequesterId, std::array<std::uint64_t, 3>> layouts[] = {
      {kWideId, {0x5C, 0x60, 0x64}}, {kNarrowId, {0x58, 0x5C, 0x60}}};
  for (const auto& [rid, offsets] : layouts) {
    write(config_of(rid, 0x54), 0xFEE04000, 4);
    write(config_of(rid, offsets[0]), 0x4142, 2);
    write(config_of(rid, offsets[1]), 0x5, 4);
    EXPECT_EQ(config_at(rid, 0x54), 0xFEE04000u);
    EXPECT_EQ(config_at(rid, offsets[0]), 0x4142u);
    EXPECT_EQ(config_at(rid, offsets[1]), 0x5u);
    EXPECT_EQ(config_at(rid, offsets[2]), 0u);
    EXPECT_EQ(config_at(rid, offsets[2] + 4), 0u);
  }
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(MsiRegistersTest, A64BitAddressHasAnUpperHalf) {
  write(config_of(kWideId, 0x58), 0x12, 4);
  write(config_of(kWideId, 0x54), 0xFEE04003, 4);
  EXPECT_EQ(config_at(kWideId, 0x58), 0x12u);
  EXPECT_EQ(config_at(kWideId, 0x54), 0xFEE04000u);
  enable(kWideId);
  raise(kWide, 0);
  EXPECT_EQ(sent().at(0).address, 0x12'FEE04000u);
}

TEST_F(MsiRegistersTest, DataHas16Bits) {
  write(config_of(kEduId, 0x5C), 0xABCD4142, 4);
  EXPECT_EQ(config_at(kEduId, 0x5C), 0x4142u);
  enable(kEduId);
  raise(kEdu, 0);
  EXPECT_EQ(data_sent(), (Data{0x4142}));
}

TEST_F(MsiRegistersTest, OnlyTheFunctionsVectorsHaveMaskBits) {
  write(config_of(kWideId, 0x60), 0xFFFFFFFF, 4);
  EXPECT_EQ(config_at(kWideId, 0x60), 0xFFu);
  write(config_of(kNarrowId, 0x5C), 0xFFFFFFFF, 4);
  EXPECT_EQ(config_at(kNarrowId, 0x5C), 0xFFFFFFFFu);
}

TEST_F(MsiRegistersTest, ByteWritesOfTheMaskReachTheirVectorsOnly) {
  write(config_of(kNarrowId, 0x5C), 0xFFFFFFFF, 4);
  write(config_of(kNarrowId, 0x5D), 0, 1);
  EXPECT_EQ(config_at(kNarrowId, 0x5C), 0xFFFF00FFu);
}

TEST_F(MsiRegistersTest, PendingBitsAreReadOnly) {
  program(kWide, kWideId, 0x40, 3);
  functions.write_msi_mask(kWide, 0x81, env);
  raise(kWide, 0);
  raise(kWide, 7);
  EXPECT_EQ(config_at(kWideId, 0x64), 0x81u);
  write(config_of(kWideId, 0x64), 0, 4);
  EXPECT_EQ(config_at(kWideId, 0x64), 0x81u);
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(MsiRegistersTest, WithoutMaskingThereAreNoMaskAndPendingRegisters) {
  EXPECT_EQ(config_at(kPlainId, 0x5C), 0u);
  write(config_of(kPlainId, 0x5C), 0xF, 4);
  EXPECT_TRUE(faulted(GuestFault::UnknownRegister));
  EXPECT_EQ(functions.msi_mask(kPlain), 0u);
}

TEST_F(MsiRegistersTest, TheCapabilitiesAreAList) {
  EXPECT_EQ(config_at(kEduId, kConfigCapabilities), 0x50u);
  EXPECT_EQ(config_at(kEduId, 0x50, 2), 0x0005u);
  EXPECT_EQ(config_at(kBothId, kConfigCapabilities), 0x40u);
  EXPECT_EQ(config_at(kBothId, 0x40, 2), 0x5011u);
  EXPECT_EQ(config_at(kBothId, 0x50, 2), 0x0005u);
  EXPECT_EQ(config_at(kEduId, kConfigStatus, 2), kCapabilitiesList);
}

TEST_F(MsiRegistersTest, AFunctionWithoutMsiHasNoCapabilityThere) {
  functions = PciFunctions(config());
  EXPECT_EQ(value_at(config_of(kNicId, 0x50), 4), 0u);
  write(config_of(kNicId, 0x52), kMsiEnable, 2);
  EXPECT_TRUE(faulted(GuestFault::UnknownRegister));
}

}  // namespace
}  // namespace irqfab::pci::functions_test
