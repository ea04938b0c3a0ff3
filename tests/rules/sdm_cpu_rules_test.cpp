// The processor side of interrupts: SDM vol. 3, 6.3 to 6.9 (interrupts, NMI, IF, priorities), 10.1
// and 9.4 (INIT and start-up), and vol. 2, the pages of STI, MOV, HLT and IRET.

#include "tests/rules/rule.hpp"
#include "tests/support/cpu_rig.hpp"

namespace irqfab::rules {
namespace {

using test::CpuRig;
using I = CpuRig::Instruction;
using S = CpuRig::StepKind;

CpuRig disabled() {
  CpuRig rig;
  rig.cpus.set_interrupts(rig.cpu, cpu::Interrupts::Disabled);
  return rig;
}
/// CPU 1 after an INIT.
CpuRig waiting() {
  CpuRig rig;
  rig.cpu = CpuId{1};
  rig.tell(CpuLine::Init, 99);
  rig.env.clear();
  return rig;
}

// ---- 6.8.1: IF ----

void if_keeps_interrupts_out() {
  CpuRig rig = disabled();
  rig.line();
  EXPECT_EQ(rig.intas(), 0u);
  rig.execute({I::Sti, I::Nop});
  EXPECT_EQ(rig.intas(), 1u);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Enabled);
}
void cli_keeps_interrupts_out() {
  CpuRig rig;
  rig.execute({I::Cli});
  rig.line();
  EXPECT_EQ(rig.intas(), 0u);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Disabled);
}
void if_keeps_no_nmi_out() {
  CpuRig rig = disabled();
  rig.tell(CpuLine::Nmi, 1);
  EXPECT_EQ(rig.story(), "enter 1");
}
void a_handler_begins_with_if_clear() {
  CpuRig rig;
  rig.take(0x41, 1);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Disabled);
  rig.line();
  EXPECT_EQ(rig.intas(), 1u);
}
void iret_restores_if() {
  CpuRig rig;
  rig.take(0x41, 1);
  rig.elapse();
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Enabled);
  CpuRig off = disabled();
  off.tell(CpuLine::Nmi, 1);
  off.elapse();
  EXPECT_EQ(off.story(), "enter 1, end 1");
  EXPECT_EQ(off.cpus.interrupts(off.cpu), cpu::Interrupts::Disabled);
}
void sti_in_a_handler_lets_another_in() {
  CpuRig rig(CpuRig::preemptible());
  rig.take(0x41, 1);
  rig.env.time = 300;
  rig.take(0x51, 2);
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 2u);
  EXPECT_TRUE(rig.noted(Event::HandlerPreempted, 1));
  EXPECT_FALSE(rig.noted(Event::HandlerResumed, 1));
  rig.elapse();  // the second's whole step
  EXPECT_TRUE(rig.noted(Event::HandlerResumed, 1));
  EXPECT_EQ(rig.env.delays.back().delay, 700u) << "what was left of the first's";
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, enter 2, end 2, end 1");
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 0u);
  EXPECT_EQ(rig.cpus.handled(rig.cpu), 2u);
}
void cli_in_a_handler_closes_the_window() {
  CpuRig rig(CpuRig::with(
      {{S::EnableInterrupts, 0}, {S::Busy, 10}, {S::DisableInterrupts, 0}, {S::Busy, 10}}));
  rig.take(0x41, 1);
  rig.elapse();
  rig.line();
  EXPECT_EQ(rig.intas(), 1u);
  rig.elapse();
  EXPECT_EQ(rig.intas(), 2u);
}
void a_delay_of_before_means_nothing() {
  CpuRig rig(CpuRig::preemptible());
  rig.take(0x41, 1);
  const Elapsed stale{rig.env.delays.back().tag, 0};
  rig.take(0x51, 2);
  rig.receive(stale);
  EXPECT_EQ(rig.story(), "enter 1, enter 2");
}

// ---- STI, MOV SS, 6.8.3: the shadow ----

void sti_covers_one_instruction() {
  CpuRig rig = disabled();
  rig.line();
  rig.execute({I::Sti, I::Cli});
  EXPECT_EQ(rig.intas(), 0u) << "no boundary between the two";
  rig.execute({I::Sti, I::Nop, I::Cli});
  EXPECT_EQ(rig.intas(), 1u);
}
void sti_with_if_set_covers_nothing() {
  CpuRig rig(CpuRig::with({}));
  rig.execute({I::Sti, I::Nop, I::Cli, I::Sti, I::Sti, I::Cli});
  EXPECT_EQ(rig.intas(), 0u);
  CpuRig held = disabled();
  held.line();
  held.execute({I::Sti, I::Sti, I::Cli});  // the second's shadow would hide the boundary before CLI
  EXPECT_EQ(held.intas(), 1u);
}
void sti_hlt_loses_no_wake_up() {
  CpuRig rig = disabled();
  rig.line(Level::High);
  rig.execute({I::Sti, I::Hlt});
  EXPECT_EQ(rig.intas(), 1u);
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  rig.answer(0x41, 1);
  rig.elapse();
  EXPECT_FALSE(rig.cpus.halted(rig.cpu)) << "it returns behind the HLT";
}
void an_instruction_between_sti_and_hlt_loses_it() {
  CpuRig rig = disabled();
  rig.line(Level::High);
  rig.execute({I::Sti, I::Nop, I::Hlt});
  EXPECT_EQ(rig.intas(), 1u);
  rig.answer(0x41, 1);
  rig.elapse();
  EXPECT_TRUE(rig.cpus.halted(rig.cpu)) << "it returns before the HLT";
}
void mov_ss_covers_one_instruction() {
  CpuRig rig = disabled();
  rig.line();
  rig.execute({I::Sti, I::MovSs, I::Cli});
  EXPECT_EQ(rig.intas(), 0u);
  rig.execute({I::Sti, I::MovSs, I::Nop, I::Cli});
  EXPECT_EQ(rig.intas(), 1u);
}
void of_several_mov_ss_only_the_first_covers() {
  CpuRig rig = disabled();
  rig.line();
  rig.execute({I::Sti, I::MovSs, I::MovSs, I::Cli});
  EXPECT_EQ(rig.intas(), 1u);
}

// ---- 6.7.1: NMI ----

void an_nmi_interrupts_a_handler_anywhere() {
  CpuRig rig;
  rig.take(0x41, 1);
  rig.env.time = 400;
  rig.tell(CpuLine::Nmi, 2);
  EXPECT_EQ(rig.story(), "enter 1, enter 2");
  rig.elapse();
  EXPECT_EQ(rig.env.delays.back().delay, 600u);
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, enter 2, end 2, end 1");
  EXPECT_EQ(rig.eois(), 1u) << "an NMI has none";
}
void an_nmi_blocks_nmis_until_iret() {
  CpuRig rig;
  rig.tell(CpuLine::Nmi, 1);
  rig.tell(CpuLine::Nmi, 2);
  EXPECT_EQ(rig.story(), "enter 1");
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, end 1, enter 2");
}
void one_more_nmi_is_latched() {
  CpuRig rig;
  rig.tell(CpuLine::Nmi, 1);
  rig.tell(CpuLine::Nmi, 2);
  rig.tell(CpuLine::Nmi, 3);
  EXPECT_TRUE(rig.noted(Event::Coalesced, 3));
  EXPECT_FALSE(rig.noted(Event::Coalesced, 2));
  EXPECT_EQ(test::held_by(rig.cpus), (std::vector<SpanId>{rig.span(1), rig.span(2)}));
}
void any_iret_ends_the_blocking() {
  CpuRig rig(CpuRig::preemptible());
  rig.tell(CpuLine::Nmi, 1);
  rig.take(0x51, 2);
  rig.tell(CpuLine::Nmi, 3);
  EXPECT_EQ(rig.story(), "enter 1, enter 2");
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1, enter 2, end 2, enter 3");
}
void an_nmi_is_vector_two() {
  CpuRig rig;
  rig.tell(CpuLine::Nmi, 1);
  EXPECT_EQ(rig.env.notes.at(0).detail, 2u);
}

// ---- 6.9: priorities ----

void an_nmi_goes_before_an_interrupt() {
  CpuRig rig = disabled();
  rig.call(cpu::Call::Accept, 0);  // an INTA is under way
  rig.line();
  rig.tell(CpuLine::Nmi, 1);
  rig.execute({I::Sti, I::Nop});
  rig.answer_spurious();
  EXPECT_EQ(rig.story(), "enter 1");
  EXPECT_EQ(rig.intas(), 1u);
}

// ---- HLT ----

void hlt_waits_for_an_interrupt() {
  CpuRig rig;
  rig.execute({I::Hlt});
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
  rig.line(Level::High, rig.span(1));
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  EXPECT_TRUE(rig.noted(Event::CpuWoken, 1));
  EXPECT_EQ(rig.intas(), 0u) << "it has to wake first";
  rig.elapse();
  EXPECT_EQ(rig.intas(), 1u);
}
void hlt_with_if_clear_waits_for_an_nmi() {
  CpuRig rig;
  rig.execute({I::Cli, I::Hlt});
  rig.line();
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
  rig.tell(CpuLine::Nmi, 1);
  EXPECT_FALSE(rig.cpus.halted(rig.cpu));
  rig.elapse();
  EXPECT_EQ(rig.story(), "enter 1");
}
void an_smi_leaves_a_halted_cpu_halted() {
  CpuRig rig;
  rig.execute({I::Hlt});
  rig.tell(CpuLine::Smi, 1);
  EXPECT_EQ(rig.story(), "end 1");
  EXPECT_TRUE(rig.noted(Event::CpuWoken, 1));
  EXPECT_TRUE(rig.cpus.halted(rig.cpu));
}
void the_saved_instruction_is_the_one_after_hlt() {
  CpuRig rig(CpuRig::with({}));
  rig.execute({I::Hlt, I::Cli});
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Enabled);
  rig.line();
  rig.elapse();
  rig.answer(0x41, 1);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Disabled);
  EXPECT_TRUE(rig.cpus.executed_all(rig.cpu));
}

// ---- 10.1, 9.4: INIT and start-up ----

void init_abandons_what_is_under_way() {
  CpuRig rig;
  rig.take(0x41, 1);
  rig.tell(CpuLine::Nmi, 2);
  rig.tell(CpuLine::Nmi, 3);
  rig.tell(CpuLine::Init, 4);
  EXPECT_TRUE(rig.noted(Event::Cancelled, 2));
  EXPECT_TRUE(rig.noted(Event::Cancelled, 3));
  EXPECT_FALSE(rig.noted(Event::Cancelled, 1)) << "the controller's reset ends it";
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 0u);
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Disabled);
  EXPECT_TRUE(test::held_by(rig.cpus).empty());
  rig.env.notes.clear();
  rig.elapse();  // of the NMI's handler
  EXPECT_TRUE(rig.env.notes.empty());
}
void init_leaves_all_but_the_bootstrap_processor_waiting() {
  CpuRig rig;
  rig.tell(CpuLine::Init, 1);
  EXPECT_FALSE(rig.cpus.waits_for_sipi(rig.cpu));
  rig.cpu = CpuId{1};
  rig.tell(CpuLine::Init, 2);
  EXPECT_TRUE(rig.cpus.waits_for_sipi(rig.cpu));
}
void a_waiting_cpu_takes_nothing() {
  CpuRig rig = waiting();
  rig.execute({I::Sti, I::Nop});
  rig.line();
  rig.tell(CpuLine::Nmi, 1);
  rig.tell(CpuLine::Smi, 2);
  rig.tell(CpuLine::Smi, 3);
  EXPECT_EQ(rig.story(), "");
  EXPECT_EQ(rig.intas(), 0u);
  EXPECT_TRUE(rig.noted(Event::Coalesced, 3));
  EXPECT_EQ(test::held_by(rig.cpus), (std::vector<SpanId>{rig.span(1), rig.span(2)}));
}
void a_sipi_starts_it_and_lets_in_what_was_latched() {
  CpuRig rig = waiting();
  rig.tell(CpuLine::Nmi, 1);
  rig.tell(CpuLine::Smi, 2);
  rig.tell(CpuLine::Sipi, 3);
  EXPECT_FALSE(rig.cpus.waits_for_sipi(rig.cpu));
  EXPECT_EQ(rig.story(), "end 3, end 2, enter 1");
  EXPECT_EQ(rig.cpus.interrupts(rig.cpu), cpu::Interrupts::Disabled);
}
void an_answer_of_before_the_init_means_nothing() {
  CpuRig rig;
  rig.line();
  rig.tell(CpuLine::Init, 1);
  rig.answer(0x41, 2);
  EXPECT_FALSE(rig.noted(Event::HandlerEntered, 2));
  EXPECT_EQ(rig.cpus.depth(rig.cpu), 0u);
}

constexpr Rule kRules[] = {
    {"6.8.1", "IfKeepsInterruptsOut", if_keeps_interrupts_out},
    {"6.8.1", "CliKeepsInterruptsOut", cli_keeps_interrupts_out},
    {"6.8.1", "IfKeepsNoNmiOut", if_keeps_no_nmi_out},
    {"6.8.1", "AHandlerBeginsWithIfClear", a_handler_begins_with_if_clear},
    {"6.8.1", "IretRestoresIf", iret_restores_if},
    {"6.8.1", "StiInAHandlerLetsAnotherIn", sti_in_a_handler_lets_another_in},
    {"6.8.1", "CliInAHandlerClosesTheWindow", cli_in_a_handler_closes_the_window},
    {"6.8.1", "ADelayOfBeforeAPreemptionMeansNothing", a_delay_of_before_means_nothing},
    {"STI", "CoversOneInstruction", sti_covers_one_instruction},
    {"STI", "WithIfSetCoversNothing", sti_with_if_set_covers_nothing},
    {"STI", "StiHltLosesNoWakeUp", sti_hlt_loses_no_wake_up},
    {"STI", "AnInstructionBeforeTheHltLosesIt", an_instruction_between_sti_and_hlt_loses_it},
    {"6.8.3", "MovSsCoversOneInstruction", mov_ss_covers_one_instruction},
    {"6.8.3", "OfSeveralMovSsOnlyTheFirstCovers", of_several_mov_ss_only_the_first_covers},
    {"6.7.1", "AnNmiInterruptsAHandlerAnywhere", an_nmi_interrupts_a_handler_anywhere},
    {"6.7.1", "AnNmiBlocksNmisUntilIret", an_nmi_blocks_nmis_until_iret},
    {"6.7.1", "OneMoreNmiIsLatched", one_more_nmi_is_latched},
    {"6.7.1", "AnyIretEndsTheBlocking", any_iret_ends_the_blocking},
    {"6.3.1", "AnNmiIsVectorTwo", an_nmi_is_vector_two},
    {"6.9", "AnNmiGoesBeforeAnInterrupt", an_nmi_goes_before_an_interrupt},
    {"HLT", "WaitsForAnInterrupt", hlt_waits_for_an_interrupt},
    {"HLT", "WithIfClearWaitsForAnNmi", hlt_with_if_clear_waits_for_an_nmi},
    {"HLT", "AnSmiLeavesAHaltedCpuHalted", an_smi_leaves_a_halted_cpu_halted},
    {"HLT", "TheReturnIsBehindIt", the_saved_instruction_is_the_one_after_hlt},
    {"10.1", "InitAbandonsWhatIsUnderWay", init_abandons_what_is_under_way},
    {"9.4.1", "InitLeavesAllButTheBootstrapProcessorWaiting",
     init_leaves_all_but_the_bootstrap_processor_waiting},
    {"9.4.1", "AWaitingCpuTakesNothing", a_waiting_cpu_takes_nothing},
    {"9.4.1", "ASipiStartsItAndLetsInWhatWasLatched",
     a_sipi_starts_it_and_lets_in_what_was_latched},
    {"10.1", "AnAnswerOfBeforeTheInitMeansNothing", an_answer_of_before_the_init_means_nothing},
};

INSTANTIATE_TEST_SUITE_P(SdmCpu, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
