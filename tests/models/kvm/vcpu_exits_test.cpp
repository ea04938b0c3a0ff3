// What makes vCPUs exit, what is done for it and where, by whose virtualization of the local APIC
// there is: none, APICv, AVIC; and with the chips in the kernel, split, and in user space.
#include <gtest/gtest.h>

#include "models/kvm/vcpu_threads.hpp"
#include "tests/models/kvm/vm_rig.hpp"

namespace irqfab::kvm {
namespace {

using test::UserCall;
using test::VmRig;
using x86::Virtualization;
using Register = x86::LapicRegister;

constexpr Duration kLong = 100'000;
constexpr std::uint32_t kMsrs = x86::LapicBank::kMsrSpace;
constexpr std::uint64_t kLevel = 0x8000;  // of a redirection entry, and of a message's data

VmRig::Options with(Virtualization virtualization, std::uint32_t vcpus = 1) {
  VmRig::Options options;
  options.vcpus = options.host_cpus = vcpus;
  options.virtualization = virtualization;
  return options;
}
VmRig::Options halting(VmRig::Options options) {
  options.idle = cpu::Idle::Halt;
  return options;
}
VmRig::Options polling(VmRig::Options options) {
  options.idle = cpu::Idle::Halt;
  options.polling = {50'000, 40'000, 2, 2};
  return options;
}
VmRig::Options in_user_space(std::uint32_t vcpus = 1) {
  VmRig::Options options = with(Virtualization::None, vcpus);
  options.home = ApicHome::User;
  return options;
}

std::vector<std::uint64_t> numbers(std::initializer_list<ExitReason> reasons) {
  std::vector<std::uint64_t> out;
  for (const ExitReason reason : reasons) out.push_back(static_cast<std::uint64_t>(reason));
  return out;
}
std::vector<std::uint64_t> exits_of(const VmRig& rig) { return rig.details(Event::VmExited); }
std::uint64_t exits(const VmRig& rig, std::uint32_t vcpu, ExitReason reason) {
  return rig.host.software().exits(CpuId{vcpu}, reason);
}
std::uint64_t user_exits(const VmRig& rig, std::uint32_t vcpu, ExitReason reason) {
  return rig.host.software().user_exits(CpuId{vcpu}, reason);
}
void run_all(VmRig& rig) {
  rig.start_all();
  rig.run_for(kLong);
}

// ---- no virtualization: a kick and an EOI -----------------------------------------------------

TEST(VcpuExits, WithoutVirtualizationAnInterruptCostsAKickAndAnEoi) {
  VmRig rig(with(Virtualization::None));
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_EQ(rig.details(Event::VcpuKicked), std::vector<std::uint64_t>{0});
  EXPECT_TRUE(rig.noted(Event::VcpuKicked, span));
  EXPECT_TRUE(rig.outside(0));
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::ApicAccess}));
  EXPECT_EQ(rig.details(Event::ExitHandled), numbers({ExitReason::ApicAccess}));
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, span));
  EXPECT_TRUE(rig.noted(Event::ExitHandled, span)) << "it ends by that";
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_EQ(rig.count(Event::VcpuEntered), 3u);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.count(Event::UserExited), 0u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
  EXPECT_TRUE(rig.held().empty());
}

/// Measured with trapped EOIs: 2.0 to 2.4 exits per injected interrupt; with posted interrupts
/// below 0.05.
TEST(VcpuExits, ExitsPerInjectedInterrupt) {
  constexpr unsigned kInterrupts = 100;
  for (const auto virtualization :
       {Virtualization::None, Virtualization::Apicv, Virtualization::Avic}) {
    VmRig rig(with(virtualization));
    run_all(rig);
    for (unsigned i = 0; i < kInterrupts; ++i) {
      rig.msi(0, 0x41);
      rig.run_for(20'000);
    }
    EXPECT_EQ(rig.handled(0), kInterrupts);
    const std::size_t expected = virtualization == Virtualization::None ? 2 * kInterrupts : 0;
    EXPECT_EQ(rig.count(Event::VmExited), expected);
  }
}

TEST(VcpuExits, InX2apicModeTheEoiIsAnMsrWrite) {
  VmRig::Options options = with(Virtualization::None);
  options.eoi_register = kMsrs + 0x80B;
  VmRig rig(options);
  irqfab::test::RecordingEnv setup;
  rig.host.software().layer().chip().set_apic_base(CpuId{0}, 0xFEE00D00, setup);
  run_all(rig);
  rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::MsrWrite}));
  EXPECT_EQ(rig.handled(0), 1u);
}

TEST(VcpuExits, SoftwaresInterruptReachesAGuestWithApicvByANotification) {
  VmRig rig(with(Virtualization::Apicv));
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::VcpuKicked, span));
  EXPECT_EQ(rig.count(Event::NotificationTaken), 1u);
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_TRUE(exits_of(rig).empty());
}

TEST(VcpuExits, SoftwaresInterruptReachesAGuestWithAvicByADoorbell) {
  VmRig rig(with(Virtualization::Avic));
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::DoorbellRung, span));
  EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_TRUE(exits_of(rig).empty());
}

// ---- by where the thread is -------------------------------------------------------------------

class ByVirtualization : public testing::TestWithParam<Virtualization> {};

TEST_P(ByVirtualization, OneThatIsBlockedIsWokenAndNotKicked) {
  VmRig rig(halting(with(GetParam())));
  run_all(rig);
  ASSERT_EQ(rig.place(0), VcpuPlace::Blocked);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
  EXPECT_TRUE(rig.noted(Event::TaskWoken, span));
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, span));
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(exits(rig, 0, ExitReason::Hlt), 2u);
  EXPECT_EQ(exits(rig, 0, ExitReason::ExternalInterrupt), 0u);
}

TEST_P(ByVirtualization, OneThatPollsSeesIt) {
  VmRig rig(polling(with(GetParam())));
  rig.start_all();
  rig.run_for(20'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Blocked);
  rig.msi(0, 0x41);  // opens the window
  rig.run_for(10'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Polling);
  const std::size_t blocked = rig.count(Event::VcpuBlocked);
  rig.msi(0, 0x41);
  rig.run_for(10'000);
  EXPECT_EQ(rig.handled(0), 2u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Polling);
  EXPECT_EQ(rig.count(Event::VcpuBlocked), blocked);
  EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
}

TEST_P(ByVirtualization, OneThatIsPreemptedIsToldNothingAndFindsItAtItsTurn) {
  VmRig::Options options = with(GetParam(), 2);
  options.host_cpus = 1;
  options.slice = 10'000;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(15'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Preempted);
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_EQ(rig.place(0), VcpuPlace::Preempted);
  EXPECT_EQ(rig.count(Event::VcpuKicked) + rig.count(Event::TaskWoken), 0u);
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
  rig.run_for(3'000);
  EXPECT_EQ(rig.handled(0), 0u);
  rig.run_for(12'000);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, span));
}

TEST_P(ByVirtualization, OneThatIsAboutToEnterTakesItInTheGuest) {
  VmRig rig(with(GetParam()));
  rig.start(0);
  rig.run_for(1);
  ASSERT_EQ(rig.place(0), VcpuPlace::Entering);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  const bool anew = GetParam() == Virtualization::None;
  const std::size_t for_eoi = anew ? 1 : 0;
  EXPECT_EQ(rig.count(Event::VcpuEntered), (anew ? 2u : 1u) + for_eoi);
  EXPECT_EQ(exits(rig, 0, ExitReason::ExternalInterrupt), 0u);
  EXPECT_TRUE(rig.held().empty());
}

std::string name_of_each(const testing::TestParamInfo<Virtualization>& each) {
  switch (each.param) {
    case Virtualization::None:
      return "None";
    case Virtualization::Apicv:
      return "Apicv";
    default:
      return "Avic";
  }
}
INSTANTIATE_TEST_SUITE_P(Each, ByVirtualization,
                         testing::Values(Virtualization::None, Virtualization::Apicv,
                                         Virtualization::Avic),
                         name_of_each);

TEST(VcpuExits, OneInTheHostIsNotKickedAndLooksAtTheEntry) {
  VmRig rig(with(Virtualization::None));
  run_all(rig);
  rig.guest_reads(0, Register::kSvr);
  ASSERT_EQ(rig.place(0), VcpuPlace::Host);
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_EQ(exits(rig, 0, ExitReason::ExternalInterrupt), 0u);
}

// ---- what can be injected, and when -----------------------------------------------------------

TEST(VcpuExits, AGuestThatCannotTakeItAtTheEntryExitsWhenItCan) {
  VmRig rig(with(Virtualization::None));
  rig.vcpus.set_interrupts(CpuId{0}, cpu::Interrupts::Disabled);
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt}));
  EXPECT_EQ(rig.handled(0), 0u);
  EXPECT_EQ(rig.held(), std::vector<SpanId>{span});
  rig.executes(0, cpu::Instruction::Sti);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::InterruptWindow,
                                    ExitReason::ApicAccess}));
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.count(Event::UserExited), 0u);
}

TEST(VcpuExits, WithApicvTheProcessorHasNoNeedOfAWindow) {
  VmRig rig(with(Virtualization::Apicv));
  rig.vcpus.set_interrupts(CpuId{0}, cpu::Interrupts::Disabled);
  run_all(rig);
  rig.msi(0, 0x41);
  rig.run_for(kLong);
  rig.executes(0, cpu::Instruction::Sti);
  rig.run_for(kLong);
  EXPECT_TRUE(exits_of(rig).empty());
  EXPECT_EQ(rig.handled(0), 1u);
}

TEST(VcpuExits, WhatIsOfLowerPriorityIsInjectedAtTheEntryAfterTheEoi) {
  VmRig rig(with(Virtualization::None));
  run_all(rig);
  rig.msi(0, 0x51);
  rig.run_for(1'000);  // in its handler
  ASSERT_EQ(rig.place(0), VcpuPlace::Guest);
  const SpanId lower = rig.msi(0, 0x41);
  EXPECT_EQ(rig.count(Event::VcpuKicked), 2u) << "whoever has something kicks";
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::ExternalInterrupt,
                                    ExitReason::ApicAccess, ExitReason::ApicAccess}));
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, lower));
  EXPECT_EQ(rig.handled(0), 2u);
}

TEST(VcpuExits, ATaskPriorityThatHoldsAnInterruptBackMakesItsLoweringExit) {
  VmRig::Options options = with(Virtualization::None);
  VmRig rig(options);
  run_all(rig);
  rig.guest_writes(0, Register::kTpr, 0x50);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest) << "the TPR shadow takes it";
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt}));
  EXPECT_FALSE(rig.noted(Event::VcpuEntered, span));
  rig.guest_writes(0, Register::kTpr, 0x40);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest) << "its class is not below that of the threshold";
  rig.guest_writes(0, Register::kTpr, 0x30);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::TprBelowThreshold,
                                    ExitReason::ApicAccess}));
  EXPECT_EQ(rig.handled(0), 1u);
}

TEST(VcpuExits, An8259sInterruptNeedsAWindowWithApicvToo) {
  VmRig::Options options = with(Virtualization::Apicv);
  options.pic = x86::ExternalPic::Present;
  VmRig rig(options);
  rig.set_entry(8, 0x10099);  // the RTC's EOIs are waited for, whatever its vector is
  irqfab::test::RecordingEnv setup;
  Irqchip& chip = rig.host.software().layer().chip();
  x86::PicChip::Settings settings;
  settings.vectors = 0x20;
  chip.set_pic(x86::PicRole::Master, settings, setup);
  chip.apics().lapics().write(CpuId{0}, Register::kLvtTimer + 0x30, 0x700, setup);  // LINT0: ExtINT
  run_all(rig);
  rig.line(0, Level::High);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt}));
}

// ---- accesses ---------------------------------------------------------------------------------

TEST(VcpuExits, AnAccessMadeOnTheWayOutIsDoneWhenTheVcpuIsBack) {
  VmRig rig(with(Virtualization::None, 2));
  run_all(rig);
  rig.guest_writes(0, Register::kIcrHigh, 1u << 24);
  rig.guest_writes(0, Register::kIcrLow, 0x61);
  EXPECT_EQ(exits(rig, 0, ExitReason::ApicAccess), 1u);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 0, ExitReason::ApicAccess), 2u);
  EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), 1u);
  EXPECT_EQ(exits(rig, 1, ExitReason::ApicAccess), 1u) << "its EOI";
  EXPECT_EQ(rig.details(Event::VcpuKicked), std::vector<std::uint64_t>{1});
  EXPECT_EQ(rig.handled(1), 1u);
  EXPECT_EQ(rig.handled(0), 0u);
}

TEST(VcpuExits, AReadOfARegisterIsAnsweredByTheHost) {
  VmRig rig(with(Virtualization::None));
  run_all(rig);
  rig.guest_reads(0, Register::kSvr);
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.software().last_read(CpuId{0}), 0x1FFu);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ApicAccess}));
}

TEST(VcpuExits, TheIoapicIsReachedByExitsThatTheKernelHandles) {
  VmRig rig(with(Virtualization::Apicv));
  run_all(rig);
  rig.ioapic_write(0, 0x00, 0x10 + 2 * 5);
  EXPECT_TRUE(rig.outside(0));
  rig.ioapic_write(0, 0x10, 0x41);
  const SpanId reader = make_span(SourceId{9}, 0);
  rig.ioapic_read(0, 0x10, reader);
  EXPECT_EQ(rig.held(), std::vector<SpanId>{reader});
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::Mmio, ExitReason::Mmio, ExitReason::Mmio}));
  EXPECT_EQ(rig.details(Event::ExitHandled),
            numbers({ExitReason::Mmio, ExitReason::Mmio, ExitReason::Mmio}));
  EXPECT_TRUE(rig.noted(Event::ExitHandled, reader));
  ASSERT_EQ(rig.ioapic_answers.size(), 1u);
  EXPECT_EQ(rig.ioapic_answers[0].tag, Tag{77});
  EXPECT_EQ(rig.ioapic_answers[0].span, reader);
  EXPECT_EQ(rig.ioapic_answers[0].data[0], 0x41);
  EXPECT_EQ(rig.count(Event::UserExited), 0u);
  EXPECT_EQ(rig.host.software().layer().chip().ioapic().rte(Pin{5}).vector(), Vector{0x41});
  rig.ioapic_write(0, 0x10, 0x51, 8);
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::GuestError),
            std::vector<std::uint64_t>{static_cast<std::uint64_t>(GuestFault::WrongAccessSize)});
  EXPECT_EQ(rig.host.software().layer().chip().ioapic().rte(Pin{5}).vector(), Vector{0x41});
}

// ---- EOIs that somebody waits for -------------------------------------------------------------

TEST(VcpuExits, WithApicvOnlyTheEoiOfALevelVectorExits) {
  VmRig rig(with(Virtualization::Apicv));
  rig.set_entry(5, 0x51 | kLevel);
  rig.set_entry(6, 0x61);
  run_all(rig);
  rig.line(6, Level::High);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_TRUE(exits_of(rig).empty());
  rig.line(5, Level::High);
  rig.run_for(3'000);
  EXPECT_TRUE(rig.host.software().layer().chip().ioapic().rte(Pin{5}).remote_irr() ||
              rig.count(Event::RemoteIrrCleared) > 0 || !exits_of(rig).empty());
  rig.line(5, Level::Low);
  rig.run_for(kLong);
  EXPECT_FALSE(rig.host.software().layer().chip().ioapic().rte(Pin{5}).remote_irr());
  EXPECT_GE(exits(rig, 0, ExitReason::VirtualizedEoi), 1u);
  EXPECT_EQ(exits(rig, 0, ExitReason::VirtualizedEoi), exits_of(rig).size());
  EXPECT_EQ(rig.handled(0), 1u + exits_of(rig).size());
}

TEST(VcpuExits, WithAvicTheEoiOfALevelInterruptIsNotAccelerated) {
  VmRig rig(with(Virtualization::Avic));
  rig.set_entry(5, 0x51 | kLevel);
  run_all(rig);
  rig.line(5, Level::High);
  rig.run_for(200);
  rig.line(5, Level::Low);
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::UnacceleratedAccess}));
  EXPECT_FALSE(rig.host.software().layer().chip().ioapic().rte(Pin{5}).remote_irr());
  EXPECT_EQ(rig.handled(0), 1u);
}

TEST(VcpuExits, AnEntryThatBecomesLevelMakesVcpusInTheGuestEnterAnew) {
  VmRig rig(with(Virtualization::Apicv, 2));
  run_all(rig);
  rig.ioapic_write(0, 0x00, 0x10 + 2 * 5);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), 0u);
  rig.ioapic_write(0, 0x10, 0x51 | kLevel);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), 1u);
  EXPECT_EQ(exits(rig, 0, ExitReason::ExternalInterrupt), 0u) << "it has not entered yet";
  rig.line(5, Level::High);
  rig.run_for(200);
  rig.line(5, Level::Low);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 0, ExitReason::VirtualizedEoi), 1u);
}

TEST(VcpuExits, ALogicalIdThatChangesMakesVcpusInTheGuestEnterAnew) {
  VmRig rig(with(Virtualization::None, 2));
  run_all(rig);
  rig.guest_writes(0, Register::kIcrHigh, 1u << 24);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), 0u);
  for (const std::uint32_t offset : {Register::kId, Register::kLdr, Register::kDfr}) {
    const std::uint64_t before = exits(rig, 1, ExitReason::ExternalInterrupt);
    rig.guest_writes(0, offset, 0xF0000000);
    rig.run_for(kLong);
    EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), before + 1) << offset;
  }
  rig.guest_reads(0, Register::kLdr);
  rig.run_for(kLong);
  EXPECT_EQ(exits(rig, 1, ExitReason::ExternalInterrupt), 3u);
}

TEST(VcpuExits, ALineThatIsStillHighInterruptsAgainAfterItsEoi) {
  for (const auto virtualization :
       {Virtualization::None, Virtualization::Apicv, Virtualization::Avic}) {
    VmRig rig(with(virtualization));
    rig.set_entry(5, 0x51 | kLevel);
    run_all(rig);
    rig.line(5, Level::High);
    rig.run_for(5'000);
    EXPECT_GE(rig.handled(0), 2u);
    rig.line(5, Level::Low);
    rig.run_for(kLong);
    const std::uint64_t handled = rig.handled(0);
    rig.run_for(kLong);
    EXPECT_EQ(rig.handled(0), handled);
    EXPECT_TRUE(rig.held().empty());
  }
}

TEST(VcpuExits, WithASplitIrqchipNewRoutesSayWhichEoisExit) {
  VmRig::Options options = with(Virtualization::Apicv);
  options.kind = IrqchipKind::Split;
  VmRig rig(options);
  run_all(rig);
  rig.act([](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
    x86::ApicMessage message;
    message.trigger_mode = x86::TriggerMode::Level;
    message.vector = Vector{0x51};
    Route route;
    route.gsi = Gsi{23};
    route.target = RouteTarget::Msi;
    route.message = x86::encode(message);
    Route beyond = route;  // no pin's
    beyond.gsi = Gsi{24};
    message.vector = Vector{0x61};
    beyond.message = x86::encode(message);
    ASSERT_EQ(all.layer().set_routes_now({route, beyond}), 0);
    all.pass_signals(kernel, env);
  });
  rig.run_for(kLong);
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt}));
  rig.line(24, Level::High);
  rig.run_for(kLong);
  EXPECT_TRUE(rig.host.user_calls.empty());
  rig.line(23, Level::High);
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.user_calls, (std::vector<UserCall>{{0, ExitReason::VirtualizedEoi, 0x51}}));
}

TEST(VcpuExits, WithASplitIrqchipTheEoiOfALevelVectorGoesToUserSpace) {
  for (const auto virtualization : {Virtualization::None, Virtualization::Apicv}) {
    VmRig::Options options = with(virtualization);
    options.kind = IrqchipKind::Split;
    VmRig rig(options);
    EXPECT_FALSE(rig.host.software().has_ioapic());
    Route level;
    level.gsi = Gsi{5};
    level.target = RouteTarget::Msi;
    x86::ApicMessage message;
    message.trigger_mode = x86::TriggerMode::Level;
    message.vector = Vector{0x51};
    level.message = x86::encode(message);
    Route edge = level;
    edge.gsi = Gsi{6};
    edge.message = {0xFEE00000, 0x61};
    ASSERT_EQ(rig.host.software().layer().set_routes_now({level, edge}), 0);
    run_all(rig);
    rig.line(6, Level::High);
    rig.run_for(kLong);
    EXPECT_TRUE(rig.host.user_calls.empty());
    rig.line(5, Level::High);
    rig.run_for(kLong);
    const auto reason = virtualization == Virtualization::None ? ExitReason::ApicAccess
                                                               : ExitReason::VirtualizedEoi;
    EXPECT_EQ(rig.host.user_calls, (std::vector<UserCall>{{0, reason, 0x51}}));
    EXPECT_EQ(user_exits(rig, 0, reason), 1u);
    EXPECT_EQ(rig.count(Event::UserExited), 1u);
    EXPECT_EQ(rig.handled(0), 2u);
    EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
  }
}

// ---- whom the thread works for ----------------------------------------------------------------

/// In the handler of the interrupt that is answered.
SpanId handles_one(VmRig& rig) {
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  while (!rig.noted(Event::HandlerEntered, span)) rig.run_for(10);
  rig.records.clear();
  return span;
}
/// Whom the first of these was noted for.
SpanId first_for(const VmRig& rig, Event event) {
  for (const auto& happened : rig.records) {
    if (happened.event == event) return happened.span;
  }
  ADD_FAILURE() << name_of(event);
  return kNoSpan;
}

TEST(VcpuWorks, ForTheHandlerThatLeftUntilItIsBack) {
  VmRig rig(with(Virtualization::None));
  const SpanId span = handles_one(rig);
  rig.device_access(0, 0xFEB00000, span);
  rig.run_for(kLong);
  EXPECT_EQ(first_for(rig, Event::VmExited), span);
  EXPECT_EQ(first_for(rig, Event::UserExited), span);
  EXPECT_EQ(first_for(rig, Event::VcpuLoaded), span);
  EXPECT_EQ(first_for(rig, Event::VcpuEntered), span);
  EXPECT_EQ(rig.records.back().event, Event::VcpuEntered);  // after the EOI
  EXPECT_EQ(rig.records.back().span, kNoSpan);
}

TEST(VcpuWorks, ForNobodysAccessOnItsWayOutAndForTheHandlerOnItsWayBack) {
  VmRig rig(with(Virtualization::None));
  const SpanId span = handles_one(rig);
  rig.device_access(0, 0xFEB00000);
  rig.run_for(kLong);
  EXPECT_EQ(first_for(rig, Event::VmExited), kNoSpan);
  EXPECT_EQ(first_for(rig, Event::UserExited), kNoSpan);
  EXPECT_EQ(first_for(rig, Event::VcpuLoaded), span);
  EXPECT_EQ(first_for(rig, Event::VcpuEntered), span);
}

TEST(VcpuWorks, ForWhatTheVcpuHasToTakeRatherThanForItsHandler) {
  VmRig rig(with(Virtualization::None));
  const SpanId lower = handles_one(rig);
  rig.device_access(0, 0xFEB00000, lower);
  const SpanId higher = rig.msi(0, 0x91);
  rig.run_for(kLong);
  EXPECT_EQ(first_for(rig, Event::UserExited), lower);
  EXPECT_EQ(first_for(rig, Event::VcpuLoaded), lower);  // of whose access the exit still was
  EXPECT_EQ(first_for(rig, Event::VcpuEntered), higher);
}

TEST(VcpuWorks, ForWhatCameAfterItWasLoaded) {
  VmRig rig(with(Virtualization::None));
  const SpanId lower = handles_one(rig);
  rig.device_access(0, 0xFEB00000, lower);
  while (rig.count(Event::VcpuLoaded) == 0) rig.run_for(1);
  const SpanId higher = rig.msi(0, 0x91);
  rig.run_for(kLong);
  EXPECT_EQ(first_for(rig, Event::VcpuLoaded), lower);
  EXPECT_TRUE(rig.noted(Event::VcpuEntered, higher));
}

TEST(VcpuWorks, ForWhatANotificationOfTheHostsOwnTells) {
  VmRig rig(with(Virtualization::Apicv));
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_EQ(first_for(rig, Event::NotificationTaken), span);
}

TEST(VcpuWorks, ForTheOneItWasToldToLeaveFor) {
  VmRig rig(in_user_space());
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  rig.run_for(kLong);
  EXPECT_EQ(first_for(rig, Event::VmExited), span);
  EXPECT_EQ(first_for(rig, Event::UserExited), span);
}

// ---- the chips in user space ------------------------------------------------------------------

TEST(VcpuExits, WithTheChipsInUserSpaceAnInterruptTakesASignalAndAHandOver) {
  VmRig rig(in_user_space());
  run_all(rig);
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
  EXPECT_TRUE(rig.noted(Event::VcpuSignalled, span));
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::InterruptInjected), std::vector<std::uint64_t>{0x41});
  EXPECT_TRUE(rig.noted(Event::InterruptInjected, span));
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::ExternalInterrupt, ExitReason::ApicAccess}));
  EXPECT_EQ(rig.host.user_calls,
            (std::vector<UserCall>{{0, ExitReason::ExternalInterrupt, 0},
                                   {0, ExitReason::ApicAccess, Register::kEoi}}));
  EXPECT_TRUE(rig.noted(Event::UserExited, span)) << "it ends by that";
  EXPECT_EQ(rig.count(Event::UserExited), 2u);
  EXPECT_EQ(rig.count(Event::ExitHandled), 0u);
  EXPECT_EQ(user_exits(rig, 0, ExitReason::ApicAccess), 1u);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_TRUE(rig.held().empty());
  rig.msi(0, 0x52);
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::InterruptInjected), (std::vector<std::uint64_t>{0x41, 0x52}));
}

TEST(VcpuExits, WithTheChipsInUserSpaceAHaltGoesThereAndNobodyPolls) {
  VmRig rig(polling(in_user_space()));
  rig.start_all();
  rig.run_for(20'000);  // so that the kernel would poll the next time
  ASSERT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(rig.host.user_calls, (std::vector<UserCall>{{0, ExitReason::Hlt, 0}}));
  const SpanId span = rig.msi(0, 0x41);
  EXPECT_TRUE(rig.noted(Event::VcpuSignalled, span));
  rig.run_for(10'000);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  EXPECT_EQ(user_exits(rig, 0, ExitReason::Hlt), 2u);
  EXPECT_EQ(user_exits(rig, 0, ExitReason::ExternalInterrupt), 0u);
}

TEST(VcpuExits, WithTheChipsInUserSpaceAWindowAndTheIoapicAreUserSpacesAsWell) {
  VmRig rig(in_user_space());
  rig.vcpus.set_interrupts(CpuId{0}, cpu::Interrupts::Disabled);
  run_all(rig);
  rig.msi(0, 0x41);
  rig.run_for(kLong);
  rig.executes(0, cpu::Instruction::Sti);
  rig.run_for(kLong);
  EXPECT_EQ(user_exits(rig, 0, ExitReason::InterruptWindow), 1u);
  EXPECT_EQ(rig.handled(0), 1u);
  rig.ioapic_read(0, 0x00);
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.user_calls.back(), (UserCall{0, ExitReason::ApicAccess, 0}));
  EXPECT_EQ(user_exits(rig, 0, ExitReason::Mmio), 1u);
  EXPECT_EQ(rig.ioapic_answers.size(), 1u);
}

TEST(VcpuExits, WithTheChipsInUserSpaceAPreemptedVcpuIsNotSignalled) {
  VmRig::Options options = in_user_space(2);
  options.host_cpus = 1;
  options.slice = 10'000;
  VmRig rig(options);
  rig.start_all();
  rig.run_for(15'000);
  ASSERT_EQ(rig.place(0), VcpuPlace::Preempted);
  rig.msi(0, 0x41);
  EXPECT_EQ(rig.count(Event::VcpuSignalled), 0u);
  rig.run_for(40'000);
  EXPECT_EQ(rig.handled(0), 1u);
}

// ---- accesses to devices ----------------------------------------------------------------------

TEST(VcpuExits, AnAccessToADeviceIsUserSpacesAndTheVcpuLoadsAnewAfterIt) {
  VmRig rig(with(Virtualization::Apicv));
  run_all(rig);
  const std::size_t loads = rig.count(Event::VcpuLoaded);
  rig.device_access(0, 0x1000);
  rig.device_access(0, 0x2000);
  EXPECT_TRUE(rig.outside(0));
  rig.run_for(kLong);
  EXPECT_EQ(rig.host.user_calls,
            (std::vector<UserCall>{{0, ExitReason::Mmio, 0x1000}, {0, ExitReason::Mmio, 0x2000}}));
  EXPECT_EQ(exits_of(rig), numbers({ExitReason::Mmio, ExitReason::Mmio}));
  EXPECT_EQ(user_exits(rig, 0, ExitReason::Mmio), 2u);
  EXPECT_EQ(rig.count(Event::VcpuLoaded), loads + 2);
  EXPECT_EQ(rig.place(0), VcpuPlace::Guest);
}

TEST(VcpuExits, OneThatSleepsIsWokenToMakeAnAccess) {
  for (const auto& options : {halting(with(Virtualization::Apicv)), halting(in_user_space())}) {
    VmRig rig(options);
    run_all(rig);
    ASSERT_EQ(rig.place(0), VcpuPlace::Blocked);
    rig.device_access(0, 0x1000);
    rig.run_for(kLong);
    EXPECT_EQ(user_exits(rig, 0, ExitReason::Mmio), 1u);
    EXPECT_EQ(rig.place(0), VcpuPlace::Blocked);
  }
}

TEST(VcpuExits, WhatArrivesWhileTheThreadIsInUserSpaceIsTakenAtTheEntry) {
  for (const auto virtualization :
       {Virtualization::None, Virtualization::Apicv, Virtualization::Avic}) {
    VmRig rig(with(virtualization));
    run_all(rig);
    rig.device_access(0, 0x1000);
    rig.run_for(1'600);
    ASSERT_EQ(rig.host.user_calls.size(), 1u);
    ASSERT_EQ(rig.place(0), VcpuPlace::Host);
    const auto runs = [&rig] {
      return rig.host.software().apics().avic_tables().at(ApicId{0})->is_running;
    };
    EXPECT_FALSE(runs());
    const SpanId span = rig.msi(0, 0x41);
    rig.run_for(kLong);
    EXPECT_TRUE(rig.noted(Event::Handled, span));
    EXPECT_EQ(rig.count(Event::VcpuKicked), 0u);
    EXPECT_EQ(runs(), virtualization == Virtualization::Avic);
  }
}

// ---- programs of the layer --------------------------------------------------------------------

TEST(VcpuExits, AThreadThatCallsTheLayerKicksTheVcpuInTheStepThatInjects) {
  VmRig rig(with(Virtualization::None));
  const host::TaskHandle caller = rig.host.machine().add_thread(
      {host::CpuMask::only(host::HostCpu{0}), host::Priority::RealTime});
  run_all(rig);
  const SpanId span = make_span(SourceId{8}, 0);
  rig.act([=](VcpuThreads& all, host::HostKernel& kernel, Env&) {
    host::Start start;
    start.program = all.layer().program(LayerCall::SignalMsi);
    start.span = span;
    start.locals = {0, 0, 0, 0xFEE00000, 0x41, 0};
    ASSERT_TRUE(kernel.start(caller, start));
  });
  rig.run_for(kLong);
  EXPECT_TRUE(rig.noted(Event::MsiInjected, span));
  EXPECT_TRUE(rig.noted(Event::Handled, span));
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(rig.count(Event::VcpuPreempted), 1u) << "it was on the vCPU's CPU";
}

TEST(VcpuExits, TheEoiOfAResamplingIrqfdSignalsItsEventfd) {
  VmRig::Options options = with(Virtualization::Apicv);
  options.eventfds = {1, 2};
  VmRig rig(options);
  rig.set_entry(5, 0x51 | kLevel);
  ASSERT_EQ(rig.host.software().layer().assign_now(0, Gsi{5}, 1, rig.host.machine()), 0);
  run_all(rig);
  rig.act([](VcpuThreads& all, host::HostKernel& kernel, Env& env) {
    Irqchip& chip = all.layer().chip();
    chip.announce(Gsi{5}, kResamplerSource, Level::High);
    const SpanId span = env.open(Cause::Software, kNoSpan);
    chip.set_line({Gsi{5}, kResamplerSource, Level::High}, span, env);
    all.pass_signals(kernel, env);
  });
  rig.run_for(kLong);
  EXPECT_EQ(rig.details(Event::ResampleSignalled), std::vector<std::uint64_t>{5});
  const host::EventFds& fds = rig.host.machine().eventfds();
  EXPECT_EQ(fds.count(rig.host.software().layer().eventfd(1)), 1u);
  EXPECT_EQ(rig.handled(0), 1u);
  EXPECT_EQ(exits(rig, 0, ExitReason::VirtualizedEoi), 1u);
}

// ---- messages to CPUs -------------------------------------------------------------------------

TEST(VcpuExits, AnNmiEndsAHaltAndInitAndSipiStopAndStartAVcpu) {
  constexpr std::uint32_t kNmi = 0x400, kInit = 0x4500, kSipi = 0x4600;
  for (const auto virtualization : {Virtualization::None, Virtualization::Apicv}) {
    VmRig rig(halting(with(virtualization, 2)));
    run_all(rig);
    ASSERT_EQ(rig.place(1), VcpuPlace::Blocked);
    const auto send = [&rig](std::uint32_t low) {
      rig.guest_writes(0, Register::kIcrHigh, 1u << 24);
      rig.guest_writes(0, Register::kIcrLow, low);
      rig.run_for(kLong);
    };
    send(kNmi);
    EXPECT_EQ(rig.handled(1), 1u);
    EXPECT_EQ(rig.place(1), VcpuPlace::Blocked);
    send(kInit);
    EXPECT_TRUE(rig.vcpus.waits_for_sipi(CpuId{1}));
    EXPECT_EQ(rig.place(1), VcpuPlace::Blocked);
    send(kSipi);
    EXPECT_FALSE(rig.vcpus.waits_for_sipi(CpuId{1}));
    EXPECT_TRUE(rig.held().empty());
  }
}

}  // namespace
}  // namespace irqfab::kvm
