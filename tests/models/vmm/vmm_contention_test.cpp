// Threads of a VM's host in each other's way: who waits for whom, and that nothing falls between.
#include <gtest/gtest.h>

#include "models/base/random.hpp"
#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;

VmmRig::Options two_devices(Attach attach, Delivery delivery) {
  VmmRig::Options options;
  options.attach = attach;
  options.delivery = delivery;
  options.functions = 2;
  options.host_cpus = 4;
  return options;
}

// The lock is handed over in the order of arrival.
TEST(VmmContention, TwoDevicesCallsGoOneAfterTheOtherUnderTheBigLock) {
  VmmRig rig(two_devices(Attach::Emulated, Delivery::SignalMsi));
  const SpanId first = rig.raise(0, 0);
  const SpanId second = rig.raise(1, 0);
  rig.run_for(100'000);
  const Duration call = 150 + 300 + 150;  // entry, injection, return
  EXPECT_GE(rig.when(E::MsiInjected, second), rig.when(E::MsiInjected, first) + call);
  EXPECT_EQ(rig.count(E::Handled), 2u);
}

TEST(VmmContention, TwoDevicesIrqfdsDoNotWaitForEachOther) {
  VmmRig rig(two_devices(Attach::Emulated, Delivery::Irqfd));
  const SpanId first = rig.raise(0, 0);
  const SpanId second = rig.raise(1, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.when(E::IrqfdRouted, second), rig.when(E::IrqfdRouted, first));
  EXPECT_EQ(rig.count(E::Handled), 2u);
}

// In the workqueue's form every injection is the kworkers', of which a host CPU has one.
TEST(VmmContention, TwoDevicesShareOneKworkerOfTheirHostCpu) {
  VmmRig::Options options = two_devices(Attach::Assigned, Delivery::Irqfd);
  options.form = kvm::IrqfdForm::Workqueue;
  VmmRig rig(options);
  const SpanId first = rig.raise(0, 0);
  const SpanId second = rig.raise(1, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.count(E::WorkStarted, first), 1u);
  EXPECT_EQ(rig.count(E::WorkStarted, second), 1u);
  EXPECT_GT(rig.when(E::WorkStarted, second), rig.when(E::MsiInjected, first));
  EXPECT_EQ(rig.count(E::Handled), 2u);
}

TEST(VmmContention, TheMainLoopWaitsForAnExitThatHoldsTheBigLock) {
  VmmRig rig(two_devices(Attach::Vhost, Delivery::SignalMsi));
  rig.call(VmmCall::UpdateRoutes, 0, 0);  // holds it for a grace period
  const SpanId span = rig.raise(0, 0);
  rig.run_for(100'000);
  Time updated = 0;
  for (const Happened& h : rig.records) {
    if (h.event == E::RoutesUpdated) updated = h.time;
  }
  ASSERT_GT(updated, 0u);
  EXPECT_LT(rig.when(E::EventfdSignalled, span), updated);
  EXPECT_GT(rig.when(E::MsiInjected, span), updated);
  EXPECT_EQ(rig.count(E::Handled, span), 1u);
}

// Of an eventfd that is signalled twice before it is read there is one interrupt.
TEST(VmmContention, SignalsThatTheMainLoopHasNotReadAreOneInterrupt) {
  VmmRig rig(two_devices(Attach::Vhost, Delivery::SignalMsi));
  rig.call(VmmCall::UpdateRoutes, 0, 0);
  rig.run_for(1500);
  const SpanId other = rig.raise(1, 0);  // occupies the main loop behind the lock
  rig.run_for(1400);
  const SpanId first = rig.raise(0, 0);
  const SpanId second = rig.raise(0, 0);
  rig.run_for(100'000);
  EXPECT_EQ(rig.count(E::Handled, other), 1u);
  EXPECT_EQ(rig.count(E::Handled, first) + rig.count(E::Handled, second),
            2u - rig.ends[E::Coalesced]);
  EXPECT_EQ(rig.found(), rig.in_flight());
  EXPECT_TRUE(rig.in_flight().empty());
}

TEST(VmmContention, ADevicesMessagesKeepTheirOrder) {
  VmmRig rig(two_devices(Attach::Emulated, Delivery::Irqfd));
  std::vector<SpanId> spans;
  for (std::uint16_t n = 0; n < 6; ++n) spans.push_back(rig.raise(0, n % 2));
  rig.run_for(100'000);
  Time before = 0;
  for (const SpanId span : spans) {
    EXPECT_GT(rig.when(E::EventfdSignalled, span), before);
    before = rig.when(E::EventfdSignalled, span);
  }
}

// ---- at random --------------------------------------------------------------------------------

/// Raises, masks, unmasks, releases, binds and updates at random times. Answers what was recorded.
std::vector<Happened> storm(VmmRig& rig, std::uint64_t seed) {
  Random random(seed, 0);
  for (unsigned n = 0; n < 300; ++n) {
    const auto function = static_cast<std::uint32_t>(random.below(rig.options_.functions));
    const auto vector = static_cast<std::uint16_t>(random.below(rig.options_.vectors));
    switch (random.below(10)) {
      case 0:
        rig.mask(function, vector, Mask::On);
        break;
      case 1:
        rig.mask(function, vector, Mask::Off);
        break;
      case 2:
        rig.call(VmmCall::UpdateRoutes, function, vector);
        break;
      case 3:
        rig.call(VmmCall::ReleaseIrqfd, function, vector);
        break;
      case 4:
        rig.call(VmmCall::BindIrqfd, function, vector);
        break;
      default:
        rig.raise(function, vector);
    }
    rig.run_for(random.below(3000));
    EXPECT_EQ(rig.found(), rig.in_flight()) << "after operation " << n;
    if (testing::Test::HasFailure()) break;
  }
  for (std::uint32_t f = 0; f < rig.options_.functions; ++f) {
    for (std::uint16_t v = 0; v < rig.options_.vectors; ++v) rig.mask(f, v, Mask::Off);
  }
  rig.run_for(10'000'000);
  return rig.records;
}

std::vector<VmmRig::Options> machines() {
  std::vector<VmmRig::Options> all;
  for (const Attach attach : {Attach::Emulated, Attach::Vhost, Attach::Assigned}) {
    for (const Delivery delivery :
         {Delivery::Irqfd, Delivery::SignalMsi, Delivery::DynamicRoute, Delivery::Userspace}) {
      VmmRig::Options options = two_devices(attach, delivery);
      options.vcpus = 2;
      options.host_cpus = 3;
      if (delivery == Delivery::DynamicRoute) {
        options.irqchip = kvm::IrqchipKind::Split;
        options.gsis = 26;  // two are left for four messages
      }
      if (delivery == Delivery::Userspace) {
        options.home = kvm::ApicHome::User;
        options.virtualization = x86::Virtualization::None;
      }
      all.push_back(options);
    }
  }
  all.push_back(two_devices(Attach::Emulated, Delivery::Irqfd));
  all.back().form = kvm::IrqfdForm::Pointer;
  all.push_back(two_devices(Attach::Vhost, Delivery::Irqfd));
  all.back().form = kvm::IrqfdForm::Workqueue;
  all.push_back(two_devices(Attach::Vhost, Delivery::Irqfd));
  all.back().virtualization = x86::Virtualization::None;
  all.push_back(two_devices(Attach::Vhost, Delivery::Irqfd));
  all.back().irqchip = kvm::IrqchipKind::Split;
  all.push_back(two_devices(Attach::Emulated, Delivery::Irqfd));
  all.back().policy = RoutePolicy::OnUnmask;
  return all;
}

// G1, G2: asserted = handled + coalesced + dropped + cancelled, and nothing is ever lost from
// sight.
TEST(VmmContention, NothingIsLostOrDoubledWhateverChangesUnderTraffic) {
  std::size_t machine = 0;
  for (const VmmRig::Options& options : machines()) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE("machine " + std::to_string(machine) + ", seed " + std::to_string(seed));
      VmmRig rig(options);
      storm(rig, seed);
      EXPECT_TRUE(rig.in_flight().empty());
      std::uint64_t ended = 0;
      for (const auto& [how, count] : rig.ends) ended += count;
      EXPECT_EQ(ended, rig.asserted);
      EXPECT_EQ(rig.ends[E::Dropped], 0u);
      EXPECT_EQ(rig.ends[E::Cancelled], 0u);
      EXPECT_TRUE(rig.host.vcpus().layer().faults().empty());
      EXPECT_TRUE(rig.host.machine().violations().empty());
      ASSERT_FALSE(HasFailure());
    }
    ++machine;
  }
}

TEST(VmmContention, TheSameStormIsTheSameTwice) {
  for (const VmmRig::Options& options : machines()) {
    VmmRig one(options);
    VmmRig two(options);
    const auto a = storm(one, 7);
    const auto b = storm(two, 7);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      ASSERT_EQ(a[i].time, b[i].time);
      ASSERT_EQ(a[i].event, b[i].event);
      ASSERT_EQ(a[i].span, b[i].span);
      ASSERT_EQ(a[i].detail, b[i].detail);
    }
  }
}

}  // namespace
}  // namespace irqfab::vmm::test
