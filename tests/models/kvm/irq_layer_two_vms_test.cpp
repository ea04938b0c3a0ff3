// One eventfd and two VMs on one machine: only one of them may bind it.
#include <gtest/gtest.h>

#include <optional>

#include "models/kvm/irq_layer.hpp"
#include "tests/support/layer_rig.hpp"

namespace irqfab::kvm::test {
namespace {

struct TwoVms {
  explicit TwoVms(Mutants mutants) {
    IrqLayer::Config config = LayerRig::plain();
    config.eventfds = {20};
    config.first_program = host::ProgramId{kLayerCalls};
    config.mutants = mutants;
    second.emplace(config, rig.machine);
    rig.other = &*second;
    shared = second->adopt(rig.layer, kFd, rig.machine);
    second->set_routes_now({message_route(kMsiGsi, kSecond)});
    for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
      second->chip().write_apic(CpuId{cpu}, 0xF0, 0x1FF, rig.env);
    }
  }
  Answer assign_in_second() {
    rig.begin(1, second->program(LayerCall::Irqfd), {shared, raw(kMsiGsi), 0, 0});
    rig.settle();
    return rig.answer(1);
  }
  bool second_has(unsigned vector) const {
    return second->chip().lapics().irr(CpuId{1}).has(Vector(static_cast<std::uint8_t>(vector)));
  }

  LayerRig rig;
  std::optional<IrqLayer> second;
  std::uint32_t shared = 0;
};

TEST(IrqLayerTwoVms, AnEventfdThatOneHasBoundIsBusyForTheOther) {
  TwoVms vms({});
  ASSERT_EQ(vms.rig.assign(kFd, kMsiGsi), 0);
  EXPECT_EQ(vms.assign_in_second(), kEBUSY);
  vms.rig.write(kFd);
  EXPECT_TRUE(vms.rig.pending(0, 0x41));
  ASSERT_EQ(vms.rig.deassign(kFd, kMsiGsi), 0);
  EXPECT_EQ(vms.assign_in_second(), 0);
  EXPECT_TRUE(vms.rig.machine.violations().empty());
}

TEST(IrqLayerTwoVms, ASignalReachesTheVmThatHasBoundItWhoeverWrites) {
  TwoVms vms({});
  ASSERT_EQ(vms.assign_in_second(), 0);
  EXPECT_EQ(vms.rig.write(kFd), 8);
  EXPECT_TRUE(vms.second_has(0x52));
  EXPECT_EQ(vms.rig.resting(), 0u);
}

TEST(IrqLayerTwoVms, MutantEventfdInTwoVmsLeavesTheSecondUntold) {
  Mutants mutants;
  mutants.add(Mutant::EventfdInTwoVms);
  TwoVms vms(mutants);
  ASSERT_EQ(vms.rig.assign(kFd, kMsiGsi), 0);
  EXPECT_EQ(vms.assign_in_second(), 0);
  vms.rig.write(kFd);
  EXPECT_FALSE(vms.second_has(0x52));
}

}  // namespace
}  // namespace irqfab::kvm::test
