// The life of a function's vectors: PCI Local Bus 3.0, 6.8.2; Virtual I/O Device 1.2, 4.1.5.1.2.
#include "tests/models/vmm/vector_rig.hpp"

namespace irqfab::vmm::test {
namespace {

TEST(FunctionVectors, AfterResetVectorsAreMaskedAndNobodys) {
  VectorRig rig({Attach::Emulated, RoutePolicy::Eager, 3});
  EXPECT_EQ(rig.settle(), "");
  EXPECT_EQ(rig.vectors.size(), 3u);
  EXPECT_FALSE(rig.vectors.enabled());
  EXPECT_TRUE(rig.vectors.masked(v(2)));
  EXPECT_EQ(rig.vectors.carrier(v(2)), Carrier::Nobody);
  EXPECT_EQ(rig.vectors.gsi(v(2)), std::nullopt);
  EXPECT_FALSE(rig.vectors.irqfd(v(2)));
}

TEST(FunctionVectors, TheTableIsWrittenInDwords) {
  VectorRig rig({Attach::Emulated, RoutePolicy::Eager, 2});
  rig.vectors.write_table(16, 0xFEE0300C);
  rig.vectors.write_table(20, 0x1);
  rig.vectors.write_table(24, 0x4055);
  EXPECT_EQ(rig.vectors.message(v(1)), (x86::MsiMessage{0x1'FEE0300C, 0x4055}));
  rig.vectors.write_table(16, 0xFEE04000);
  EXPECT_EQ(rig.vectors.message(v(1)), (x86::MsiMessage{0x1'FEE04000, 0x4055}));
  EXPECT_TRUE(rig.vectors.masked(v(1)));
  rig.vectors.write_table(28, 0xFFFFFFFE);
  EXPECT_FALSE(rig.vectors.masked(v(1)));
  rig.vectors.write_table(28, 1);
  EXPECT_TRUE(rig.vectors.masked(v(1)));
  EXPECT_EQ(rig.vectors.message(v(0)), x86::MsiMessage{});
}

TEST(FunctionVectors, TheTableReadsAsItWasWritten) {
  VectorRig rig({Attach::Emulated, RoutePolicy::Eager, 2});
  rig.vectors.write_table(16, 0xFEE0300C);
  rig.vectors.write_table(20, 0x1);
  rig.vectors.write_table(24, 0x4055);
  EXPECT_EQ(rig.vectors.read_table(16), 0xFEE0300Cu);
  EXPECT_EQ(rig.vectors.read_table(20), 1u);
  EXPECT_EQ(rig.vectors.read_table(24), 0x4055u);
  EXPECT_EQ(rig.vectors.read_table(28), 1u);
  EXPECT_EQ(rig.vectors.read_table(8), 0u);
  rig.vectors.write_table(28, 0);
  rig.vectors.set_function_mask(Mask::On);
  EXPECT_EQ(rig.vectors.read_table(28), 0u) << "the vector's own mask bit";
  EXPECT_EQ(rig.vectors.read_table(32), 0u);
  EXPECT_EQ(rig.vectors.read_table(44), 0u) << "beyond the table";
}

TEST(FunctionVectors, WhatLiesBeyondTheTableIsNoVector) {
  VectorRig rig({Attach::Emulated, RoutePolicy::Eager, 2});
  rig.vectors.write_table(32, 1);
  rig.vectors.set_message(v(2), kA);
  rig.vectors.set_mask(v(2), Mask::Off);
  rig.vectors.use(v(2));
  rig.vectors.release(v(2));
  EXPECT_EQ(rig.settle(), "");
  EXPECT_EQ(rig.vectors.carrier(v(2)), Carrier::Nobody);
  EXPECT_TRUE(rig.vectors.masked(v(2)));
}

TEST(FunctionVectors, AVectorIsMaskedByItsOwnBitOrTheFunctions) {
  VectorRig rig({Attach::Emulated, RoutePolicy::Eager, 2});
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_FALSE(rig.vectors.masked(v(0)));
  rig.vectors.set_function_mask(Mask::On);
  EXPECT_TRUE(rig.vectors.masked(v(0)));
  rig.vectors.set_function_mask(Mask::Off);
  EXPECT_FALSE(rig.vectors.masked(v(0)));
  EXPECT_TRUE(rig.vectors.masked(v(1)));
}

TEST(FunctionVectors, EagerMakesAllRoutesOfAFunctionWithOneCall) {
  VectorRig rig({Attach::Vhost, RoutePolicy::Eager, 3});
  for (std::uint16_t n = 0; n < 3; ++n) rig.vectors.use(v(n));
  rig.vectors.set_message(v(0), kA);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(),
            "handler 0, handler 1, handler 2, commit, assign 0@24, irqfd 0, assign 1@25, "
            "assign 2@26");
  EXPECT_EQ(rig.table.counters().commits, 1u);
  EXPECT_EQ(rig.delivers(0), kA);
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Irqfd);
  EXPECT_EQ(rig.vectors.carrier(v(1)), Carrier::Handler) << "masked";
  EXPECT_EQ(rig.vectors.gsi(v(1)), Gsi{25});
  EXPECT_TRUE(rig.vectors.irqfd(v(1)));
}

TEST(FunctionVectors, OnUnmaskAVectorGetsItsRouteWhenItIsUnmaskedFirst) {
  VectorRig rig({Attach::Vhost, RoutePolicy::OnUnmask, 3});
  for (std::uint16_t n = 0; n < 3; ++n) rig.vectors.use(v(n));
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0, handler 1, handler 2");
  rig.vectors.set_message(v(1), kB);
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.set_mask(v(1), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit, assign 1@24, irqfd 1");
  EXPECT_EQ(rig.delivers(1), kB);
  rig.vectors.set_mask(v(1), Mask::On);
  EXPECT_EQ(rig.settle(), "handler 1");
  EXPECT_EQ(rig.vectors.gsi(v(1)), Gsi{24}) << "it keeps it";
  rig.vectors.set_mask(v(1), Mask::Off);
  EXPECT_EQ(rig.settle(), "irqfd 1");
  EXPECT_EQ(rig.table.counters().commits, 1u);
}

TEST(FunctionVectors, OnDemandNoVectorHasARoute) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::OnDemand);
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Handler);
  EXPECT_EQ(rig.vectors.gsi(v(0)), std::nullopt);
  EXPECT_EQ(rig.table.counters().commits, 0u);
}

TEST(FunctionVectors, MaskingTakesTheIrqfdOfAnEmulatedFunctionAway) {
  VectorRig rig = running(Attach::Emulated, RoutePolicy::Eager);
  rig.vectors.set_mask(v(0), Mask::On);
  EXPECT_EQ(rig.settle(), "handler 0, deassign 0@24");
  EXPECT_EQ(rig.vectors.gsi(v(0)), Gsi{24});
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "assign 0@24, irqfd 0");
  EXPECT_EQ(rig.table.counters().commits, 1u);
}

TEST(FunctionVectors, MaskingLeavesTheIrqfdOfOthers) {
  for (const Attach attach : {Attach::Vhost, Attach::Assigned}) {
    VectorRig rig = running(attach, RoutePolicy::OnUnmask);
    rig.vectors.set_mask(v(0), Mask::On);
    EXPECT_EQ(rig.settle(), "handler 0");
    EXPECT_TRUE(rig.vectors.irqfd(v(0)));
    rig.vectors.set_mask(v(0), Mask::Off);
    EXPECT_EQ(rig.settle(), "irqfd 0");
  }
}

TEST(FunctionVectors, TheFunctionMaskMasksAllItsVectors) {
  VectorRig rig = running(Attach::Emulated, RoutePolicy::Eager);
  rig.vectors.set_function_mask(Mask::On);
  EXPECT_EQ(rig.settle(), "handler 0, deassign 0@24, handler 1, deassign 1@25");
  rig.vectors.set_function_mask(Mask::Off);
  EXPECT_EQ(rig.settle(), "assign 0@24, irqfd 0, assign 1@25, irqfd 1");
}

// kvmtool 6518065aeb6c: an MSI that was written again after its route had been made.
TEST(FunctionVectors, AMessageThatIsWrittenAfterTheRouteWasMadeReachesTheKernel) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.vectors.write_table(8, 0x77);
  EXPECT_EQ(rig.settle(), "commit");
  EXPECT_EQ(rig.delivers(0), (x86::MsiMessage{0xFEE00000, 0x77}));
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Irqfd);
}

TEST(FunctionVectors, AMessageThatIsWrittenUnderTheMaskReachesTheKernelBeforeAnySignalDoes) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.vectors.set_mask(v(0), Mask::On);
  rig.vectors.set_message(v(0), kC);
  EXPECT_EQ(rig.settle(), "handler 0");
  EXPECT_EQ(rig.delivers(0), kA);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "commit, irqfd 0");
  EXPECT_EQ(rig.delivers(0), kC);

  VectorRig emulated = running(Attach::Emulated, RoutePolicy::Eager);
  emulated.vectors.set_mask(v(0), Mask::On);
  emulated.vectors.set_message(v(0), kC);
  EXPECT_EQ(emulated.settle(), "handler 0, deassign 0@24");
  emulated.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(emulated.settle(), "commit, assign 0@24, irqfd 0");
}

TEST(FunctionVectors, TheSameMessageAgainNeedsNoCall) {
  VectorRig rig = running(Attach::Assigned, RoutePolicy::Eager);
  rig.vectors.set_mask(v(0), Mask::On);
  rig.vectors.set_message(v(0), kA);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "") << "nobody looked while it was masked";
}

TEST(FunctionVectors, AVectorThatIsReleasedGivesUpIrqfdAndGsiInThisOrder) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::Eager);
  rig.vectors.release(v(0));
  const auto duty = rig.vectors.next(rig.table);
  ASSERT_TRUE(duty);
  EXPECT_EQ(duty->duty, Duty::Deassign);
  EXPECT_EQ(duty->gsi, Gsi{24});
  EXPECT_EQ(rig.table.gsis().bound(), 2u) << "while its irqfd is there";
  EXPECT_EQ(rig.settle(), "deassign 0@24");
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Nobody);
  EXPECT_EQ(rig.vectors.gsi(v(0)), std::nullopt);
  EXPECT_EQ(rig.table.gsis().bound(), 1u);
  rig.vectors.use(v(2));
  EXPECT_EQ(rig.settle(), "handler 2, commit, assign 2@24");
}

TEST(FunctionVectors, SeveralQueuesMayUseOneVector) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::Eager);
  rig.vectors.use(v(0));
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.release(v(0));
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.release(v(0));
  EXPECT_EQ(rig.settle(), "deassign 0@24");
  rig.vectors.release(v(0));
  EXPECT_EQ(rig.settle(), "");
}

// QEMU ec89f7926ff2, a242fe304b3c: the device is stopped, and reset, and started; the guest writes
// and unmasks a vector that nobody uses yet, and only then a queue gets it.
TEST(FunctionVectors, UnmaskingAVectorThatWasReleasedTouchesNoIrqfd) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::OnUnmask);
  rig.vectors.release(v(0));
  rig.vectors.release(v(1));
  EXPECT_EQ(rig.settle(), "deassign 0@24, deassign 1@25");
  rig.vectors.reset();
  rig.vectors.enable();
  rig.vectors.set_message(v(0), kC);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "");
  EXPECT_EQ(rig.table.counters().commits, 1u) << "of the first start";
  rig.vectors.use(v(0));
  EXPECT_EQ(rig.settle(), "handler 0, commit, assign 0@24, irqfd 0");
  EXPECT_EQ(rig.delivers(0), kC);
}

TEST(FunctionVectors, ResetTakesEverythingAway) {
  VectorRig rig = running(Attach::Vhost, RoutePolicy::Eager);
  rig.vectors.set_function_mask(Mask::On);
  rig.settle();
  rig.vectors.reset();
  EXPECT_EQ(rig.settle(), "deassign 0@24, deassign 1@25");
  EXPECT_FALSE(rig.vectors.enabled());
  EXPECT_EQ(rig.vectors.message(v(0)), x86::MsiMessage{});
  EXPECT_EQ(rig.table.gsis().bound(), 0u);
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_FALSE(rig.vectors.masked(v(0))) << "the function mask is off";
  EXPECT_TRUE(rig.vectors.masked(v(1)));
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "") << "nobody uses a vector";
}

TEST(FunctionVectors, VectorsOfAnAssignedFunctionAreInUseAsLongAsMessagesAreEnabled) {
  VectorRig rig({Attach::Assigned, RoutePolicy::Eager, 1});
  rig.vectors.set_message(v(0), kA);
  rig.vectors.set_mask(v(0), Mask::Off);
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0, commit, assign 0@24, irqfd 0");
  rig.vectors.disable();
  EXPECT_EQ(rig.settle(), "deassign 0@24");
  EXPECT_EQ(rig.vectors.carrier(v(0)), Carrier::Nobody);
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0, commit, assign 0@24, irqfd 0");
}

// QEMU 6d17a018d098: messages cannot be enabled without a vector, so one that the guest has not
// written serves; it must have no route. After error recovery the real ones have.
TEST(FunctionVectors, TheVectorThatOnlyEnablesMessagesStaysWithTheHandler) {
  VectorRig rig({Attach::Assigned, RoutePolicy::OnUnmask, 2});
  for (int times = 0; times < 2; ++times) {
    rig.vectors.enable();
    EXPECT_EQ(rig.settle(), "handler 0, handler 1");
    EXPECT_EQ(rig.vectors.gsi(v(0)), std::nullopt);
    EXPECT_EQ(rig.table.gsis().bound(), 0u);
    const x86::MsiMessage message = times == 0 ? kB : kC;
    rig.vectors.set_message(v(1), message);
    rig.vectors.set_mask(v(1), Mask::Off);
    EXPECT_EQ(rig.settle(), "commit, assign 1@24, irqfd 1");
    EXPECT_EQ(rig.delivers(1), message);
    rig.vectors.reset();
    EXPECT_EQ(rig.settle(), "deassign 1@24");
  }
}

TEST(FunctionVectors, OnUnmaskForgetsWithMessagesOffThatAVectorWasUnmasked) {
  VectorRig rig({Attach::Assigned, RoutePolicy::OnUnmask, 1});
  rig.vectors.set_mask(v(0), Mask::Off);
  EXPECT_EQ(rig.settle(), "");
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0, commit, assign 0@24, irqfd 0");
  rig.vectors.disable();
  rig.settle();
  rig.vectors.set_mask(v(0), Mask::On);
  rig.vectors.enable();
  EXPECT_EQ(rig.settle(), "handler 0");
  EXPECT_EQ(rig.vectors.gsi(v(0)), std::nullopt);
}

}  // namespace
}  // namespace irqfab::vmm::test
