// Rules of requests, of the interrupt remapping table and of interrupt posting: Intel
// Virtualization Technology for Directed I/O, Architecture Specification (D51397), numbered as in
// rev. 4.1; the entries are 9.9 and 9.10 there.
#include "tests/rules/rule.hpp"
#include "tests/rules/vtd_rig.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
namespace reg = x86::vtd;

constexpr std::uint64_t kFixed71 = 0x710001;  // present, vector 0x71, to APIC id 0

/// Sends one request by an entry, and answers the fault that it recorded.
unsigned fault_by(std::uint64_t low, std::uint64_t high, VtdRig rig) {
  rig.set_entry(5, low, high);
  rig.request(5);
  EXPECT_EQ(rig.env.count(Event::Dropped), rig.fault() != 0 ? 1u : 0u);
  return rig.fault();
}
BusWrite message_of(std::uint64_t low, VtdRig rig = VtdRig()) {
  rig.set_entry(5, low);
  rig.request(5);
  EXPECT_EQ(rig.sent().size(), 1u);
  return rig.sent().empty() ? BusWrite{} : rig.sent()[0];
}
bool admitted(std::uint64_t high, std::uint16_t rid) {
  VtdRig rig;
  rig.set_entry(5, kFixed71, high);
  rig.request(5, rid);
  EXPECT_EQ(rig.fault(), rig.sent().empty() ? 0x26u : 0u);
  return !rig.sent().empty();
}

// ---- 5.1.2: formats of requests ----

void address_bit_4_is_the_format() {
  VtdRig rig;
  rig.write(reg::GCMD_REG, VtdRig::kIre | VtdRig::kCfi);
  rig.set_entry(0, kFixed71);
  rig.send(0xFEE00000, 0x41);
  rig.send(0xFEE00010, 0x41);
  ASSERT_EQ(rig.sent().size(), 2u);
  EXPECT_EQ(rig.sent()[0].data, 0x41u);
  EXPECT_EQ(rig.sent()[1].data, 0x4071u);
}
void handle_is_address_bits_19_to_5_and_2() {
  for (unsigned bit = 0; bit < 16; ++bit) {
    VtdRig rig({}, VtdRig::kTable | 15);
    rig.set_entry(1u << bit, kFixed71);
    rig.send(0xFEE00010 | (bit == 15 ? 1u << 2 : 1u << (5 + bit)), 0);
    EXPECT_EQ(rig.sent().size(), 1u) << bit;
  }
}
void shv_adds_the_subhandle() {
  VtdRig rig;
  rig.set_entry(5, 0x710001);
  rig.set_entry(9, 0x720001);
  rig.send(VtdRig::address_of(5) | 8, 4);
  rig.send(VtdRig::address_of(5), 4);
  ASSERT_EQ(rig.sent().size(), 2u);
  EXPECT_EQ(rig.sent()[0].data & 0xFF, 0x72u);
  EXPECT_EQ(rig.sent()[1].data & 0xFF, 0x71u);
}
void subhandle_has_sixteen_bits() {
  VtdRig rig({}, VtdRig::kTable | 15);
  rig.set_entry(0xFFFF, kFixed71);
  rig.send(VtdRig::address_of(0x7FFF) | 8, 0x8000);
  EXPECT_EQ(rig.sent().size(), 1u);
}
void with_shv_upper_data_bits_are_reserved() {
  for (unsigned bit = 16; bit < 32; ++bit) {
    VtdRig rig;
    rig.set_entry(5, kFixed71);
    rig.send(VtdRig::address_of(5) | 8, 1u << bit);
    EXPECT_TRUE(rig.blocked()) << bit;
    EXPECT_EQ(rig.fault(), 0x20u) << bit;
  }
}
void without_shv_data_is_ignored() {
  VtdRig rig;
  rig.set_entry(5, kFixed71);
  rig.send(VtdRig::address_of(5), 0xFFFFFFFF);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].data, 0x4071u);
}

// ---- 5.1.3: the table ----

void table_has_two_to_the_s_plus_one_entries() {
  for (const unsigned s : {0u, 3u, 14u}) {
    VtdRig rig({}, VtdRig::kTable | s);
    const std::uint32_t entries = 2u << s;
    rig.set_entry(entries - 1, kFixed71);
    rig.request(entries - 1);
    EXPECT_EQ(rig.sent().size(), 1u) << s;
    rig.request(entries);
    EXPECT_EQ(rig.sent().size(), 1u) << s;
    EXPECT_EQ(rig.fault(), 0x21u) << s;
  }
}
void an_entry_is_sixteen_bytes_at_irta() {
  VtdRig rig({}, 0x12'3456'7000 | 7);
  rig.answers = false;
  rig.request(0x83);
  const auto reads = rig.env.messages<BusRead>();
  ASSERT_EQ(reads.size(), 1u);
  EXPECT_EQ(reads[0].address, 0x12'3456'7830u);
  EXPECT_EQ(reads[0].size, 16);
}

// ---- 5.1.4: hardware operation ----

void disabled_everything_passes() {
  VtdRig rig;
  rig.write(reg::GCMD_REG, 0);
  rig.send(0xFEE00000, 0x41);
  rig.send(0xFEE00010, 0x42);
  ASSERT_EQ(rig.sent().size(), 2u);
  EXPECT_EQ(rig.sent()[1].address, 0xFEE00010u);
  EXPECT_EQ(rig.sent()[1].data, 0x42u);
}
void compatibility_format_needs_cfi() {
  VtdRig rig;
  rig.send(0xFEE00000, 0x41);
  EXPECT_TRUE(rig.blocked());
  EXPECT_EQ(rig.fault(), 0x25u);
  rig.write(reg::GCMD_REG, VtdRig::kIre | VtdRig::kCfi);
  rig.send(0xFEE00000, 0x41);
  EXPECT_EQ(rig.sent().size(), 1u);
}
void extended_mode_blocks_the_compatibility_format() {
  VtdRig rig = VtdRig::with_everything(VtdRig::kTable | VtdRig::kEime | 7);
  rig.write(reg::GCMD_REG, VtdRig::kIre | VtdRig::kCfi);
  rig.send(0xFEE00000, 0x41);
  EXPECT_TRUE(rig.blocked());
  EXPECT_EQ(rig.fault(), 0x25u);
}
void extended_mode_is_that_of_the_last_sirtp() {
  VtdRig rig = VtdRig::with_everything();
  rig.write(reg::GCMD_REG, VtdRig::kIre | VtdRig::kCfi);
  rig.write64(reg::IRTA_REG, VtdRig::kTable | VtdRig::kEime | 7);
  rig.send(0xFEE00000, 0x41);
  EXPECT_EQ(rig.sent().size(), 1u);
}

// ---- 5.1.4.1: fault conditions ----

void a_record_names_requester_index_and_reason() {
  VtdRig rig;
  rig.request(300, 0xABCD);
  EXPECT_EQ(rig.read64(reg::FRCD_REG), std::uint64_t{300} << 48);
  EXPECT_EQ(rig.read64(reg::FRCD_REG + 8), 0x800000210000ABCDu);
}
void an_absent_entry_is_22h() { EXPECT_EQ(fault_by(kFixed71 & ~1u, 0, VtdRig()), 0x22u); }
void an_unreadable_entry_is_23h() {
  VtdRig rig;
  rig.readable = false;
  EXPECT_EQ(fault_by(kFixed71, 0, std::move(rig)), 0x23u);
}
void reserved_bits_of_an_absent_entry_do_not_count() {
  EXPECT_EQ(fault_by(0x7000, ~std::uint64_t{0}, VtdRig()), 0x22u);
}
void reserved_bits_come_before_the_requester() {
  EXPECT_EQ(fault_by(kFixed71 | 1u << 12, 1u << 18, VtdRig()), 0x24u);
}
void fpd_leaves_faults_of_the_entry_unrecorded() {
  for (const std::uint64_t low : {kFixed71 & ~1u, kFixed71 | 1u << 12, kFixed71}) {
    for (const bool fpd : {false, true}) {
      VtdRig rig;
      rig.set_entry(5, low | (fpd ? 2u : 0u), 1u << 18);  // for requester 0 only
      rig.request(5);
      EXPECT_TRUE(rig.blocked());
      EXPECT_EQ(rig.fault() == 0, fpd) << low;
      EXPECT_EQ(rig.env.count(Event::RemapFaulted), fpd ? 0u : 1u);
    }
  }
}
void a_descriptor_that_cannot_be_updated_is_27h() {
  const Irte irte = posted_irte({Vector{0x71}, Urgency::Normal, VtdRig::kDescriptor});
  for (const bool fpd : {false, true}) {
    VtdRig rig = VtdRig::with_everything();
    rig.updatable = false;
    rig.set_entry(5, irte.low | (fpd ? 2u : 0u), irte.high);
    rig.request(5);
    EXPECT_TRUE(rig.blocked());
    EXPECT_EQ(rig.fault(), fpd ? 0u : 0x27u);
  }
}

// ---- 9.9: the entry for remapped interrupts ----

void fields_become_the_message() {
  struct Case {
    std::uint64_t low;
    std::uint64_t address;
    std::uint64_t data;
  };
  for (const Case& c : {Case{1, 0xFEE00000, 0x4000}, Case{1 | 1 << 2, 0xFEE00004, 0x4000},
                        Case{1 | 1 << 3, 0xFEE00008, 0x4000}, Case{1 | 1 << 4, 0xFEE00000, 0xC000},
                        Case{1 | 1 << 5, 0xFEE00000, 0x4100}, Case{1 | 4 << 5, 0xFEE00000, 0x4400},
                        Case{1 | 7 << 5, 0xFEE00000, 0x4700}, Case{0xFF0001, 0xFEE00000, 0x40FF},
                        Case{1 | std::uint64_t{0xA5} << 40, 0xFEEA5000, 0x4000}}) {
    const BusWrite message = message_of(c.low);
    EXPECT_EQ(message.address, c.address) << std::hex << c.low;
    EXPECT_EQ(message.data, c.data) << std::hex << c.low;
    EXPECT_EQ(message.size, 4);
  }
}
void in_xapic_mode_the_destination_has_eight_bits() {
  for (unsigned bit = 32; bit < 64; ++bit) {
    const bool reserved = bit < 40 || bit > 47;
    EXPECT_EQ(fault_by(kFixed71 | std::uint64_t{1} << bit, 0, VtdRig()), reserved ? 0x24u : 0u);
  }
}
void in_extended_mode_the_destination_has_32_bits() {
  const BusWrite message = message_of(kFixed71 | std::uint64_t{0x89ABCDEF} << 32,
                                      VtdRig::with_everything(VtdRig::kTable | VtdRig::kEime | 7));
  EXPECT_EQ(message.address, 0x89ABCD00FEEEF000u);
  const ApicMessage m = decode({message.address, 0}, MsiDestination::Bits32);
  EXPECT_EQ(m.destination, ApicId{0x89ABCDEF});
}
void reserved_bits_fault() {
  for (unsigned bit = 0; bit < 128; ++bit) {
    const bool reserved = (bit >= 12 && bit <= 14) || (bit >= 24 && bit <= 31) || (bit >= 64 + 20);
    if (bit == 0 || (bit >= 32 && bit < 64 + 20) || bit == 15) continue;
    const std::uint64_t word = std::uint64_t{1} << bit % 64;
    EXPECT_EQ(fault_by(kFixed71 | (bit < 64 ? word : 0), bit < 64 ? 0 : word, VtdRig()),
              reserved ? 0x24u : 0u)
        << bit;
  }
}
void without_posting_im_is_reserved() {
  EXPECT_EQ(fault_by(kFixed71 | 1u << 15, 0, VtdRig()), 0x24u);
  EXPECT_EQ(fault_by(kFixed71 | 1u << 15, 0, VtdRig::with_everything()), 0u);
}

// ---- SVT, SQ and SID of either entry ----

constexpr std::uint64_t source(unsigned svt, unsigned sq, unsigned sid) {
  return std::uint64_t{svt} << 18 | std::uint64_t{sq} << 16 | sid;
}
void svt_0_verifies_nothing() { EXPECT_TRUE(admitted(source(0, 0, 0x18), 0xFFFF)); }
void svt_1_compares_what_sq_leaves() {
  constexpr std::uint16_t kIgnored[] = {0, 4, 6, 7};
  for (unsigned sq = 0; sq < 4; ++sq) {
    for (unsigned bit = 0; bit < 16; ++bit) {
      const auto rid = static_cast<std::uint16_t>(0x5A5A ^ 1u << bit);
      EXPECT_EQ(admitted(source(1, sq, 0x5A5A), rid), (kIgnored[sq] >> bit & 1) != 0)
          << sq << ' ' << bit;
    }
    EXPECT_TRUE(admitted(source(1, sq, 0x5A5A), 0x5A5A));
  }
}
void svt_2_takes_a_range_of_buses() {
  EXPECT_FALSE(admitted(source(2, 0, 0x2040), 0x1FFF));
  EXPECT_TRUE(admitted(source(2, 0, 0x2040), 0x2000));
  EXPECT_TRUE(admitted(source(2, 0, 0x2040), 0x40FF));
  EXPECT_FALSE(admitted(source(2, 0, 0x2040), 0x4100));
}
void svt_3_is_reserved() {
  EXPECT_EQ(fault_by(kFixed71, source(3, 0, VtdRig::kRid), VtdRig()), 0x24u);
}

// ---- 5.2, 9.10: posting ----

/// A unit with entry 5 for a posted interrupt of vector 0x71.
VtdRig posting_rig(Urgency urgency = Urgency::Normal, std::uint64_t irta = VtdRig::kTable | 7) {
  VtdRig rig = VtdRig::with_everything(irta);
  const Irte irte = posted_irte({Vector{0x71}, urgency, VtdRig::kDescriptor});
  rig.set_entry(5, irte.low, irte.high);
  rig.set_entry(6, 0x720001);
  return rig;
}
void the_entry_names_descriptor_vector_and_urgency() {
  VtdRig rig = VtdRig::with_everything();
  // PDAH 0x89, PDAL 0x2468ACC (bits 31:6), V 0xA5, IM, URG, P
  rig.set_entry(5, std::uint64_t{0x2468ACC} << 38 | 0xA5C001, std::uint64_t{0x89} << 32);
  rig.request(5);
  const auto posts = rig.env.messages<PostInterrupt>();
  ASSERT_EQ(posts.size(), 1u);
  EXPECT_EQ(posts[0].address, 0x89'91A2'B300u);
  EXPECT_EQ(posts[0].vector, Vector{0xA5});
  EXPECT_EQ(posts[0].urgency, Urgency::Urgent);
  EXPECT_EQ(posts[0].requester.rid, RequesterId{VtdRig::kRid});
}
void reserved_bits_of_the_posted_entry_fault() {
  for (unsigned bit = 2; bit < 128; ++bit) {
    if (bit == 15 || (bit >= 64 && bit < 64 + 20)) continue;
    const bool reserved = (bit <= 7) || bit == 12 || bit == 13 || (bit >= 24 && bit <= 37) ||
                          (bit >= 64 + 20 && bit <= 64 + 31);
    const std::uint64_t word = std::uint64_t{1} << bit % 64;
    EXPECT_EQ(
        fault_by(0x8001 | (bit < 64 ? word : 0), bit < 64 ? 0 : word, VtdRig::with_everything()),
        reserved ? 0x24u : 0u)
        << bit;
  }
}
void a_post_sets_the_bit_and_on_and_notifies() {
  VtdRig rig = posting_rig();
  rig.descriptor.set_nv(Vector{0xF2});
  rig.descriptor.set_ndst(0x300);
  rig.request(5);
  EXPECT_TRUE(rig.descriptor.pir().has(Vector{0x71}));
  EXPECT_TRUE(rig.descriptor.on());
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].address, 0xFEE03000u) << "physical, no hint";
  EXPECT_EQ(rig.sent()[0].data, 0x40F2u) << "fixed, edge";
}
void with_on_set_nothing_is_sent() {
  for (const Urgency urgency : {Urgency::Normal, Urgency::Urgent}) {
    VtdRig rig = posting_rig(urgency);
    rig.descriptor.set_on(true);
    rig.request(5);
    EXPECT_TRUE(rig.descriptor.pir().has(Vector{0x71}));
    EXPECT_TRUE(rig.sent().empty());
  }
}
void sn_suppresses_what_is_not_urgent() {
  for (const Urgency urgency : {Urgency::Normal, Urgency::Urgent}) {
    VtdRig rig = posting_rig(urgency);
    rig.descriptor.set_sn(true);
    rig.request(5);
    EXPECT_EQ(rig.sent().size(), urgency == Urgency::Urgent ? 1u : 0u);
  }
}
void in_xapic_mode_ndst_is_bits_15_to_8() {
  VtdRig rig = posting_rig();
  rig.descriptor.set_ndst(0xFFFF5AFF);
  rig.request(5);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].address, 0xFEE5A000u);
}
void in_extended_mode_ndst_has_32_bits() {
  VtdRig rig = posting_rig(Urgency::Normal, VtdRig::kTable | VtdRig::kEime | 7);
  rig.descriptor.set_ndst(0x89ABCDEF);
  rig.request(5);
  ASSERT_EQ(rig.sent().size(), 1u);
  EXPECT_EQ(rig.sent()[0].address, 0x89ABCD00FEEEF000u);
}
void the_notification_follows_the_update() {
  VtdRig rig = posting_rig();
  rig.request(5);
  ASSERT_EQ(rig.env.sent.size(), 3u);  // walk, post, notification
  EXPECT_EQ(rig.env.sent[1].port, VtdRemapper::kMemory);
  EXPECT_EQ(rig.env.sent[2].port, VtdRemapper::kOutput);
}
void what_follows_a_post_waits_for_it() {
  VtdRig rig = posting_rig();
  rig.request(5);
  rig.request(6);
  rig.forget();
  rig.answers = false;
  rig.request(5);
  rig.request(6);
  rig.request(6, VtdRig::kRid, 1);
  EXPECT_EQ(rig.sent().size(), 1u) << "of another input";
  rig.settle();
  EXPECT_EQ(rig.sent().size(), 2u);
}

const Rule kRules[] = {
    {"5.1.2", "AddressBit4IsTheFormat", address_bit_4_is_the_format},
    {"5.1.2.2", "HandleIsAddressBits19To5And2", handle_is_address_bits_19_to_5_and_2},
    {"5.1.2.2", "ShvAddsTheSubhandle", shv_adds_the_subhandle},
    {"5.1.2.2", "SubhandleHasSixteenBits", subhandle_has_sixteen_bits},
    {"5.1.2.2", "WithShvUpperDataBitsAreReserved", with_shv_upper_data_bits_are_reserved},
    {"5.1.2.2", "WithoutShvDataIsIgnored", without_shv_data_is_ignored},
    {"5.1.3", "TableHasTwoToTheSPlusOneEntries", table_has_two_to_the_s_plus_one_entries},
    {"5.1.3", "AnEntryIsSixteenBytesAtIrta", an_entry_is_sixteen_bytes_at_irta},
    {"5.1.4", "DisabledEverythingPasses", disabled_everything_passes},
    {"5.1.4", "CompatibilityFormatNeedsCfi", compatibility_format_needs_cfi},
    {"5.1.4", "ExtendedModeBlocksTheCompatibilityFormat",
     extended_mode_blocks_the_compatibility_format},
    {"5.1.4", "ExtendedModeIsThatOfTheLastSirtp", extended_mode_is_that_of_the_last_sirtp},
    {"5.1.4.1", "ARecordNamesRequesterIndexAndReason", a_record_names_requester_index_and_reason},
    {"5.1.4.1", "AnAbsentEntryIs22h", an_absent_entry_is_22h},
    {"5.1.4.1", "AnUnreadableEntryIs23h", an_unreadable_entry_is_23h},
    {"5.1.4.1", "ReservedBitsOfAnAbsentEntryDoNotCount",
     reserved_bits_of_an_absent_entry_do_not_count},
    {"5.1.4.1", "ReservedBitsComeBeforeTheRequester", reserved_bits_come_before_the_requester},
    {"5.1.4.1", "FpdLeavesFaultsOfTheEntryUnrecorded", fpd_leaves_faults_of_the_entry_unrecorded},
    {"5.1.4.1", "ADescriptorThatCannotBeUpdatedIs27h", a_descriptor_that_cannot_be_updated_is_27h},
    {"9.9", "FieldsBecomeTheMessage", fields_become_the_message},
    {"9.9", "InXapicModeTheDestinationHasEightBits", in_xapic_mode_the_destination_has_eight_bits},
    {"9.9", "InExtendedModeTheDestinationHas32Bits", in_extended_mode_the_destination_has_32_bits},
    {"9.9", "ReservedBitsFault", reserved_bits_fault},
    {"9.9", "WithoutPostingImIsReserved", without_posting_im_is_reserved},
    {"9.9", "Svt0VerifiesNothing", svt_0_verifies_nothing},
    {"9.9", "Svt1ComparesWhatSqLeaves", svt_1_compares_what_sq_leaves},
    {"9.9", "Svt2TakesARangeOfBuses", svt_2_takes_a_range_of_buses},
    {"9.9", "Svt3IsReserved", svt_3_is_reserved},
    {"9.10", "TheEntryNamesDescriptorVectorAndUrgency",
     the_entry_names_descriptor_vector_and_urgency},
    {"9.10", "ReservedBitsFault", reserved_bits_of_the_posted_entry_fault},
    {"5.2.3", "APostSetsTheBitAndOnAndNotifies", a_post_sets_the_bit_and_on_and_notifies},
    {"5.2.3", "WithOnSetNothingIsSent", with_on_set_nothing_is_sent},
    {"5.2.3", "SnSuppressesWhatIsNotUrgent", sn_suppresses_what_is_not_urgent},
    {"5.2.3", "InXapicModeNdstIsBits15To8", in_xapic_mode_ndst_is_bits_15_to_8},
    {"5.2.3", "InExtendedModeNdstHas32Bits", in_extended_mode_ndst_has_32_bits},
    {"5.2.4", "TheNotificationFollowsTheUpdate", the_notification_follows_the_update},
    {"5.2.4", "WhatFollowsAPostWaitsForIt", what_follows_a_post_waits_for_it},
};
INSTANTIATE_TEST_SUITE_P(VtdRequests, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
