// INTx of the VMM's functions: in the kernel's IOAPIC, in that of a split irqchip, in user space.
#include <gtest/gtest.h>

#include "models/x86/rte.hpp"
#include "tests/models/vmm/vmm_rig.hpp"

namespace irqfab::vmm::test {
namespace {

using E = Event;

constexpr Gsi kPin{17};
constexpr std::uint8_t kVector = 0x61;

enum class Trigger : std::uint8_t { Edge, Level };

VmmRig::Options with_line(kvm::IrqchipKind kind, std::uint32_t functions = 1) {
  VmmRig::Options options;
  options.irqchip = kind;
  options.delivery = Delivery::SignalMsi;
  options.functions = functions;
  options.host_cpus = 4;
  options.intx = kPin;
  return options;
}

std::uint64_t entry(Trigger trigger) {
  std::uint64_t bits = x86::Rte::INTVEC::set(0, kVector);
  if (trigger == Trigger::Level) bits = x86::Rte::TriggerModeBit::set(bits, 1);
  return bits;
}

void program(VmmRig& rig, Trigger trigger) {
  irqfab::test::RecordingEnv env;
  rig.host.program_pin(Pin(static_cast<std::uint16_t>(raw(kPin))), entry(trigger), env);
}

const std::vector<kvm::IrqchipKind> kKinds = {kvm::IrqchipKind::Full, kvm::IrqchipKind::Split};

TEST(VmmLines, ALevelIsHandledOnceAndItsReadLowersIt) {
  for (const kvm::IrqchipKind kind : kKinds) {
    VmmRig rig(with_line(kind));
    program(rig, Trigger::Level);
    const SpanId span = rig.raise_line(0);
    rig.run_for(200'000);
    EXPECT_EQ(rig.count(E::Handled, span), 1u);
    EXPECT_EQ(rig.count(E::DeviceRead, span), 1u);
    EXPECT_EQ(rig.asserted, 1u);
    EXPECT_EQ(rig.found(), rig.in_flight());
    EXPECT_TRUE(rig.in_flight().empty());
  }
}

TEST(VmmLines, TheKernelsPinIsDrivenUnderTheBigLock) {
  VmmRig rig(with_line(kvm::IrqchipKind::Full));
  program(rig, Trigger::Level);
  const SpanId span = rig.raise_line(0);
  rig.run_for(200'000);
  EXPECT_EQ(rig.count(E::PinDriven, span), 2u);  // and low again, for its handler
  EXPECT_EQ(rig.count(E::PinDriven), 2u);
  EXPECT_EQ(rig.host.vcpus().layer().chip().ioapic().level(Pin(17)), Level::Low);
}

TEST(VmmLines, TheSplitIrqchipsPinGoesByTheRouteThatMirrorsIt) {
  VmmRig rig(with_line(kvm::IrqchipKind::Split));
  program(rig, Trigger::Level);
  const SpanId span = rig.raise_line(0);
  rig.run_for(200'000);
  EXPECT_EQ(rig.count(E::PinDriven), 0u);
  EXPECT_EQ(rig.count(E::RouteLookedUp, span), 1u);
  EXPECT_EQ(rig.count(E::MsiInjected, span), 1u);
  // The end of a level interrupt is the VMM's affair.
  std::uint64_t exits = 0;
  for (std::size_t r = 0; r < kExitReasonNames.size(); ++r) {
    const auto reason = static_cast<ExitReason>(r);
    if (reason != ExitReason::Mmio) exits += rig.host.vcpus().user_exits(CpuId{0}, reason);
  }
  EXPECT_EQ(exits, 1u);
}

TEST(VmmLines, AnEdgeOfASplitIrqchipEndsWithoutAnExitToUserSpace) {
  VmmRig rig(with_line(kvm::IrqchipKind::Split));
  program(rig, Trigger::Edge);
  const SpanId span = rig.raise_line(0);
  rig.run_for(200'000);
  EXPECT_EQ(rig.count(E::Handled, span), 1u);
  EXPECT_EQ(rig.host.vcpus().user_exits(CpuId{0}, ExitReason::VirtualizedEoi), 0u);
}

TEST(VmmLines, ALineThatIsStillHighAfterTheEoiIsSentAgain) {
  for (const kvm::IrqchipKind kind : kKinds) {
    VmmRig::Options options = with_line(kind, 2);
    options.reads = VmmRig::Reads::First;  // the handler looks at function 0 only
    VmmRig rig(options);
    program(rig, Trigger::Level);
    rig.raise_line(0);
    rig.raise_line(1);
    rig.run_for(60'000);
    EXPECT_GE(rig.handled(), 2u);
    EXPECT_GT(rig.asserted, 2u);  // resampled
    EXPECT_EQ(rig.found(), rig.in_flight());
  }
}

// PCI Local Bus 3.0, 2.2.6: the line is low once no function drives it.
TEST(VmmLines, FunctionsOnAPinAreOred) {
  for (const kvm::IrqchipKind kind : kKinds) {
    VmmRig rig(with_line(kind, 2));
    program(rig, Trigger::Level);
    const SpanId first = rig.raise_line(0);
    const SpanId second = rig.raise_line(1);
    rig.run_for(400'000);
    EXPECT_EQ(rig.count(E::Handled, first), 1u);
    EXPECT_EQ(rig.count(E::Handled, second) + rig.count(E::Coalesced, second) +
                  rig.count(E::Cancelled, second),
              1u);
    EXPECT_FALSE(rig.functions.intx_asserted(FunctionRow{0}));
    EXPECT_FALSE(rig.functions.intx_asserted(FunctionRow{1}));
    EXPECT_EQ(rig.found(), rig.in_flight());
    EXPECT_TRUE(rig.in_flight().empty());
    const SpanId third = rig.raise_line(1);
    rig.run_for(400'000);
    EXPECT_EQ(rig.count(E::Handled, third), 1u);
  }
}

// A13.
TEST(VmmLines, ASplitIrqchipThatDoesNotLookAgainAfterTheEoiLosesTheNextInterrupt) {
  VmmRig::Options options = with_line(kvm::IrqchipKind::Split, 2);
  options.reads = VmmRig::Reads::First;
  options.mutants.add(Mutant::SplitNeverResamples);
  VmmRig rig(options);
  program(rig, Trigger::Level);
  rig.raise_line(0);
  rig.run_for(200'000);
  EXPECT_EQ(rig.handled(), 1u);
  rig.raise_line(1);
  rig.run_for(200'000);
  EXPECT_EQ(rig.handled(), 2u);  // and function 1's line stays high
  rig.raise_line(0);
  rig.run_for(200'000);
  EXPECT_EQ(rig.handled(), 2u);
}

TEST(VmmLines, AGuestThatRewritesAnEntryOfASplitIrqchipChangesTheMirror) {
  VmmRig rig(with_line(kvm::IrqchipKind::Split));
  program(rig, Trigger::Level);
  rig.driver_selects_and_writes(0x10 + 2 * 17, 0x62 | 1u << 15);
  rig.run_for(200'000);
  EXPECT_EQ(rig.count(E::RoutesUpdated), 1u);
  const SpanId span = rig.raise_line(0);
  rig.run_for(200'000);
  bool accepted = false;
  for (const Happened& h : rig.records) {
    accepted = accepted || (h.event == E::Accepted && h.span == span && h.detail == 0x62);
  }
  EXPECT_TRUE(accepted);
  EXPECT_EQ(rig.count(E::Handled, span), 1u);
}

// What became of other routes meanwhile is no reason: the kernel need not know of one that is gone.
TEST(VmmLines, AWriteToTheIoapicCommitsWhenAnEntryThatIsNotMaskedSaysSomethingElse) {
  constexpr std::uint32_t kEntry = 0x10 + 2 * 17, kMasked = 1u << 16;
  VmmRig::Options options = with_line(kvm::IrqchipKind::Split);
  options.delivery = Delivery::Irqfd;
  VmmRig rig(options);
  program(rig, Trigger::Edge);
  rig.driver_sets_control(0, 0);  // messages off: their routes go, and nobody tells the kernel
  rig.run_for(200'000);
  ASSERT_TRUE(rig.host.vmm().routes().changed());
  const auto commits_of = [&rig](std::uint32_t index, std::uint32_t value) {
    const std::uint64_t before = rig.host.vmm().routes().counters().commits;
    rig.driver_selects_and_writes(index, value);
    rig.run_for(200'000);
    return rig.host.vmm().routes().counters().commits - before;
  };
  EXPECT_EQ(commits_of(0, 1u << 24), 0u) << "IOAPICID";
  EXPECT_EQ(commits_of(kEntry, kVector), 0u) << "as it was";
  EXPECT_EQ(commits_of(kEntry, 0x62 | kMasked), 0u) << "masked";
  EXPECT_EQ(commits_of(kEntry, 0x62), 1u);
  EXPECT_EQ(commits_of(kEntry, 0x62), 0u) << "the kernel has it";
  EXPECT_EQ(commits_of(kEntry - 2, 0x63), 1u) << "another pin";
}

TEST(VmmLines, TheLinesOfAVmmInUserSpace) {
  VmmRig::Options options = with_line(kvm::IrqchipKind::Full);
  options.delivery = Delivery::Userspace;
  options.home = kvm::ApicHome::User;
  options.virtualization = x86::Virtualization::None;
  VmmRig rig(options);
  program(rig, Trigger::Level);
  const SpanId span = rig.raise_line(0);
  rig.run_for(400'000);
  EXPECT_EQ(rig.count(E::SyscallEntered), 0u);
  EXPECT_EQ(rig.count(E::VcpuSignalled, span), 1u);
  EXPECT_EQ(rig.count(E::Handled, span), 1u);
  EXPECT_EQ(rig.found(), rig.in_flight());
  EXPECT_TRUE(rig.in_flight().empty());
}

}  // namespace
}  // namespace irqfab::vmm::test
