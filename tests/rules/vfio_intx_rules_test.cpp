// INTx of a function that the kernel's VFIO driver has: linux/vfio.h, VFIO_PCI_INTX_IRQ_INDEX,
// which is automasked (vfio_irq_info: VFIO_IRQ_INFO_AUTOMASKED, VFIO_IRQ_SET_ACTION_UNMASK), by
// means of PCI Local Bus 3.0, 6.2.2 (Interrupt Disable) and 6.2.3 (Interrupt Status), and the KVM
// API, api.rst, KVM_IRQFD "resample".
#include "models/x86/rte.hpp"
#include "tests/models/vmm/vmm_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using vmm::test::kHostLineVector;
using vmm::test::kHostPin;
using vmm::test::VmmRig;
using E = Event;

constexpr Duration kLong = 3'000'000;

vmm::test::Options options_of(std::uint32_t functions, Duration handler) {
  vmm::test::Options options;
  options.attach = vmm::Attach::Assigned;
  options.functions = functions;
  options.host_cpus = 4;
  options.intx = Gsi{17};
  options.handler = handler;
  return options;
}

/// Functions on one pin of the host and one of the guest, whose handlers take `handler`.
struct Lines {
  explicit Lines(std::uint32_t functions, Duration handler = 1000)
      : rig(options_of(functions, handler)) {
    irqfab::test::RecordingEnv env;
    std::uint64_t bits = x86::Rte::INTVEC::set(0, 0x61);
    bits = x86::Rte::TriggerModeBit::set(bits, 1);
    rig.host.program_pin(Pin{17}, bits, env);
  }
  std::uint32_t command(std::uint32_t function) const {
    return rig.functions.config_dword(FunctionRow{function}, pci::kConfigCommand);
  }
  bool off(std::uint32_t function) const {
    return (command(function) & pci::kInterruptDisable) != 0;
  }
  /// Of the eventfd of the function's line.
  std::size_t signals(std::uint32_t function) const {
    const std::uint64_t number = function * 3u + 2;  // its source
    std::size_t found = 0;
    for (const auto& h : rig.records) found += h.event == E::EventfdSignalled && h.detail == number;
    return found;
  }
  void run_until_signalled(SpanId span) {
    while (rig.when(E::EventfdSignalled, span) == 0) rig.run_for(1'000);
  }

  VmmRig rig;
};

void automasked() {
  Lines lines(1, 1'000'000);
  const SpanId span = lines.rig.raise_line(0);
  lines.run_until_signalled(span);
  EXPECT_TRUE(lines.off(0));
  EXPECT_NE(lines.command(0) >> 16 & pci::kInterruptStatus, 0u);
  EXPECT_FALSE(lines.rig.functions.intx_asserted(FunctionRow{0}));
  lines.rig.run_for(kLong);
  EXPECT_FALSE(lines.off(0));
}
void other_bits_stay() {
  Lines lines(1);
  irqfab::test::RecordingEnv env;
  lines.rig.functions.write_command(FunctionRow{0}, pci::kMemorySpace | 1, env);
  lines.rig.raise_line(0);
  lines.rig.run_for(kLong);
  EXPECT_EQ(lines.command(0) & 0xFFFF, std::uint32_t{pci::kMemorySpace | 1});
}
void quiet_is_passed_over() {
  Lines lines(3);
  const SpanId span = lines.rig.raise_line(2);
  lines.rig.run_for(kLong);
  EXPECT_EQ(lines.signals(0), 0u);
  EXPECT_EQ(lines.signals(1), 0u);
  EXPECT_EQ(lines.signals(2), 1u);
  EXPECT_EQ(lines.rig.count(E::Handled, span), 1u);
  EXPECT_EQ(lines.rig.asserted, 1u);
}
void waiting_is_passed_over() {
  Lines lines(2, 2'000'000);
  const SpanId first = lines.rig.raise_line(0);
  lines.run_until_signalled(first);
  const SpanId second = lines.rig.raise_line(1);
  lines.run_until_signalled(second);
  EXPECT_EQ(lines.signals(0), 1u);
  EXPECT_EQ(lines.signals(1), 1u);
  EXPECT_TRUE(lines.off(0));
  EXPECT_TRUE(lines.off(1));
}
void each_has_its_own() {
  Lines lines(2);
  const SpanId later = lines.rig.raise_line(1);
  const SpanId sooner = lines.rig.raise_line(0);  // is asked first
  lines.rig.run_for(kLong);
  EXPECT_EQ(lines.signals(0), 1u);
  EXPECT_EQ(lines.signals(1), 1u);
  EXPECT_EQ(lines.rig.count(E::EventfdSignalled, later), 1u);
  EXPECT_EQ(lines.rig.count(E::HostInterrupted, later), 1u);
  EXPECT_EQ(lines.rig.count(E::Cancelled, sooner), 1u);  // it waited at a pin that fell
  EXPECT_EQ(lines.rig.asserted, 3u);                     // and is told as a fork
  EXPECT_EQ(lines.rig.found(), lines.rig.in_flight());
  EXPECT_TRUE(lines.rig.in_flight().empty());
}
void host_ends_after_it() {
  Lines lines(1);
  const SpanId span = lines.rig.raise_line(0);
  lines.rig.run_for(kLong);
  Time ended = 0;
  for (const auto& h : lines.rig.records) {
    if (h.event == E::EoiBroadcast && h.detail == kHostLineVector) ended = h.time;
  }
  EXPECT_GT(ended, lines.rig.when(E::EventfdSignalled, span));
  EXPECT_FALSE(lines.rig.host_ioapic.rte(kHostPin).remote_irr());
  EXPECT_EQ(lines.rig.host_ioapic.level(kHostPin), Level::Low);
}
void one_interrupt_of_the_host() {
  Lines lines(1);
  for (unsigned n = 1; n <= 4; ++n) {
    lines.rig.raise_line(0);
    lines.rig.run_for(kLong);
    EXPECT_EQ(lines.rig.count(E::HostInterrupted), n);
  }
  EXPECT_EQ(lines.rig.count(E::ResampleSignalled), 4u);
}
void unmask_fires_again() {
  Lines lines(1, 1'000'000);
  const SpanId span = lines.rig.raise_line(0);
  while (lines.rig.when(E::DeviceRead, span) == 0) lines.rig.run_for(1'000);
  const SpanId again = lines.rig.raise_line(0);  // while it is masked
  EXPECT_EQ(lines.rig.when(E::Asserted, again), 0u);
  lines.rig.run_for(kLong);
  EXPECT_EQ(lines.rig.count(E::HostInterrupted, again), 1u);
  EXPECT_EQ(lines.rig.count(E::Handled, again), 1u);
}
void other_vectors_are_others() {
  Lines lines(1);
  x86::ApicMessage to;
  to.destination = ApicId{0};  // the pin's is CPU 1
  to.vector = Vector{kHostLineVector};
  const x86::MsiMessage said = x86::encode(to);
  irqfab::test::RecordingEnv env;
  lines.rig.host.receive(vmm::VmHost::kMessages, BusWrite{said.address, said.data, kNoSpan, {}, 4},
                         env);
  lines.rig.run_for(kLong);
  EXPECT_EQ(lines.signals(0), 0u);
  EXPECT_FALSE(lines.off(0));
}

const Rule kRules[] = {
    {"vfio.h AUTOMASKED", "AnInterruptMasksItsLineUntilTheGuestHasEndedIt", automasked},
    {"6.2.2", "TheOtherBitsOfCommandStay", other_bits_stay},
    {"6.2.3", "AFunctionThatDoesNotInterruptIsPassedOver", quiet_is_passed_over},
    {"6.2.2", "AFunctionThatIsMaskedIsPassedOver", waiting_is_passed_over},
    {"vfio.h INTX", "EachFunctionOnTheLineHasItsOwnEventfd", each_has_its_own},
    {"vfio.h INTX", "TheHostEndsItsInterruptOnceTheEventfdIsSignalled", host_ends_after_it},
    {"6.2.2", "ALineThatIsMaskedInterruptsTheHostOnce", one_interrupt_of_the_host},
    {"vfio.h UNMASK", "AFunctionThatStillInterruptsDoesSoAgain", unmask_fires_again},
    {"vfio.h INTX", "AnotherInterruptOfTheHostIsNone", other_vectors_are_others},
};

INSTANTIATE_TEST_SUITE_P(VfioIntx, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
