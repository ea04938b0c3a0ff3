// Rules of the IA-PC HPET specification 1.0a.
#include "tests/rules/rule.hpp"
#include "tests/support/hpet_board.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using test::HpetBoard;
using Reg = HpetRegister;

constexpr std::uint64_t kLevel = 1 << 1, kEnabled = 1 << 2, kPeriodic = 1 << 3, kValueSet = 1 << 6,
                        kMode32 = 1 << 8, kFsb = 1 << 14;
constexpr std::uint64_t route(unsigned pin) { return std::uint64_t{pin} << 9; }
constexpr Requester kRequester{HostBridgeId{2}, RequesterId{0xF078}};

void capabilities_tell_period_width_and_timers() {
  HpetBoard b({5, 62'500, 0xFF, {}});
  const std::uint64_t cap = b.read(Reg::kCapabilities);
  EXPECT_EQ(cap >> 32, 62'500'000u) << "femtoseconds";
  EXPECT_EQ(cap >> 16 & 0xFFFF, 0x8086u);
  EXPECT_EQ(cap & 0xFFFF, 0x2401u) << "64 bits, timer 4 is the last, revision 1, no legacy routes";
  b.write(Reg::kCapabilities, 0);
  EXPECT_EQ(b.read(Reg::kCapabilities), cap);
}
void the_counter_counts_only_while_enabled() {
  HpetBoard b;
  b.pass(7);
  EXPECT_EQ(b.read(Reg::kCounter), 0u);
  b.start();
  EXPECT_EQ(b.read(Reg::kConfiguration), 1u);
  b.pass(5);
  EXPECT_EQ(b.read(Reg::kCounter), 5u);
  b.stop();
  b.pass(9);
  EXPECT_EQ(b.read(Reg::kCounter), 5u);
  EXPECT_EQ(b.read(Reg::kConfiguration), 0u);
  b.start();
  b.pass(1);
  EXPECT_EQ(b.read(Reg::kCounter), 6u);
}
void the_counter_is_written_whole_or_by_halves() {
  HpetBoard b;
  b.write(Reg::kCounter, 0x1'0000'0002);
  EXPECT_EQ(b.read(Reg::kCounter), 0x1'0000'0002u);
  b.write(Reg::kCounter + 4, 0x30, 4);
  EXPECT_EQ(b.read(Reg::kCounter), 0x30'0000'0002u);
  b.write(Reg::kCounter, 0x44, 4);
  EXPECT_EQ(b.read(Reg::kCounter + 4, 4), 0x30u);
  EXPECT_EQ(b.read(Reg::kCounter, 4), 0x44u);
}
void only_aligned_dwords_and_quadwords_are_registers() {
  HpetBoard b;
  b.write(Reg::kCounter, 0x77, 2);
  b.write(Reg::kCounter + 4, 0x77, 8);
  b.write(Reg::kCounter + 2, 0x77, 4);
  EXPECT_EQ(b.env.count(Event::GuestError), 3u);
  EXPECT_EQ(b.read(Reg::kCounter), 0u);
  EXPECT_EQ(b.env.count(Event::GuestError), 3u);
  EXPECT_EQ(b.read(HpetBoard::timer(3, 0)), 0u) << "there are three timers";
  EXPECT_EQ(b.read(0x118), 0u);
  EXPECT_EQ(b.read(0x0F8), 0u);
  b.write(HpetBoard::timer(3, 0), 4);
  EXPECT_EQ(b.env.count(Event::GuestError), 7u);
}
void a_timer_tells_what_it_can() {
  HpetBoard b({2, 100'000, 0x00F00800, {}});
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)), 0x00F0'0800'0000'8030u) << "periodic, 64 bits, FSB";
  EXPECT_EQ(b.read(HpetBoard::timer(1, 0)), 0x00F0'0800'0000'8020u);
  b.configure(0, ~std::uint64_t{0} & ~route(31));
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)), 0x00F0'0800'0000'C13Eu) << "not VAL_SET, no route 0";
  b.configure(1, ~std::uint64_t{0} & ~route(31));
  EXPECT_EQ(b.read(HpetBoard::timer(1, 0)), 0x00F0'0800'0000'C126u) << "never periodic";
}
void a_route_that_the_timer_lacks_is_not_taken() {
  HpetBoard b({1, 100'000, 1u << 20 | 1u << 11, {}});
  b.configure(0, route(20));
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)) >> 9 & 31, 20u);
  b.configure(0, route(21) | kEnabled);
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)) >> 9 & 31, 20u);
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)) & kEnabled, kEnabled);
  b.configure(0, route(11));
  EXPECT_EQ(b.read(HpetBoard::timer(0, 0)) >> 9 & 31, 11u);
}
void a_one_shot_interrupts_once_when_the_counter_gets_there() {
  HpetBoard b;
  b.configure(1, kEnabled | route(20));
  b.compare(1, 10);
  b.start();
  b.pass(9);
  EXPECT_EQ(b.changes().size(), 0u);
  b.pass(1);
  ASSERT_EQ(b.changes().size(), 2u) << "an edge";
  EXPECT_EQ(b.changes()[0].level, Level::High);
  EXPECT_EQ(raw(b.changes()[0].pin), 20u);
  EXPECT_NE(b.changes()[0].span, kNoSpan);
  EXPECT_EQ(b.changes()[1].level, Level::Low);
  EXPECT_EQ(b.read(Reg::kStatus), 0u) << "not of an edge";
  b.pass(1000);
  EXPECT_EQ(b.asserted(), 1u);
  b.compare(1, b.read(Reg::kCounter) + 5);
  b.pass(5);
  EXPECT_EQ(b.asserted(), 2u);
}
void a_timer_that_may_not_interrupt_does_not() {
  HpetBoard b;
  b.configure(1, route(20));
  b.compare(1, 10);
  b.configure(2, kFsb);
  b.compare(2, 10);
  b.start();
  b.pass(20);
  EXPECT_EQ(b.asserted(), 0u);
  EXPECT_TRUE(b.env.sent.empty());
}
void a_stopped_counter_matches_nothing() {
  HpetBoard b;
  b.configure(1, kEnabled | route(20));
  b.compare(1, 10);
  b.start();
  b.pass(5);
  b.stop();
  b.pass(100);
  EXPECT_EQ(b.asserted(), 0u);
  b.start();
  b.pass(4);
  EXPECT_EQ(b.asserted(), 0u);
  b.pass(1);
  EXPECT_EQ(b.asserted(), 1u);
}
void a_level_stays_until_its_status_is_cleared() {
  HpetBoard b;
  b.configure(2, kEnabled | kLevel | route(21));
  b.compare(2, 10);
  b.start();
  b.pass(10);
  ASSERT_EQ(b.changes().size(), 1u);
  EXPECT_EQ(b.changes()[0].level, Level::High);
  EXPECT_EQ(b.changes()[0].driver, 2u);
  EXPECT_EQ(b.read(Reg::kStatus), 0x4u);
  b.write(Reg::kStatus, 0x3);
  EXPECT_EQ(b.read(Reg::kStatus), 0x4u);
  EXPECT_EQ(b.changes().size(), 1u);
  b.write(Reg::kStatus, 0x4, 4);
  EXPECT_EQ(b.read(Reg::kStatus), 0u);
  ASSERT_EQ(b.changes().size(), 2u);
  EXPECT_EQ(b.changes()[1].level, Level::Low);
  EXPECT_EQ(raw(b.changes()[1].pin), 21u);
}
void the_status_is_set_even_if_the_timer_may_not_interrupt() {
  HpetBoard b;
  b.configure(1, kLevel | route(20));
  b.compare(1, 10);
  b.start();
  b.pass(10);
  EXPECT_EQ(b.read(Reg::kStatus), 0x2u);
  EXPECT_EQ(b.asserted(), 0u);
  b.configure(1, kLevel | kEnabled | route(20));
  EXPECT_EQ(b.asserted(), 1u);
  ASSERT_EQ(b.changes().size(), 1u);
  b.configure(1, kLevel | kEnabled | route(22));
  ASSERT_EQ(b.changes().size(), 3u) << "it falls at one pin and rises at the other";
  EXPECT_EQ(raw(b.changes()[1].pin), 20u);
  EXPECT_EQ(raw(b.changes()[2].pin), 22u);
  b.configure(1, kEnabled | route(22));
  EXPECT_EQ(b.read(Reg::kStatus), 0u) << "an edge has none";
  EXPECT_EQ(b.changes().back().level, Level::Low);
}
void a_match_under_a_set_status_asks_for_nothing_new() {
  HpetBoard b;
  b.configure(0, kEnabled | kLevel | kPeriodic | kValueSet | route(20));
  b.compare(0, 10);
  b.start();
  b.pass(35);
  EXPECT_EQ(b.asserted(), 1u);
  b.write(Reg::kStatus, 1);
  b.pass(5);
  EXPECT_EQ(b.asserted(), 2u);
}
void a_periodic_timer_adds_its_period_at_each_match() {
  HpetBoard b;
  b.configure(0, kEnabled | kPeriodic | kValueSet | route(20));
  b.compare(0, 10);
  b.start();
  b.pass(10);
  EXPECT_EQ(b.read(HpetBoard::timer(0, Reg::kTimerComparator)), 20u);
  EXPECT_EQ(b.asserted(), 1u);
  b.pass(9);
  EXPECT_EQ(b.asserted(), 1u);
  b.pass(1);
  EXPECT_EQ(b.asserted(), 2u);
  b.pass(100);
  EXPECT_EQ(b.asserted(), 12u);
}
void val_set_gives_the_first_match_and_a_write_without_it_the_period() {
  HpetBoard b;
  b.configure(0, kEnabled | kPeriodic | kValueSet | route(20));
  b.compare(0, 50);
  b.compare(0, 20);  // VAL_SET has cleared itself
  EXPECT_EQ(b.read(HpetBoard::timer(0, Reg::kTimerComparator)), 50u);
  b.start();
  b.pass(50);
  EXPECT_EQ(b.asserted(), 1u);
  EXPECT_EQ(b.read(HpetBoard::timer(0, Reg::kTimerComparator)), 70u);
  b.pass(20);
  EXPECT_EQ(b.asserted(), 2u);
}
void in_32_bit_mode_the_upper_half_does_not_count() {
  HpetBoard b;
  b.configure(1, kEnabled | kMode32 | route(20));
  b.compare(1, 0xABCD'0000'0005);
  EXPECT_EQ(b.read(HpetBoard::timer(1, Reg::kTimerComparator)), 5u);
  b.configure(2, kEnabled | route(21));
  b.compare(2, 5);
  b.write(Reg::kCounter, 0x7'FFFF'FFFE);
  b.start();
  b.pass(6);
  EXPECT_EQ(b.asserted(), 0u);
  b.pass(1);
  ASSERT_EQ(b.asserted(), 1u) << "the counter's low half wraps";
  EXPECT_EQ(raw(b.changes()[0].pin), 20u);
}
void an_fsb_interrupt_is_a_message_with_the_hpets_requester_id() {
  HpetBoard b({3, 100'000, 0, kRequester});
  b.configure(1, kEnabled | kFsb);
  b.write(HpetBoard::timer(1, Reg::kTimerFsbRoute), 0xFEE0'5000'0000'0043);
  EXPECT_EQ(b.read(HpetBoard::timer(1, Reg::kTimerFsbRoute)), 0xFEE0'5000'0000'0043u);
  b.compare(1, 3);
  b.start();
  b.pass(3);
  ASSERT_EQ(b.messages().size(), 1u);
  const BusWrite message = b.messages()[0];
  EXPECT_EQ(message.address, 0xFEE05000u);
  EXPECT_EQ(message.data, 0x43u);
  EXPECT_EQ(message.size, 4u);
  EXPECT_EQ(message.requester, kRequester);
  EXPECT_NE(message.span, kNoSpan);
  EXPECT_TRUE(b.changes().empty());
  EXPECT_EQ(b.env.count(Event::ComparatorSent), 1u);
}
void a_level_by_message_is_sent_once_for_each_status() {
  HpetBoard b;
  b.configure(0, kEnabled | kLevel | kFsb | kPeriodic | kValueSet);
  b.compare(0, 10);
  b.start();
  b.pass(20);
  EXPECT_EQ(b.messages().size(), 1u);
  EXPECT_EQ(b.read(Reg::kStatus), 1u);
  b.write(Reg::kStatus, 1);
  b.pass(10);
  EXPECT_EQ(b.messages().size(), 2u);
  EXPECT_TRUE(b.changes().empty());
}

constexpr Rule kRules[] = {
    {"2.3.4", "CapabilitiesTellPeriodWidthAndTimers", capabilities_tell_period_width_and_timers},
    {"2.3.5", "TheCounterCountsOnlyWhileEnabled", the_counter_counts_only_while_enabled},
    {"2.3.7", "TheCounterIsWrittenWholeOrByHalves", the_counter_is_written_whole_or_by_halves},
    {"2.3", "OnlyAlignedDwordsAndQuadwordsAreRegisters",
     only_aligned_dwords_and_quadwords_are_registers},
    {"2.3.8", "ATimerTellsWhatItCan", a_timer_tells_what_it_can},
    {"2.3.8", "ARouteThatTheTimerLacksIsNotTaken", a_route_that_the_timer_lacks_is_not_taken},
    {"2.3.9", "AOneShotInterruptsOnceWhenTheCounterGetsThere",
     a_one_shot_interrupts_once_when_the_counter_gets_there},
    {"2.3.8", "ATimerThatMayNotInterruptDoesNot", a_timer_that_may_not_interrupt_does_not},
    {"2.3.5", "AStoppedCounterMatchesNothing", a_stopped_counter_matches_nothing},
    {"2.3.6", "ALevelStaysUntilItsStatusIsCleared", a_level_stays_until_its_status_is_cleared},
    {"2.3.8", "TheStatusIsSetEvenIfTheTimerMayNotInterrupt",
     the_status_is_set_even_if_the_timer_may_not_interrupt},
    {"2.3.6", "AMatchUnderASetStatusAsksForNothingNew",
     a_match_under_a_set_status_asks_for_nothing_new},
    {"2.3.9", "APeriodicTimerAddsItsPeriodAtEachMatch",
     a_periodic_timer_adds_its_period_at_each_match},
    {"2.3.9", "ValSetGivesTheFirstMatchAndAWriteWithoutItThePeriod",
     val_set_gives_the_first_match_and_a_write_without_it_the_period},
    {"2.3.9", "In32BitModeTheUpperHalfDoesNotCount", in_32_bit_mode_the_upper_half_does_not_count},
    {"2.3.10", "AnFsbInterruptIsAMessageWithTheHpetsRequesterId",
     an_fsb_interrupt_is_a_message_with_the_hpets_requester_id},
    {"2.3.10", "ALevelByMessageIsSentOnceForEachStatus",
     a_level_by_message_is_sent_once_for_each_status},
};
INSTANTIATE_TEST_SUITE_P(IaPcHpet, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
