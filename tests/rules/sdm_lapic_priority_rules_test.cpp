// What a local APIC does with interrupts that it accepted: SDM vol. 3, 11.8 (priorities,
// acceptance, EOI) and 11.9 (the spurious interrupt).

#include "tests/rules/lapic_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using x86::DeliveryMode;

// ---- 11.8.3: priorities ----

void a_class_above_is_delivered() {
  LapicRig rig;
  rig.in_service(0, 0x41);
  rig.fixed_to(0, 0x4F);
  EXPECT_FALSE(rig.intr(0)) << "the same class";
  rig.fixed_to(0, 0x50);
  EXPECT_TRUE(rig.intr(0));
  EXPECT_EQ(rig.inta(0), 0x50u);
  EXPECT_EQ(rig.isr(0), (Vectors{0x41, 0x50}));
}
void the_highest_goes_first() {
  LapicRig rig;
  for (const unsigned vector : {0x31, 0x35, 0x33}) rig.fixed_to(0, vector);
  EXPECT_EQ(rig.inta(0), 0x35u);
  rig.eoi(0);
  EXPECT_EQ(rig.inta(0), 0x33u);
  rig.eoi(0);
  EXPECT_EQ(rig.inta(0), 0x31u);
}
void tpr_holds_back_its_class_and_those_below() {
  LapicRig rig;
  rig.write(0, Reg::kTpr, 0x40);
  rig.fixed_to(0, 0x4F);
  EXPECT_FALSE(rig.intr(0));
  rig.write(0, Reg::kTpr, 0x3F);
  EXPECT_TRUE(rig.intr(0));
}
void a_tpr_that_rises_lowers_the_line() {
  LapicRig rig;
  rig.fixed_to(0, 0x41);
  EXPECT_TRUE(rig.intr(0));
  rig.write(0, Reg::kTpr, 0x40);
  EXPECT_FALSE(rig.intr(0));
}
void tpr_ff_holds_back_all_but_what_has_no_priority() {
  LapicRig rig;
  rig.write(0, Reg::kTpr, 0xFF);
  rig.fixed_to(0, 0xFF);
  EXPECT_FALSE(rig.intr(0));
  rig.send(rig.of(DeliveryMode::Nmi, 0));
  EXPECT_EQ(rig.told(CpuLine::Nmi).size(), 1u);
}
void ppr_is_the_higher_of_two() {
  LapicRig rig;
  rig.write(0, Reg::kTpr, 0x2C);
  EXPECT_EQ(rig.read(0, Reg::kPpr), 0x2Cu);
  rig.in_service(0, 0x39);
  EXPECT_EQ(rig.read(0, Reg::kPpr), 0x30u) << "a class, without a subclass";
  rig.write(0, Reg::kTpr, 0x4D);
  EXPECT_EQ(rig.read(0, Reg::kPpr), 0x4Du);
}
void ppr_and_apr_are_read_only() {
  LapicRig rig;
  rig.write(0, Reg::kPpr, 0x50);
  rig.write(0, Reg::kApr, 0x50);
  EXPECT_EQ(rig.read(0, Reg::kPpr), 0u);
  EXPECT_EQ(rig.read(0, Reg::kApr), 0u);
  EXPECT_EQ(rig.errors(0), 0u);
}

// ---- 11.8.4: IRR, ISR, TMR ----

void a_second_request_merges_into_the_pending_one() {
  LapicRig rig;
  rig.fixed_to(0, 0x41);
  EXPECT_EQ(rig.fixed_to(0, 0x41), 1u);
  EXPECT_EQ(rig.env.count(Event::Coalesced), 1u);
}
void one_in_service_and_one_pending() {
  LapicRig rig;
  rig.in_service(0, 0x41);
  rig.fixed_to(0, 0x41);
  EXPECT_EQ(rig.env.count(Event::Coalesced), 0u);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  EXPECT_EQ(rig.isr(0), Vectors{0x41});
  rig.eoi(0);
  EXPECT_TRUE(rig.intr(0));
}
void tmr_is_what_the_last_arrival_was() {
  LapicRig rig;
  rig.send(rig.level(0, 0x41));
  EXPECT_EQ(rig.tmr(0), Vectors{0x41});
  rig.fixed_to(0, 0x41);
  EXPECT_EQ(rig.tmr(0), Vectors{});
}
void registers_of_vectors_are_read_only() {
  LapicRig rig;
  rig.write(0, Reg::kIrr + 0x20, 2);
  rig.write(0, Reg::kIsr + 0x20, 2);
  rig.write(0, Reg::kTmr + 0x20, 2);
  EXPECT_EQ(rig.irr(0), Vectors{});
  EXPECT_EQ(rig.isr(0), Vectors{});
  EXPECT_EQ(rig.tmr(0), Vectors{});
  EXPECT_EQ(rig.errors(0), 0u);
}
void a_vector_is_a_bit_of_a_word() {
  LapicRig rig;
  rig.fixed_to(0, 0x7E);
  EXPECT_EQ(rig.read(0, Reg::kIrr + 0x30), 1u << 30);
  EXPECT_EQ(rig.read(0, Reg::kIrr + 0x20), 0u);
}

// ---- 11.8.5: EOI ----

void eoi_ends_the_highest() {
  LapicRig rig;
  rig.in_service(0, 0x41);
  rig.in_service(0, 0x61);
  rig.eoi(0);
  EXPECT_EQ(rig.isr(0), Vectors{0x41});
  rig.eoi(0);
  EXPECT_EQ(rig.isr(0), Vectors{});
}
void eoi_of_a_level_is_broadcast() {
  LapicRig rig;
  rig.send(rig.level(0, 0x41));
  rig.inta(0);
  rig.eoi(0);
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{0x41});
  rig.in_service(0, 0x51);
  rig.eoi(0);
  EXPECT_EQ(rig.broadcasts().size(), 1u) << "not that of an edge";
}
void eoi_broadcast_can_be_suppressed() {
  LapicRig rig;
  rig.write(0, Reg::kSvr, 0x11FF);
  rig.send(rig.level(0, 0x41));
  rig.inta(0);
  rig.eoi(0);
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{});
  EXPECT_EQ(rig.isr(0), Vectors{});
  EXPECT_EQ(rig.read(0, Reg::kVersion) >> 24 & 1, 1u) << "and the version says so";
}
void without_suppression_the_bit_stays_clear() {
  auto config = LapicRig::four();
  config.eoi_suppression = x86::EoiSuppression::Absent;
  LapicRig rig(config);
  rig.write(0, Reg::kSvr, 0x11FF);
  EXPECT_EQ(rig.read(0, Reg::kSvr), 0x1FFu);
  EXPECT_EQ(rig.read(0, Reg::kVersion) >> 24 & 1, 0u);
}
void eoi_with_nothing_in_service_does_nothing() {
  LapicRig rig;
  rig.fixed_to(0, 0x41);
  rig.eoi(0);
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
  EXPECT_EQ(rig.broadcasts(), std::vector<unsigned>{});
}
void eoi_lets_the_next_in() {
  LapicRig rig;
  rig.in_service(0, 0x41);
  rig.fixed_to(0, 0x42);
  EXPECT_FALSE(rig.intr(0));
  rig.eoi(0);
  EXPECT_TRUE(rig.intr(0));
}

// ---- 11.9: the spurious vector ----

void a_request_that_went_away_gives_the_spurious_vector() {
  LapicRig rig;
  rig.write(0, Reg::kSvr, 0x1EF);
  rig.fixed_to(0, 0x41);
  rig.write(0, Reg::kTpr, 0x40);
  EXPECT_EQ(rig.inta(0), 0xEFu);
  EXPECT_EQ(rig.isr(0), Vectors{});
  EXPECT_EQ(rig.irr(0), Vectors{0x41});
}
void focus_checking_reads_zero() {
  LapicRig rig;
  rig.write(0, Reg::kSvr, 0x3FF);
  EXPECT_EQ(rig.read(0, Reg::kSvr), 0x1FFu);
}

constexpr Rule kRules[] = {
    {"11.8.3", "AClassAboveIsDelivered", a_class_above_is_delivered},
    {"11.8.3", "TheHighestGoesFirst", the_highest_goes_first},
    {"11.8.3.1", "TprHoldsBackItsClassAndThoseBelow", tpr_holds_back_its_class_and_those_below},
    {"11.8.3.1", "ATprThatRisesLowersTheLine", a_tpr_that_rises_lowers_the_line},
    {"11.8.3.1", "TprHoldsBackNoNmi", tpr_ff_holds_back_all_but_what_has_no_priority},
    {"11.8.3.1", "PprIsTheHigherOfTwo", ppr_is_the_higher_of_two},
    {"11.8.3.1", "PprAndAprAreReadOnly", ppr_and_apr_are_read_only},
    {"11.8.4", "ASecondRequestMerges", a_second_request_merges_into_the_pending_one},
    {"11.8.4", "OneInServiceAndOnePending", one_in_service_and_one_pending},
    {"11.8.4", "TmrIsWhatTheLastArrivalWas", tmr_is_what_the_last_arrival_was},
    {"11.8.4", "RegistersOfVectorsAreReadOnly", registers_of_vectors_are_read_only},
    {"11.8.4", "AVectorIsABitOfAWord", a_vector_is_a_bit_of_a_word},
    {"11.8.5", "EoiEndsTheHighest", eoi_ends_the_highest},
    {"11.8.5", "EoiOfALevelIsBroadcast", eoi_of_a_level_is_broadcast},
    {"11.8.5", "EoiBroadcastCanBeSuppressed", eoi_broadcast_can_be_suppressed},
    {"11.8.5", "WithoutSuppressionTheBitStaysClear", without_suppression_the_bit_stays_clear},
    {"11.8.5", "EoiWithNothingInServiceDoesNothing", eoi_with_nothing_in_service_does_nothing},
    {"11.8.5", "EoiLetsTheNextIn", eoi_lets_the_next_in},
    {"11.9", "ARequestThatWentAwayIsSpurious", a_request_that_went_away_gives_the_spurious_vector},
    {"11.9", "FocusCheckingReadsZero", focus_checking_reads_zero},
};

INSTANTIATE_TEST_SUITE_P(SdmLapicPriority, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
