// Rules of the posted-interrupt descriptor: VT-d specification, 5.2.3 "Interrupt-Posting Hardware
// Operation" and 9.11 "Posted Interrupt Descriptor (PID)".

#include "models/x86/posted_descriptor.hpp"
#include "models/x86/posted_descriptors.hpp"
#include "tests/rules/rule.hpp"
#include "tests/support/recording_env.hpp"

namespace irqfab::rules {
namespace {

using namespace x86;
using C = DescriptorControl;

constexpr SpanId kSpan = make_span(SourceId{3}, 0);

struct Line {
  PostAnswer post(unsigned vector, Urgency urgency = Urgency::Normal) {
    return line.post(Vector(static_cast<std::uint8_t>(vector)), urgency, kSpan, 0, env);
  }
  PostedDescriptor line;
  test::RecordingEnv env;
};

void it_is_64_bytes() {
  EXPECT_EQ(PostedDescriptor::kBytes, 64u);
  const PostedDescriptors bank(PostedDescriptors::Config{0x1000, 2});
  const BusRead last{0x103F, Tag{0}, {}, {}, 8};
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, last), LaneId{0});
  const BusRead next{0x1040, Tag{0}, {}, {}, 8};
  EXPECT_EQ(bank.lane_of(PostedDescriptors::kBus, next), LaneId{1});
}
void it_is_aligned_to_64_bytes() {
  PostedDescriptors bank(PostedDescriptors::Config{0x1000, 1});
  test::RecordingEnv env;
  const auto status = [&](std::uint64_t address) {
    bank.receive(PostedDescriptors::kBus,
                 PostInterrupt{address, Tag{0}, kSpan, {}, Vector{0x41}, Urgency::Normal}, env);
    return env.messages<BusData>().empty() ? BusStatus::Ok : env.messages<BusData>().back().status;
  };
  EXPECT_EQ(status(0x1000), BusStatus::Ok);
  EXPECT_EQ(status(0x1020), BusStatus::Error);
}
void bit_v_of_pir_is_vector_v() {
  for (const unsigned vector : {0u, 15u, 63u, 64u, 127u, 128u, 191u, 192u, 255u}) {
    Line l;
    l.post(vector);
    for (unsigned word = 0; word < 4; ++word) {
      const std::uint64_t expected = word == vector / 64 ? std::uint64_t{1} << vector % 64 : 0;
      EXPECT_EQ(l.line.pir_word(word), expected) << vector;
    }
  }
}
void on_is_bit_256() {
  EXPECT_EQ(C::ON::kMask, 1u);
  Line l;
  l.post(0x41);
  EXPECT_EQ(l.line.control(), 1u);
}
void sn_is_bit_257() {
  EXPECT_EQ(C::SN::kMask, 2u);
  Line l;
  l.line.set_sn(true);
  EXPECT_EQ(l.line.control(), 2u);
  l.line.set_sn(false);
  EXPECT_EQ(l.line.control(), 0u);
}
void nv_is_bits_279_to_272() {
  Line l;
  l.line.set_nv(Vector{0xEB});
  EXPECT_EQ(l.line.control(), std::uint64_t{0xEB} << 16);
  EXPECT_EQ(l.line.nv(), Vector{0xEB});
}
void ndst_is_bits_319_to_288() {
  Line l;
  l.line.set_ndst(0x89ABCDEF);
  EXPECT_EQ(l.line.control(), std::uint64_t{0x89ABCDEF} << 32);
  EXPECT_EQ(l.line.ndst(), 0x89ABCDEFu);
}
void an_xapic_destination_is_bits_15_to_8_of_ndst() {
  Line l;
  l.line.set_ndst(0x0500);
  EXPECT_EQ(C::NDST_XAPIC::get(l.line.control()), 5u);
  EXPECT_EQ(C::NDST_XAPIC::kMask, std::uint64_t{0xFF} << 40);
}
void reserved_bits_stay_zero() {
  Line l;
  l.line.write_control(~std::uint64_t{0});
  EXPECT_EQ(l.line.control(), 0xFFFFFFFF00FF0003u);
  PostedDescriptors bank(PostedDescriptors::Config{0, 1});
  test::RecordingEnv env;
  for (const std::uint64_t offset : {40u, 48u, 56u}) {
    bank.receive(PostedDescriptors::kBus, BusWrite{offset, ~std::uint64_t{0}, {}, {}, 8}, env);
    bank.receive(PostedDescriptors::kBus, BusRead{offset, Tag{0}, {}, {}, 8}, env);
    EXPECT_EQ(env.messages<BusData>().back().data, Bytes16{}) << offset;
  }
  EXPECT_EQ(bank.of(CpuId{0}).control(), 0u);
  EXPECT_TRUE(bank.of(CpuId{0}).pir().empty());
}
void the_first_post_notifies_and_sets_on() {
  Line l;
  EXPECT_TRUE(l.post(0x41).notify);
  EXPECT_TRUE(l.line.on());
}
void while_on_is_set_no_post_notifies() {
  Line l;
  l.line.set_on(true);
  EXPECT_FALSE(l.post(0x41).notify);
  EXPECT_TRUE(l.line.pir().has(Vector{0x41})) << "the bit is set all the same";
  EXPECT_TRUE(l.line.on());
}
void on_holds_back_urgent_requests_too() {
  Line l;
  l.line.set_on(true);
  EXPECT_FALSE(l.post(0x41, Urgency::Urgent).notify);
  l.line.set_sn(true);
  EXPECT_FALSE(l.post(0x42, Urgency::Urgent).notify);
}
void sn_suppresses_what_is_not_urgent() {
  Line l;
  l.line.set_sn(true);
  EXPECT_FALSE(l.post(0x41).notify);
  EXPECT_FALSE(l.line.on()) << "ON is set only with a notification";
  EXPECT_TRUE(l.line.pir().has(Vector{0x41}));
}
void an_urgent_request_notifies_whatever_sn_says() {
  Line l;
  l.line.set_sn(true);
  EXPECT_TRUE(l.post(0x41, Urgency::Urgent).notify);
  EXPECT_TRUE(l.line.on());
  EXPECT_TRUE(l.line.sn());
}
void once_on_is_clear_the_next_post_notifies() {
  Line l;
  EXPECT_TRUE(l.post(0x41).notify);
  l.line.set_on(false);
  EXPECT_TRUE(l.post(0x41).notify) << "though the bit was set";
  EXPECT_EQ(l.env.count(Event::Coalesced), 1u);
}
void a_post_changes_pir_and_on_alone() {
  Line l;
  l.line.set_nv(Vector{0xEB});
  l.line.set_ndst(0x300);
  EXPECT_EQ(l.post(0x41).control, 0x0000030000EB0001u);
  EXPECT_EQ(l.line.control(), 0x0000030000EB0001u);
  EXPECT_EQ(l.post(0x42).control, 0x0000030000EB0001u);
}
void the_answer_tells_the_unit_where_to_notify() {
  Line l;
  l.line.set_nv(Vector{0x23});
  l.line.set_ndst(7);
  const PostAnswer answer = decode_post_answer(encode(l.post(0x41), Tag{0}, kSpan));
  EXPECT_EQ(C::NV::get(answer.control), 0x23u);
  EXPECT_EQ(C::NDST::get(answer.control), 7u);
  EXPECT_TRUE(answer.notify);
}

const Rule kRules[] = {
    {"9.11", "TheDescriptorIs64Bytes", it_is_64_bytes},
    {"9.11", "TheDescriptorIsAlignedTo64Bytes", it_is_aligned_to_64_bytes},
    {"9.11", "BitVOfPirIsVectorV", bit_v_of_pir_is_vector_v},
    {"9.11", "OnIsBit256", on_is_bit_256},
    {"9.11", "SnIsBit257", sn_is_bit_257},
    {"9.11", "NvIsBits279To272", nv_is_bits_279_to_272},
    {"9.11", "NdstIsBits319To288", ndst_is_bits_319_to_288},
    {"9.11", "AnXapicDestinationIsBits15To8OfNdst", an_xapic_destination_is_bits_15_to_8_of_ndst},
    {"9.11", "ReservedBitsStayZero", reserved_bits_stay_zero},
    {"5.2.3", "TheFirstPostNotifiesAndSetsOn", the_first_post_notifies_and_sets_on},
    {"5.2.3", "WhileOnIsSetNoPostNotifies", while_on_is_set_no_post_notifies},
    {"5.2.3", "OnHoldsBackUrgentRequestsToo", on_holds_back_urgent_requests_too},
    {"5.2.3", "SnSuppressesWhatIsNotUrgent", sn_suppresses_what_is_not_urgent},
    {"5.2.3", "AnUrgentRequestNotifiesWhateverSnSays", an_urgent_request_notifies_whatever_sn_says},
    {"5.2.3", "OnceOnIsClearTheNextPostNotifies", once_on_is_clear_the_next_post_notifies},
    {"5.2.3", "APostChangesPirAndOnAlone", a_post_changes_pir_and_on_alone},
    {"5.2.3", "TheAnswerTellsTheUnitWhereToNotify", the_answer_tells_the_unit_where_to_notify},
};

INSTANTIATE_TEST_SUITE_P(PostedDescriptor, Rules, testing::ValuesIn(kRules), name_of);

}  // namespace
}  // namespace irqfab::rules
