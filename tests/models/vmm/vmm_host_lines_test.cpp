// INTx of assigned functions: the host's handler masks the function, the guest's end unmasks it.
#include <gtest/gtest.h>

#include "models/x86/rte.hpp"
#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;

constexpr Gsi kGuestPin{17};
constexpr std::uint8_t kGuestVector = 0x61;
constexpr Duration kLong = 3'000'000;

struct Way {
  const char* name;
  Delivery delivery;
  kvm::IrqchipKind irqchip;
  kvm::IrqfdForm form;
};
constexpr Way kIrqfd{"irqfd", Delivery::Irqfd, kvm::IrqchipKind::Full, kvm::IrqfdForm::Copy};
constexpr Way kSplit{"split", Delivery::Irqfd, kvm::IrqchipKind::Split, kvm::IrqfdForm::Copy};
constexpr Way kSignal{"signal", Delivery::SignalMsi, kvm::IrqchipKind::Full, kvm::IrqfdForm::Copy};
constexpr Way kUser{"user", Delivery::Userspace, kvm::IrqchipKind::Full, kvm::IrqfdForm::Copy};
constexpr Way kWays[] = {
    kIrqfd,
    {"workqueue", Delivery::Irqfd, kvm::IrqchipKind::Full, kvm::IrqfdForm::Workqueue},
    kSplit,
    kSignal,
    {"dynamic", Delivery::DynamicRoute, kvm::IrqchipKind::Full, kvm::IrqfdForm::Copy},
    kUser};

VmmRig::Options by(const Way& way, std::uint32_t functions = 1) {
  VmmRig::Options options;
  options.attach = Attach::Assigned;
  options.delivery = way.delivery;
  options.irqchip = way.irqchip;
  options.form = way.form;
  options.functions = functions;
  options.host_cpus = 4;
  options.intx = kGuestPin;
  if (way.delivery == Delivery::Userspace) {
    options.home = kvm::ApicHome::User;
    options.virtualization = x86::Virtualization::None;
  }
  return options;
}

void program(VmmRig& rig) {
  irqfab::test::RecordingEnv env;
  std::uint64_t bits = x86::Rte::INTVEC::set(0, kGuestVector);
  bits = x86::Rte::TriggerModeBit::set(bits, 1);
  rig.host.program_pin(Pin(static_cast<std::uint16_t>(raw(kGuestPin))), bits, env);
}

bool is_disabled(const VmmRig& rig, std::uint32_t function) {
  const std::uint32_t command =
      rig.functions.config_dword(FunctionRow{function}, pci::kConfigCommand);
  return (command & pci::kInterruptDisable) != 0;
}

/// Level interrupts that the host has ended.
std::size_t host_ends(const VmmRig& rig) {
  return static_cast<std::size_t>(std::count_if(
      rig.records.begin(), rig.records.end(),
      [](const Happened& h) { return h.event == E::EoiBroadcast && h.detail == kHostLineVector; }));
}

void expect_closed(const VmmRig& rig) {
  EXPECT_EQ(rig.found(), rig.in_flight());
  EXPECT_TRUE(rig.in_flight().empty());
  EXPECT_TRUE(rig.host.machine().violations().empty());
}

TEST(VmmHostLines, OneInterruptOfTheHostIsOneOfTheGuestAndTheWireIsGivenBack) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    VmmRig rig(by(way));
    program(rig);
    for (unsigned n = 1; n <= 3; ++n) {
      const SpanId span = rig.raise_line(0);
      rig.run_for(kLong);
      EXPECT_EQ(rig.count(E::HostInterrupted, span), 1u);
      EXPECT_EQ(rig.count(E::Handled, span), 1u);
      EXPECT_EQ(rig.asserted, n);
      EXPECT_EQ(rig.handled(), n);
      EXPECT_FALSE(is_disabled(rig, 0));
      EXPECT_FALSE(rig.functions.intx_asserted(FunctionRow{0}));
    }
    EXPECT_EQ(host_ends(rig), 3u);
    expect_closed(rig);
  }
}

// PCI Local Bus 3.0, 6.2.2: Interrupt Disable takes it off the wire, and Interrupt Status stays.
TEST(VmmHostLines, TheFunctionIsOffTheWireFromTheHostsHandlerToTheGuestsEnd) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    VmmRig::Options options = by(way);
    options.handler = 1'000'000;
    VmmRig rig(options);
    program(rig);
    const SpanId span = rig.raise_line(0);
    rig.run_for(kFlight + 50);
    EXPECT_FALSE(is_disabled(rig, 0));
    while (rig.when(E::EventfdSignalled, span) == 0) rig.run_for(1'000);
    EXPECT_TRUE(is_disabled(rig, 0));
    EXPECT_FALSE(rig.functions.intx_asserted(FunctionRow{0}));
    rig.run_for(kLong);
    EXPECT_FALSE(is_disabled(rig, 0));
    expect_closed(rig);
  }
}

/// The handler looks at function 0 alone.
TEST(VmmHostLines, AFunctionThatNobodyHasServedInterruptsAgain) {
  for (const Way& way : {kIrqfd, kSplit}) {
    SCOPED_TRACE(way.name);
    VmmRig::Options options = by(way, 2);
    options.reads = VmmRig::Reads::First;
    VmmRig rig(options);
    program(rig);
    rig.raise_line(1);
    rig.run_for(kLong);
    EXPECT_GE(rig.count(E::HostInterrupted), 2u);
    EXPECT_GE(rig.handled(), 2u);
    EXPECT_EQ(rig.found(), rig.in_flight());
  }
}

TEST(VmmHostLines, FunctionsThatShareBothPinsAreEachSignalled) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    VmmRig rig(by(way, 3));
    program(rig);
    for (unsigned n = 0; n < 3; ++n) {
      rig.raise_line(0);
      rig.raise_line(2);
      rig.run_for(kLong);
      for (std::uint32_t f = 0; f < 3; ++f) {
        EXPECT_FALSE(is_disabled(rig, f));
        EXPECT_FALSE(rig.functions.intx_asserted(FunctionRow{f}));
      }
      EXPECT_EQ(rig.host_ioapic.level(kHostPin), Level::Low);
      EXPECT_FALSE(rig.host_ioapic.rte(kHostPin).remote_irr());
      expect_closed(rig);
    }
    EXPECT_GE(rig.handled(), 3u);
    EXPECT_GE(rig.count(E::EventfdSignalled), 6u);
  }
}

TEST(VmmHostLines, AResamplingIrqfdTakesTheLineWithoutTheVmm) {
  VmmRig rig(by(kIrqfd));
  program(rig);
  rig.raise_line(0);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(E::UserExited), 0u);
  EXPECT_EQ(rig.count(E::WorkStarted), 1u);
  EXPECT_EQ(rig.count(E::ResampleSignalled), 1u);
}

TEST(VmmHostLines, TheSplitIrqchipsOwnerIsToldOfTheEndAndWritesTheEventfdItself) {
  VmmRig rig(by(kSplit));
  program(rig);
  rig.raise_line(0);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(E::ResampleSignalled), 0u);
  EXPECT_EQ(rig.count(E::EventfdSignalled), 2u);  // the line, and its end
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 0u);
}

TEST(VmmHostLines, WithoutNoticeOfTheEndTheNextAccessOfTheFunctionExitsAndStandsForIt) {
  for (const Way& way : {kSignal, kUser}) {
    SCOPED_TRACE(way.name);
    VmmRig rig(by(way));
    program(rig);
    const SpanId span = rig.raise_line(0);
    rig.run_for(kLong);
    EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 1u);
    EXPECT_EQ(rig.count(E::DeviceRead, span), 1u);
    // Nothing is trapped while no interrupt is under way.
    rig.vcpu_reads(0, 0, pci::kDeviceRegisterOffset);
    rig.run_for(kLong);
    EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::Mmio), 1u);
  }
}

// A13.
TEST(VmmHostLines, ASplitIrqchipThatNeverResamplesLeavesTheFunctionMasked) {
  VmmRig::Options options = by(kSplit);
  options.mutants.add(Mutant::SplitNeverResamples);
  VmmRig rig(options);
  program(rig);
  rig.raise_line(0);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(), 1u);
  EXPECT_TRUE(is_disabled(rig, 0));
  rig.raise_line(0);
  rig.run_for(kLong);
  EXPECT_EQ(rig.handled(), 1u);
}

TEST(VmmHostLines, AnInterruptThatNoFunctionStandsForAnyMoreIsCancelled) {
  VmmRig rig(by(kIrqfd));
  program(rig);
  const SpanId span = rig.raise_line(0);
  rig.run_for(kFlight);  // at the host's IOAPIC, and on the way to the CPU
  rig.raise_line(0, RaiseKind::IntxLow);
  rig.run_for(kLong);
  EXPECT_EQ(rig.count(E::HostInterrupted, span), 1u);
  EXPECT_EQ(rig.count(E::Cancelled, span), 1u);
  EXPECT_EQ(rig.handled(), 0u);
  EXPECT_FALSE(is_disabled(rig, 0));
  expect_closed(rig);
}

TEST(VmmHostLines, InterruptDisableIsTheHostsWhateverTheGuestWrites) {
  VmmRig::Options options = by(kIrqfd);
  options.handler = 1'000'000;
  VmmRig rig(options);
  program(rig);
  rig.driver_configures(0, pci::kConfigCommand, pci::kMemorySpace | pci::kInterruptDisable, 2);
  rig.run_for(kLong);
  EXPECT_EQ(rig.functions.config_dword(FunctionRow{0}, pci::kConfigCommand) & 0xFFFF,
            std::uint32_t{pci::kMemorySpace});
  const SpanId span = rig.raise_line(0);
  while (rig.when(E::EventfdSignalled, span) == 0) rig.run_for(1'000);
  rig.driver_configures(0, pci::kConfigCommand, pci::kMemorySpace | pci::kBusMaster, 2);
  rig.run_for(50'000);
  EXPECT_TRUE(is_disabled(rig, 0));
  rig.run_for(kLong);
  EXPECT_EQ(rig.functions.config_dword(FunctionRow{0}, pci::kConfigCommand) & 0xFFFF,
            std::uint32_t{pci::kMemorySpace | pci::kBusMaster});
}

}  // namespace
}  // namespace irqfab::vmm::test
