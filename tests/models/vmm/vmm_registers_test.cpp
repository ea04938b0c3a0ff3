// Accesses of vCPUs to the registers of devices, and what the VMM does with routes and irqfds for
// them.
#include <gtest/gtest.h>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;
using Events = std::vector<Event>;

constexpr std::uint64_t kData = 8;            // of an entry of the MSI-X table
constexpr std::uint64_t kVectorControl = 12;  // PCI Local Bus 3.0, 6.8.2.9

VmmRig::Options attached(Attach attach) {
  VmmRig::Options options;
  options.attach = attach;
  return options;
}

/// The details of what happened to the span, by event.
std::vector<std::uint64_t> details(const VmmRig& rig, Event event, SpanId span) {
  std::vector<std::uint64_t> found;
  for (const Happened& h : rig.records) {
    if (h.event == event && h.span == span) found.push_back(h.detail);
  }
  return found;
}

/// Events of no interrupt, without the guest's and what comes with every call.
Events work(const VmmRig& rig) {
  Events events;
  for (const Happened& h : rig.records) {
    const bool told = h.event == E::UserExited || h.event == E::DeviceModelled ||
                      h.event == E::RoutesUpdated || h.event == E::IrqfdAssigned ||
                      h.event == E::IrqfdDeassigned;
    if (told && h.span == kNoSpan) events.push_back(h.event);
  }
  return events;
}

TEST(VmmRegisters, AnAccessOfTheDriverMakesVcpu0ExitToTheVmm) {
  VmmRig rig(VmmRig::Options{});
  rig.mask(0, 1, Mask::On);
  rig.run_for(100'000);
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 1u);
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{1}).mask, Mask::On);
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{0}).mask, Mask::Off);
  EXPECT_TRUE(rig.host.vmm().vectors(0).masked(VectorIndex{1}));
}

TEST(VmmRegisters, AnAccessOfTheDriverIsNoWorkForTheHandlerThatItInterrupts) {
  VmmRig rig(VmmRig::Options{});
  const SpanId span = rig.raise(0, 1);
  while (rig.count(E::HandlerEntered, span) == 0) rig.run_for(10);
  rig.mask(0, 1, Mask::On);
  rig.run_for(100'000);
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 1u);
  EXPECT_EQ(rig.count(E::UserExited, span), 0u);
  EXPECT_EQ(rig.count(E::VcpuEntered, span), 2u);  // with it, and back to its handler
}

TEST(VmmRegisters, EachAccessIsAnExitOfItsOwnAndTheyKeepTheirOrder) {
  VmmRig rig(VmmRig::Options{});
  rig.driver_writes(0, kData, 0x51);
  rig.driver_writes(0, kData, 0x52);
  rig.driver_writes(0, kData, 0x53);
  rig.run_for(100'000);
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 3u);
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{0}).data, 0x53u);
  EXPECT_EQ(rig.host.vmm().vectors(0).message(VectorIndex{0}).data, 0x53u);
}

TEST(VmmRegisters, AReadIsAnsweredByTheFunction) {
  VmmRig rig(VmmRig::Options{});
  rig.driver_reads(0, 16 + kData);
  rig.run_for(100'000);
  ASSERT_TRUE(rig.answer_to_driver);
  EXPECT_EQ(rig.answer_to_driver->status, BusStatus::Ok);
  EXPECT_EQ(rig.answer_to_driver->tag, VmmRig::kDriverTag);
  EXPECT_EQ(rig.read_value(), message(0, 1).data);
}

// PCI Local Bus 3.0, 3.3.3.1: a master abort.
TEST(VmmRegisters, WhatNobodyClaimsReadsAsAllOnes) {
  VmmRig rig(VmmRig::Options{});
  rig.driver_reads(1, 0);  // behind the last function
  rig.run_for(100'000);
  ASSERT_TRUE(rig.answer_to_driver);
  EXPECT_EQ(rig.answer_to_driver->status, BusStatus::NoDecode);
  EXPECT_EQ(rig.read_value(), ~std::uint64_t{0});
  EXPECT_EQ(rig.count(E::GuestError), 1u);
}

// ---- emulated: the irqfd goes while a vector is masked

TEST(VmmRegisters, MaskingTakesTheIrqfdOfAnEmulatedDeviceAwayAndUnmaskingBringsItBack) {
  VmmRig rig(attached(Attach::Emulated));
  rig.mask(0, 0, Mask::On);
  rig.run_for(100'000);
  EXPECT_EQ(work(rig), (Events{E::UserExited, E::DeviceModelled, E::IrqfdDeassigned}));
  EXPECT_FALSE(rig.host.vcpus().layer().bound(rig.host.vmm().eventfd({0, VectorIndex{0}})));
  rig.records.clear();
  rig.mask(0, 0, Mask::Off);
  rig.run_for(100'000);
  EXPECT_EQ(work(rig), (Events{E::UserExited, E::DeviceModelled, E::IrqfdAssigned}));
  EXPECT_TRUE(rig.host.vcpus().layer().bound(rig.host.vmm().eventfd({0, VectorIndex{0}})));
  const SpanId span = rig.raise(0, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.count(E::IrqfdRouted, span), 1u);
  EXPECT_EQ(rig.count(E::Handled, span), 1u);
}

TEST(VmmRegisters, WhatIsRaisedWhileMaskedComesOnceItIsUnmasked) {
  for (const Attach attach : {Attach::Emulated, Attach::Vhost}) {
    VmmRig rig(attached(attach));
    rig.mask(0, 0, Mask::On);
    rig.run_for(100'000);
    const SpanId first = rig.raise(0, 0);
    const SpanId second = rig.raise(0, 0);
    rig.run_for(100'000);
    EXPECT_EQ(rig.count(E::Handled), 0u);
    EXPECT_EQ(rig.count(E::Coalesced, second), 1u);
    EXPECT_EQ(rig.in_flight(), std::vector<SpanId>{first});
    EXPECT_EQ(rig.found(), rig.in_flight());
    rig.mask(0, 0, Mask::Off);
    rig.run_for(100'000);
    // The irqfd was there before the function could send.
    EXPECT_EQ(rig.count(E::IrqfdRouted, first), 1u);
    EXPECT_EQ(rig.count(E::Handled, first), 1u);
  }
}

// A18: a message that is changed is that of the route once the vector is unmasked.
TEST(VmmRegisters, WhatIsRaisedWhileTheFunctionIsMaskedComesOnceItIsNot) {
  VmmRig rig(attached(Attach::Emulated));
  rig.driver_sets_control(0, pci::kMsixEnable | pci::kMsixFunctionMask);
  rig.run_for(200'000);
  const SpanId span = rig.raise(0, 1);
  rig.run_for(200'000);
  EXPECT_TRUE(details(rig, E::Accepted, span).empty());
  rig.driver_sets_control(0, pci::kMsixEnable);
  rig.run_for(200'000);
  EXPECT_EQ(details(rig, E::Accepted, span), std::vector<std::uint64_t>{kFirstVector + 1});
  EXPECT_TRUE(rig.in_flight().empty());
}

TEST(VmmRegisters, AMessageChangedWhileMaskedIsThatOfTheRouteBeforeTheFunctionSends) {
  for (const Attach attach : {Attach::Emulated, Attach::Vhost}) {
    VmmRig rig(attached(attach));
    rig.mask(0, 0, Mask::On);
    rig.driver_writes(0, kData, 0x4077);
    rig.run_for(200'000);
    const SpanId span = rig.raise(0, 0);
    rig.run_for(100'000);
    rig.mask(0, 0, Mask::Off);
    rig.run_for(200'000);
    EXPECT_EQ(details(rig, E::Accepted, span), std::vector<std::uint64_t>{0x77});
    EXPECT_EQ(rig.count(E::IrqfdRouted, span), 1u);
    EXPECT_EQ(rig.host.vmm().routes().counters().commits, 2u);  // at first, and for this
  }
}

TEST(VmmRegisters, AMessageChangedWithoutMaskingIsThatOfTheRouteAfterTheExit) {
  VmmRig rig(attached(Attach::Vhost));
  rig.driver_writes(0, kData, 0x4077);
  rig.run_for(200'000);
  const SpanId span = rig.raise(0, 0);
  rig.run_for(200'000);
  EXPECT_EQ(details(rig, E::Accepted, span), std::vector<std::uint64_t>{0x77});
}

TEST(VmmRegisters, AWriteOf64BitsIsTwoOf32) {
  VmmRig rig(attached(Attach::Vhost));
  rig.driver_writes(0, kData, 0x1'0000'4078, 8);  // data, and masked
  rig.run_for(200'000);
  EXPECT_TRUE(rig.host.vmm().vectors(0).masked(VectorIndex{0}));
  EXPECT_EQ(rig.host.vmm().vectors(0).message(VectorIndex{0}).data, 0x4078u);
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{0}).mask, Mask::On);
  rig.driver_writes(0, kData, 0x4079, 8);  // and unmasked
  rig.run_for(200'000);
  EXPECT_FALSE(rig.host.vmm().vectors(0).masked(VectorIndex{0}));
  const SpanId span = rig.raise(0, 0);
  rig.run_for(200'000);
  EXPECT_EQ(details(rig, E::Accepted, span), std::vector<std::uint64_t>{0x79});
}

// PCI Local Bus 3.0, 6.8.2: aligned DWORDs and QWORDs.
TEST(VmmRegisters, AnAccessOfAnotherSizeChangesNothing) {
  VmmRig rig(attached(Attach::Vhost));
  rig.driver_writes(0, kVectorControl, 1, 2);
  rig.driver_writes(0, kVectorControl + 2, 1, 4);
  rig.run_for(200'000);
  EXPECT_FALSE(rig.host.vmm().vectors(0).masked(VectorIndex{0}));
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{0}).mask, Mask::Off);
}

// ---- vhost and assigned: the irqfd stays

TEST(VmmRegisters, MaskingLeavesTheIrqfdOfVhost) {
  VmmRig rig(attached(Attach::Vhost));
  rig.mask(0, 0, Mask::On);
  rig.run_for(100'000);
  EXPECT_EQ(work(rig), (Events{E::UserExited, E::DeviceModelled}));
  EXPECT_TRUE(rig.host.vcpus().layer().bound(rig.host.vmm().eventfd({0, VectorIndex{0}})));
}

TEST(VmmRegisters, AnAssignedFunctionsTableIsTheHostsAndTheGuestsIsTheVmms) {
  VmmRig rig(attached(Attach::Assigned));
  const std::uint32_t hosts = rig.functions.entry(FunctionRow{0}, VectorIndex{0}).data;
  rig.driver_writes(0, kData, 0x4077);
  rig.run_for(200'000);
  EXPECT_EQ(rig.functions.entry(FunctionRow{0}, VectorIndex{0}).data, hosts);
  rig.driver_reads(0, kData);
  rig.run_for(100'000);
  EXPECT_EQ(rig.read_value(), 0x4077u);
  const SpanId span = rig.raise(0, 0);
  rig.run_for(100'000);
  EXPECT_EQ(details(rig, E::HostInterrupted, span), std::vector<std::uint64_t>{kHostVector});
  EXPECT_EQ(details(rig, E::Accepted, span), std::vector<std::uint64_t>{0x77});
}

TEST(VmmRegisters, VectorControlReadsAsItsOwnMaskBitWhateverMasksTheFunction) {
  VmmRig rig(attached(Attach::Assigned));
  rig.driver_sets_control(0, pci::kMsixEnable | pci::kMsixFunctionMask);
  rig.driver_reads(0, kVectorControl);
  rig.run_for(200'000);
  EXPECT_EQ(rig.read_value(), 0u);
  rig.driver_writes(0, kVectorControl, 1);
  rig.driver_reads(0, kVectorControl);
  rig.run_for(200'000);
  EXPECT_EQ(rig.read_value(), 1u);
}

TEST(VmmRegisters, AnAssignedFunctionsDeviceRegistersAreReachedWithoutAnExit) {
  VmmRig::Options options = attached(Attach::Assigned);
  VmmRig rig(options);
  rig.vcpu_reads(0, 0, pci::kDeviceRegisterOffset);
  rig.run_for(100'000);
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 0u);
  EXPECT_EQ(rig.count(E::DeviceRead), 1u);
  VmmRig emulated(attached(Attach::Emulated));
  emulated.vcpu_reads(0, 0, pci::kDeviceRegisterOffset);
  emulated.run_for(100'000);
  EXPECT_EQ(emulated.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 1u);
  EXPECT_EQ(emulated.count(E::DeviceRead), 1u);
}

// ---- on demand of nobody's access

TEST(VmmRegisters, ARouteUpdateCommitsTheWholeTable) {
  VmmRig rig(VmmRig::Options{});
  rig.call(VmmCall::UpdateRoutes, 0, 1);
  rig.run_for(100'000);
  EXPECT_EQ(rig.host.vmm().routes().counters().commits, 2u);
  const auto updates = details(rig, E::RoutesUpdated, kNoSpan);
  EXPECT_EQ(updates, std::vector<std::uint64_t>{38 + 2});  // a PC's, and two vectors'
}

TEST(VmmRegisters, AnIrqfdIsReleasedAndBoundOnDemand) {
  for (const Attach attach : {Attach::Emulated, Attach::Vhost}) {
    VmmRig rig(attached(attach));
    rig.call(VmmCall::ReleaseIrqfd, 0, 1);
    rig.run_for(100'000);
    EXPECT_FALSE(rig.host.vcpus().layer().bound(rig.host.vmm().eventfd({0, VectorIndex{1}})));
    const SpanId without = rig.raise(0, 1);
    rig.run_for(100'000);
    EXPECT_EQ(rig.count(E::IrqfdRouted, without), 0u);
    EXPECT_EQ(rig.count(E::MsiInjected, without), 1u);
    EXPECT_EQ(rig.count(E::Handled, without), 1u);
    rig.call(VmmCall::BindIrqfd, 0, 1);
    rig.run_for(200'000);
    const SpanId with = rig.raise(0, 1);
    rig.run_for(100'000);
    EXPECT_EQ(rig.count(E::IrqfdRouted, with), 1u);
    EXPECT_EQ(rig.count(E::Handled, with), 1u);
  }
}

TEST(VmmRegisters, CallsForWhatDoesNotExistAreNobodys) {
  VmmRig rig(VmmRig::Options{});
  rig.call(VmmCall::UpdateRoutes, 5, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.count(E::GuestError), 1u);
  EXPECT_EQ(rig.host.vmm().routes().counters().commits, 1u);
}

}  // namespace
}  // namespace irqfab::vmm::test
