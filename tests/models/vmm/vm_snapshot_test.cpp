// A whole VM is a value: copied at any moment of its traffic it goes on as the original does, and
// nothing is lost or doubled by it.
#include <gtest/gtest.h>

#include <functional>

#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

struct Cut {
  const char* name;
  Delivery delivery;
  Attach attach;
  RoutePolicy policy;
  kvm::IrqchipKind irqchip;
  std::uint32_t gsis;
};
void PrintTo(const Cut& cut, std::ostream* out) { *out << cut.name; }

VmmRig::Options options_of(const Cut& cut) {
  VmmRig::Options options;
  options.delivery = cut.delivery;
  options.attach = cut.attach;
  options.policy = cut.policy;
  options.irqchip = cut.irqchip;
  options.gsis = cut.gsis;
  options.functions = 2;
  options.vcpus = 2;
  options.host_cpus = 4;
  return options;
}

/// What is raised, masked and called next; one of them every few steps.
void disturb(VmmRig& rig, unsigned n) {
  rig.raise(n % 2, static_cast<std::uint16_t>(n / 2 % 2));
  switch (n % 8) {
    case 1:
      return rig.mask(0, 1, Mask::On);
    case 3:
      return rig.call(VmmCall::UpdateRoutes, 0, 0);
    case 5:
      return rig.mask(0, 1, Mask::Off);
    case 6:
      return rig.driver_reads(1, 8);
    default:
      return;
  }
}

std::vector<std::uint64_t> story(const VmmRig& rig, std::size_t from) {
  std::vector<std::uint64_t> told;
  for (std::size_t i = from; i < rig.records.size(); ++i) {
    const Happened& h = rig.records[i];
    told.insert(told.end(), {h.time, static_cast<std::uint64_t>(h.event), raw(h.span), h.detail});
  }
  return told;
}

bool equal(const VmmRig& a, const VmmRig& b) {
  return a.host == b.host && a.vcpus == b.vcpus && a.functions == b.functions;
}

class VmSnapshot : public testing::TestWithParam<Cut> {};

// G1, G2: at each cut every interrupt that has begun is in one place or has ended, once.
TEST_P(VmSnapshot, GoesOnAsTheOriginalDid) {
  VmmRig rig(options_of(GetParam()));
  for (unsigned n = 0; n < 40; ++n) {
    SCOPED_TRACE(n);
    disturb(rig, n);
    rig.run_for(700 + 37 * n);
    EXPECT_EQ(rig.found(), rig.in_flight());
    const VmmRig saved = rig;
    EXPECT_TRUE(equal(saved, rig));
    VmmRig again = saved;
    again.run_for(6'000);
    VmmRig once_more = saved;
    once_more.run_for(2'345);
    once_more.run_for(6'000 - 2'345);
    EXPECT_TRUE(equal(again, once_more));
    EXPECT_EQ(story(again, saved.records.size()), story(once_more, saved.records.size()));
    EXPECT_EQ(again.found(), again.in_flight());
    EXPECT_EQ(again.found(), once_more.found());
    if (again.records.size() > saved.records.size()) {
      EXPECT_FALSE(equal(again, saved)) << "what has happened makes a difference";
    }
  }
  rig.mask(0, 1, Mask::Off);
  rig.run_for(3'000'000);
  EXPECT_TRUE(rig.in_flight().empty());
  std::uint64_t ended = 0;
  for (const auto& [event, count] : rig.ends) ended += count;
  EXPECT_EQ(ended, rig.asserted);
  EXPECT_EQ(rig.count(Event::Dropped), 0u);
}

constexpr auto kFull = kvm::IrqchipKind::Full, kSplit = kvm::IrqchipKind::Split;
constexpr Cut kCuts[] = {
    {"Emulated", Delivery::Irqfd, Attach::Emulated, RoutePolicy::Eager, kFull, 4096},
    {"Vhost", Delivery::Irqfd, Attach::Vhost, RoutePolicy::OnUnmask, kFull, 4096},
    {"Assigned", Delivery::Irqfd, Attach::Assigned, RoutePolicy::Eager, kFull, 4096},
    {"Split", Delivery::Irqfd, Attach::Vhost, RoutePolicy::Eager, kSplit, 26},
    {"SignalMsi", Delivery::SignalMsi, Attach::Emulated, RoutePolicy::Eager, kFull, 4096},
    {"DynamicRoute", Delivery::DynamicRoute, Attach::Vhost, RoutePolicy::Eager, kFull, 40},
};
INSTANTIATE_TEST_SUITE_P(Cuts, VmSnapshot, testing::ValuesIn(kCuts),
                         [](const auto& cut) { return std::string(cut.param.name); });

// ---- what counts when two VMs are compared

/// Equal until `act`, which is for nothing but the part that it is named after.
void tells_apart(VmmRig::Options options, const std::function<void(VmmRig&)>& act) {
  VmmRig rig(options);
  const VmmRig before = rig;
  act(rig);
  EXPECT_FALSE(rig.host == before.host);
}

TEST(VmEquality, TellsWhatWaitsForAThread) {
  tells_apart({}, [](VmmRig& rig) {
    rig.sends(VmHost::kDevices, make_span(SourceId{0}, 0));
    rig.run_for(0);
  });
}

TEST(VmEquality, TellsTheMaskOfAVector) {
  VmmRig masked(VmmRig::Options{}), other(VmmRig::Options{});
  masked.driver_writes(0, 12, 1);  // Vector Control of vector 0, PCI Local Bus 3.0, 6.8.2.9
  other.driver_writes(0, 12, 0);
  masked.run_for(200'000);
  other.run_for(200'000);
  EXPECT_FALSE(masked.host.vmm() == other.host.vmm());
}

TEST(VmEquality, TellsTheMessageOfAVector) {
  VmmRig changed(VmmRig::Options{}), other(VmmRig::Options{});
  changed.driver_writes(0, 8, 0x77);  // Message Data
  other.driver_writes(0, 8, message(0, 0).data);
  changed.run_for(200'000);
  other.run_for(200'000);
  EXPECT_FALSE(changed.host.vmm() == other.host.vmm());
}

TEST(VmEquality, TellsTheRoutesThatWereMadeOnDemand) {
  VmmRig::Options options;
  options.delivery = Delivery::DynamicRoute;
  VmmRig first(options), second(options);
  first.raise(0, 0);
  second.raise(0, 1);
  first.run_for(200'000);
  second.run_for(200'000);
  EXPECT_FALSE(first.host.vmm() == second.host.vmm());
}

TEST(VmEquality, TellsTheEntriesOfTheVmmsIoapicAndTheLevelOfItsPins) {
  VmmRig::Options options;
  options.irqchip = kvm::IrqchipKind::Split;
  options.intx = Gsi{17};
  VmmRig written(options), raised(options);
  const VmmRig before = written;
  written.driver_selects_and_writes(0x10 + 2 * 17, 0x62 | 1u << 16);  // masked: no route changes
  written.run_for(200'000);
  EXPECT_FALSE(written.host.vmm() == before.host.vmm());
  raised.raise_line(0);
  raised.run_for(200'000);
  EXPECT_FALSE(raised.host.vmm() == before.host.vmm());
}

TEST(VmEquality, DoesNotTellWhatHasOnlyBeenCounted) {
  VmmRig rig(VmmRig::Options{});
  rig.call(VmmCall::UpdateRoutes, 0, 0);  // the thread remembers what it did last
  rig.run_for(500'000);
  const VmmRig before = rig;
  rig.call(VmmCall::UpdateRoutes, 0, 0);
  rig.run_for(500'000);
  EXPECT_EQ(rig.host.vmm().routes().counters().commits,
            before.host.vmm().routes().counters().commits + 1);
  EXPECT_TRUE(rig.host.vmm() == before.host.vmm());
}

}  // namespace
}  // namespace irqfab::vmm::test
