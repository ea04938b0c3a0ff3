// Rules of the 8259A: initialization, the interrupt sequence, EOI and rotation. Intel 8259A data
// sheet (231468), by its headings.

#include "tests/rules/pic_pair.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using Pair = PicPair;

// ---- Initialization ----

void nothing_is_asked_before_the_last_word() {
  Pair p(PicTrigger::Elcr);
  p.raise(3);
  EXPECT_FALSE(p.asks());
  p.words(kMaster, {0x11, 0x20, 0x04});
  p.lower(3), p.raise(3);
  EXPECT_FALSE(p.asks());
  p.write(kMaster + 1, 0x01);
  EXPECT_TRUE(p.asks());
}
void icw1_clears_the_mask() {
  Pair p;
  p.mask(kMaster, 0xFF);
  p.write(kMaster, 0x11);
  EXPECT_EQ(p.chip.chip(PicRole::Master).imr(), 0u);
}
void icw1_forgets_edges() {
  Pair p;
  p.raise(3);
  p.initialize(0x01);
  EXPECT_FALSE(p.asks());
  EXPECT_EQ(p.irr(), 0u);
  p.lower(3), p.raise(3);
  EXPECT_TRUE(p.asks());
}
void icw1_gives_ir7_the_lowest_priority() {
  Pair p;
  p.write(kMaster, 0xC0 | 3);
  p.initialize(0x01);
  p.raise(4), p.raise(0);
  EXPECT_EQ(p.inta(), 0x20u);
}
void icw1_ends_special_mask_mode() {
  Pair p;
  p.write(kMaster, 0x68);
  p.initialize(0x01);
  p.raise(1);
  p.inta();
  p.mask(kMaster, 0x02);
  p.raise(5);
  EXPECT_FALSE(p.asks());
}
void icw1_selects_irr_for_reading() {
  Pair p;
  p.write(kMaster, kReadIsr);
  p.initialize(0x01);
  p.raise(6);
  EXPECT_EQ(p.read(kMaster), 0x40u);
}
void icw1_without_ic4_clears_icw4() {
  Pair p;
  p.initialize(0x03);
  p.words(kMaster, {0x10, 0x20, 0x04});
  p.raise(1);
  p.inta();
  EXPECT_EQ(p.isr(), 0x02u) << "no automatic EOI any more";
}
void single_chips_have_no_icw3() {
  Pair p;
  p.words(kMaster, {0x13, 0x40, 0x01});
  p.raise(2);
  EXPECT_EQ(p.inta(), 0x42u) << "IR2 is an input like any other";
}
void icw2_gives_bits_7_to_3_of_the_vector() {
  Pair p;
  p.words(kMaster, {0x11, 0x4F, 0x04, 0x01});
  p.raise(5);
  EXPECT_EQ(p.inta(), 0x4Du);
}
void ltim_makes_every_input_a_level() {
  Pair p(PicTrigger::Ltim);
  p.initialize(0x01, 0x19);
  p.raise(3);
  EXPECT_EQ(p.inta(), 0x23u);
  p.write(kMaster, kEoi);
  EXPECT_TRUE(p.asks());
  p.lower(3);
  EXPECT_FALSE(p.asks());
}

// ---- Interrupt Sequence and Fully Nested Mode ----

void inta_moves_the_request_into_service() {
  Pair p;
  p.raise(4);
  EXPECT_EQ(p.irr(), 0x10u);
  EXPECT_EQ(p.isr(), 0x00u);
  EXPECT_EQ(p.inta(), 0x24u);
  EXPECT_EQ(p.irr(), 0x00u);
  EXPECT_EQ(p.isr(), 0x10u);
  EXPECT_FALSE(p.asks());
}
void nobody_waiting_answers_ir7_and_sets_nothing() {
  Pair p;
  p.pulse(3);
  EXPECT_EQ(p.inta(), 0x27u);
  EXPECT_EQ(p.isr(), 0u);
}
void a_real_ir7_sets_its_isr_bit() {
  Pair p;
  p.raise(7);
  EXPECT_EQ(p.inta(), 0x27u);
  EXPECT_EQ(p.isr(), 0x80u);
}
void higher_priorities_interrupt_and_lower_ones_wait() {
  Pair p;
  p.raise(4);
  p.inta();
  p.raise(5);
  EXPECT_FALSE(p.asks());
  p.raise(3);
  EXPECT_TRUE(p.asks());
  EXPECT_EQ(p.inta(), 0x23u);
  EXPECT_EQ(p.isr(), 0x18u);
}
void the_same_input_does_not_interrupt_itself() {
  Pair p;
  p.pulse(4), p.raise(4);
  p.inta();
  p.lower(4), p.raise(4);
  EXPECT_FALSE(p.asks());
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.inta(), 0x24u);
}
void int_falls_when_the_request_is_withdrawn() {
  Pair p;
  p.raise(4);
  EXPECT_TRUE(p.asks());
  p.lower(4);
  EXPECT_FALSE(p.asks());
}

// ---- End of Interrupt ----

void non_specific_eoi_ends_the_highest() {
  Pair p;
  p.raise(4), p.inta();
  p.raise(2 + 1), p.inta();
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.isr(), 0x10u);
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.isr(), 0x00u);
}
void specific_eoi_ends_the_one_it_names() {
  Pair p;
  p.raise(4), p.inta();
  p.raise(3), p.inta();
  p.write(kMaster, kSpecificEoi | 4);
  EXPECT_EQ(p.isr(), 0x08u);
  p.write(kMaster, kSpecificEoi | 5);
  EXPECT_EQ(p.isr(), 0x08u);
}
void automatic_eoi_leaves_nothing_in_service() {
  Pair p;
  p.initialize(0x03);
  p.raise(4);
  EXPECT_EQ(p.inta(), 0x24u);
  EXPECT_EQ(p.isr(), 0u);
  p.raise(6);
  EXPECT_TRUE(p.asks());
}
void eoi_with_nothing_in_service_is_noted() {
  Pair p;
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.env.count(Event::GuestError), 1u);
  p.raise(4), p.inta();
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.env.count(Event::GuestError), 1u);
}

// ---- Rotation ----

void rotation_on_eoi_makes_the_ended_one_lowest() {
  Pair p;
  p.raise(4), p.inta();
  p.write(kMaster, 0xA0);
  p.lower(4), p.raise(4), p.raise(5);
  EXPECT_EQ(p.inta(), 0x25u);
}
void plain_eoi_rotates_nothing() {
  Pair p;
  p.raise(4), p.inta();
  p.write(kMaster, kEoi);
  p.lower(4), p.raise(4), p.raise(5);
  EXPECT_EQ(p.inta(), 0x24u);
}
void rotation_in_automatic_eoi_is_switched() {
  Pair p;
  p.initialize(0x03);
  p.write(kMaster, 0x80);
  p.raise(4), p.inta();
  p.lower(4), p.raise(4), p.raise(5);
  EXPECT_EQ(p.inta(), 0x25u);
  p.write(kMaster, 0x00);
  p.inta();
  p.lower(4), p.raise(4), p.lower(5), p.raise(5);
  EXPECT_EQ(p.inta(), 0x24u) << "IR5 stayed the lowest";
  p.lower(4), p.raise(4);
  EXPECT_EQ(p.inta(), 0x24u) << "and IR4 did not become it";
}
void set_priority_names_the_lowest() {
  Pair p;
  p.write(kMaster, 0xC0 | 4);
  p.raise(4), p.raise(5), p.raise(0);
  EXPECT_EQ(p.inta(), 0x25u);
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.inta(), 0x20u);
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.inta(), 0x24u);
}
void rotation_on_specific_eoi_does_both() {
  Pair p;
  p.raise(4), p.inta();
  p.write(kMaster, 0xE0 | 4);
  EXPECT_EQ(p.isr(), 0u);
  p.lower(4), p.raise(4), p.raise(7);
  EXPECT_EQ(p.inta(), 0x27u);
}

constexpr Rule kRules[] = {
    {"ICW1", "NothingIsAskedBeforeTheLastWord", nothing_is_asked_before_the_last_word},
    {"ICW1", "ClearsTheMask", icw1_clears_the_mask},
    {"ICW1", "ForgetsEdges", icw1_forgets_edges},
    {"ICW1", "GivesIr7TheLowestPriority", icw1_gives_ir7_the_lowest_priority},
    {"ICW1", "EndsSpecialMaskMode", icw1_ends_special_mask_mode},
    {"ICW1", "SelectsIrrForReading", icw1_selects_irr_for_reading},
    {"ICW1", "WithoutIc4ClearsIcw4", icw1_without_ic4_clears_icw4},
    {"ICW1", "LtimMakesEveryInputALevel", ltim_makes_every_input_a_level},
    {"ICW2", "GivesBits7To3OfTheVector", icw2_gives_bits_7_to_3_of_the_vector},
    {"ICW3", "SingleChipsHaveNone", single_chips_have_no_icw3},
    {"Interrupt Sequence", "IntaMovesTheRequestIntoService", inta_moves_the_request_into_service},
    {"Interrupt Sequence", "NobodyWaitingAnswersIr7AndSetsNothing",
     nobody_waiting_answers_ir7_and_sets_nothing},
    {"Interrupt Sequence", "ARealIr7SetsItsIsrBit", a_real_ir7_sets_its_isr_bit},
    {"Interrupt Sequence", "IntFallsWhenTheRequestIsWithdrawn",
     int_falls_when_the_request_is_withdrawn},
    {"Fully Nested Mode", "HigherPrioritiesInterruptAndLowerOnesWait",
     higher_priorities_interrupt_and_lower_ones_wait},
    {"Fully Nested Mode", "TheSameInputDoesNotInterruptItself",
     the_same_input_does_not_interrupt_itself},
    {"End of Interrupt", "NonSpecificEndsTheHighest", non_specific_eoi_ends_the_highest},
    {"End of Interrupt", "SpecificEndsTheOneItNames", specific_eoi_ends_the_one_it_names},
    {"End of Interrupt", "AutomaticLeavesNothingInService",
     automatic_eoi_leaves_nothing_in_service},
    {"End of Interrupt", "WithNothingInServiceIsNoted", eoi_with_nothing_in_service_is_noted},
    {"Automatic Rotation", "OnEoiMakesTheEndedOneLowest",
     rotation_on_eoi_makes_the_ended_one_lowest},
    {"Automatic Rotation", "PlainEoiRotatesNothing", plain_eoi_rotates_nothing},
    {"Automatic Rotation", "InAutomaticEoiIsSwitched", rotation_in_automatic_eoi_is_switched},
    {"Specific Rotation", "SetPriorityNamesTheLowest", set_priority_names_the_lowest},
    {"Specific Rotation", "OnSpecificEoiDoesBoth", rotation_on_specific_eoi_does_both},
};

INSTANTIATE_TEST_SUITE_P(I8259a, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
