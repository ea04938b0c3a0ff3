// KVM_CAP_IRQ_ROUTING (Linux Documentation/virt/kvm/api.rst): GSIs, and entries of the table.
#include "models/vmm/gsi_allocator.hpp"

#include <gtest/gtest.h>

namespace irqfab::vmm {
namespace {

constexpr std::uint32_t kSeveral = 8;

Mutants with(Mutant mutant) {
  Mutants mutants;
  mutants.add(mutant);
  return mutants;
}

TEST(GsiAllocator, GivesTheFreeGsiWithTheLowestNumber) {
  GsiAllocator gsis(kSeveral, {});
  gsis.reserve(Gsi{0}, 1);
  gsis.reserve(Gsi{2}, 1);
  EXPECT_EQ(gsis.allocate(), Gsi{1});
  EXPECT_EQ(gsis.allocate(), Gsi{3});
  EXPECT_EQ(gsis.allocate(), Gsi{4});
  EXPECT_TRUE(gsis.release(Gsi{3}));
  EXPECT_TRUE(gsis.release(Gsi{1}));
  EXPECT_EQ(gsis.allocate(), Gsi{1});
  EXPECT_EQ(gsis.allocate(), Gsi{3});
  EXPECT_EQ(gsis.allocate(), Gsi{5});
  EXPECT_TRUE(gsis.release(Gsi{1}));
  EXPECT_TRUE(gsis.release(Gsi{4}));
  EXPECT_EQ(gsis.allocate(), Gsi{1}) << "a higher one that was released later does not come first";
}

TEST(GsiAllocator, GivesEveryGsiOnceUntilNoneIsLeft) {
  GsiAllocator gsis(kSeveral, {});
  for (std::uint32_t n = 0; n < kSeveral; ++n) EXPECT_EQ(gsis.allocate(), Gsi{n});
  EXPECT_EQ(gsis.allocate(), std::nullopt);
  EXPECT_TRUE(gsis.release(Gsi{7}));
  EXPECT_EQ(gsis.allocate(), Gsi{7});
}

TEST(GsiAllocator, AGsiIsFreeReservedOrBound) {
  GsiAllocator gsis(kSeveral, {});
  gsis.reserve(Gsi{0}, 2);
  gsis.reserve(Gsi{1}, 0);
  gsis.allocate();
  EXPECT_EQ(gsis.state(Gsi{0}), GsiState::Reserved);
  EXPECT_EQ(gsis.state(Gsi{1}), GsiState::Reserved);
  EXPECT_EQ(gsis.state(Gsi{2}), GsiState::Bound);
  EXPECT_EQ(gsis.state(Gsi{3}), GsiState::Free);
  EXPECT_EQ(gsis.state(Gsi{8}), GsiState::Reserved) << "there is none";
  EXPECT_EQ(gsis.gsis(), 8u);
  EXPECT_EQ(gsis.reserved(), 2u);
  EXPECT_EQ(gsis.bound(), 1u);
  EXPECT_EQ(gsis.free(), 5u);
  EXPECT_EQ(gsis.entries(), 3u);
  gsis.release(Gsi{2});
  EXPECT_EQ(gsis.bound(), 0u);
  EXPECT_EQ(gsis.free(), 6u);
  EXPECT_EQ(gsis.entries(), 2u);
}

TEST(GsiAllocator, OnlyABoundGsiCanBeReleased) {
  GsiAllocator gsis(kSeveral, {});
  gsis.reserve(Gsi{0}, 1);
  const GsiAllocator before = gsis;
  EXPECT_FALSE(gsis.release(Gsi{0}));
  EXPECT_FALSE(gsis.release(Gsi{1}));
  EXPECT_FALSE(gsis.release(Gsi{8}));
  EXPECT_TRUE(gsis == before);
}

TEST(GsiAllocator, OnlyAFreeGsiCanBeReserved) {
  GsiAllocator gsis(kSeveral, {});
  gsis.reserve(Gsi{0}, 1);
  gsis.reserve(Gsi{0}, 5);
  gsis.reserve(Gsi{8}, 1);
  gsis.allocate();
  gsis.reserve(Gsi{1}, 1);
  EXPECT_EQ(gsis.reserved(), 1u);
  EXPECT_EQ(gsis.entries(), 2u);
  EXPECT_EQ(gsis.state(Gsi{1}), GsiState::Bound);
}

// QEMU bdf026317daa: 38 entries of a PC's irqchip share 23 GSIs.
TEST(GsiAllocator, EntriesRunOutBeforeGsis) {
  GsiAllocator gsis(1024, {});
  for (std::uint32_t n = 0; n < 23; ++n) gsis.reserve(Gsi{n}, n < 15 ? 2 : 1);
  ASSERT_EQ(gsis.entries(), 38u);
  std::uint32_t given = 0;
  while (gsis.allocate()) ++given;
  EXPECT_EQ(given, 986u);
  EXPECT_EQ(gsis.entries(), 1024u);
  EXPECT_EQ(gsis.free(), 15u);
}

TEST(GsiAllocator, MutantRoutesLimitedByGsiGivesGsisWithoutEntries) {
  GsiAllocator gsis(1024, with(Mutant::RoutesLimitedByGsi));
  for (std::uint32_t n = 0; n < 23; ++n) gsis.reserve(Gsi{n}, n < 15 ? 2 : 1);
  while (gsis.allocate()) continue;
  EXPECT_EQ(gsis.entries(), 1039u);
}

TEST(GsiAllocator, MutantGsiLimitOffByOneGivesAGsiThatDoesNotExist) {
  GsiAllocator gsis(kSeveral, with(Mutant::GsiLimitOffByOne));
  std::optional<Gsi> last;
  while (const auto gsi = gsis.allocate()) last = gsi;
  EXPECT_EQ(last, Gsi{8});
}

}  // namespace
}  // namespace irqfab::vmm
