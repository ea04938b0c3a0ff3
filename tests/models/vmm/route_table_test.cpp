// A VMM's copy of the routing table, against the kernel's own (KVM_SET_GSI_ROUTING).
#include "models/vmm/route_table.hpp"

#include <gtest/gtest.h>

#include <set>

namespace irqfab::vmm {
namespace {

constexpr x86::MsiMessage kA{0xFEE00000, 0x41};
constexpr x86::MsiMessage kB{0xFEE01000, 0x42};
constexpr x86::MsiMessage kC{0xFEE02000, 0x43};

RouteTable pc(std::uint32_t gsis = kvm::kMaxRoutes, Mutants mutants = {}) {
  return RouteTable({gsis, pc_routes(), mutants});
}

/// What the kernel says to the table, and the table to that.
kvm::Answer commit(RouteTable& table, kvm::GsiRouting& kernel) {
  const kvm::Answer answer = kernel.replace(table.commit());
  table.answered(answer);
  return answer;
}
std::optional<x86::MsiMessage> in(const kvm::GsiRouting& kernel, std::uint32_t gsi) {
  const auto entries = kernel.of(Gsi{gsi});
  if (entries.empty()) return std::nullopt;
  return entries.begin()->message;
}

TEST(PcRoutes, AreThirtyEightEntriesAtTwentyThreeGsis) {
  const std::vector<kvm::Route> routes = pc_routes();
  EXPECT_EQ(routes.size(), 38u);
  std::set<Gsi> gsis;
  for (const kvm::Route& route : routes) gsis.insert(route.gsi);
  EXPECT_EQ(gsis.size(), 23u);
  EXPECT_EQ(gsis.count(Gsi{2}), 0u);
  EXPECT_EQ(gsis.count(Gsi{23}), 1u);
}

TEST(PcRoutes, AreTakenByTheKernelAndLeadWhereAPcsWiresDo) {
  using T = kvm::RouteTarget;
  kvm::GsiRouting kernel;
  ASSERT_EQ(kernel.replace(pc_routes()), 0);
  EXPECT_EQ(kernel.gsi_of(T::IoapicPin, Pin{2}), Gsi{0}) << "the timer";
  EXPECT_EQ(kernel.gsi_of(T::IoapicPin, Pin{0}), std::nullopt);
  EXPECT_EQ(kernel.gsi_of(T::IoapicPin, Pin{1}), Gsi{1});
  EXPECT_EQ(kernel.gsi_of(T::IoapicPin, Pin{23}), Gsi{23});
  EXPECT_EQ(kernel.gsi_of(T::PicMasterPin, Pin{0}), Gsi{0});
  EXPECT_EQ(kernel.gsi_of(T::PicMasterPin, Pin{2}), std::nullopt) << "the second 8259";
  EXPECT_EQ(kernel.gsi_of(T::PicMasterPin, Pin{7}), Gsi{7});
  EXPECT_EQ(kernel.gsi_of(T::PicSlavePin, Pin{0}), Gsi{8});
  EXPECT_EQ(kernel.gsi_of(T::PicSlavePin, Pin{7}), Gsi{15});
  EXPECT_EQ(kernel.of(Gsi{16}).end() - kernel.of(Gsi{16}).begin(), 1);
}

TEST(MirrorRoutes, AreOneMessageForEachPinOfASplitIrqchipsIoapic) {
  kvm::GsiRouting kernel(kvm::IrqchipKind::Split, x86::MsiDestination::Bits8, kvm::kMaxRoutes);
  ASSERT_EQ(kernel.replace(mirror_routes()), 0);
  EXPECT_EQ(kernel.size(), 24u);
  EXPECT_TRUE(in(kernel, 23));
  EXPECT_FALSE(in(kernel, 24));
}

TEST(RouteTable, BeginsAsTheKernelHasIt) {
  RouteTable table = pc();
  EXPECT_FALSE(table.changed());
  EXPECT_EQ(table.commit(), pc_routes());
  EXPECT_EQ(table.gsis().reserved(), 24u) << "pins; one has no entry";
  EXPECT_EQ(table.gsis().entries(), 38u);
  EXPECT_EQ(table.counters().peak, 38u);
  EXPECT_EQ(table.message(Gsi{16}), nullptr);
  EXPECT_FALSE(table.in_kernel(Gsi{16}));
}

TEST(RouteTable, AMessageGetsAGsiAboveThePins) {
  RouteTable table = pc();
  EXPECT_EQ(table.add(kA), Gsi{24});
  EXPECT_EQ(table.add(kB), Gsi{25});
  ASSERT_NE(table.message(Gsi{24}), nullptr);
  EXPECT_EQ(*table.message(Gsi{24}), kA);
  EXPECT_EQ(table.names(Gsi{24}), 1u);
  EXPECT_TRUE(table.changed());
}

TEST(RouteTable, TheKernelHasWhatWasCommitted) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  EXPECT_FALSE(table.in_kernel(Gsi{24}));
  EXPECT_TRUE(table.uncommitted(Gsi{24}));
  EXPECT_FALSE(table.uncommitted(Gsi{25})) << "it has no message";
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_TRUE(table.in_kernel(Gsi{24}));
  EXPECT_FALSE(table.uncommitted(Gsi{24}));
  EXPECT_FALSE(table.changed());
  EXPECT_EQ(kernel.size(), 39u);
  EXPECT_EQ(in(kernel, 24), kA);
  table.set(Gsi{24}, kB);
  EXPECT_FALSE(table.in_kernel(Gsi{24}));
  EXPECT_TRUE(table.changed());
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_EQ(in(kernel, 24), kB);
  table.remove(Gsi{24});
  EXPECT_TRUE(table.changed());
  EXPECT_EQ(table.message(Gsi{24}), nullptr);
  EXPECT_FALSE(table.in_kernel(Gsi{24}));
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_EQ(in(kernel, 24), std::nullopt);
  EXPECT_EQ(table.counters().commits, 3u);
  EXPECT_EQ(table.counters().refused, 0u);
}

TEST(RouteTable, TheSameMessageAgainIsNoChange) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.set(Gsi{24}, kA);
  EXPECT_FALSE(table.changed());
}

TEST(RouteTable, APinHasNoMessageThatCouldBeSetOrRemoved) {
  RouteTable table = pc();
  table.set(Gsi{16}, kA);
  table.remove(Gsi{16});
  table.set(Gsi{24}, kA);
  table.set(Gsi{kvm::kMaxRoutes}, kA);
  table.remove(Gsi{kvm::kMaxRoutes});
  EXPECT_FALSE(table.changed());
  EXPECT_EQ(table.commit(), pc_routes());
}

TEST(RouteTable, AMirroredPinIsSetAndNeverRemoved) {
  RouteTable table({kvm::kMaxRoutes, mirror_routes(), {}});
  EXPECT_EQ(table.gsis().entries(), 24u);
  EXPECT_TRUE(table.in_kernel(Gsi{4}));
  table.set(Gsi{4}, kA);
  EXPECT_FALSE(table.in_kernel(Gsi{4}));
  kvm::GsiRouting kernel(kvm::IrqchipKind::Split, x86::MsiDestination::Bits8, kvm::kMaxRoutes);
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_EQ(in(kernel, 4), kA);
  table.remove(Gsi{4});
  EXPECT_EQ(table.flush(), 0u);
  EXPECT_EQ(*table.message(Gsi{4}), kA);
}

TEST(RouteTable, TakesFixedRoutesOfPinsOnly) {
  RouteTable table({64, {{Gsi{24}, kvm::RouteTarget::Msi, Pin{0}, kA}}, {}});
  EXPECT_EQ(table.message(Gsi{24}), nullptr);
  EXPECT_EQ(table.add(kB), Gsi{24});
  RouteTable small({4, pc_routes(), {}});
  EXPECT_EQ(small.commit().size(), 6u) << "GSIs 0, 1 and 3";
  EXPECT_EQ(small.add(kA), std::nullopt);
}

TEST(RouteTable, EntriesRunOutBeforeGsis) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  std::uint32_t added = 0;
  while (table.add({0xFEE00000, added})) ++added;
  EXPECT_EQ(added, 4058u);
  EXPECT_EQ(table.gsis().free(), 14u);
  EXPECT_EQ(table.counters().peak, 4096u);
  EXPECT_EQ(commit(table, kernel), 0);
}

// QEMU bdf026317daa.
TEST(RouteTable, MutantRoutesLimitedByGsiMakesATableThatTheKernelRefuses) {
  Mutants mutants;
  mutants.add(Mutant::RoutesLimitedByGsi);
  RouteTable table = pc(kvm::kMaxRoutes, mutants);
  kvm::GsiRouting kernel;
  for (std::uint32_t n = 0; n < 4058; ++n) ASSERT_TRUE(table.add({0xFEE00000, n}));
  EXPECT_EQ(commit(table, kernel), 0);
  ASSERT_TRUE(table.add(kA));
  EXPECT_EQ(commit(table, kernel), kvm::kEINVAL);
}

// QEMU 00008418aa22.
TEST(RouteTable, MutantGsiLimitOffByOneMakesATableThatTheKernelRefuses) {
  Mutants mutants;
  mutants.add(Mutant::GsiLimitOffByOne);
  RouteTable table({kvm::kMaxRoutes, mirror_routes(), mutants});
  kvm::GsiRouting kernel(kvm::IrqchipKind::Split, x86::MsiDestination::Bits8, kvm::kMaxRoutes);
  for (std::uint32_t n = 24; n < 4096; ++n) ASSERT_TRUE(table.add({0xFEE00000, n}));
  EXPECT_EQ(commit(table, kernel), 0);
  EXPECT_EQ(table.add(kA), Gsi{4096});
  EXPECT_EQ(commit(table, kernel), kvm::kEINVAL);
}

TEST(RouteTable, ARefusedCallTakesBackWhatWasAdded) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.add(kB);
  table.commit();
  table.answered(kvm::kEINVAL);
  EXPECT_EQ(table.message(Gsi{25}), nullptr);
  EXPECT_EQ(table.names(Gsi{25}), 0u);
  EXPECT_EQ(table.gsis().entries(), 39u);
  EXPECT_EQ(*table.message(Gsi{24}), kA);
  EXPECT_EQ(table.names(Gsi{24}), 1u);
  EXPECT_FALSE(table.changed());
  EXPECT_EQ(table.counters().refused, 1u);
  EXPECT_EQ(table.counters().commits, 2u);
  EXPECT_EQ(table.counters().peak, 40u) << "the table had it for a moment";
}

TEST(RouteTable, ARefusedCallTakesBackAChange) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.set(Gsi{24}, kB);
  table.answered(kvm::kEINVAL);
  EXPECT_EQ(*table.message(Gsi{24}), kA);
  EXPECT_TRUE(table.in_kernel(Gsi{24}));
  EXPECT_FALSE(table.changed());
}

TEST(RouteTable, ARefusedCallBringsNothingBackThatWasRemoved) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.remove(Gsi{24});
  table.answered(kvm::kEINVAL);
  EXPECT_EQ(table.message(Gsi{24}), nullptr);
  EXPECT_EQ(table.gsis().bound(), 0u);
  EXPECT_TRUE(table.changed()) << "the kernel still has it";
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_EQ(in(kernel, 24), std::nullopt);
}

TEST(RouteTable, ARefusedCallEndsTheNewLifeOfAGsiAndBringsTheOldOneNotBack) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.remove(Gsi{24});
  ASSERT_EQ(table.add(kB), Gsi{24});
  table.answered(kvm::kEINVAL);
  EXPECT_EQ(table.message(Gsi{24}), nullptr);
  EXPECT_EQ(table.gsis().bound(), 0u);
  EXPECT_TRUE(table.changed());
}

TEST(RouteTable, ANewLifeOfAGsiIsCommittedEvenIfTheKernelStillHasTheSameRoute) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.remove(Gsi{24});
  ASSERT_EQ(table.add(kA), Gsi{24});
  EXPECT_FALSE(table.in_kernel(Gsi{24}));
  ASSERT_EQ(commit(table, kernel), 0);
  EXPECT_TRUE(table.in_kernel(Gsi{24}));
  EXPECT_FALSE(table.changed());
}

TEST(RouteTable, ACallThatWasRefusedOnceIsForgottenByTheNext) {
  RouteTable table = pc();
  kvm::GsiRouting kernel;
  table.add(kA);
  commit(table, kernel);
  table.add(kB);
  table.answered(kvm::kEINVAL);
  EXPECT_EQ(*table.message(Gsi{24}), kA) << "of an earlier call";
}

TEST(RouteTable, AFlushRemovesWhatNobodyNames) {
  RouteTable table = pc();
  for (const auto& message : {kA, kB, kC}) table.add(message);
  table.unname(Gsi{24});
  table.unname(Gsi{26});
  table.name(Gsi{26});
  table.unname(Gsi{25});
  table.unname(Gsi{25});
  EXPECT_EQ(table.flush(), 2u);
  EXPECT_EQ(table.message(Gsi{24}), nullptr);
  EXPECT_EQ(table.message(Gsi{25}), nullptr);
  EXPECT_EQ(*table.message(Gsi{26}), kC);
  EXPECT_EQ(table.flush(), 0u);
  EXPECT_EQ(table.gsis().bound(), 1u);
}

TEST(RouteTable, ANameIsGivenUpAsOftenAsItWasTaken) {
  RouteTable table = pc();
  table.add(kA);
  table.name(Gsi{24});
  table.unname(Gsi{24});
  EXPECT_EQ(table.flush(), 0u);
  table.unname(Gsi{24});
  EXPECT_EQ(table.flush(), 1u);
}

TEST(RouteTable, ANewLifeOfAGsiBeginsWithOneName) {
  RouteTable table = pc();
  table.add(kA);
  table.name(Gsi{24});
  table.remove(Gsi{24});
  EXPECT_EQ(table.names(Gsi{24}), 0u);
  ASSERT_EQ(table.add(kB), Gsi{24});
  EXPECT_EQ(table.names(Gsi{24}), 1u);
}

TEST(RouteTable, MutantFlushWhileNamedRemovesWhatIrqfdsName) {
  Mutants mutants;
  mutants.add(Mutant::FlushWhileNamed);
  RouteTable table = pc(kvm::kMaxRoutes, mutants);
  table.add(kA);
  EXPECT_EQ(table.flush(), 1u);
  EXPECT_EQ(table.add(kB), Gsi{24}) << "while somebody still signals kA's irqfd";
}

}  // namespace
}  // namespace irqfab::vmm
