// What makes a virtual CPU leave its guest, and how an interrupt gets into it: SDM vol. 3, chapters
// 26 "VMX Non-Root Operation", 27 "VM Entries" and 30.6 "Posted-Interrupt Processing"; and where
// the VMM is asked: api.rst, KVM_RUN.

#include "tests/models/kvm/vm_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using kvm::test::UserCall;
using kvm::test::VmRig;
using x86::Virtualization;

constexpr Duration kLong = 100'000;

VmRig::Options with(Virtualization virtualization) {
  VmRig::Options options;
  options.virtualization = virtualization;
  return options;
}
void run(VmRig& rig) {
  rig.start_all();
  rig.run_for(kLong);
}
std::uint64_t exits(const VmRig& rig, ExitReason reason) {
  return rig.host.software().exits(CpuId{0}, reason);
}

// ---- exits

void an_external_interrupt_exits() {
  VmRig rig(with(Virtualization::None));
  run(rig);
  rig.message(0, Vector{0x31});
  EXPECT_EQ(exits(rig, ExitReason::ExternalInterrupt), 1u);
}
void the_notification_vector_does_not() {
  VmRig rig(with(Virtualization::Apicv));
  run(rig);
  rig.message(0, rig.host.software().config().notification);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
  EXPECT_EQ(rig.count(Event::NotificationTaken), 1u);
}
void without_the_control_it_exits_as_any_other() {
  VmRig rig(with(Virtualization::None));
  run(rig);
  rig.message(0, rig.host.software().config().notification);
  EXPECT_EQ(exits(rig, ExitReason::ExternalInterrupt), 1u);
  EXPECT_EQ(rig.count(Event::NotificationTaken), 0u);
}
void hlt_exits() {
  VmRig::Options options = with(Virtualization::None);
  options.idle = cpu::Idle::Halt;
  VmRig rig(options);
  run(rig);
  EXPECT_EQ(exits(rig, ExitReason::Hlt), 1u);
}
void the_window_opens_with_if() {
  VmRig rig(with(Virtualization::None));
  rig.vcpus.set_interrupts(CpuId{0}, cpu::Interrupts::Disabled);
  run(rig);
  rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, ExitReason::InterruptWindow), 0u);
  rig.executes(0, cpu::Instruction::Sti);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, ExitReason::InterruptWindow), 1u);
}
void there_is_no_window_without_something_to_inject() {
  VmRig rig(with(Virtualization::None));
  rig.vcpus.set_interrupts(CpuId{0}, cpu::Interrupts::Disabled);
  run(rig);
  rig.executes(0, cpu::Instruction::Sti);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::VmExited), 0u);
}

// ---- entries

void an_entry_delivers_what_is_injected_before_the_guest_goes_on() {
  VmRig rig(with(Virtualization::None));
  run(rig);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  Time entered = 0;
  for (const auto& happened : rig.records) {
    if (happened.span != span) continue;
    if (happened.event == Event::VcpuEntered) entered = happened.time;
    if (happened.event != Event::Accepted) continue;
    EXPECT_EQ(happened.time, entered);
  }
  EXPECT_NE(entered, 0u);
  EXPECT_EQ(exits(rig, ExitReason::InterruptWindow), 0u);
}
void an_entry_injects_one_event() {
  VmRig rig(with(Virtualization::None));
  rig.start(0);
  rig.run_for(1);
  const SpanId lower = rig.msi(0, 0x41);
  const SpanId higher = rig.msi(0, 0x51);
  rig.run_for(1'600);
  EXPECT_TRUE(rig.noted(Event::Accepted, higher));
  EXPECT_FALSE(rig.noted(Event::Accepted, lower));
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(0), 2u);
}

// ---- KVM_RUN

void a_halt_stays_in_the_kernel_with_its_local_apics() {
  for (const auto home : {kvm::ApicHome::Kernel, kvm::ApicHome::User}) {
    VmRig::Options options = with(Virtualization::None);
    options.idle = cpu::Idle::Halt;
    options.home = home;
    VmRig rig(options);
    run(rig);
    const std::uint64_t expected = home == kvm::ApicHome::User ? 1 : 0;
    EXPECT_EQ(rig.host.software().user_exits(CpuId{0}, ExitReason::Hlt), expected);
  }
}
void an_access_to_no_memory_returns_with_its_address() {
  VmRig rig(with(Virtualization::Apicv));
  run(rig);
  rig.device_access(0, 0xFEB00010);
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.user_calls, (std::vector<UserCall>{{0, ExitReason::Mmio, 0xFEB00010}}));
}
void a_signal_returns() {
  VmRig::Options options = with(Virtualization::None);
  options.home = kvm::ApicHome::User;
  VmRig rig(options);
  run(rig);
  rig.msi(0, 0x41);
  rig.run_for(1'500);
  EXPECT_EQ(rig.host.user_calls, (std::vector<UserCall>{{0, ExitReason::ExternalInterrupt, 0}}));
}
void an_interrupt_of_the_host_does_not_return() {
  VmRig::Options options = with(Virtualization::None);
  options.home = kvm::ApicHome::User;
  VmRig rig(options);
  run(rig);
  rig.message(0, Vector{0x31});
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, ExitReason::ExternalInterrupt), 1u);
  EXPECT_TRUE(rig.host.user_calls.empty());
}

constexpr Rule kRules[] = {
    {"26.1.3", "HltExits", hlt_exits},
    {"26.2", "AnExternalInterruptExits", an_external_interrupt_exits},
    {"26.2", "TheInterruptWindowOpensWithIf", the_window_opens_with_if},
    {"26.2", "ThereIsNoWindowWithoutSomethingToInject",
     there_is_no_window_without_something_to_inject},
    {"27.6", "WhatIsInjectedIsDeliveredBeforeTheGuestGoesOn",
     an_entry_delivers_what_is_injected_before_the_guest_goes_on},
    {"27.6", "AnEntryInjectsOneEvent", an_entry_injects_one_event},
    {"30.6", "TheNotificationVectorDoesNotExit", the_notification_vector_does_not},
    {"30.6", "WithoutTheControlItExitsAsAnyOther", without_the_control_it_exits_as_any_other},
    {"KVM_RUN", "AHaltStaysInTheKernelWithItsLocalApics",
     a_halt_stays_in_the_kernel_with_its_local_apics},
    {"KVM_RUN", "AnAccessToNoMemoryReturnsWithItsAddress",
     an_access_to_no_memory_returns_with_its_address},
    {"KVM_RUN", "ASignalReturns", a_signal_returns},
    {"KVM_RUN", "AnInterruptOfTheHostDoesNot", an_interrupt_of_the_host_does_not_return},
};

INSTANTIATE_TEST_SUITE_P(VmExits, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
