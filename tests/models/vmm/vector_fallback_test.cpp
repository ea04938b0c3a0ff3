// Vectors that cannot have what they want: no GSI, a call that the kernel refuses, a mask over a
// signal that has come.
#include "tests/models/vmm/vector_rig.hpp"

namespace irqfab::vmm::test {
namespace {

TEST(FunctionVectors, WithoutAGsiTheHandlerServes) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::OnUnmask, kOneGsi);
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Irqfd);
  EXPECT_EQ(rig.vectors.carrier(v(1)), Carrier::Handler);
  EXPECT_EQ(rig.vectors.gsi(v(1)), std::nullopt);
  EXPECT_FALSE(rig.vectors.fell_back(v(0)));
  EXPECT_TRUE(rig.vectors.fell_back(v(1)));
  EXPECT_FALSE(rig.vectors.fell_back(v(2))) << "still masked: it wants none";
  EXPECT_EQ(rig.table.counters().commits, 1u);
  rig.vectors.set_message(v(1), kC);
  EXPECT_EQ(rig.settle(), "");
}

TEST(FunctionVectors, AVectorWithoutAGsiTriesAgainWhenItIsUnmasked) {
  VectorRig rig({Attach::Vhost, RoutePolicy::OnUnmask, 2}, kOneGsi);
  rig.vectors.set_message(v(1), kB);
  rig.vectors.enable();
  for (const VectorIndex index : {v(0), v(1)}) {
    rig.vectors.use(index);
    rig.vectors.set_mask(index, Mask::Off);
    rig.settle();
  }
  rig.vectors.release(v(0));
  EXPECT_EQ(rig.settle(), "deassign 0@24");
  EXPECT_EQ(rig.vectors.gsi(v(1)), std::nullopt) << "nobody tells it";
  rig.vectors.set_mask(v(1), Mask::On);
  rig.vectors.set_mask(v(1), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit, assign 1@24, irqfd 1");
}

TEST(FunctionVectors, AVectorWithoutAGsiTriesAgainWhenMessagesAreEnabledAgain) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::Eager, kOneGsi);
  ASSERT_EQ(rig.vectors.gsi(v(1)), std::nullopt);
  rig.vectors.release(v(0));
  EXPECT_EQ(rig.settle(), "deassign 0@24");
  rig.vectors.disable();
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 1, commit, assign 1@24, irqfd 1");
}

TEST(FunctionVectors, ARouteThatTheKernelRefusesLeavesTheVectorWithTheHandler) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::OnUnmask);
  rig.refuses_routes = true;
  rig.vectors.set_message(v(2), kC);
  rig.vectors.set_mask(v(2), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit");
  EXPECT_EQ(rig.vectors.gsi(v(2)), std::nullopt);
  EXPECT_EQ(rig.vectors.carrier(v(2)), Carrier::Handler);
  EXPECT_TRUE(rig.vectors.fell_back(v(2)));
  EXPECT_EQ(rig.vectors.carrier(v(1)), Carrier::Irqfd) << "its route stands";
  EXPECT_EQ(rig.table.gsis().bound(), 2u);
  EXPECT_EQ(rig.table.counters().refused, 1u);
}

TEST(FunctionVectors, AChangedRouteThatTheKernelRefusesIsGivenUp) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.refuses_routes = true;
  rig.vectors.set_message(v(0), kC);
  EXPECT_EQ(rig.settle(), "commit, handler 0, deassign 0@24")
      << "the irqfd would deliver the old message";
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Handler);
  EXPECT_EQ(rig.vectors.gsi(v(0)), std::nullopt);
  EXPECT_EQ(rig.vectors.carrier(v(1)), Carrier::Irqfd);
  rig.refuses_routes = false;
  rig.vectors.set_mask(v(0), Mask::On);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit, assign 0@24, irqfd 0");
  EXPECT_EQ(rig.delivers(0), kC);
}

TEST(FunctionVectors, AnIrqfdThatTheKernelRefusesLeavesTheVectorWithTheHandler) {
  VectorRig rig({Attach::Assigned, RoutePolicy::Eager, 1});
  rig.refuses_irqfds = true;
  rig.vectors.set_mask(v(0), Mask::Off);
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0, commit, refused 0@24");
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Handler);
  EXPECT_FALSE(rig.vectors.irqfd(v(0)));
  EXPECT_EQ(rig.table.gsis().bound(), 0u);
}

TEST(FunctionVectors, WhatIsSignalledUnderTheMaskIsSignalledOnceAfterIt) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.vectors.set_mask(v(0), Mask::On);
  rig.settle();
  EXPECT_EQ(rig.vectors.pend(v(0), SpanId{7}), kNoSpan);
  EXPECT_EQ(rig.vectors.pend(v(0), SpanId{8}), SpanId{7}) << "it joins the first";
  EXPECT_EQ(rig.vectors.pending(v(0)), SpanId{7});
  EXPECT_EQ(rig.vectors.pending(v(1)), kNoSpan);
  std::vector<SpanId> held;
  rig.vectors.held_spans(held);
  EXPECT_EQ(held, std::vector<SpanId>{SpanId{7}});
  rig.vectors.set_message(v(0), kC);
  EXPECT_EQ(rig.settle(), "") << "still masked";
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit, irqfd 0, signal 0") << "by the new message";
  EXPECT_EQ(rig.taken, std::vector<SpanId>{SpanId{7}});
  EXPECT_EQ(rig.vectors.pending(v(0)), kNoSpan);
}

TEST(FunctionVectors, WhatIsPendingWhenMessagesAreDisabledIsCancelled) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.vectors.set_mask(v(0), Mask::On);
  rig.settle();
  rig.vectors.pend(v(0), SpanId{7});
  rig.vectors.disable();
  EXPECT_EQ(rig.settle(), "cancel 0, deassign 0@24, deassign 1@25, deassign 2@26");
  EXPECT_EQ(rig.taken, std::vector<SpanId>{SpanId{7}});
}

// A flush that goes beyond what was made on demand.
TEST(FunctionVectors, MutantFlushWhileNamedLetsAnIrqfdDeliverAnothersMessage) {
  for (const bool mutant : {false, true}) {
    Mutants mutants;
    if (mutant) mutants.add(Mutant::FlushWhileNamed);
    VectorRig rig({Attach::Vhost, RoutePolicy::Eager, 1});
    rig.table = RouteTable({kOneGsi, pc_routes(), mutants});
    rig.vectors.set_message(v(0), kA);
    rig.vectors.set_mask(v(0), Mask::Off);
    rig.vectors.use(v(0));
    rig.vectors.enable();
    rig.settle();
    rig.table.flush();
    rig.table.add(kB);
    rig.table.answered(rig.kernel.replace(rig.table.commit()));
    EXPECT_EQ(rig.delivers(0), mutant ? kB : kA);
    rig.vectors.set_mask(v(0), Mask::On);
    EXPECT_EQ(rig.settle(), "handler 0");
  }
}

TEST(FunctionVectors, ARouteThatAnotherFlushedIsNotCommittedForEver) {
  Mutants mutants;
  mutants.add(Mutant::FlushWhileNamed);
  VectorRig rig = running(Attach::Vhost, RoutePolicy::Eager);
  rig.table = RouteTable({kOneGsi, pc_routes(), mutants});
  ASSERT_EQ(rig.table.add(kA), Gsi{24});
  ASSERT_EQ(rig.table.flush(), 1u);
  rig.vectors.set_message(v(0), kC);
  EXPECT_EQ(rig.settle(), "");
}

TEST(FunctionVectors, ADutyStaysUntilItIsDone) {
  VectorRig rig({Attach::Assigned, RoutePolicy::Eager, 1});
  rig.vectors.enable();
  for (int times = 0; times < 3; ++times) {
    const auto duty = rig.vectors.next(rig.table);
    ASSERT_TRUE(duty);
    EXPECT_EQ(duty->duty, Duty::ToHandler);
  }
  EXPECT_EQ(rig.settle(), "handler 0, commit, assign 0@24");
}

TEST(FunctionVectors, AnOperationMayComeBetweenDuties) {
  VectorRig rig({Attach::Assigned, RoutePolicy::Eager, 1});
  rig.vectors.set_mask(v(0), Mask::Off);
  rig.vectors.enable();
  rig.perform(*rig.vectors.next(rig.table));
  rig.perform(*rig.vectors.next(rig.table));
  rig.vectors.disable();
  EXPECT_EQ(rig.settle(), "");
  EXPECT_EQ(rig.table.gsis().bound(), 0u);
}

}  // namespace
}  // namespace irqfab::vmm::test
