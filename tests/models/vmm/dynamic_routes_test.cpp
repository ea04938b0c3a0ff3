// Routes on demand, for a kernel without KVM_CAP_SIGNAL_MSI.
#include "models/vmm/dynamic_routes.hpp"

#include <gtest/gtest.h>

namespace irqfab::vmm {
namespace {

using Next = DynamicRoutes::Next;

x86::MsiMessage message(std::uint32_t n) {
  return {0xFEE00000 + 0x1000 * (n / 200), 0x20 + n % 200};
}

/// A VMM with so many GSIs, and its kernel.
struct Vmm {
  explicit Vmm(std::uint32_t gsis, Mutants mutants = {})
      : table({gsis, pc_routes(), mutants}), routes(mutants) {}

  /// What a thread does for a message until it could inject; each commit is the kernel's.
  DynamicRoutes::Answer send(const x86::MsiMessage& to) {
    auto answer = routes.seek(to, table);
    while (answer.next == Next::Commit) answer = routes.committed(commit(), table);
    return answer;
  }
  /// The same, and the injection is over.
  DynamicRoutes::Answer deliver(const x86::MsiMessage& to) {
    const auto answer = send(to);
    if (answer.next == Next::Inject) routes.done(answer.gsi, table);
    return answer;
  }
  kvm::Answer commit() { return kernel.replace(table.commit()); }
  std::optional<x86::MsiMessage> in_kernel(Gsi gsi) const {
    const auto entries = kernel.of(gsi);
    if (entries.empty()) return std::nullopt;
    return entries.begin()->message;
  }

  RouteTable table;
  DynamicRoutes routes;
  kvm::GsiRouting kernel;
};
constexpr std::uint32_t kRoom = 26;          // messages
constexpr std::uint32_t kGsis = 38 + kRoom;  // with the entries of the pins

Vmm full(Mutants mutants = {}) {
  Vmm vmm(kGsis, mutants);
  for (std::uint32_t n = 0; n < kRoom; ++n) vmm.deliver(message(n));
  return vmm;
}
Mutants with(Mutant mutant) {
  Mutants mutants;
  mutants.add(mutant);
  return mutants;
}

TEST(DynamicRoutes, AMessageGetsARouteTheFirstTimeAndKeepsIt) {
  Vmm vmm(kGsis);
  auto answer = vmm.routes.seek(message(0), vmm.table);
  EXPECT_EQ(answer.next, Next::Commit);
  EXPECT_TRUE(answer.made);
  EXPECT_EQ(answer.gsi, Gsi{24});
  EXPECT_EQ(answer.flushed, 0u);
  answer = vmm.routes.committed(vmm.commit(), vmm.table);
  EXPECT_EQ(answer.next, Next::Inject);
  EXPECT_EQ(answer.gsi, Gsi{24});
  EXPECT_FALSE(answer.made);
  EXPECT_EQ(vmm.in_kernel(Gsi{24}), message(0));
  vmm.routes.done(Gsi{24}, vmm.table);

  answer = vmm.routes.seek(message(0), vmm.table);
  EXPECT_EQ(answer.next, Next::Inject);
  EXPECT_EQ(answer.gsi, Gsi{24});
  EXPECT_EQ(vmm.table.counters().commits, 1u);
  EXPECT_EQ(vmm.routes.counters(), (DynamicRoutes::Counters{1, 1, 0, 0}));
  EXPECT_EQ(vmm.routes.size(), 1u);
}

TEST(DynamicRoutes, AnotherAddressOrDataIsAnotherMessage) {
  Vmm vmm(kGsis);
  EXPECT_EQ(vmm.deliver({0xFEE00000, 0x0041}).gsi, Gsi{24});
  EXPECT_EQ(vmm.deliver({0xFEE01000, 0x0041}).gsi, Gsi{25});
  EXPECT_EQ(vmm.deliver({0xFEE00000, 0x4041}).gsi, Gsi{26});
  EXPECT_EQ(vmm.deliver({0x1'FEE00000, 0x0041}).gsi, Gsi{27});
  EXPECT_EQ(vmm.deliver({0xFEE00000, 0x0042}).gsi, Gsi{28});
  EXPECT_EQ(vmm.deliver({0xFEE00000, 0x4041}).gsi, Gsi{26});
  EXPECT_EQ(vmm.deliver({0xFEE00000, 0x0041}).gsi, Gsi{24});
  EXPECT_EQ(vmm.routes.size(), 5u);
}

TEST(DynamicRoutes, TheBucketIsTheLowByteOfData) {
  EXPECT_EQ(DynamicRoutes::bucket({0xFEE01000, 0x4041}), 0x41);
  EXPECT_EQ(DynamicRoutes::bucket({0xFEE01000, 0xFF}), 0xFF);
}

TEST(DynamicRoutes, ARouteIsFoundOnlyAfterTheKernelHasIt) {
  Vmm vmm(kGsis);
  vmm.routes.seek(message(0), vmm.table);
  EXPECT_EQ(vmm.routes.find(message(0)), std::nullopt);
  vmm.routes.committed(vmm.commit(), vmm.table);
  EXPECT_EQ(vmm.routes.find(message(0)), Gsi{24});
}

TEST(DynamicRoutes, ARouteThatTheKernelRefusedIsSoughtInVain) {
  Vmm vmm(kGsis);
  vmm.routes.seek(message(0), vmm.table);
  const auto answer = vmm.routes.committed(kvm::kEINVAL, vmm.table);
  EXPECT_EQ(answer.next, Next::Failed);
  EXPECT_EQ(vmm.routes.size(), 0u);
  EXPECT_EQ(vmm.table.gsis().bound(), 0u);
  EXPECT_EQ(vmm.send(message(0)).next, Next::Inject);
  EXPECT_EQ(vmm.in_kernel(Gsi{24}), message(0));
  EXPECT_EQ(vmm.routes.counters(), (DynamicRoutes::Counters{0, 2, 0, 0}));
}

TEST(DynamicRoutes, MutantHashBeforeCommitFindsWhatTheKernelNeverGot) {
  Vmm vmm(kGsis, with(Mutant::HashBeforeCommit));
  vmm.routes.seek(message(0), vmm.table);
  vmm.routes.committed(kvm::kEINVAL, vmm.table);
  const auto answer = vmm.send(message(0));
  EXPECT_EQ(answer.next, Next::Inject);
  EXPECT_EQ(vmm.in_kernel(answer.gsi), std::nullopt) << "so nothing is delivered";
  vmm.deliver(message(1));
  EXPECT_EQ(vmm.send(message(0)).gsi, vmm.send(message(1)).gsi) << "and now the wrong message";
}

TEST(DynamicRoutes, WhenEntriesHaveRunOutAllAreFlushedAndTheKernelIsTold) {
  Vmm vmm = full();
  ASSERT_EQ(vmm.routes.size(), kRoom);
  ASSERT_EQ(vmm.kernel.size(), kGsis);
  auto answer = vmm.routes.seek(message(kRoom), vmm.table);
  EXPECT_EQ(answer.next, Next::Commit);
  EXPECT_FALSE(answer.made);
  EXPECT_EQ(answer.flushed, kRoom);
  EXPECT_EQ(vmm.routes.size(), 0u);
  EXPECT_EQ(vmm.table.gsis().entries(), 38u);

  answer = vmm.routes.committed(vmm.commit(), vmm.table);
  EXPECT_EQ(vmm.kernel.size(), 38u);
  EXPECT_EQ(answer.next, Next::Commit);
  EXPECT_TRUE(answer.made);
  EXPECT_EQ(answer.flushed, 0u);
  EXPECT_EQ(answer.gsi, Gsi{24});
  answer = vmm.routes.committed(vmm.commit(), vmm.table);
  EXPECT_EQ(answer.next, Next::Inject);
  EXPECT_EQ(vmm.kernel.size(), 39u);
  EXPECT_EQ(vmm.in_kernel(Gsi{24}), message(kRoom));
  EXPECT_EQ(vmm.table.counters().commits, kRoom + 2u);
  EXPECT_EQ(vmm.routes.counters(), (DynamicRoutes::Counters{0, kRoom + 1u, 1, kRoom}));
}

TEST(DynamicRoutes, MutantFlushWithoutCommitGivesAwayGsisThatTheKernelStillRoutes) {
  Vmm vmm = full(with(Mutant::FlushWithoutCommit));
  const auto answer = vmm.routes.seek(message(kRoom), vmm.table);
  EXPECT_TRUE(answer.made);
  EXPECT_EQ(answer.flushed, kRoom);
  EXPECT_EQ(answer.gsi, Gsi{24});
  EXPECT_EQ(vmm.in_kernel(Gsi{24}), message(0));
}

TEST(DynamicRoutes, RoutesThatWereFlushedAreMadeAgain) {
  Vmm vmm = full();
  vmm.deliver(message(kRoom));
  EXPECT_EQ(vmm.deliver(message(3)).gsi, Gsi{25});
  EXPECT_EQ(vmm.in_kernel(Gsi{25}), message(3));
  EXPECT_EQ(vmm.routes.find(message(4)), std::nullopt);
}

TEST(DynamicRoutes, AFlushThatTheKernelRefusedHasStillFreedTheGsis) {
  Vmm vmm = full();
  vmm.routes.seek(message(kRoom), vmm.table);
  EXPECT_EQ(vmm.routes.committed(kvm::kEINVAL, vmm.table).next, Next::Failed);
  EXPECT_EQ(vmm.routes.size(), 0u);
  EXPECT_EQ(vmm.table.gsis().bound(), 0u);
  EXPECT_EQ(vmm.send(message(kRoom)).next, Next::Inject);
  EXPECT_EQ(vmm.kernel.size(), 39u);
  EXPECT_EQ(vmm.routes.counters().flushes, 1u);
}

// Sent on a GSI, looked up before a flush, injected after it.
TEST(DynamicRoutes, AGsiThatAnInjectionNamesSurvivesAFlush) {
  Vmm vmm = full();
  const auto under_way = vmm.send(message(5));
  ASSERT_EQ(under_way.gsi, Gsi{29});
  ASSERT_EQ(vmm.deliver(message(kRoom)).gsi, Gsi{24});
  EXPECT_EQ(vmm.routes.counters().flushed, kRoom - 1u);
  EXPECT_EQ(vmm.in_kernel(Gsi{29}), message(5));
  EXPECT_EQ(vmm.routes.find(message(5)), Gsi{29});
  vmm.routes.done(Gsi{29}, vmm.table);
  for (std::uint32_t n = 0; n < kRoom; ++n) vmm.deliver(message(100 + n));
  EXPECT_EQ(vmm.routes.find(message(5)), std::nullopt) << "it went with the next flush";
}

TEST(DynamicRoutes, MutantFlushWhileNamedLetsAnInjectionDeliverAnothersMessage) {
  Vmm vmm = full(with(Mutant::FlushWhileNamed));
  const auto under_way = vmm.send(message(0));
  vmm.deliver(message(kRoom));
  EXPECT_EQ(vmm.in_kernel(under_way.gsi), message(kRoom));
}

TEST(DynamicRoutes, WhatIrqfdsNameIsNeverFlushed) {
  Vmm vmm(kGsis);
  const std::optional<Gsi> irqfds = vmm.table.add(message(150));
  for (std::uint32_t n = 0; n < kRoom; ++n) vmm.deliver(message(n));
  EXPECT_EQ(vmm.routes.counters().flushed, kRoom - 1u);
  EXPECT_EQ(vmm.in_kernel(*irqfds), message(150));
  EXPECT_EQ(vmm.routes.find(message(150)), std::nullopt) << "it was not made on demand";
}

TEST(DynamicRoutes, WithoutAGsiThatAFlushWouldFreeThereIsNone) {
  Vmm vmm(kGsis);
  for (std::uint32_t n = 0; n < kRoom; ++n) vmm.table.add(message(n));
  vmm.table.answered(vmm.commit());
  const auto answer = vmm.routes.seek(message(kRoom), vmm.table);
  EXPECT_EQ(answer.next, Next::NoGsi);
  EXPECT_EQ(answer.flushed, 0u);
  EXPECT_EQ(vmm.routes.counters(), (DynamicRoutes::Counters{0, 1, 0, 0}));
  EXPECT_FALSE(vmm.table.changed());
}

TEST(DynamicRoutes, WhoGoesRoundMoreMessagesThanThereAreEntriesNeverFindsOne) {
  Vmm vmm(kGsis);
  for (std::uint32_t n = 0; n < 10 * (kRoom + 1); ++n) vmm.deliver(message(n % (kRoom + 1)));
  EXPECT_EQ(vmm.routes.counters(), (DynamicRoutes::Counters{0, 270, 10, 260}));
  EXPECT_EQ(vmm.table.counters().commits, 280u);
  EXPECT_EQ(vmm.table.counters().peak, kGsis);
}

}  // namespace
}  // namespace irqfab::vmm
