// Every row of the APM's table of accesses, and the two tables of APIC ids.

#include "models/x86/avic_access.hpp"

#include <gtest/gtest.h>

#include <set>

#include "models/x86/avic_tables.hpp"

namespace irqfab::x86 {
namespace {

using Offsets = std::set<std::uint32_t>;

Offsets reads(AvicAccess as) {
  Offsets found;
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 4) {
    if (avic_read(offset) == as) found.insert(offset);
  }
  return found;
}
Offsets writes(AvicAccess as) {
  Offsets found;
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 4) {
    if (avic_write(offset) == as) found.insert(offset);
  }
  return found;
}

const Offsets kVectorRegisters = {0x100, 0x110, 0x120, 0x130, 0x140, 0x150, 0x160, 0x170,
                                  0x180, 0x190, 0x1A0, 0x1B0, 0x1C0, 0x1D0, 0x1E0, 0x1F0,
                                  0x200, 0x210, 0x220, 0x230, 0x240, 0x250, 0x260, 0x270};

TEST(AvicReads, AllButWhatMustBeComputed) {
  Offsets allowed = {0x020, 0x030, 0x0A0, 0x0B0, 0x0C0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x300,
                     0x310, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0};
  allowed.insert(kVectorRegisters.begin(), kVectorRegisters.end());
  EXPECT_EQ(reads(AvicAccess::Allowed), allowed);
  EXPECT_EQ(reads(AvicAccess::Accelerated), Offsets{0x080});
  EXPECT_EQ(reads(AvicAccess::Trap), Offsets{});
  EXPECT_EQ(avic_read(0x390), AvicAccess::Fault);
  EXPECT_EQ(avic_read(0x090), AvicAccess::Fault);
}

TEST(AvicWrites, ThreeAreAcceleratedTheRestTrapsOrFaults) {
  EXPECT_EQ(writes(AvicAccess::Accelerated), (Offsets{0x080, 0x0B0, 0x300}));
  EXPECT_EQ(writes(AvicAccess::Allowed), Offsets{0x310});
  EXPECT_EQ(writes(AvicAccess::Trap), (Offsets{0x020, 0x0C0, 0x0D0, 0x0E0, 0x0F0, 0x280, 0x320,
                                               0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3E0}));
}

TEST(X2avic, MsrsThatPass) {
  Offsets passed;
  for (std::uint32_t offset = 0; offset < 0x1000; offset += 16) {
    if (x2avic_passes(offset)) passed.insert(offset);
  }
  Offsets expected = {0x020, 0x030, 0x080, 0x0A0, 0x0B0, 0x0D0, 0x0F0, 0x280, 0x300,
                      0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3E0};
  expected.insert(kVectorRegisters.begin(), kVectorRegisters.end());
  EXPECT_EQ(passed, expected);
}

TEST(AvicIncompleteIpi, CauseAndIndex) {
  EXPECT_EQ(incomplete_ipi(IncompleteIpi::InvalidTarget, 0x1FF), 0x2000001FFu);
  EXPECT_EQ(incomplete_ipi(IncompleteIpi::InvalidVector, 0), 0x400000000u);
  EXPECT_EQ(cause_of(0x100000005), IncompleteIpi::TargetNotRunning);
  EXPECT_EQ(cause_of(0x5), IncompleteIpi::InvalidInterruptType);
}

TEST(AvicTablesTest, PhysicalEntriesEndAtTheMaximum) {
  AvicTables tables(kAvicMaxIndex);
  EXPECT_EQ(tables.entries(), 256u);
  ASSERT_NE(tables.at(ApicId{255}), nullptr);
  EXPECT_EQ(tables.at(ApicId{256}), nullptr);
  EXPECT_FALSE(tables.at(ApicId{255})->valid);
  EXPECT_EQ(AvicTables(kX2avicMaxIndex).entries(), 512u);
}

constexpr std::uint32_t kFlat = 0xFFFFFFFF;
constexpr std::uint32_t kCluster = 0x0FFFFFFF;

TEST(AvicTablesTest, FlatIdsAreEightEntries) {
  AvicTables tables(kAvicMaxIndex);
  EXPECT_TRUE(tables.enter_logical(ApicId{5}, 0x01000000, kFlat));
  EXPECT_TRUE(tables.enter_logical(ApicId{6}, 0x80000000, kFlat));
  EXPECT_EQ(tables.logical(0), ApicId{5});
  EXPECT_EQ(tables.logical(7), ApicId{6});
  EXPECT_EQ(tables.logical(1), std::nullopt);
}

TEST(AvicTablesTest, ClustersAreFourEntriesEach) {
  AvicTables tables(kAvicMaxIndex);
  EXPECT_TRUE(tables.enter_logical(ApicId{5}, 0x21000000, kCluster));
  EXPECT_TRUE(tables.enter_logical(ApicId{6}, 0xE8000000, kCluster));
  EXPECT_EQ(tables.logical(8), ApicId{5});
  EXPECT_EQ(tables.logical(59), ApicId{6});
  EXPECT_FALSE(tables.enter_logical(ApicId{7}, 0xF1000000, kCluster)) << "cluster 15 is everybody";
}

TEST(AvicTablesTest, AnEntryHoldsOneAndAnIdIsOneBit) {
  AvicTables tables(kAvicMaxIndex);
  EXPECT_TRUE(tables.enter_logical(ApicId{1}, 0, kFlat)) << "no logical id, no entry";
  EXPECT_TRUE(tables.enter_logical(ApicId{1}, 0x02000000, kFlat));
  EXPECT_FALSE(tables.enter_logical(ApicId{2}, 0x02000000, kFlat));
  EXPECT_FALSE(tables.enter_logical(ApicId{3}, 0x05000000, kFlat));
  EXPECT_EQ(tables.logical(1), ApicId{1});
  EXPECT_EQ(tables.logical(0), std::nullopt);
  EXPECT_EQ(tables.logical(2), std::nullopt);
  tables.clear_logical();
  EXPECT_EQ(tables.logical(1), std::nullopt);
}

}  // namespace
}  // namespace irqfab::x86
