// Rules of the I/O APIC's inputs: trigger modes, Remote IRR, mask and polarity. Intel 82093AA data
// sheet (290566), 3.2.4.

#include "tests/support/ioapic_board.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using Board = IoApicBoard;

/// The mode goes out, as an edge: no Remote IRR, one message a rise.
void check_edge_whatever_the_bit_says(std::uint64_t mode, DeliveryMode expected) {
  Board b;
  b.program(kLevel | mode << 8);
  b.raise();
  const ApicMessage m = b.message();
  EXPECT_EQ(m.delivery_mode, expected);
  EXPECT_EQ(m.trigger_mode, TriggerMode::Edge);
  EXPECT_FALSE(b.remote_irr());
  EXPECT_EQ(b.entry(), kLevel | mode << 8);
  b.lower();
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
}
void smi_is_an_edge() { check_edge_whatever_the_bit_says(2, DeliveryMode::Smi); }
void nmi_is_an_edge() { check_edge_whatever_the_bit_says(4, DeliveryMode::Nmi); }
void init_is_an_edge() { check_edge_whatever_the_bit_says(5, DeliveryMode::Init); }
void extint_is_an_edge() { check_edge_whatever_the_bit_says(7, DeliveryMode::ExtInt); }
void lowest_priority_can_be_a_level() {
  Board b;
  b.program(kLevel | 0x141);
  b.raise();
  EXPECT_EQ(b.message().trigger_mode, TriggerMode::Level);
  EXPECT_TRUE(b.remote_irr());
}
void delivery_status_is_idle_when_it_can_be_read() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  EXPECT_EQ(b.entry() & 0x1000, 0u);
}

// ---- 3.2.4, trigger mode and Remote IRR ----

void edge_sends_at_the_rise_alone() {
  Board b;
  b.program(0x41);
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
  b.lower();
  EXPECT_EQ(b.sent(), 0u);
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
}
void edge_has_no_remote_irr() {
  Board b;
  b.program(0x41);
  b.raise();
  EXPECT_EQ(b.entry(), 0x41u);
}
void level_sets_remote_irr() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  EXPECT_EQ(b.entry(), kLevel | kRemoteIrr | 0x41);
}
void remote_irr_holds_further_messages_back() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  b.lower();
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
}
void eoi_with_the_vector_clears_remote_irr() {
  Board b;
  b.program(kLevel | 0x41);
  b.pulse();
  b.end(0x42);
  EXPECT_TRUE(b.remote_irr());
  b.end(0x41);
  EXPECT_FALSE(b.remote_irr());
}
void eoi_sends_a_level_that_is_still_there() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  b.sent();
  b.end(0x41);
  EXPECT_EQ(b.sent(), 1u);
  EXPECT_TRUE(b.remote_irr());
  b.lower();
  b.end(0x41);
  EXPECT_EQ(b.sent(), 0u);
}
void eoi_reaches_every_entry_of_the_vector() {
  Board b;
  b.program(kLevel | 0x41, Pin{3});
  b.program(kLevel | 0x41, Pin{23});
  b.pulse(Pin{3});
  b.pulse(Pin{23});
  b.end(0x41);
  EXPECT_FALSE(b.remote_irr(Pin{3}));
  EXPECT_FALSE(b.remote_irr(Pin{23}));
}
void eoi_compares_the_vector_that_stands_there_now() {
  Board b;
  b.program(kLevel | 0x41);
  b.pulse();
  b.program(kLevel | 0x42);
  b.end(0x41);
  EXPECT_TRUE(b.remote_irr());
  b.end(0x42);
  EXPECT_FALSE(b.remote_irr());
}
void change_to_edge_clears_remote_irr() {
  Board b;
  b.program(kLevel | 0x41);
  b.pulse();
  b.program(kMask | 0x41);
  EXPECT_FALSE(b.remote_irr());
  b.program(kLevel | 0x41);
  EXPECT_FALSE(b.remote_irr());
  b.raise();
  EXPECT_EQ(b.sent(), 2u);
}
void rewrite_as_level_keeps_remote_irr() {
  Board b;
  b.program(kLevel | 0x41);
  b.pulse();
  b.program(kLevel | kMask | 0x41);
  EXPECT_TRUE(b.remote_irr());
  b.program(kLevel | 0x41);
  EXPECT_TRUE(b.remote_irr());
}
void change_to_level_finds_the_line_high() {
  Board b;
  b.program(0x41);
  b.raise();
  b.sent();
  b.program(kLevel | 0x41);
  EXPECT_EQ(b.message().trigger_mode, TriggerMode::Level);
}
void change_to_edge_is_no_edge() {
  Board b;
  b.program(kLevel | kMask | 0x41);
  b.raise();
  b.program(0x41);
  EXPECT_EQ(b.sent(), 0u);
}

// ---- 3.2.4, interrupt mask ----

void masked_edge_is_lost() {
  Board b;
  b.program(kMask | 0x41);
  b.raise();
  b.program(0x41);
  EXPECT_EQ(b.sent(), 0u);
  b.lower();
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
}
void masked_level_waits_as_long_as_it_lasts() {
  Board b;
  b.program(kLevel | kMask | 0x41);
  b.raise();
  EXPECT_EQ(b.sent(), 0u);
  EXPECT_FALSE(b.remote_irr());
  b.program(kLevel | 0x41);
  EXPECT_EQ(b.sent(), 1u);
}
void masked_level_that_ended_leaves_nothing() {
  Board b;
  b.program(kLevel | kMask | 0x41);
  b.pulse();
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
  b.program(kLevel | 0x41);
  EXPECT_EQ(b.sent(), 0u);
}
void mask_after_acceptance_changes_nothing() {
  Board b;
  b.program(kLevel | 0x41);
  b.raise();
  b.sent();
  b.program(kLevel | kMask | 0x41);
  EXPECT_TRUE(b.remote_irr());
  b.end(0x41);
  EXPECT_FALSE(b.remote_irr());
  EXPECT_EQ(b.sent(), 0u);
}

// ---- 3.2.4, interrupt input pin polarity ----

void polarity_names_the_active_level() {
  Board low = Board::wired({kPin});
  low.program(kActiveLow | 0x41);
  low.raise();
  EXPECT_EQ(low.sent(), 1u);
  Board high = Board::wired({});
  high.program(0x41);
  high.raise();
  EXPECT_EQ(high.sent(), 1u);
}
void wrong_polarity_takes_the_idle_wire_for_an_assertion() {
  for (const std::uint64_t polarity : {std::uint64_t{0}, kActiveLow}) {
    Board b = polarity == 0 ? Board::wired({kPin}) : Board::wired({});
    b.program(kLevel | polarity | 0x41);
    EXPECT_EQ(b.sent(), 1u);
    b.end(0x41);
    EXPECT_EQ(b.sent(), 1u) << "a storm, for the wire stays as it is";
    b.raise();
    b.end(0x41);
    EXPECT_EQ(b.sent(), 0u);
    EXPECT_EQ(b.env.count(Event::Dropped), 1u);
  }
}
void wrong_polarity_takes_the_end_for_the_edge() {
  Board b = Board::wired({kPin});
  b.program(0x41);
  b.raise();
  EXPECT_EQ(b.sent(), 0u);
  b.lower();
  EXPECT_EQ(b.sent(), 1u);
}
void polarity_is_storage_where_drivers_say_asserted() {
  Board b;
  b.program(kActiveLow | 0x41);
  EXPECT_EQ(b.sent(), 0u);
  b.raise();
  EXPECT_EQ(b.sent(), 1u);
  EXPECT_EQ(b.entry(), kActiveLow | 0x41);
}
void level_turned_inactive_by_its_polarity_is_withdrawn() {
  Board b = Board::wired({kPin});
  b.program(kLevel | kMask | kActiveLow | 0x41);
  b.raise();
  b.program(kLevel | kMask | 0x41);
  EXPECT_EQ(b.env.count(Event::Cancelled), 1u);
  b.program(kLevel | 0x41);
  EXPECT_EQ(b.sent(), 0u);
}

constexpr Rule kRules[] = {
    {"3.2.4", "SmiIsAnEdge", smi_is_an_edge},
    {"3.2.4", "NmiIsAnEdge", nmi_is_an_edge},
    {"3.2.4", "InitIsAnEdge", init_is_an_edge},
    {"3.2.4", "ExtIntIsAnEdge", extint_is_an_edge},
    {"3.2.4", "LowestPriorityCanBeALevel", lowest_priority_can_be_a_level},
    {"3.2.4", "DeliveryStatusIsIdleWhenItCanBeRead", delivery_status_is_idle_when_it_can_be_read},
    {"3.2.4", "EdgeSendsAtTheRiseAlone", edge_sends_at_the_rise_alone},
    {"3.2.4", "EdgeHasNoRemoteIrr", edge_has_no_remote_irr},
    {"3.2.4", "LevelSetsRemoteIrr", level_sets_remote_irr},
    {"3.2.4", "RemoteIrrHoldsFurtherMessagesBack", remote_irr_holds_further_messages_back},
    {"3.2.4", "EoiWithTheVectorClearsRemoteIrr", eoi_with_the_vector_clears_remote_irr},
    {"3.2.4", "EoiSendsALevelThatIsStillThere", eoi_sends_a_level_that_is_still_there},
    {"3.2.4", "EoiReachesEveryEntryOfTheVector", eoi_reaches_every_entry_of_the_vector},
    {"3.2.4", "EoiComparesTheVectorThatStandsThereNow",
     eoi_compares_the_vector_that_stands_there_now},
    {"3.2.4", "ChangeToEdgeClearsRemoteIrr", change_to_edge_clears_remote_irr},
    {"3.2.4", "RewriteAsLevelKeepsRemoteIrr", rewrite_as_level_keeps_remote_irr},
    {"3.2.4", "ChangeToLevelFindsTheLineHigh", change_to_level_finds_the_line_high},
    {"3.2.4", "ChangeToEdgeIsNoEdge", change_to_edge_is_no_edge},
    {"3.2.4", "MaskedEdgeIsLost", masked_edge_is_lost},
    {"3.2.4", "MaskedLevelWaitsAsLongAsItLasts", masked_level_waits_as_long_as_it_lasts},
    {"3.2.4", "MaskedLevelThatEndedLeavesNothing", masked_level_that_ended_leaves_nothing},
    {"3.2.4", "MaskAfterAcceptanceChangesNothing", mask_after_acceptance_changes_nothing},
    {"3.2.4", "PolarityNamesTheActiveLevel", polarity_names_the_active_level},
    {"3.2.4", "WrongPolarityTakesTheIdleWireForAnAssertion",
     wrong_polarity_takes_the_idle_wire_for_an_assertion},
    {"3.2.4", "WrongPolarityTakesTheEndForTheEdge", wrong_polarity_takes_the_end_for_the_edge},
    {"3.2.4", "PolarityIsStorageWhereDriversSayAsserted",
     polarity_is_storage_where_drivers_say_asserted},
    {"3.2.4", "LevelTurnedInactiveByItsPolarityIsWithdrawn",
     level_turned_inactive_by_its_polarity_is_withdrawn},
};

INSTANTIATE_TEST_SUITE_P(I82093aaInputs, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
