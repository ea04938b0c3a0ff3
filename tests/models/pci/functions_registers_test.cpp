#include <gtest/gtest.h>

#include "models/pci/functions.hpp"
#include "tests/models/pci/functions_fixture.hpp"

namespace irqfab::pci::functions_test {
namespace {

using MsixTableTest = MsixTest;
using PciConfigTest = PciFunctionsTest;

TEST_F(MsixTableTest, AnEntryReadsBackInDwordsAndQwords) {
  set_entry(kNic, 3, 0x12345678'9ABCDEF0, 0xCAFE, Mask::Off);
  const std::uint64_t at = window_of(kNic, 3 * 16);
  EXPECT_EQ(value_at(at, 4), 0x9ABCDEF0u);
  EXPECT_EQ(value_at(at + 4, 4), 0x12345678u);
  EXPECT_EQ(value_at(at + 8, 4), 0xCAFEu);
  EXPECT_EQ(value_at(at + 12, 4), 0u);
  EXPECT_EQ(value_at(at, 8), 0x12345678'9ABCDEF0u);
  functions.set_vector_mask(kNic, VectorIndex{3}, Mask::On, env);
  EXPECT_EQ(value_at(at + 8, 8), 0x1'0000'CAFEu);
}

TEST_F(MsixTableTest, TheAddressIsDwordAligned) {
  set_entry(kNic, 3, 0xFEE00003, 0, Mask::On);
  EXPECT_EQ(functions.entry(kNic, VectorIndex{3}).address, 0xFEE00000u);
}

TEST_F(MsixTableTest, DwordWritesOfTheTwoHalvesKeepEachOther) {
  const std::uint64_t at = window_of(kNic, 3 * 16);
  write(at + 4, 0x11111111, 4);
  write(at, 0x22222220, 4);
  EXPECT_EQ(functions.entry(kNic, VectorIndex{3}).address, 0x11111111'22222220u);
  write(at + 4, 0x33333333, 4);
  EXPECT_EQ(functions.entry(kNic, VectorIndex{3}).address, 0x33333333'22222220u);
}

TEST_F(MsixTableTest, OnlyBitZeroOfVectorControlMasks) {
  write(window_of(kNic, 16 + 12), 0xFFFFFFFE, 4);
  EXPECT_EQ(functions.entry(kNic, VectorIndex{1}).mask, Mask::Off);
  write(window_of(kNic, 16 + 12), 0x1, 4);
  EXPECT_EQ(functions.entry(kNic, VectorIndex{1}).mask, Mask::On);
}

TEST_F(MsixTableTest, OtherSizesAndMisalignedWritesChangeNothing) {
  const PciFunctions before = functions;
  const std::uint64_t at = window_of(kNic, 16);
  write(at, 0, 1);
  write(at, 0, 2);
  write(at + 2, 0, 4);
  write(at + 4, 0, 8);
  EXPECT_EQ(env.count(Event::GuestError), 4u);
  EXPECT_TRUE(faulted(GuestFault::WrongAccessSize));
  EXPECT_EQ(functions, before);
}

TEST_F(MsixTableTest, OtherSizesAndMisalignedReadsAreGuestErrors) {
  const std::uint64_t at = window_of(kNic, 16);
  EXPECT_EQ(value_at(at, 1), 0xFFu);
  EXPECT_EQ(value_at(at, 2), 0xFFFFu);
  EXPECT_EQ(value_at(at + 4, 8), ~std::uint64_t{0});
  EXPECT_EQ(value_at(window_of(kNic, kMsixPbaOffset + 1), 4), 0xFFFFFFFFu);
  EXPECT_EQ(env.count(Event::GuestError), 4u);
  EXPECT_TRUE(faulted(GuestFault::WrongAccessSize));
}

TEST_F(MsixTableTest, BehindTheLastEntryWritesAreGuestErrorsAndReadsGiveZero) {
  write(window_of(kNic, 70 * 16), 1, 4);
  EXPECT_TRUE(faulted(GuestFault::TableIndexOutOfRange));
  EXPECT_EQ(value_at(window_of(kNic, 70 * 16), 8), 0u);
  EXPECT_EQ(value_at(window_of(kOld, 0), 4), 0u);
}

TEST_F(MsixTableTest, ThePbaReadsOneBitAVector) {
  for (const unsigned vector : {0u, 2u, 33u, 63u, 64u, 69u}) raise(kNic, vector);
  const std::uint64_t at = window_of(kNic, kMsixPbaOffset);
  EXPECT_EQ(value_at(at, 8), 0x80000002'00000005u);
  EXPECT_EQ(value_at(at, 4), 0x5u);
  EXPECT_EQ(value_at(at + 4, 4), 0x80000002u);
  EXPECT_EQ(value_at(at + 8, 8), 0x21u);
  EXPECT_EQ(value_at(at + 12, 4), 0u);
}

TEST_F(MsixTableTest, BehindTheLastVectorThePbaReadsZero) {
  raise(kNic, 0);
  for (std::uint64_t offset = 16; offset < kDeviceRegisterOffset - kMsixPbaOffset; offset += 8) {
    ASSERT_EQ(functions.pba_word(kNic, static_cast<unsigned>(offset / 8)), 0u);
    ASSERT_EQ(value_at(window_of(kNic, kMsixPbaOffset + offset), 8), 0u) << offset;
    env.clear();
  }
}

TEST_F(MsixTableTest, WritesToThePbaAreIgnored) {
  const SpanId span = pend();
  write(window_of(kNic, kMsixPbaOffset), 0, 8);
  EXPECT_EQ(held(), std::vector<SpanId>{span});
  EXPECT_EQ(functions.pba_word(kNic, 0), 2u);
  EXPECT_TRUE(env.notes.empty());
}

TEST_F(PciConfigTest, CommandReadsBackItsImplementedBits) {
  set_command(kNicId, 0xFFFF);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigCommand), 2), kBusMaster | kInterruptDisable | 0x3u);
  set_command(kNicId, 0);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigCommand), 2), 0u);
}

TEST_F(PciConfigTest, InterruptStatusShowsTheDeviceWhateverTheWire) {
  set_command(kOldId, kInterruptDisable);
  intx(kOld, RaiseKind::IntxHigh);
  EXPECT_EQ(value_at(config_of(kOldId, kConfigCommand), 4), kInterruptDisable | 1u << 19);
  EXPECT_EQ(value_at(config_of(kOldId, kConfigCommand + 2), 2), 1u << 3);
  EXPECT_FALSE(functions.intx_asserted(kOld));
}

TEST_F(PciConfigTest, MessageControlShowsTableSizeMaskAndEnable) {
  EXPECT_EQ(value_at(config_of(kNicId, kConfigMsixControl), 2), 69u);
  set_control(kNicId, kMsixEnable | kFunctionMask);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigMsixControl), 2), 69u | kMsixEnable | kFunctionMask);
  set_control(kNicId, kMsixEnable);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigMsixControl - 2), 4), 0x11u | (69u | kMsixEnable)
                                                                                << 16);
}

TEST_F(PciConfigTest, UnimplementedRegistersReadZeroAndTakeNoWrite) {
  const PciFunctions before = functions;
  EXPECT_EQ(value_at(config_of(kNicId, 0x60), 4), 0u);
  EXPECT_EQ(value_at(config_of(kOldId, kConfigMsixControl), 2), 0u);
  EXPECT_FALSE(env.noted(Event::GuestError));
  write(config_of(kNicId, 0x60), 5, 2);
  EXPECT_TRUE(faulted(GuestFault::UnknownRegister));
  set_control(kOldId, kMsixEnable);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
  EXPECT_EQ(functions, before);
}

TEST_F(PciConfigTest, ADwordWriteReachesBothOfItsRegisters) {
  write(config_of(kNicId, kConfigMsixControl - 2), std::uint64_t{kMsixEnable} << 16 | 0x11, 4);
  write(config_of(kNicId, kConfigCommand), kInterruptDisable, 4);
  EXPECT_FALSE(env.noted(Event::GuestError));
  EXPECT_EQ(value_at(config_of(kNicId, kConfigMsixControl), 2), 69u | kMsixEnable);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigCommand), 2), kInterruptDisable);
}

TEST_F(PciConfigTest, ByteWritesReachTheirByteOnly) {
  write(config_of(kNicId, kConfigCommand + 1), kInterruptDisable >> 8, 1);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigCommand), 2),
            kMemorySpace | kBusMaster | kInterruptDisable);
  write(config_of(kNicId, kConfigCommand), 0, 1);
  EXPECT_EQ(value_at(config_of(kNicId, kConfigCommand), 2), kInterruptDisable);
  EXPECT_FALSE(env.noted(Event::GuestError));
}

TEST_F(PciConfigTest, MisalignedAndWideWritesAreGuestErrors) {
  const PciFunctions before = functions;
  write(config_of(kNicId, kConfigCommand + 1), 0, 2);
  write(config_of(kNicId, kConfigCommand + 2), 0, 4);
  write(config_of(kNicId, kConfigCommand), 0, 8);
  write(config_of(kNicId, kConfigCommand), 0, 3);
  EXPECT_EQ(env.count(Event::GuestError), 4u);
  EXPECT_TRUE(faulted(GuestFault::WrongAccessSize));
  EXPECT_EQ(functions, before);
}

TEST_F(PciConfigTest, WithoutMemorySpaceTheWindowIsNobodys) {
  set_entry(kNic, 1, 0xFEE01000, 0x41, Mask::Off);
  const std::uint64_t at = window_of(kNic, 16);
  set_command(kNicId, kBusMaster);
  EXPECT_EQ(read(at, 4).status, BusStatus::NoDecode);
  write(at, 0, 4);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
  set_command(kNicId, kMemorySpace);
  EXPECT_EQ(value_at(at, 4), 0xFEE01000u);
  EXPECT_EQ(env.count(Event::GuestError), 2u);
}

}  // namespace
}  // namespace irqfab::pci::functions_test
