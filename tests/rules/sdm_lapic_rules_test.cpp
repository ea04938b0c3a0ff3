// A local APIC by itself: SDM vol. 3, 11.4 (registers, states), 11.5 (local vector table, timer,
// errors).

#include "tests/rules/lapic_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using x86::DeliveryMode;
using x86::LocalPin;

constexpr std::uint32_t kStartUp = 0x4641;  // ICR: assert, mode 6, page 0x41
constexpr std::uint32_t kLint0 = 0x350, kLint1 = 0x360, kError = 0x370, kPerformance = 0x340,
                        kThermal = 0x330;
constexpr std::uint32_t kMasked = 0x10000;

LapicRig untouched() { return LapicRig(LapicRig::four(), LapicRig::Enable::None); }

// ---- 11.4: registers and states ----

void power_up_state() {
  LapicRig rig = untouched();
  EXPECT_EQ(rig.read(1, Reg::kId), 0x01000000u);
  EXPECT_EQ(rig.read(1, Reg::kSvr), 0xFFu);
  EXPECT_EQ(rig.read(1, Reg::kDfr), 0xFFFFFFFFu);
  EXPECT_EQ(rig.read(1, Reg::kLdr), 0u);
  EXPECT_EQ(rig.read(1, Reg::kTpr), 0u);
  for (std::uint32_t entry = Reg::kLvtTimer; entry <= Reg::kLvtError; entry += 16) {
    EXPECT_EQ(rig.read(1, entry), kMasked) << entry;
  }
}
void the_version_says_how_many_entries() {
  LapicRig rig;
  EXPECT_EQ(rig.read(0, Reg::kVersion), 0x01050014u);
  auto config = LapicRig::four();
  config.cmci = x86::Cmci::Present;
  LapicRig more(config);
  EXPECT_EQ(more.read(0, Reg::kVersion), 0x01060014u);
}
void the_bootstrap_processor_is_marked() {
  LapicRig rig;
  EXPECT_EQ(rig.rdmsr(0, 0x1B), 0xFEE00900u);
  EXPECT_EQ(rig.rdmsr(1, 0x1B), 0xFEE00800u);
}
void reserved_bits_of_the_base_fault() {
  LapicRig rig;
  EXPECT_FALSE(rig.wrmsr(1, 0x1B, 0xFEE00801));
  EXPECT_FALSE(rig.wrmsr(1, 0x1B, 0xFEE00A00));
  EXPECT_TRUE(rig.wrmsr(1, 0x1B, 0x3FFFFFE00800));
  EXPECT_FALSE(rig.wrmsr(1, 0x1B, 0x400000000800)) << "above the physical address width";
}
void a_page_claims_its_cpus_accesses() {
  LapicRig rig;
  EXPECT_TRUE(rig.bank.claims(CpuId{1}, 0xFEE00000));
  EXPECT_TRUE(rig.bank.claims(CpuId{1}, 0xFEE00FFF));
  EXPECT_FALSE(rig.bank.claims(CpuId{1}, 0xFEDFFFFF));
  EXPECT_FALSE(rig.bank.claims(CpuId{1}, 0xFEE01000)) << "the rest of the window is not its page";
  ASSERT_TRUE(rig.wrmsr(1, 0x1B, 0x80000800));
  EXPECT_FALSE(rig.bank.claims(CpuId{1}, 0xFEE00000));
  EXPECT_TRUE(rig.bank.claims(CpuId{1}, 0x80000300));
  ASSERT_TRUE(rig.set_base(2, 0));
  EXPECT_FALSE(rig.bank.claims(CpuId{2}, 0xFEE00000));
}
void disabled_by_hardware_takes_nothing() {
  LapicRig rig;
  rig.set_base(1, 0);
  EXPECT_EQ(rig.fixed_to(1, 0x41), 0u);
  EXPECT_EQ(rig.send(rig.of(DeliveryMode::Nmi, 1)), 0u);
  EXPECT_EQ(rig.read(1, Reg::kId), 0xFFFFFFFFu) << "nobody claims its page";
}
void disabled_by_software_takes_no_fixed() {
  LapicRig rig;
  rig.write(1, Reg::kSvr, 0xFF);
  EXPECT_EQ(rig.fixed_to(1, 0x41), 0u);
  EXPECT_TRUE(rig.dropped(DropReason::TargetDisabled));
}
void disabled_by_software_takes_nmi_smi_init_sipi() {
  LapicRig rig;
  rig.write(1, Reg::kSvr, 0xFF);
  for (const auto mode : {DeliveryMode::Nmi, DeliveryMode::Smi, DeliveryMode::Init}) {
    EXPECT_EQ(rig.send(rig.of(mode, 1)), 1u);
  }
  rig.ipi(0, 1, kStartUp);
  for (const auto line : {CpuLine::Nmi, CpuLine::Smi, CpuLine::Init, CpuLine::Sipi}) {
    EXPECT_EQ(rig.told(line).size(), 1u);
  }
}
void disabled_by_software_keeps_irr_and_isr() {
  LapicRig rig;
  rig.in_service(0, 0x41);
  rig.fixed_to(0, 0x42);
  rig.write(0, Reg::kSvr, 0xFF);
  EXPECT_EQ(rig.irr(0), Vectors{0x42});
  EXPECT_EQ(rig.isr(0), Vectors{0x41});
  rig.eoi(0);
  EXPECT_EQ(rig.isr(0), Vectors{});
  EXPECT_TRUE(rig.intr(0));
  EXPECT_EQ(rig.inta(0), 0x42u);
}
void disabled_by_software_masks_the_table() {
  LapicRig rig;
  rig.write(0, kLint1, 0x41);
  rig.write(0, Reg::kSvr, 0xFF);
  EXPECT_EQ(rig.read(0, kLint1), kMasked | 0x41);
  rig.write(0, kLint1, 0x41);
  EXPECT_EQ(rig.read(0, kLint1), kMasked | 0x41) << "and keeps it masked";
  rig.write(0, Reg::kSvr, 0x1FF);
  EXPECT_EQ(rig.read(0, kLint1), kMasked | 0x41) << "also afterwards";
  rig.write(0, kLint1, 0x41);
  EXPECT_EQ(rig.read(0, kLint1), 0x41u);
}
void init_resets_all_but_id_and_base() {
  LapicRig rig;
  rig.write(1, Reg::kId, 0x09000000);
  rig.write(1, Reg::kTpr, 0x20);
  rig.write(1, Reg::kLdr, 0x02000000);
  rig.fixed_to(9, 0x41);
  EXPECT_EQ(rig.inta(1), 0x41u);
  rig.fixed_to(9, 0x42);
  EXPECT_EQ(rig.send(rig.of(DeliveryMode::Init, 9)), 1u);
  EXPECT_EQ(rig.read(1, Reg::kId), 0x09000000u);
  EXPECT_EQ(rig.read(1, Reg::kTpr), 0u);
  EXPECT_EQ(rig.read(1, Reg::kLdr), 0u);
  EXPECT_EQ(rig.read(1, Reg::kSvr), 0xFFu);
  EXPECT_EQ(rig.isr(1), Vectors{});
  EXPECT_EQ(rig.irr(1), Vectors{});
}
void init_leaves_all_but_the_bootstrap_processor_waiting() {
  LapicRig rig;
  rig.send(rig.of(DeliveryMode::Init, 0xFF));
  EXPECT_FALSE(rig.bank.waits_for_sipi(CpuId{0}));
  EXPECT_TRUE(rig.bank.waits_for_sipi(CpuId{1}));
  rig.ipi(0, 1, kStartUp);
  EXPECT_FALSE(rig.bank.waits_for_sipi(CpuId{1}));
  EXPECT_TRUE(rig.bank.waits_for_sipi(CpuId{2}));
}
void a_second_sipi_is_ignored() {
  LapicRig rig;
  rig.ipi(0, 1, kStartUp);
  EXPECT_TRUE(rig.dropped(DropReason::NotWaiting));
  EXPECT_EQ(rig.told(CpuLine::Sipi).size(), 0u);
}

// ---- 11.5.1: the local vector table ----

void a_lint_pin_requests_its_vector() {
  LapicRig rig;
  rig.write(0, kLint1, 0x41);
  rig.pin(0, LocalPin::Lint1, Level::High);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  rig.inta(0);
  rig.pin(0, LocalPin::Lint1, Level::High);
  EXPECT_EQ(rig.irr(0), Vectors{}) << "an edge";
}
void polarity_turns_a_pin_over() {
  LapicRig rig;
  rig.pin(0, LocalPin::Lint1, Level::High);
  rig.write(0, kLint1, 0x2041);
  EXPECT_EQ(rig.irr(0), Vectors{});
  rig.pin(0, LocalPin::Lint1, Level::Low);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
}
void a_masked_entry_requests_nothing() {
  LapicRig rig;
  rig.write(0, kLint1, kMasked | 0x41);
  rig.pin(0, LocalPin::Lint1, Level::High);
  rig.write(0, kLint1, 0x41);
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void lint1_as_nmi() {
  LapicRig rig;
  rig.write(0, kLint1, 0x400);
  rig.pin(0, LocalPin::Lint1, Level::High);
  EXPECT_EQ(rig.told(CpuLine::Nmi).size(), 1u);
}
void a_level_has_a_remote_irr() {
  LapicRig rig;
  rig.write(0, kLint0, 0x8041);
  rig.pin(0, LocalPin::Lint0, Level::High);
  EXPECT_EQ(rig.read(0, kLint0), 0xC041u);
  EXPECT_EQ(rig.inta(0), 0x41u);
  rig.eoi(0);
  EXPECT_EQ(rig.irr(0), Vectors{0x41}) << "it is still high";
  rig.pin(0, LocalPin::Lint0, Level::Low);
  rig.inta(0);
  rig.eoi(0);
  EXPECT_EQ(rig.irr(0), Vectors{});
  EXPECT_EQ(rig.read(0, kLint0), 0x8041u);
}
void an_overflow_masks_the_performance_entry() {
  LapicRig rig;
  rig.write(0, kPerformance, 0x400);
  rig.pin(0, LocalPin::Performance, Level::High);
  EXPECT_EQ(rig.told(CpuLine::Nmi).size(), 1u);
  EXPECT_EQ(rig.read(0, kPerformance), kMasked | 0x400);
}
void the_thermal_entry_stays_unmasked() {
  LapicRig rig;
  rig.write(0, kThermal, 0x41);
  rig.pin(0, LocalPin::Thermal, Level::High);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  EXPECT_EQ(rig.read(0, kThermal), 0x41u);
}
void entries_have_their_bits() {
  LapicRig rig;
  const std::pair<std::uint32_t, std::uint32_t> bits[] = {
      {Reg::kLvtTimer, 0x700FF}, {kThermal, 0x107FF}, {kPerformance, 0x107FF},
      {kLint0, 0x1A7FF},         {kLint1, 0x1A7FF},   {kError, 0x100FF}};
  for (const auto& [entry, writable] : bits) {
    rig.write(0, entry, 0xFFFFFFFF);
    EXPECT_EQ(rig.read(0, entry), writable) << entry;
  }
}

// ---- 11.5.3: errors ----

void esr_shows_what_the_write_latched() {
  LapicRig rig;
  rig.ipi(0, 1, 0x0F);
  EXPECT_EQ(rig.read(0, Reg::kEsr), 0u);
  EXPECT_EQ(rig.errors(0), 0x20u);
  EXPECT_EQ(rig.errors(0), 0u);
}
void vectors_0_to_15_cannot_be_sent() {
  LapicRig rig;
  rig.ipi(0, 1, 0x0F);
  rig.ipi(0, 1, 0x10);
  EXPECT_EQ(rig.errors(0), 0x20u);
  EXPECT_EQ(rig.irr(1), Vectors{0x10});
  EXPECT_EQ(rig.errors(1), 0u);
}
void vectors_0_to_15_cannot_be_received() {
  LapicRig rig;
  EXPECT_EQ(rig.fixed_to(1, 0x0F), 0u);
  EXPECT_EQ(rig.errors(1), 0x40u);
  EXPECT_EQ(rig.fixed_to(1, 0x10), 1u);
}
void an_unknown_register_is_an_error() {
  LapicRig rig;
  rig.read(0, 0x040);
  EXPECT_EQ(rig.errors(0), 0x80u);
  rig.write(0, Reg::kSelfIpi, 0x41);  // of x2APIC mode
  EXPECT_EQ(rig.errors(0), 0x80u);
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void a_redirectable_ipi_can_be_an_error() {
  auto config = LapicRig::four();
  config.lowest_priority_ipi = x86::LowestPriorityIpi::Refused;
  LapicRig rig(config);
  rig.ipi(0, 1, 0x141);
  EXPECT_EQ(rig.errors(0), 0x10u);
  EXPECT_EQ(rig.irr(1), Vectors{});
}
void the_first_error_interrupts() {
  LapicRig rig;
  rig.write(0, kError, 0x41);
  rig.read(0, 0x040);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  rig.inta(0);
  rig.read(0, 0x040);
  EXPECT_EQ(rig.irr(0), Vectors{}) << "until ESR is written";
  rig.errors(0);
  rig.read(0, 0x040);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
}

// ---- 11.5.4: the timer ----

/// 1 count of the default configuration: 100 MHz over the divisor 2.
constexpr Duration kCount = 20 * kPsPerNs;

void one_shot_counts_down_once() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x41);
  rig.write(0, Reg::kInitialCount, 10);
  ASSERT_EQ(rig.env.delays.size(), 1u);
  EXPECT_EQ(rig.env.delays[0].delay, 10 * kCount);
  rig.env.time = 4 * kCount;
  EXPECT_EQ(rig.read(0, Reg::kCurrentCount), 6u);
  rig.env.time = 0;
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  EXPECT_EQ(rig.read(0, Reg::kCurrentCount), 0u);
  EXPECT_EQ(rig.env.delays.size(), 0u);
}
void periodic_begins_again() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x20041);
  rig.write(0, Reg::kInitialCount, 10);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  ASSERT_EQ(rig.env.delays.size(), 1u);
  EXPECT_EQ(rig.env.delays[0].delay, 10 * kCount);
  EXPECT_EQ(rig.read(0, Reg::kCurrentCount), 10u);
}
void a_count_of_zero_stops_it() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x41);
  rig.write(0, Reg::kInitialCount, 10);
  rig.write(0, Reg::kInitialCount, 0);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void the_divisor_has_three_bits() {
  const std::pair<std::uint32_t, unsigned> divisors[] = {
      {0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xA, 128}, {0xB, 1}};
  for (const auto& [code, divisor] : divisors) {
    LapicRig rig;
    rig.write(0, Reg::kDivideConfiguration, 0xFFFFFFF4 | code);
    EXPECT_EQ(rig.read(0, Reg::kDivideConfiguration), code);
    rig.write(0, Reg::kInitialCount, 3);
    EXPECT_EQ(rig.env.delays.at(0).delay, 3 * divisor * 10 * kPsPerNs);
  }
}
void a_masked_timer_counts_and_says_nothing() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, kMasked | 0x41);
  rig.write(0, Reg::kInitialCount, 10);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void a_tsc_deadline_is_absolute() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x40041);
  rig.env.time = 3 * kPsPerUs;
  ASSERT_TRUE(rig.wrmsr(0, 0x6E0, 20'000));  // of 2 GHz: 10 us
  EXPECT_EQ(rig.rdmsr(0, 0x6E0), 20'000u);
  EXPECT_EQ(rig.env.delays.at(0).delay, 7 * kPsPerUs);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  EXPECT_EQ(rig.rdmsr(0, 0x6E0), 0u) << "it is disarmed";
}
void a_deadline_in_the_past_comes_at_once() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x40041);
  rig.env.time = 30 * kPsPerUs;
  rig.wrmsr(0, 0x6E0, 20'000);
  EXPECT_EQ(rig.env.delays.at(0).delay, 0u);
}
void a_deadline_of_zero_disarms() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x40041);
  rig.wrmsr(0, 0x6E0, 20'000);
  rig.wrmsr(0, 0x6E0, 0);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void a_deadline_counts_in_its_mode_only() {
  LapicRig rig;
  rig.wrmsr(0, 0x6E0, 20'000);
  EXPECT_EQ(rig.rdmsr(0, 0x6E0), 0u);
  EXPECT_TRUE(rig.env.delays.empty());
  rig.write(0, Reg::kLvtTimer, 0x40041);
  rig.write(0, Reg::kInitialCount, 10);
  EXPECT_EQ(rig.read(0, Reg::kInitialCount), 0u);
  EXPECT_TRUE(rig.env.delays.empty());
}
void a_change_of_mode_disarms() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x40041);
  rig.wrmsr(0, 0x6E0, 20'000);
  rig.write(0, Reg::kLvtTimer, 0x41);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{});
}
void a_change_between_one_shot_and_periodic_disarms() {
  LapicRig rig;
  rig.write(0, Reg::kLvtTimer, 0x20041);
  rig.write(0, Reg::kInitialCount, 10);
  rig.write(0, Reg::kLvtTimer, 0x41);
  rig.elapse();
  EXPECT_EQ(rig.irr(0), Vectors{});
}

constexpr Rule kRules[] = {
    {"11.4.7.1", "PowerUpState", power_up_state},
    {"11.4.8", "TheVersionSaysHowManyEntries", the_version_says_how_many_entries},
    {"11.4.4", "TheBootstrapProcessorIsMarked", the_bootstrap_processor_is_marked},
    {"11.4.4", "ReservedBitsOfTheBaseFault", reserved_bits_of_the_base_fault},
    {"11.4.5", "APageClaimsItsCpusAccesses", a_page_claims_its_cpus_accesses},
    {"11.4.3", "DisabledByHardwareTakesNothing", disabled_by_hardware_takes_nothing},
    {"11.4.7.2", "DisabledBySoftwareTakesNoFixed", disabled_by_software_takes_no_fixed},
    {"11.4.7.2", "DisabledBySoftwareTakesNmiSmiInitSipi",
     disabled_by_software_takes_nmi_smi_init_sipi},
    {"11.4.7.2", "DisabledBySoftwareKeepsIrrAndIsr", disabled_by_software_keeps_irr_and_isr},
    {"11.4.7.2", "DisabledBySoftwareMasksTheTable", disabled_by_software_masks_the_table},
    {"11.4.7.3", "InitResetsAllButIdAndBase", init_resets_all_but_id_and_base},
    {"11.4.7.3", "InitLeavesAllButTheBootstrapProcessorWaiting",
     init_leaves_all_but_the_bootstrap_processor_waiting},
    {"11.4.7.3", "ASecondSipiIsIgnored", a_second_sipi_is_ignored},
    {"11.5.1", "ALintPinRequestsItsVector", a_lint_pin_requests_its_vector},
    {"11.5.1", "PolarityTurnsAPinOver", polarity_turns_a_pin_over},
    {"11.5.1", "AMaskedEntryRequestsNothing", a_masked_entry_requests_nothing},
    {"11.5.1", "Lint1AsNmi", lint1_as_nmi},
    {"11.5.1", "ALevelHasARemoteIrr", a_level_has_a_remote_irr},
    {"11.5.1", "AnOverflowMasksThePerformanceEntry", an_overflow_masks_the_performance_entry},
    {"11.5.1", "TheThermalEntryStaysUnmasked", the_thermal_entry_stays_unmasked},
    {"11.5.1", "EntriesHaveTheirBits", entries_have_their_bits},
    {"11.5.3", "EsrShowsWhatTheWriteLatched", esr_shows_what_the_write_latched},
    {"11.5.3", "Vectors0To15CannotBeSent", vectors_0_to_15_cannot_be_sent},
    {"11.5.3", "Vectors0To15CannotBeReceived", vectors_0_to_15_cannot_be_received},
    {"11.5.3", "AnUnknownRegisterIsAnError", an_unknown_register_is_an_error},
    {"11.5.3", "ARedirectableIpiCanBeAnError", a_redirectable_ipi_can_be_an_error},
    {"11.5.3", "TheFirstErrorInterrupts", the_first_error_interrupts},
    {"11.5.4", "OneShotCountsDownOnce", one_shot_counts_down_once},
    {"11.5.4", "PeriodicBeginsAgain", periodic_begins_again},
    {"11.5.4", "ACountOfZeroStopsIt", a_count_of_zero_stops_it},
    {"11.5.4", "TheDivisorHasThreeBits", the_divisor_has_three_bits},
    {"11.5.4", "AMaskedTimerSaysNothing", a_masked_timer_counts_and_says_nothing},
    {"11.5.4.1", "ATscDeadlineIsAbsolute", a_tsc_deadline_is_absolute},
    {"11.5.4.1", "ADeadlineInThePastComesAtOnce", a_deadline_in_the_past_comes_at_once},
    {"11.5.4.1", "ADeadlineOfZeroDisarms", a_deadline_of_zero_disarms},
    {"11.5.4.1", "ADeadlineCountsInItsModeOnly", a_deadline_counts_in_its_mode_only},
    {"11.5.4.1", "AChangeOfModeDisarms", a_change_of_mode_disarms},
    {"11.5.4.1", "AChangeBetweenOneShotAndPeriodicDisarms",
     a_change_between_one_shot_and_periodic_disarms},
};

INSTANTIATE_TEST_SUITE_P(SdmLapic, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
