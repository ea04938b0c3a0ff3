// Rules of the 8259A and of the pair in a PC: Intel 8259A data sheet (231468), by its headings; the
// edge/level control registers by the PIIX (290562) data sheet.

#include <cstdint>
#include <initializer_list>

#include "models/x86/pic.hpp"
#include "tests/rules/rule.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;

constexpr std::uint16_t kMaster = 0x20, kSlave = 0xA0, kElcr1 = 0x4D0, kElcr2 = 0x4D1;
constexpr unsigned kEoi = 0x20, kSpecificEoi = 0x60, kReadIrr = 0x0A, kReadIsr = 0x0B, kPoll = 0x0C;

struct Pair {
  Pair() { initialize(0x01); }
  explicit Pair(PicTrigger trigger) : chip(config(trigger)) {}
  static Pic::Config config(PicTrigger trigger) {
    Pic::Config made;
    made.trigger = trigger;
    return made;
  }

  void initialize(unsigned icw4, unsigned icw1 = 0x11) {
    words(kMaster, {icw1, 0x20, 0x04, icw4});
    words(kSlave, {icw1, 0x28, 0x02, icw4});
  }
  void words(std::uint16_t port, std::initializer_list<unsigned> icws) {
    std::uint16_t to = port;
    for (const unsigned icw : icws) {
      write(to, icw);
      to = static_cast<std::uint16_t>(port + 1);
    }
  }
  void write(std::uint16_t port, unsigned value) {
    chip.write(port, static_cast<std::uint8_t>(value), env);
  }
  void mask(std::uint16_t port, unsigned imr) { write(static_cast<std::uint16_t>(port + 1), imr); }
  unsigned read(std::uint16_t port) { return chip.read(port, env); }
  unsigned irr(std::uint16_t port = kMaster) {
    write(port, kReadIrr);
    return read(port);
  }
  unsigned isr(std::uint16_t port = kMaster) {
    write(port, kReadIsr);
    return read(port);
  }
  void raise(unsigned pin) { drive(pin, Level::High); }
  void lower(unsigned pin) { drive(pin, Level::Low); }
  void pulse(unsigned pin) { raise(pin), lower(pin); }
  void drive(unsigned pin, Level level) {
    chip.on_pin({Pin(static_cast<std::uint16_t>(pin)), level, 0, kNoSpan}, env);
  }
  bool asks() const { return chip.intr() == Level::High; }
  unsigned inta() { return raw(chip.on_inta(CpuId{0}, env).vector); }

  Pic chip{Pic::Config{}};
  test::RecordingEnv env;
};

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

INSTANTIATE_TEST_SUITE_P(I8259a, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
