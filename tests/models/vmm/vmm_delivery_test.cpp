// Each way of a message from a device to a vCPU that sleeps, event by event, and once.
#include <gtest/gtest.h>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;
using Events = std::vector<Event>;

Events operator+(Events a, const Events& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Ends of every way: the vCPU is woken, takes the interrupt at its entry, and ends it.
const Events kIntoTheGuest = {E::TaskWoken, E::TaskSwitched, E::VcpuLoaded, E::PirSynced,
                              E::Pended,    E::VcpuEntered,  E::Accepted,   E::HandlerEntered};
const Events kToTheEnd = {E::HandlerStep, E::EoiWritten, E::EoiVirtualized, E::Handled};
// Beginnings: in a thread of the VMM's or of vhost's, or in the host's handler.
const Events kByThread = {E::Asserted, E::MsiSent, E::TaskWoken, E::TaskSwitched};
const Events kByHost = {E::Asserted, E::MsiSent, E::HostInterrupted};
// Between them.
const Events kFastPath = {E::EventfdSignalled, E::RouteLookedUp, E::IrqfdRouted};
const Events kIntoMainLoop = {E::EventfdSignalled, E::TaskSwitched, E::SyscallEntered,
                              E::SyscallReturned};
const Events kSignalMsi = {E::SyscallEntered, E::MsiInjected};
const Events kNewRoute = {E::RouteSought,    E::SyscallEntered, E::RoutesCopied,
                          E::GracePeriod,    E::RoutesUpdated,  E::SyscallReturned,
                          E::SyscallEntered, E::RouteLookedUp,  E::MsiInjected};
const Events kKnownRoute = {E::RouteSought, E::SyscallEntered, E::RouteLookedUp, E::MsiInjected};

VmmRig::Options with(Attach attach, Delivery delivery) {
  VmmRig::Options options;
  options.attach = attach;
  options.delivery = delivery;
  if (delivery == Delivery::Userspace) {
    options.home = kvm::ApicHome::User;
    options.virtualization = x86::Virtualization::None;
  }
  return options;
}

void expect_way(Attach attach, Delivery delivery, const Events& way) {
  VmmRig rig(with(attach, delivery));
  const SpanId span = rig.raise(0, 1);
  rig.run_for(100'000);
  EXPECT_EQ(rig.story(span), way + kIntoTheGuest + kToTheEnd);
  EXPECT_EQ(rig.handled(), 1u);
  EXPECT_EQ(rig.asserted, 1u);
  EXPECT_EQ(rig.found(), rig.in_flight());
  EXPECT_TRUE(rig.host.vcpus().layer().faults().empty());
  EXPECT_TRUE(rig.host.machine().violations().empty());
}

// api.rst, KVM_IRQFD; the message is injected where the eventfd is signalled.
TEST(VmmDelivery, AnEmulatedDevicesThreadWritesTheEventfd) {
  expect_way(Attach::Emulated, Delivery::Irqfd, kByThread + Events{E::SyscallEntered} + kFastPath);
}

TEST(VmmDelivery, AWorkerOfVhostSignalsTheEventfdWithoutACall) {
  expect_way(Attach::Vhost, Delivery::Irqfd, kByThread + kFastPath);
}

TEST(VmmDelivery, AnAssignedFunctionInterruptsTheHostFirst) {
  expect_way(Attach::Assigned, Delivery::Irqfd, kByHost + kFastPath);
}

TEST(VmmDelivery, AnEmulatedDevicesThreadCallsKvmSignalMsi) {
  expect_way(Attach::Emulated, Delivery::SignalMsi, kByThread + kSignalMsi);
}

TEST(VmmDelivery, TheMainLoopCallsForWhatTheKernelSignals) {
  expect_way(Attach::Vhost, Delivery::SignalMsi, kByThread + kIntoMainLoop + kSignalMsi);
  expect_way(Attach::Assigned, Delivery::SignalMsi, kByHost + kIntoMainLoop + kSignalMsi);
}

/// Of the eventfd for the signal and for the read, and the big lock.
TEST(VmmDelivery, TheMainLoopsLocksAreThoseOfTheInterruptThatItReads) {
  VmmRig rig(with(Attach::Vhost, Delivery::SignalMsi));
  const SpanId span = rig.raise(0, 1);
  rig.run_for(100'000);
  EXPECT_EQ(rig.count(E::LockAcquired, span), 3u);
}

TEST(VmmDelivery, ARouteIsMadeForTheFirstMessage) {
  expect_way(Attach::Emulated, Delivery::DynamicRoute, kByThread + kNewRoute);
  expect_way(Attach::Vhost, Delivery::DynamicRoute, kByThread + kIntoMainLoop + kNewRoute);
  expect_way(Attach::Assigned, Delivery::DynamicRoute, kByHost + kIntoMainLoop + kNewRoute);
}

TEST(VmmDelivery, TheSecondMessageFindsTheRoute) {
  VmmRig rig(with(Attach::Emulated, Delivery::DynamicRoute));
  rig.raise(0, 1);
  rig.run_for(100'000);
  const SpanId second = rig.raise(0, 1);
  rig.run_for(100'000);
  EXPECT_EQ(rig.story(second), kByThread + kKnownRoute + kIntoTheGuest + kToTheEnd);
  EXPECT_EQ(rig.host.vmm().dynamic_routes().counters().hits, 1u);
  EXPECT_EQ(rig.host.vmm().dynamic_routes().counters().misses, 1u);
  EXPECT_EQ(rig.host.vmm().routes().counters().commits, 1u);
}

// A kernel without KVM_SIGNAL_MSI needs no irqfd for routes on demand either.
TEST(VmmDelivery, RoutesOnDemandInPlaceOfIrqfds) {
  VmmRig::Options options;
  options.policy = RoutePolicy::OnDemand;
  VmmRig rig(options);
  const SpanId span = rig.raise(0, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.story(span), kByThread + kNewRoute + kIntoTheGuest + kToTheEnd);
}

TEST(VmmDelivery, WithLocalApicsInUserSpaceNoCallInjects) {
  const Events injected = {E::Pended,       E::VcpuSignalled, E::TaskWoken,
                           E::TaskSwitched, E::VcpuLoaded,    E::InterruptInjected,
                           E::VcpuEntered,  E::Accepted,      E::HandlerEntered};
  const Events ended = {E::HandlerStep,    E::EoiWritten, E::VmExited, E::UserExited,
                        E::DeviceModelled, E::VcpuLoaded, E::Handled};
  const auto expect = [&](Attach attach, const Events& way) {
    VmmRig rig(with(attach, Delivery::Userspace));
    const SpanId span = rig.raise(0, 1);
    rig.run_for(100'000);
    EXPECT_EQ(rig.story(span), way + injected + ended);
    EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::ApicAccess), 1u);  // EOI
    EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Hlt), 2u);  // before it, and behind
    EXPECT_EQ(rig.found(), rig.in_flight());
  };
  expect(Attach::Emulated, kByThread);
  expect(Attach::Vhost, kByThread + kIntoMainLoop);
  expect(Attach::Assigned, kByHost + kIntoMainLoop);
}

TEST(VmmDelivery, WhatTheVmmDoesItselfItDoesUnderTheBigLock) {
  for (const Delivery delivery :
       {Delivery::SignalMsi, Delivery::DynamicRoute, Delivery::Userspace}) {
    VmmRig rig(with(Attach::Emulated, delivery));
    const SpanId span = rig.raise(0, 1);
    rig.run_for(100'000);
    const auto lock = std::uint64_t{raw(rig.host.vmm().big_lock())};
    const auto of_lock = [&](const Happened& h) {
      return h.event == Event::LockAcquired && h.detail == lock && h.span == span;
    };
    EXPECT_GE(std::count_if(rig.records.begin(), rig.records.end(), of_lock), 1);
    EXPECT_EQ(rig.host.machine().owner(rig.host.vmm().big_lock()), host::kNoTask);
  }
  VmmRig rig(with(Attach::Emulated, Delivery::Irqfd));
  rig.raise(0, 1);
  rig.run_for(100'000);
  const auto lock = std::uint64_t{raw(rig.host.vmm().big_lock())};
  for (const Happened& h : rig.records) {
    EXPECT_FALSE(h.event == Event::LockAcquired && h.detail == lock);
  }
}

TEST(VmmDelivery, TheMessageOfAVectorIsItsOwn) {
  VmmRig::Options options;
  options.functions = 2;
  VmmRig rig(options);
  for (std::uint32_t f = 0; f < 2; ++f) {
    for (std::uint16_t v = 0; v < 2; ++v) {
      const SpanId span = rig.raise(f, v);
      rig.run_for(100'000);
      const auto vector = std::uint64_t{kFirstVector} + 16 * f + v;
      const bool accepted =
          std::any_of(rig.records.begin(), rig.records.end(), [&](const Happened& h) {
            return h.event == Event::Accepted && h.span == span && h.detail == vector;
          });
      EXPECT_TRUE(accepted) << f << ':' << v;
    }
  }
}

TEST(VmmDelivery, AMessageOfNoFunctionIsDropped) {
  VmmRig rig(VmmRig::Options{});
  const SpanId foreign = make_span(SourceId{77}, 0);
  rig.sends(VmHost::kDevices, foreign);
  rig.run_for(1000);
  EXPECT_EQ(rig.ends[Event::Dropped], 1u);
}

}  // namespace
}  // namespace irqfab::vmm::test
