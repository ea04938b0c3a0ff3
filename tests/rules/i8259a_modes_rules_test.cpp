// Rules of the 8259A: masks, poll and status, trigger modes, and the pair in a PC. Intel 8259A data
// sheet (231468), by its headings; edge/level control registers by the PIIX4 (290562) data sheet.

#include "tests/rules/pic_pair.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using Pair = PicPair;

// ---- Interrupt Masks and Special Mask Mode ----

void masked_inputs_do_not_ask_but_stay_in_irr() {
  Pair p;
  p.mask(kMaster, 0x10);
  p.raise(4);
  EXPECT_FALSE(p.asks());
  EXPECT_EQ(p.irr(), 0x10u);
  p.mask(kMaster, 0x00);
  EXPECT_EQ(p.inta(), 0x24u);
}
void data_port_reads_the_mask() {
  Pair p;
  p.mask(kMaster, 0xA5);
  p.mask(kSlave, 0x5A);
  p.write(kMaster, kReadIsr);
  EXPECT_EQ(p.read(kMaster + 1), 0xA5u);
  EXPECT_EQ(p.read(kSlave + 1), 0x5Au);
}
void special_mask_mode_lets_lower_ones_past_a_masked_one() {
  Pair p;
  p.raise(3), p.inta();
  p.mask(kMaster, 0x08);
  p.raise(6);
  EXPECT_FALSE(p.asks());
  p.write(kMaster, 0x68);
  EXPECT_TRUE(p.asks());
  p.write(kMaster, 0x48);
  EXPECT_FALSE(p.asks());
}
void non_specific_eoi_does_not_reach_a_masked_one_then() {
  Pair p;
  p.raise(3), p.inta();
  p.mask(kMaster, 0x08);
  p.write(kMaster, 0x68);
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.isr(), 0x08u);
  p.write(kMaster, kSpecificEoi | 3);
  EXPECT_EQ(p.isr(), 0x00u);
}
void smm_counts_with_esmm_alone() {
  Pair p;
  p.raise(3), p.inta();
  p.mask(kMaster, 0x08);
  p.raise(6);
  p.write(kMaster, 0x28);
  EXPECT_FALSE(p.asks());
}

// ---- Poll and status ----

void poll_is_an_acknowledge() {
  Pair p;
  p.raise(4);
  p.write(kMaster, kPoll);
  EXPECT_EQ(p.read(kMaster), 0x84u);
  EXPECT_EQ(p.isr(), 0x10u);
  EXPECT_FALSE(p.asks());
}
void poll_without_a_request_has_bit_7_clear() {
  Pair p;
  p.write(kMaster, kPoll);
  EXPECT_EQ(p.read(kMaster) & 0x80u, 0u);
  EXPECT_EQ(p.isr(), 0u);
}
void poll_serves_one_read() {
  Pair p;
  p.raise(4), p.raise(5);
  p.write(kMaster, kPoll);
  p.read(kMaster);
  EXPECT_EQ(p.read(kMaster), 0x20u) << "IRR again";
}
void register_choice_is_remembered() {
  Pair p;
  p.raise(4), p.inta();
  p.raise(6);
  p.write(kMaster, kReadIsr);
  EXPECT_EQ(p.read(kMaster), 0x10u);
  EXPECT_EQ(p.read(kMaster), 0x10u);
  p.write(kMaster, 0x08);
  EXPECT_EQ(p.read(kMaster), 0x10u) << "RR clear: no choice";
  p.write(kMaster, kReadIrr);
  EXPECT_EQ(p.read(kMaster), 0x40u);
}

// ---- Edge and Level Triggered Modes, ELCR ----

void an_edge_asks_once() {
  Pair p;
  p.raise(4), p.inta();
  p.write(kMaster, kEoi);
  EXPECT_FALSE(p.asks());
}
void a_level_asks_as_long_as_it_lasts() {
  Pair p;
  p.write(kElcr1, 0x10);
  p.raise(4), p.inta();
  p.write(kMaster, kEoi);
  EXPECT_TRUE(p.asks());
  p.lower(4);
  EXPECT_FALSE(p.asks());
}
void elcr_keeps_irq_0_1_2_8_and_13_edges() {
  Pair p;
  p.write(kElcr1, 0xFF);
  p.write(kElcr2, 0xFF);
  EXPECT_EQ(p.read(kElcr1), 0xF8u);
  EXPECT_EQ(p.read(kElcr2), 0xDEu);
}
void elcr_takes_the_place_of_ltim() {
  Pair p;
  p.initialize(0x01, 0x19);
  p.raise(4), p.inta();
  p.write(kMaster, kEoi);
  EXPECT_FALSE(p.asks());
}

// ---- Cascade Mode and Special Fully Nested Mode ----

void the_slave_answers_for_its_inputs() {
  Pair p;
  p.raise(12);
  EXPECT_EQ(p.inta(), 0x2Cu);
  EXPECT_EQ(p.isr(kMaster), 0x04u);
  EXPECT_EQ(p.isr(kSlave), 0x10u);
}
void both_chips_need_their_eoi() {
  Pair p;
  p.raise(12), p.inta();
  p.write(kSlave, kEoi);
  p.raise(14);
  EXPECT_FALSE(p.asks());
  p.write(kMaster, kEoi);
  EXPECT_TRUE(p.asks());
}
void a_spurious_slave_leaves_the_master_in_service() {
  Pair p;
  // The board drives the cascade input besides: the master asks, and the slave has nothing.
  p.raise(2);
  EXPECT_EQ(p.inta(), 0x2Fu);
  EXPECT_EQ(p.isr(kMaster), 0x04u);
  EXPECT_EQ(p.isr(kSlave), 0x00u);
}
void the_slave_sits_between_ir1_and_ir3() {
  Pair p;
  p.raise(3), p.raise(15), p.raise(1);
  EXPECT_EQ(p.inta(), 0x21u);
  p.write(kMaster, kEoi);
  EXPECT_EQ(p.inta(), 0x2Fu);
  p.write(kSlave, kEoi), p.write(kMaster, kEoi);
  EXPECT_EQ(p.inta(), 0x23u);
}
void special_fully_nested_mode_lets_the_slave_in_again() {
  Pair p;
  p.raise(12), p.inta();
  p.raise(9);
  EXPECT_FALSE(p.asks());
  Pair q;
  q.initialize(0x11);
  q.raise(12), q.inta();
  q.raise(14);
  EXPECT_FALSE(q.asks()) << "lower than what the slave serves";
  q.raise(9);
  EXPECT_EQ(q.inta(), 0x29u);
}
void the_slaves_address_is_compared() {
  Pair p;
  p.words(kSlave, {0x11, 0x28, 0x03, 0x01});
  p.raise(12);
  EXPECT_EQ(p.inta(), 0xFFu);
  EXPECT_EQ(p.isr(kSlave), 0x00u);
}

constexpr Rule kRules[] = {
    {"Interrupt Masks", "MaskedInputsDoNotAskButStayInIrr",
     masked_inputs_do_not_ask_but_stay_in_irr},
    {"Interrupt Masks", "DataPortReadsTheMask", data_port_reads_the_mask},
    {"Special Mask Mode", "LetsLowerOnesPastAMaskedOne",
     special_mask_mode_lets_lower_ones_past_a_masked_one},
    {"Special Mask Mode", "NonSpecificEoiDoesNotReachAMaskedOne",
     non_specific_eoi_does_not_reach_a_masked_one_then},
    {"Special Mask Mode", "SmmCountsWithEsmmAlone", smm_counts_with_esmm_alone},
    {"Poll Command", "IsAnAcknowledge", poll_is_an_acknowledge},
    {"Poll Command", "WithoutARequestHasBit7Clear", poll_without_a_request_has_bit_7_clear},
    {"Poll Command", "ServesOneRead", poll_serves_one_read},
    {"Reading the Status", "RegisterChoiceIsRemembered", register_choice_is_remembered},
    {"Edge and Level", "AnEdgeAsksOnce", an_edge_asks_once},
    {"Edge and Level", "ALevelAsksAsLongAsItLasts", a_level_asks_as_long_as_it_lasts},
    {"PIIX ELCR", "KeepsIrq0128And13Edges", elcr_keeps_irq_0_1_2_8_and_13_edges},
    {"PIIX ELCR", "TakesThePlaceOfLtim", elcr_takes_the_place_of_ltim},
    {"Cascade Mode", "TheSlaveAnswersForItsInputs", the_slave_answers_for_its_inputs},
    {"Cascade Mode", "BothChipsNeedTheirEoi", both_chips_need_their_eoi},
    {"Cascade Mode", "ASpuriousSlaveLeavesTheMasterInService",
     a_spurious_slave_leaves_the_master_in_service},
    {"Cascade Mode", "TheSlaveSitsBetweenIr1AndIr3", the_slave_sits_between_ir1_and_ir3},
    {"Cascade Mode", "TheSlavesAddressIsCompared", the_slaves_address_is_compared},
    {"Special Fully Nested", "LetsTheSlaveInAgain",
     special_fully_nested_mode_lets_the_slave_in_again},
};

INSTANTIATE_TEST_SUITE_P(I8259aModes, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
