// GSIs that run out under traffic.
#include <gtest/gtest.h>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;

/// Eight routes for messages, besides those of the IOAPIC's pins; entries for 38 + 8.
VmmRig::Options few_gsis() {
  VmmRig::Options options;
  options.delivery = Delivery::DynamicRoute;
  options.irqchip = kvm::IrqchipKind::Split;  // 24 entries for 24 GSIs
  options.vectors = 12;
  options.gsis = 32;
  return options;
}

TEST(VmmRoutes, WhenGsisRunOutAllRoutesMadeOnDemandAreFlushed) {
  VmmRig rig(few_gsis());
  for (std::uint16_t v = 0; v < 8; ++v) {
    rig.raise(0, v);
    rig.run_for(50'000);
  }
  EXPECT_EQ(rig.count(E::RoutesFlushed), 0u);
  EXPECT_EQ(rig.host.vmm().dynamic_routes().size(), 8u);
  const SpanId ninth = rig.raise(0, 8);
  rig.run_for(50'000);
  EXPECT_EQ(rig.count(E::RoutesFlushed), 1u);
  // The flush is committed, and then the new route.
  EXPECT_EQ(rig.count(E::RoutesUpdated, ninth), 2u);
  EXPECT_EQ(rig.host.vmm().dynamic_routes().size(), 1u);
  EXPECT_EQ(rig.count(E::Handled), 9u);
}

TEST(VmmRoutes, WhatWasFlushedIsMadeAgainAndDelivers) {
  VmmRig rig(few_gsis());
  std::uint64_t raised = 0;
  for (unsigned round = 0; round < 4; ++round) {
    for (std::uint16_t v = 0; v < 12; ++v, ++raised) {
      rig.raise(0, v);
      rig.run_for(50'000);
      EXPECT_EQ(rig.found(), rig.in_flight());
    }
  }
  EXPECT_EQ(rig.count(E::Handled), raised);
  const DynamicRoutes::Counters& counters = rig.host.vmm().dynamic_routes().counters();
  EXPECT_EQ(counters.hits + counters.misses, raised);
  EXPECT_GE(counters.flushes, 4u);
  for (const Happened& h : rig.records) {
    if (h.event != E::Accepted) continue;
    EXPECT_EQ(h.detail, kFirstVector + rig.vector_of(h.span));
  }
}

// The kernel still has the routes of before, and refuses more than there is room for; or a message
// that finds a GSI which another had before goes by the old route.
TEST(VmmRoutes, AFlushThatTheKernelDoesNotLearnOfIsNoticed) {
  const auto commits = [](Mutants mutants) {
    VmmRig::Options options = few_gsis();
    options.mutants = mutants;
    VmmRig rig(options);
    for (std::uint16_t v = 0; v < 9; ++v) {
      rig.raise(0, v);
      rig.run_for(50'000);
    }
    return rig.host.vmm().routes().counters().commits;
  };
  Mutants mutants;
  mutants.add(Mutant::FlushWithoutCommit);
  EXPECT_EQ(commits({}), 10u);
  EXPECT_EQ(commits(mutants), 9u);
}

TEST(VmmRoutes, IrqfdsAreNeverFlushed) {
  VmmRig::Options options = few_gsis();
  options.delivery = Delivery::Irqfd;  // 8 of 12 vectors get a GSI
  VmmRig rig(options);
  std::uint64_t by_irqfd = 0;
  for (std::uint16_t v = 0; v < 12; ++v) {
    const SpanId span = rig.raise(0, v);
    rig.run_for(50'000);
    by_irqfd += rig.count(E::IrqfdRouted, span);
    EXPECT_EQ(rig.count(E::Handled, span), 1u);
  }
  EXPECT_EQ(by_irqfd, 8u);
  EXPECT_EQ(rig.count(E::MsiInjected), 4u);  // by the handler in user space
}

}  // namespace
}  // namespace irqfab::vmm::test
