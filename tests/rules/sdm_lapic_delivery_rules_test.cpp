// Who gets an interrupt: SDM vol. 3, 11.6 (IPIs and destinations), 11.11 (messages).

#include "tests/rules/lapic_rig.hpp"
#include "tests/rules/rule.hpp"

namespace irqfab::rules {
namespace {

using Targets = std::vector<std::pair<unsigned, unsigned>>;
using x86::DeliveryMode;

// ---- 11.6.1: the ICR ----

void a_write_of_the_low_half_sends() {
  LapicRig rig;
  rig.write(0, Reg::kIcrHigh, 2u << 24);
  EXPECT_EQ(rig.with(0x41), Vectors{});
  rig.write(0, Reg::kIcrLow, 0x41);
  EXPECT_EQ(rig.with(0x41), Vectors{2});
}
void shorthand_self() {
  LapicRig rig;
  rig.ipi(1, 3, 0x40041);
  EXPECT_EQ(rig.with(0x41), Vectors{1});
}
void shorthand_all() {
  LapicRig rig;
  rig.ipi(1, 3, 0x80041);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1, 2, 3}));
}
void shorthand_all_but_self() {
  LapicRig rig;
  rig.ipi(1, 3, 0xC0041);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 2, 3}));
}
void the_icr_reads_what_was_written() {
  LapicRig rig;
  rig.ipi(0, 0x5A, 0xFFFFFFFF & ~0x700u);  // delivery mode fixed
  EXPECT_EQ(rig.read(0, Reg::kIcrHigh), 0x5A000000u);
  EXPECT_EQ(rig.read(0, Reg::kIcrLow), 0xCC8FFu) << "reserved bits and delivery status are 0";
}
void an_ipi_is_an_edge() {
  LapicRig rig;
  rig.ipi(0, 1, 0xC041);
  EXPECT_EQ(rig.with(0x41), Vectors{1});
  EXPECT_EQ(rig.tmr(1), Vectors{});
}
void ipi_nmi() {
  LapicRig rig;
  rig.ipi(0, 2, 0x400);
  EXPECT_EQ(rig.told(CpuLine::Nmi), (Targets{{2, 0}}));
  EXPECT_EQ(rig.irr(2), Vectors{});
}
void ipi_smi() {
  LapicRig rig;
  rig.ipi(0, 2, 0x200);
  EXPECT_EQ(rig.told(CpuLine::Smi), (Targets{{2, 0}}));
}
void init_level_deassert_does_nothing() {
  LapicRig rig;
  rig.ipi(0, 1, 0x8500);
  EXPECT_EQ(rig.told(CpuLine::Init), Targets{});
  rig.ipi(0, 1, 0xC500);
  EXPECT_EQ(rig.told(CpuLine::Init), (Targets{{1, 0}}));
}
void a_sipi_carries_its_vector() {
  LapicRig rig;
  rig.ipi(0, 1, 0x4500);
  rig.ipi(0, 1, 0x4699);
  EXPECT_EQ(rig.told(CpuLine::Sipi), (Targets{{1, 0x99}}));
}
void a_flight_takes_its_time() {
  auto config = LapicRig::four();
  config.ipi_flight = x86::IpiFlight::Priced;
  LapicRig rig(config);
  rig.ipi(0, 1, 0x41);
  rig.ipi(0, 2, 0x41);
  EXPECT_EQ(rig.with(0x41), Vectors{});
  EXPECT_EQ(rig.env.count(Event::IpiSent), 2u);
  EXPECT_EQ(test::held_by(rig.bank).size(), 2u);
  const auto delays = rig.env.delays;
  for (const auto& delay : delays) rig.bank.receive(PortId{0xFFFF}, Elapsed{delay.tag, 0}, rig.env);
  EXPECT_EQ(rig.with(0x41), (Vectors{1, 2}));
  rig.bank.receive(PortId{0xFFFF}, Elapsed{delays[0].tag, 0}, rig.env);  // nothing is left there
  EXPECT_EQ(rig.env.count(Event::Coalesced), 0u);
  rig.ipi(0, 3, 0x40041);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1, 2})) << "one to oneself crosses nothing";
}

// ---- 11.6.2: destinations ----

void physical_is_one_id() {
  LapicRig rig;
  EXPECT_EQ(rig.fixed_to(3, 0x41), 1u);
  EXPECT_EQ(rig.with(0x41), Vectors{3});
  EXPECT_EQ(rig.fixed_to(4, 0x42), 0u);
  EXPECT_TRUE(rig.dropped(DropReason::NoSuchTarget));
}
void physical_ff_is_everybody() {
  LapicRig rig;
  EXPECT_EQ(rig.fixed_to(0xFF, 0x41), 4u);
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1, 2, 3}));
}
void flat_is_a_bit_each() {
  LapicRig rig;
  rig.write(1, Reg::kLdr, 0x02000000);
  rig.write(3, Reg::kLdr, 0x88000000);
  rig.send(rig.logical(0x8A, 0x41));
  EXPECT_EQ(rig.with(0x41), (Vectors{1, 3}));
  rig.send(rig.logical(0x75, 0x42));
  EXPECT_EQ(rig.with(0x42), Vectors{});
}
void logical_ff_is_everybody() {
  LapicRig rig;
  rig.send(rig.logical(0xFF, 0x41));
  EXPECT_EQ(rig.with(0x41), (Vectors{0, 1, 2, 3})) << "those without a logical id too";
}
void cluster_is_a_number_and_a_bit() {
  LapicRig rig;
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    rig.write(cpu, Reg::kDfr, 0x0FFFFFFF);
    rig.write(cpu, Reg::kLdr, (0x10u * (1 + cpu / 2) + (1u << cpu % 2)) << 24);
  }
  rig.send(rig.logical(0x21, 0x41));
  EXPECT_EQ(rig.with(0x41), Vectors{2});
  rig.send(rig.logical(0x13, 0x42));
  EXPECT_EQ(rig.with(0x42), (Vectors{0, 1}));
  rig.send(rig.logical(0x31, 0x43));
  EXPECT_EQ(rig.with(0x43), Vectors{});
}
void dfr_has_a_model_and_ones() {
  LapicRig rig;
  rig.write(0, Reg::kDfr, 0);
  EXPECT_EQ(rig.read(0, Reg::kDfr), 0x0FFFFFFFu);
  rig.write(0, Reg::kDfr, 0xF0000000);
  EXPECT_EQ(rig.read(0, Reg::kDfr), 0xFFFFFFFFu);
}
void lowest_priority_goes_to_one() {
  LapicRig rig;
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    rig.write(cpu, Reg::kLdr, 1u << (24 + cpu));
    rig.write(cpu, Reg::kTpr, 0x70 - 0x10 * cpu);
  }
  EXPECT_EQ(rig.send(rig.lowest(0x0F, 0x91)), 1u);
  EXPECT_EQ(rig.with(0x91), Vectors{3});
  EXPECT_EQ(rig.send(rig.lowest(0x03, 0x92)), 1u);
  EXPECT_EQ(rig.with(0x92), Vectors{1});
}
void lowest_priority_counts_what_is_in_service_and_pending() {
  LapicRig rig;
  for (unsigned cpu = 0; cpu < 4; ++cpu) rig.write(cpu, Reg::kLdr, 1u << (24 + cpu));
  rig.in_service(0, 0x51);
  rig.fixed_to(1, 0x61);
  rig.send(rig.lowest(0x03, 0x31));
  EXPECT_EQ(rig.with(0x31), Vectors{0});
}
void lowest_priority_skips_the_disabled() {
  LapicRig rig;
  rig.write(0, Reg::kLdr, 0x01000000);
  rig.write(1, Reg::kLdr, 0x02000000);
  rig.write(1, Reg::kTpr, 0x40);
  rig.write(0, Reg::kSvr, 0xFF);
  rig.send(rig.lowest(0x03, 0x91));
  EXPECT_EQ(rig.with(0x91), Vectors{1});
}
void apr_is_the_greatest_of_three() {
  LapicRig rig;
  rig.write(0, Reg::kTpr, 0x25);
  EXPECT_EQ(rig.read(0, Reg::kApr), 0x25u);
  rig.fixed_to(0, 0x2F);
  EXPECT_EQ(rig.read(0, Reg::kApr), 0x25u) << "the TPR's class is not below the request's";
  rig.fixed_to(0, 0x3F);
  EXPECT_EQ(rig.read(0, Reg::kApr), 0x30u);
  ASSERT_EQ(rig.inta(0), 0x3Fu);
  EXPECT_EQ(rig.read(0, Reg::kApr), 0x30u);
}
void a_multicast_forks() {
  LapicRig rig;
  rig.fixed_to(0xFF, 0x41);
  EXPECT_EQ(rig.env.count(Event::Forked), 3u);
  EXPECT_EQ(rig.env.count(Event::Pended), 4u);
}

// ---- 11.11: messages ----

BusWrite message(std::uint64_t address, std::uint32_t data, std::uint8_t size = 4) {
  return {address, data, make_span(SourceId{9}, 0), {}, size};
}

void a_message_is_a_dword() {
  LapicRig rig;
  rig.bank.receive(x86::LapicBank::kMessages, message(0xFEE01000, 0x41, 8), rig.env);
  EXPECT_EQ(rig.with(0x41), Vectors{});
  rig.bank.receive(x86::LapicBank::kMessages, message(0xFEE01000, 0x41), rig.env);
  EXPECT_EQ(rig.with(0x41), Vectors{1});
}
void address_and_data_have_fields() {
  LapicRig rig;
  rig.write(2, Reg::kLdr, 0x04000000);
  // Logical, redirection hint off; level, asserted, fixed.
  rig.bank.receive(x86::LapicBank::kMessages, message(0xFEE04004, 0xC041), rig.env);
  EXPECT_EQ(rig.with(0x41), Vectors{2});
  EXPECT_EQ(rig.tmr(2), Vectors{0x41});
}
void a_deasserted_level_requests_nothing() {
  LapicRig rig;
  rig.bank.receive(x86::LapicBank::kMessages, message(0xFEE00000, 0x8041), rig.env);
  EXPECT_EQ(rig.irr(0), Vectors{});
  EXPECT_EQ(rig.env.count(Event::Cancelled), 1u);
}
void a_redirection_hint_chooses_one() {
  LapicRig rig;
  for (unsigned cpu = 0; cpu < 4; ++cpu) {
    rig.write(cpu, Reg::kLdr, 1u << (24 + cpu));
    rig.write(cpu, Reg::kTpr, cpu == 2 ? 0 : 0x10);
  }
  rig.bank.receive(x86::LapicBank::kMessages, message(0xFEE0F00C, 0x41), rig.env);
  EXPECT_EQ(rig.with(0x41), Vectors{2});
}
void a_reserved_delivery_mode_is_dropped() {
  LapicRig rig;
  EXPECT_EQ(rig.send(rig.of(DeliveryMode::Reserved, 0)), 0u);
  EXPECT_TRUE(rig.dropped(DropReason::ReservedDeliveryMode));
}

constexpr Rule kRules[] = {
    {"11.6.1", "AWriteOfTheLowHalfSends", a_write_of_the_low_half_sends},
    {"11.6.1", "ShorthandSelf", shorthand_self},
    {"11.6.1", "ShorthandAllIncludingSelf", shorthand_all},
    {"11.6.1", "ShorthandAllExcludingSelf", shorthand_all_but_self},
    {"11.6.1", "TheIcrReadsWhatWasWritten", the_icr_reads_what_was_written},
    {"11.6.1", "AnIpiIsAnEdge", an_ipi_is_an_edge},
    {"11.6.1", "Nmi", ipi_nmi},
    {"11.6.1", "Smi", ipi_smi},
    {"11.6.1", "InitLevelDeassertDoesNothing", init_level_deassert_does_nothing},
    {"11.6.1", "ASipiCarriesItsVector", a_sipi_carries_its_vector},
    {"11.6.1", "AnIpiCrossesTheInterconnect", a_flight_takes_its_time},
    {"11.6.2.1", "PhysicalIsOneId", physical_is_one_id},
    {"11.6.2.1", "PhysicalFfIsEverybody", physical_ff_is_everybody},
    {"11.6.2.2", "FlatIsABitEach", flat_is_a_bit_each},
    {"11.6.2.2", "LogicalFfIsEverybody", logical_ff_is_everybody},
    {"11.6.2.2", "ClusterIsANumberAndABit", cluster_is_a_number_and_a_bit},
    {"11.6.2.2", "DfrHasAModelAndOnes", dfr_has_a_model_and_ones},
    {"11.6.2.4", "LowestPriorityGoesToOne", lowest_priority_goes_to_one},
    {"11.6.2.4", "LowestPriorityCountsServiceAndRequests",
     lowest_priority_counts_what_is_in_service_and_pending},
    {"11.6.2.4", "LowestPrioritySkipsTheDisabled", lowest_priority_skips_the_disabled},
    {"11.6.2.4", "AprIsTheGreatestOfThree", apr_is_the_greatest_of_three},
    {"11.6.2", "AMulticastForks", a_multicast_forks},
    {"11.11.1", "AMessageIsADword", a_message_is_a_dword},
    {"11.11.2", "AddressAndDataHaveFields", address_and_data_have_fields},
    {"11.11.2", "ADeassertedLevelRequestsNothing", a_deasserted_level_requests_nothing},
    {"11.11.1", "ARedirectionHintChoosesOne", a_redirection_hint_chooses_one},
    {"11.11.2", "AReservedDeliveryModeIsDropped", a_reserved_delivery_mode_is_dropped},
};

INSTANTIATE_TEST_SUITE_P(SdmLapicDelivery, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
