// Rules of the invalidation queue of a remapping unit, and of draining: Intel Virtualization
// Technology for Directed I/O, Architecture Specification (D51397), numbered as in rev. 4.1;
// registers go by their names.
#include "tests/rules/rule.hpp"
#include "tests/rules/vtd_rig.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
namespace reg = x86::vtd;

constexpr std::uint64_t kGlobal = 0x4;
constexpr std::uint64_t kWait = 0x5;
constexpr std::uint64_t kIf = 1u << 4;
constexpr std::uint64_t kSw = 1u << 5;
constexpr std::uint64_t kFn = 1u << 6;
constexpr std::uint64_t kStatus = 0x12'3456'7894;
constexpr std::uint32_t kMask = 1u << 31;     // IM
constexpr std::uint32_t kPending = 1u << 30;  // IP
constexpr std::uint32_t kIqe = 1u << 4;

bool cached(VtdRig rig, std::uint32_t index) {
  rig.forget();
  rig.request(index);
  return rig.env.noted(Event::IrteHit);
}
VtdRig warm() {
  VtdRig rig;
  for (std::uint32_t index = 0; index < 16; ++index) {
    rig.set_entry(index, 0x710001);
    rig.request(index);
  }
  rig.forget();
  return rig;
}

// ---- 6.5.2: the queue ----

void an_empty_queue_is_left_alone() {
  VtdRig rig;
  rig.write(reg::IQT_REG, 0);
  EXPECT_TRUE(rig.env.messages<BusRead>().empty());
  rig.answers = false;
  rig.queue(kGlobal);
  const auto reads = rig.env.messages<BusRead>();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(reads[0].address, VtdRig::kQueue);
  EXPECT_EQ(reads[0].size, 16);
}
void the_head_moves_by_16_bytes_and_wraps() {
  VtdRig rig;
  rig.queue(kGlobal);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0x10u);
  for (unsigned i = 1; i < 255; ++i) rig.queue(kGlobal);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0xFF0u);
  rig.entries.push_back({VtdRig::kQueue + 0xFF0, {kGlobal, 0}});
  rig.write(reg::IQT_REG, 0);
  rig.settle();
  EXPECT_EQ(rig.read(reg::IQH_REG), 0u);
  EXPECT_EQ(rig.env.count(Event::CommandFetched), 256u);
}
void qs_is_the_number_of_pages() {
  for (unsigned qs = 0; qs < 8; ++qs) {
    VtdRig rig;
    rig.write64(reg::IQA_REG, VtdRig::kQueue | qs);
    const std::uint32_t bytes = 4096u << qs;
    rig.answers = false;
    rig.write(reg::IQT_REG, bytes - 16);
    EXPECT_EQ(rig.env.messages<BusRead>().size(), 1u) << qs;
    EXPECT_EQ(rig.read(reg::FSTS_REG), 0u) << qs;
    if (qs == 7) continue;  // the register cannot hold more
    VtdRig beyond;
    beyond.write64(reg::IQA_REG, VtdRig::kQueue | qs);
    beyond.write(reg::IQT_REG, bytes);
    EXPECT_EQ(beyond.read(reg::FSTS_REG), kIqe) << qs;
  }
}
void disabling_the_queue_resets_its_head() {
  VtdRig rig;
  rig.queue(kGlobal);
  rig.write(reg::GCMD_REG, VtdRig::kIre);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0u);
  EXPECT_EQ(rig.read(reg::GSTS_REG) & VtdRig::kQie, 0u);
}

// ---- 6.5.2.7: invalidation of the interrupt entry cache ----

void a_global_invalidation_removes_all() {
  VtdRig rig = warm();
  rig.queue(kGlobal);
  for (std::uint32_t index = 0; index < 16; ++index) EXPECT_FALSE(cached(rig, index));
}
void an_index_selective_one_removes_an_aligned_power_of_two() {
  for (unsigned mask = 0; mask < 4; ++mask) {
    VtdRig rig = warm();
    rig.queue(VtdRig::invalidate_index(10, mask));
    for (std::uint32_t index = 0; index < 16; ++index) {
      EXPECT_EQ(cached(rig, index), index >> mask != 10u >> mask) << mask << ' ' << index;
    }
  }
}
void iidx_and_im_mean_nothing_to_a_global_one() {
  VtdRig rig = warm();
  rig.queue(VtdRig::invalidate_index(10) & ~std::uint64_t{0x10});
  EXPECT_FALSE(cached(rig, 3));
}
void what_was_asked_for_before_is_not_cached_after() {
  VtdRig rig;
  rig.set_entry(5, 0x710001);
  rig.answers = false;
  rig.request(5);
  rig.unit.invalidate(IndexRange{5, 0}, rig.env);
  rig.settle();
  rig.answers = true;
  EXPECT_EQ(rig.sent().size(), 1u);
  EXPECT_FALSE(cached(rig, 5));
}

// ---- 6.5.2.8, 6.5.2.9: the wait ----

void sw_writes_the_status() {
  VtdRig rig;
  rig.queue(kWait | kSw | std::uint64_t{0x89ABCDEF} << 32, kStatus);
  EXPECT_TRUE(rig.status_writes().empty());
  rig.land_marker();
  ASSERT_EQ(rig.status_writes().size(), 1u);
  EXPECT_EQ(rig.status_writes()[0].address, kStatus);
  EXPECT_EQ(rig.status_writes()[0].data, 0x89ABCDEFu);
  EXPECT_EQ(rig.status_writes()[0].size, 4);
  rig.queue(kWait | kFn, kStatus);
  rig.land_marker();
  EXPECT_EQ(rig.status_writes().size(), 1u);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0x20u);
}
void what_follows_a_fence_waits() {
  VtdRig rig = warm();
  rig.queue(kWait | kFn);
  rig.queue(kGlobal);
  EXPECT_TRUE(cached(rig, 3));
  rig.land_marker();
  EXPECT_FALSE(cached(rig, 3));
}
void if_sets_iwc_and_sends_the_event() {
  VtdRig rig;
  rig.write(reg::IEDATA_REG, 0x4055);
  rig.write(reg::IEADDR_REG, 0xFEE03000);
  rig.write(reg::IECTL_REG, 0);
  rig.queue(kWait | kIf);
  EXPECT_EQ(rig.read(reg::ICS_REG), 0u);
  EXPECT_TRUE(rig.sent().empty());
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::ICS_REG), 1u);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].address, 0xFEE03000u);
  EXPECT_EQ(rig.sent()[0].data, 0x4055u);
  EXPECT_EQ(rig.read(reg::IECTL_REG), 0u);
}
void without_if_there_is_no_event() {
  VtdRig rig;
  rig.write(reg::IECTL_REG, 0);
  rig.queue(kWait | kSw, kStatus);
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::ICS_REG), 0u);
  EXPECT_TRUE(rig.sent().empty());
}
void while_iwc_is_set_there_is_no_new_condition() {
  VtdRig rig;
  rig.write(reg::IECTL_REG, 0);
  for (unsigned i = 0; i < 2; ++i) {
    rig.queue(kWait | kIf);
    rig.land_marker();
  }
  EXPECT_EQ(rig.sent().size(), 1u);
  rig.write(reg::ICS_REG, 1);
  rig.queue(kWait | kIf);
  rig.land_marker();
  EXPECT_EQ(rig.sent().size(), 2u);
}
void a_masked_event_is_pending_until_unmasked() {
  VtdRig rig;
  rig.queue(kWait | kIf);
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::IECTL_REG), kMask | kPending);
  EXPECT_TRUE(rig.sent().empty());
  rig.write(reg::IECTL_REG, kMask);
  EXPECT_TRUE(rig.sent().empty());
  rig.write(reg::IECTL_REG, 0);
  EXPECT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.read(reg::IECTL_REG), 0u);
}
void clearing_iwc_withdraws_the_event() {
  VtdRig rig;
  rig.queue(kWait | kIf);
  rig.land_marker();
  rig.write(reg::ICS_REG, 0);
  EXPECT_EQ(rig.read(reg::IECTL_REG), kMask | kPending);
  rig.write(reg::ICS_REG, 1);
  EXPECT_EQ(rig.read(reg::IECTL_REG), kMask);
  EXPECT_EQ(rig.read(reg::ICS_REG), 0u);
  rig.write(reg::IECTL_REG, 0);
  EXPECT_TRUE(rig.sent().empty());
}

// ---- 6.5.2.10: errors of the queue ----

struct WrongDescriptor {
  std::uint64_t low, high;
  unsigned iqei;
};
void a_wrong_descriptor_stops_the_queue_at_itself() {
  for (const WrongDescriptor& wrong :
       {WrongDescriptor{0x0, 0, 3}, WrongDescriptor{0x3, 0, 3}, WrongDescriptor{0x6, 0, 3},
        WrongDescriptor{0x204, 0, 3}, WrongDescriptor{0x805, 0, 3},
        WrongDescriptor{kGlobal | 1 << 5, 0, 4}, WrongDescriptor{kGlobal | 1 << 26, 0, 4},
        WrongDescriptor{kGlobal | std::uint64_t{1} << 48, 0, 4}, WrongDescriptor{kGlobal, 1, 4},
        WrongDescriptor{kWait | 1 << 7, 0, 4}, WrongDescriptor{kWait | 1u << 31, 0, 4},
        WrongDescriptor{kWait, 1, 4}, WrongDescriptor{kWait, 2, 4}}) {
    VtdRig rig = warm();
    rig.queue(kWait);
    rig.land_marker();
    rig.queue(wrong.low, wrong.high);
    rig.queue(kGlobal);
    EXPECT_EQ(rig.read(reg::IQH_REG), 0x10u) << std::hex << wrong.low;
    EXPECT_EQ(rig.read(reg::FSTS_REG), kIqe) << std::hex << wrong.low;
    EXPECT_EQ(rig.read64(reg::IQERCD_REG), wrong.iqei) << std::hex << wrong.low;
    EXPECT_TRUE(cached(rig, 3));
    EXPECT_EQ(rig.markers(), 1u);
  }
}
void types_of_dma_remapping_are_taken() {
  VtdRig rig;
  rig.queue(0x31);
  rig.queue(0x32, 0x1000);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0x20u);
  EXPECT_EQ(rig.read(reg::FSTS_REG), 0u);
}
void iqercd_tells_tail_and_fetch_errors() {
  VtdRig tail;
  tail.write(reg::IQT_REG, 4096);
  EXPECT_EQ(tail.read(reg::IQERCD_REG), 1u);
  VtdRig fetch;
  fetch.readable = false;
  fetch.queue(kGlobal);
  EXPECT_EQ(fetch.read(reg::IQERCD_REG), 2u);
  EXPECT_EQ(fetch.read(reg::IQH_REG), 0u);
}
void clearing_iqe_goes_on_at_the_head() {
  VtdRig rig;
  rig.queue(0);
  rig.entries.push_back({VtdRig::kQueue, {kGlobal, 0}});
  rig.write(reg::FSTS_REG, ~kIqe);
  rig.settle();
  EXPECT_EQ(rig.read(reg::FSTS_REG), kIqe);
  rig.write(reg::FSTS_REG, kIqe);
  rig.settle();
  EXPECT_EQ(rig.read(reg::FSTS_REG), 0u);
  EXPECT_EQ(rig.read(reg::IQERCD_REG), 0u);
  EXPECT_EQ(rig.read(reg::IQH_REG), 0x10u);
}

// ---- Interrupt draining ----

void a_wait_drains_what_is_older() {
  VtdRig rig;
  rig.set_entry(5, 0x710001);
  rig.answers = false;
  rig.request(5);
  const BusRead walk = rig.env.messages<BusRead>().at(0);
  rig.answered = 1;
  rig.queue(kWait | kSw, kStatus);
  rig.settle();
  EXPECT_EQ(rig.markers(), 0u);
  rig.unit.receive(VtdRemapper::kMemory, rig.data_of(walk), rig.env);
  EXPECT_EQ(rig.markers(), 1u);
  EXPECT_TRUE(std::holds_alternative<Marker>(rig.env.sent.back().message)) << "behind the message";
}
/// A request is under way when the command comes.
VtdRig with_request_under_way() {
  VtdRig rig;
  rig.set_entry(5, 0x710001);
  rig.answers = false;
  rig.request(5);
  return rig;
}
void ires_changes_when_older_requests_have_landed() {
  VtdRig rig = with_request_under_way();
  rig.write(reg::GCMD_REG, VtdRig::kQie);
  EXPECT_NE(rig.read(reg::GSTS_REG) & VtdRig::kIre, 0u);
  rig.settle();
  ASSERT_EQ(rig.markers(), 1u);
  EXPECT_NE(rig.read(reg::GSTS_REG) & VtdRig::kIre, 0u);
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::GSTS_REG) & VtdRig::kIre, 0u);
}
void ire_counts_for_what_comes_after_it() {
  VtdRig rig = with_request_under_way();
  rig.write(reg::GCMD_REG, VtdRig::kQie);
  rig.send(VtdRig::address_of(5), 0x41, VtdRig::kRid, 1);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].data, 0x41u) << "not remapped any more";
  rig.settle();
  ASSERT_EQ(rig.sent().size(), 2u);
  EXPECT_EQ(rig.sent()[1].data, 0x4071u) << "remapped still";
}
void irtps_is_clear_until_older_requests_have_landed() {
  VtdRig rig = with_request_under_way();
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kIre | VtdRig::kSirtp);
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kIre);
  rig.settle();
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kIre);
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kIre | VtdRig::kSirtp);
}
void with_nothing_under_way_gsts_reports_at_once() {
  VtdRig rig;
  rig.write(reg::GCMD_REG, VtdRig::kSirtp);
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kSirtp);
  EXPECT_EQ(rig.markers(), 0u);
  rig.send(0x1000, 0x41);
  rig.write(reg::GCMD_REG, VtdRig::kSirtp);
  EXPECT_EQ(rig.markers(), 1u);
  rig.land_marker();
  rig.write(reg::GCMD_REG, VtdRig::kSirtp);
  EXPECT_EQ(rig.markers(), 1u) << "all has landed with the marker of the command";
  rig.write(reg::GCMD_REG, VtdRig::kQie);
  rig.send(0x1000, 0x41);
  rig.queue(kWait);
  rig.land_marker();
  EXPECT_EQ(rig.markers(), 2u);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kSirtp);
  EXPECT_EQ(rig.markers(), 2u) << "or with that of a wait";
}
void a_message_of_the_units_own_has_to_land_too() {
  VtdRig rig;
  rig.write(reg::FECTL_REG, 0);
  rig.request(300);
  ASSERT_EQ(rig.sent().size(), 1u);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kIre | VtdRig::kSirtp);
  EXPECT_EQ(rig.markers(), 1u);
}
void a_second_command_is_reported_after_what_came_before_it() {
  VtdRig rig = with_request_under_way();
  rig.write(reg::GCMD_REG, VtdRig::kQie);
  rig.settle();
  rig.send(0x1000, 0x41);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kSirtp);
  rig.land_marker();
  EXPECT_EQ(rig.markers(), 2u);
  EXPECT_EQ(rig.read(reg::GSTS_REG) & VtdRig::kSirtp, 0u);
  rig.land_marker();
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kSirtp);
}
void commands_while_a_marker_is_out_are_reported_after_the_next() {
  VtdRig rig = with_request_under_way();
  rig.write(reg::GCMD_REG, VtdRig::kQie);
  rig.settle();
  rig.send(0x1000, 0x41);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kSirtp);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kIre);
  EXPECT_EQ(rig.markers(), 1u);
  rig.land_marker();
  EXPECT_EQ(rig.markers(), 2u);
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kIre) << "as it was at first";
  rig.land_marker();
  EXPECT_EQ(rig.markers(), 2u);
  EXPECT_EQ(rig.read(reg::GSTS_REG), VtdRig::kQie | VtdRig::kIre | VtdRig::kSirtp);
}
void a_wait_under_way_does_not_make_a_command_land() {
  for (const std::uint32_t queue : {VtdRig::kQie, std::uint32_t{0}}) {
    VtdRig rig;
    rig.set_entry(5, 0x710001);
    rig.request(5);
    rig.queue(kWait);
    ASSERT_EQ(rig.markers(), 1u);
    rig.write(reg::GCMD_REG, queue);
    EXPECT_NE(rig.read(reg::GSTS_REG) & VtdRig::kIre, 0u);
    ASSERT_EQ(rig.markers(), 2u);
    rig.land_marker();
    EXPECT_EQ(rig.read(reg::GSTS_REG) & VtdRig::kIre, 0u);
  }
}
void nothing_joins_a_walk_of_the_table_before_sirtp() {
  VtdRig rig = with_request_under_way();
  rig.write64(reg::IRTA_REG, 0x500007);
  rig.write(reg::GCMD_REG, VtdRig::kQie | VtdRig::kIre | VtdRig::kSirtp);
  rig.send(VtdRig::address_of(5), 0, VtdRig::kRid, 1);
  const auto reads = rig.env.messages<BusRead>();
  ASSERT_EQ(reads.size(), 2u);
  EXPECT_EQ(reads[0].address, VtdRig::kTable + 5 * 16);
  EXPECT_EQ(reads[1].address, 0x500000u + 5 * 16);
}

const Rule kRules[] = {
    {"6.5.2", "AnEmptyQueueIsLeftAlone", an_empty_queue_is_left_alone},
    {"6.5.2", "TheHeadMovesBy16BytesAndWraps", the_head_moves_by_16_bytes_and_wraps},
    {"6.5.2", "QsIsTheNumberOfPages", qs_is_the_number_of_pages},
    {"6.5.2", "DisablingTheQueueResetsItsHead", disabling_the_queue_resets_its_head},
    {"6.5.2.7", "AGlobalInvalidationRemovesAll", a_global_invalidation_removes_all},
    {"6.5.2.7", "AnIndexSelectiveOneRemovesAnAlignedPowerOfTwo",
     an_index_selective_one_removes_an_aligned_power_of_two},
    {"6.5.2.7", "IidxAndImMeanNothingToAGlobalOne", iidx_and_im_mean_nothing_to_a_global_one},
    {"6.5.2.7", "WhatWasAskedForBeforeIsNotCachedAfter",
     what_was_asked_for_before_is_not_cached_after},
    {"6.5.2.8", "SwWritesTheStatus", sw_writes_the_status},
    {"6.5.2.8", "WhatFollowsAFenceWaits", what_follows_a_fence_waits},
    {"6.5.2.9", "IfSetsIwcAndSendsTheEvent", if_sets_iwc_and_sends_the_event},
    {"6.5.2.9", "WithoutIfThereIsNoEvent", without_if_there_is_no_event},
    {"6.5.2.9", "WhileIwcIsSetThereIsNoNewCondition", while_iwc_is_set_there_is_no_new_condition},
    {"6.5.2.9", "AMaskedEventIsPendingUntilUnmasked", a_masked_event_is_pending_until_unmasked},
    {"6.5.2.9", "ClearingIwcWithdrawsTheEvent", clearing_iwc_withdraws_the_event},
    {"6.5.2.10", "AWrongDescriptorStopsTheQueueAtItself",
     a_wrong_descriptor_stops_the_queue_at_itself},
    {"6.5.2.10", "TypesOfDmaRemappingAreTaken", types_of_dma_remapping_are_taken},
    {"6.5.2.10", "IqercdTellsTailAndFetchErrors", iqercd_tells_tail_and_fetch_errors},
    {"6.5.2.10", "ClearingIqeGoesOnAtTheHead", clearing_iqe_goes_on_at_the_head},
    {"Interrupt Draining", "AWaitDrainsWhatIsOlder", a_wait_drains_what_is_older},
    {"GSTS_REG", "IresChangesWhenOlderRequestsHaveLanded",
     ires_changes_when_older_requests_have_landed},
    {"GCMD_REG", "IreCountsForWhatComesAfterIt", ire_counts_for_what_comes_after_it},
    {"GSTS_REG", "IrtpsIsClearUntilOlderRequestsHaveLanded",
     irtps_is_clear_until_older_requests_have_landed},
    {"GSTS_REG", "WithNothingUnderWayItReportsAtOnce", with_nothing_under_way_gsts_reports_at_once},
    {"GSTS_REG", "AMessageOfTheUnitsOwnHasToLandToo", a_message_of_the_units_own_has_to_land_too},
    {"GSTS_REG", "ASecondCommandIsReportedAfterWhatCameBeforeIt",
     a_second_command_is_reported_after_what_came_before_it},
    {"GSTS_REG", "CommandsWhileAMarkerIsOutAreReportedAfterTheNext",
     commands_while_a_marker_is_out_are_reported_after_the_next},
    {"GSTS_REG", "AWaitUnderWayDoesNotMakeACommandLand",
     a_wait_under_way_does_not_make_a_command_land},
    {"GCMD_REG", "NothingJoinsAWalkOfTheTableBeforeSirtp",
     nothing_joins_a_walk_of_the_table_before_sirtp},
};
INSTANTIATE_TEST_SUITE_P(VtdQueue, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
