#include "models/x86/posted_descriptor.hpp"
#include "tests/models/x86/vtd_fixture.hpp"

namespace irqfab::x86::test {
namespace {

constexpr std::uint64_t kDescriptor = 0x12'3456'7880;
constexpr PortId kFirst = port_of(0, 0);
constexpr PortId kSecond = port_of(0, 1);

/// A unit that posts; its descriptors are answered when the test lets them be.
class VtdPostingTest : public VtdTest {
 protected:
  explicit VtdPostingTest(ExtendedMode extended = ExtendedMode::Absent)
      : VtdTest(config(extended)) {}
  static VtdRemapper::Config config(ExtendedMode extended) {
    VtdRemapper::Config config;
    config.posting = Posting::Present;
    config.extended_mode = extended;
    return config;
  }

  /// Entry 5 posts vector 0x71, entry 6 vector 0x72, to one descriptor; entry 7 sends vector 0x73.
  void set_entries() {
    set_entry(5, posted_irte({Vector{0x71}, Urgency::Normal, kDescriptor}));
    set_entry(6, posted_irte({Vector{0x72}, Urgency::Urgent, kDescriptor}));
    set_entry(7, entry(0x73));
  }
  void warm() {
    set_entries();
    for (const std::uint32_t index : {5u, 6u, 7u}) request(remappable(index), 0, kNoSpan);
    settle();
    while (answered_posts_ < posts().size()) answer_post();
    env_.clear();
    answered_ = 0;
    answered_posts_ = 0;
    descriptor_ = PostedDescriptor{};
  }
  std::vector<PostInterrupt> posts() const { return env_.messages<PostInterrupt>(); }
  /// Memory carries out the oldest post that it has not, and answers.
  void answer_post() { answer_post(carry_out()); }
  void answer_post(const BusData& data) { unit_.receive(VtdRemapper::kMemory, data, env_); }
  BusData carry_out() {
    const PostInterrupt post = posts().at(answered_posts_++);
    RecordingEnv theirs;
    const PostAnswer answer = descriptor_.post(post.vector, post.urgency, post.span, 0, theirs);
    return encode(answer, post.tag, kNoSpan);
  }
  BusData refuse() {
    const PostInterrupt post = posts().at(answered_posts_++);
    return BusData{{}, post.tag, BusStatus::Error, post.span};
  }
  std::vector<SpanId> held() const {
    std::vector<SpanId> spans;
    unit_.held_spans(spans);
    return spans;
  }

  PostedDescriptor descriptor_;
  std::size_t answered_posts_ = 0;
};

TEST_F(VtdPostingTest, APostedEntryBecomesAnAtomicUpdateOfItsDescriptor) {
  set_entries();
  request(remappable(5), 0, span(0));
  settle();
  ASSERT_EQ(posts().size(), 1u);
  EXPECT_EQ(posts()[0].address, kDescriptor);
  EXPECT_EQ(posts()[0].vector, Vector{0x71});
  EXPECT_EQ(posts()[0].urgency, Urgency::Normal);
  EXPECT_EQ(posts()[0].span, span(0));
  EXPECT_EQ(posts()[0].requester, (Requester{HostBridgeId{0}, kRid}));
  EXPECT_TRUE(delivered().empty());
  EXPECT_FALSE(env_.noted(Event::Remapped));
}

TEST_F(VtdPostingTest, UrgIsTheUrgencyOfThePost) {
  warm();
  request(remappable(6), 0, span(0));
  ASSERT_EQ(posts().size(), 1u);
  EXPECT_EQ(posts()[0].urgency, Urgency::Urgent);
}

TEST_F(VtdPostingTest, TheSpanLeavesWithThePost) {
  set_entries();
  request(remappable(5), 0, span(0));
  EXPECT_EQ(held(), (std::vector<SpanId>{span(0)}));
  settle();
  EXPECT_TRUE(held().empty());
  answer_post();
  EXPECT_TRUE(held().empty());
}

TEST_F(VtdPostingTest, ANotificationGoesToNdstAsASpanOfItsOwn) {
  warm();
  descriptor_.set_nv(Vector{0xF2});
  descriptor_.set_ndst(0x00000300);
  request(remappable(5), 0, span(0));
  EXPECT_TRUE(delivered().empty()) << "not before the descriptor says so";
  answer_post();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0xFEE03000u);
  EXPECT_EQ(delivered()[0].data, 0x40F2u);
  EXPECT_EQ(delivered()[0].size, 4);
  EXPECT_NE(delivered()[0].span, span(0));
  ASSERT_EQ(env_.count(Event::NotificationSent), 1u);
  EXPECT_EQ(details(Event::NotificationSent)[0], (kDescriptor / 64) << 8 | 0xF2);
  EXPECT_EQ(details(Event::Asserted),
            (std::vector<std::uint64_t>{static_cast<std::uint64_t>(Cause::Notification)}));
}

TEST_F(VtdPostingTest, NothingIsSentIfTheDescriptorAsksForNoNotification) {
  warm();
  descriptor_.set_on(true);
  request(remappable(5), 0, span(0));
  answer_post();
  EXPECT_TRUE(delivered().empty());
  EXPECT_FALSE(env_.noted(Event::Asserted));
}

TEST_F(VtdPostingTest, InXapicModeOnlyBits15To8OfNdstCount) {
  warm();
  descriptor_.set_ndst(0xABCD12EF);
  request(remappable(5), 0, span(0));
  answer_post();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0xFEE12000u);
}

class VtdExtendedPostingTest : public VtdPostingTest {
 protected:
  VtdExtendedPostingTest() : VtdPostingTest(ExtendedMode::Present) {
    unit_.write_register(vtd::IRTA_REG, kTable | 0x807, env_);
    unit_.write_register(vtd::GCMD_REG, kSirtp | kIre | kQie, env_);
  }
};

TEST_F(VtdExtendedPostingTest, InExtendedModeNdstHas32Bits) {
  warm();
  descriptor_.set_ndst(0xABCD12EF);
  request(remappable(5), 0, span(0));
  answer_post();
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].address, 0xABCD1200FEEEF000u);
}

// ---- order -------------------------------------------------------------------------------------

TEST_F(VtdPostingTest, PostsOfOneInputFollowEachOtherUnanswered) {
  warm();
  request(remappable(5), 0, span(0));
  request(remappable(6), 0, span(1));
  ASSERT_EQ(posts().size(), 2u);
  EXPECT_EQ(posts()[0].span, span(0));
  EXPECT_EQ(posts()[1].span, span(1));
  EXPECT_NE(posts()[0].tag, posts()[1].tag);
  EXPECT_FALSE(env_.noted(Event::HeldForOrder));
}

TEST_F(VtdPostingTest, AMessageWaitsForAnOlderPostOfItsInputToLand) {
  warm();
  request(remappable(5), 0, span(0), kFirst);
  request(remappable(7), 0, span(1), kFirst);
  request(remappable(7), 0, span(2), kSecond);
  ASSERT_EQ(delivered().size(), 1u);
  EXPECT_EQ(delivered()[0].span, span(2));
  EXPECT_EQ(held(), (std::vector<SpanId>{span(1)}));
  answer_post();
  ASSERT_EQ(delivered().size(), 3u);
  EXPECT_EQ(delivered()[1].data & 0xFF, 0u) << "the notification, of vector 0";
  EXPECT_EQ(delivered()[2].span, span(1));
  EXPECT_EQ(env_.count(Event::HeldForOrder), 1u);
}

TEST_F(VtdPostingTest, APostWaitsForAnOlderMissOfItsInput) {
  set_entries();
  request(remappable(5), 0, kNoSpan);
  settle();
  answer_post();
  env_.clear();
  answered_ = answered_posts_ = 0;
  request(remappable(7), 0, span(0));
  request(remappable(5), 0, span(1));
  request(remappable(5), 0, kNoSpan);
  EXPECT_TRUE(posts().empty());
  settle();
  ASSERT_EQ(posts().size(), 2u);
  EXPECT_EQ(env_.count(Event::HeldForOrder), 1u) << "of the one that has a span";
  std::vector<PortId> order;
  for (const auto& sent : env_.sent) order.push_back(sent.port);
  EXPECT_EQ(order, (std::vector<PortId>{VtdRemapper::kMemory, VtdRemapper::kOutput,
                                        VtdRemapper::kMemory, VtdRemapper::kMemory}));
}

TEST_F(VtdPostingTest, AMessageBetweenPostsHoldsBackTheSecond) {
  warm();
  request(remappable(5), 0, span(0));
  request(remappable(7), 0, span(1));
  request(remappable(6), 0, span(2));
  EXPECT_EQ(posts().size(), 1u);
  answer_post();
  EXPECT_EQ(posts().size(), 2u);
}

TEST_F(VtdPostingTest, AnswersInAnyOrderEachFinishTheirOwn) {
  warm();
  request(remappable(5), 0, span(0), kFirst);
  request(remappable(7), 0, span(1), kFirst);
  request(remappable(6), 0, span(2), kSecond);
  const BusData first = carry_out();
  const BusData second = carry_out();
  answer_post(second);
  EXPECT_TRUE(delivered().empty()) << "ON was set by the first";
  answer_post(first);
  ASSERT_EQ(delivered().size(), 2u);
  EXPECT_EQ(delivered()[1].span, span(1));
}

TEST_F(VtdPostingTest, PostsTakeRoomUntilTheyLand) {
  warm();
  for (unsigned i = 0; i < VtdRemapper::Config{}.waiting; ++i) {
    EXPECT_FALSE(unit_.busy());
    request(remappable(5), 0, span(i));
  }
  EXPECT_TRUE(unit_.busy());
  answer_post();
  EXPECT_FALSE(unit_.busy());
}

TEST_F(VtdPostingTest, AnAnswerToNoPostIsIgnored) {
  warm();
  request(remappable(5), 0, span(0));
  const BusData data = carry_out();
  answer_post(data);
  const VtdRemapper before = unit_;
  env_.clear();
  answer_post(data);
  EXPECT_TRUE(unit_ == before);
  EXPECT_TRUE(env_.sent.empty());
}

// ---- faults ------------------------------------------------------------------------------------

TEST_F(VtdPostingTest, ADescriptorThatCannotBeUpdatedIsAFault) {
  warm();
  request(remappable(5), 0, span(0));
  answer_post(refuse());
  EXPECT_TRUE(delivered().empty());
  EXPECT_EQ(recorded_fault(), 0x27u);
  EXPECT_EQ(reg(vtd::FRCD_REG + 4), 5u << 16);
  EXPECT_EQ(reg(vtd::FRCD_REG + 8), raw(kRid));
  ASSERT_EQ(env_.count(Event::Dropped), 1u);
  for (const auto& note : env_.notes) {
    EXPECT_TRUE(note.event != Event::Dropped || note.span == span(0));
  }
}

TEST_F(VtdPostingTest, FpdLeavesThatFaultUnrecorded) {
  Irte irte = posted_irte({Vector{0x71}, Urgency::Normal, kDescriptor});
  irte.low |= 2;
  set_entry(5, irte);
  request(remappable(5), 0, span(0));
  settle();
  answer_post(refuse());
  EXPECT_EQ(recorded_fault(), 0u);
  EXPECT_EQ(env_.count(Event::Dropped), 1u);
}

TEST_F(VtdPostingTest, EveryReservedBitOfAPostedEntryIsAFault) {
  const Irte good = posted_irte({Vector{0x71}, Urgency::Normal, kDescriptor});
  const VtdRemapper before = unit_;
  for (unsigned bit = 0; bit < 128; ++bit) {
    const bool reserved = (bit >= 2 && bit <= 7) || bit == 12 || bit == 13 ||
                          (bit >= 24 && bit <= 37) || (bit >= 64 + 20 && bit <= 64 + 31);
    if (bit == 0 || bit == 15 || (bit >= 64 && bit < 64 + 20)) continue;  // P, IM, SID to SVT
    unit_ = before;
    env_.clear();
    answered_ = 0;
    Irte irte = good;
    (bit < 64 ? irte.low : irte.high) |= std::uint64_t{1} << bit % 64;
    set_entry(5, irte);
    request(remappable(5), 0, span(0));
    settle();
    EXPECT_EQ(recorded_fault(), reserved ? 0x24u : 0u) << bit;
    EXPECT_EQ(posts().size(), reserved ? 0u : 1u) << bit;
  }
}

TEST_F(VtdPostingTest, TheRequesterOfAPostedEntryIsVerified) {
  set_entry(5, for_requester(posted_irte({Vector{0x71}, Urgency::Normal, kDescriptor}), kRid));
  request(remappable(5), 0, span(0));
  settle();
  EXPECT_EQ(posts().size(), 1u);
  request(remappable(5), 0, span(1), kFirst, RequesterId{0x19});
  EXPECT_EQ(posts().size(), 1u);
  EXPECT_EQ(recorded_fault(), 0x26u);
}

// ---- draining ----------------------------------------------------------------------------------

TEST_F(VtdPostingTest, AWaitDrainsOlderPostsAndTheirNotifications) {
  warm();
  request(remappable(5), 0, span(0));
  queue(wait_with_status(1), kStatus);
  ring();
  settle();
  EXPECT_TRUE(env_.messages<Marker>().empty());
  answer_post();
  ASSERT_EQ(delivered().size(), 1u);
  ASSERT_EQ(env_.messages<Marker>().size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Marker>(env_.sent.back().message));
}

TEST_F(VtdPostingTest, AWaitDoesNotWaitForYoungerPosts) {
  warm();
  request(remappable(5), 0, span(0));
  queue(wait_with_status(1), kStatus);
  ring();
  settle();
  request(remappable(6), 0, span(1), kSecond);
  answer_post();
  EXPECT_EQ(env_.messages<Marker>().size(), 1u);
}

}  // namespace
}  // namespace irqfab::x86::test
